"""What a view reads, and what it is built as."""

from collections.abc import Iterable, Iterator, Mapping

from tests.model.world import (
    ASKS,
    BOTH,
    CHAIN,
    COPIED,
    COUNTED,
    EACH,
    FAILS,
    FOUND,
    LINK,
    LINKED,
    MISSING,
    MORE,
    NARROW,
    NOW,
    OWNED,
    QUERY,
    REFUSED,
    SOME,
    SPREAD,
    TIMED,
    WHOLE,
    Built,
    Change,
    Document,
    Ledger,
    Resolution,
    View,
    pairs,
)


def named(view: View, seen: Mapping[str, Document]) -> Iterator[str]:
    if view.root:
        yield view.root
    yield from view.fixed
    root = seen.get(view.root, MISSING).value
    if root in LINKED:
        yield "b"
    if root in OWNED or root in (BOTH, FOUND, EACH):
        yield "y"
    if (root == CHAIN or not view.root) and seen.get("b", MISSING).value == CHAIN:
        yield "y"
    if root == WHOLE or (root in (NARROW, SOME, MORE) and (seen.get("b", MISSING).value or 0) % 10 == CHAIN):
        yield "y"


def resolve(view: View, seen: Mapping[str, Document]) -> Resolution:
    """Returns what the view needs, given what was read; nothing if its root was read as missing."""
    if view.root in seen and seen[view.root].value is None:
        return Resolution(False)
    root = seen.get(view.root, MISSING).value
    is_asked = root == ASKS and seen.get("b", MISSING).value == CHAIN
    queries = is_asked or root in (QUERY, FOUND, NARROW, WHOLE, SOME, MORE)
    return Resolution(True, tuple(named(view, seen)), queries, root in (COUNTED, BOTH))


def tokens_of(view: View, resolution: Resolution) -> frozenset[str]:
    named = frozenset(path for path in resolution.named if path != view.root)
    return named | {"xy", "xy:1"} if resolution.queries or resolution.counts else named


def rebuild(view: View, docs: Mapping[str, Document]) -> Built | None:
    return build(view, docs, hits_of(docs), total_of(docs))


def build(
    view: View, seen: Mapping[str, Document], hits: tuple[tuple[str, Document], ...], total: tuple[int, int] | None
) -> Built | None:
    """Returns the view of what was read, None if a getter raises; uses the older state of a document read twice."""
    resolution = resolve(view, seen)
    if not resolution.exists:
        return Built(None, (), Ledger(frozenset()))
    if "b" in resolution.named and seen["b"].value == FAILS:
        return None
    versions = {path: seen[path].version for path in resolution.named}
    root = seen[view.root].value if view.root else None
    reads = {SOME: frozenset({10}), MORE: frozenset({10, 100})}.get(root or 0)
    read = {path: view.shown(each) if root in (NARROW, WHOLE) else each.value for path, each in seen.items()}
    if reads:
        read = {path: digits(each, reads) for path, each in seen.items()}
    whole = {view.root, *(("y",) if root == WHOLE else ())}
    content: tuple[object, ...] = tuple(seen[path].value if path in whole else read[path] for path in resolution.named)
    if resolution.queries:
        versions.update({path: min(hit.version, seen[path].version) for path, hit in hits})
        content += tuple((path, read[path]) for path, _ in hits)
    if resolution.counts:
        content += (total,)
    now = seen.get(NOW, MISSING).value or 0
    wakes = view.root != "" and seen[view.root].value == TIMED
    if wakes:
        content += (("passed", now),)
    destinations: tuple[int, ...] = (0,)
    if view.root and seen[view.root].value == SPREAD:
        first = seen["b"].value
        destinations = () if first is None else (first // 2, first // 2 + 1)
    if view.root and seen[view.root].value in (COPIED, *OWNED):
        destinations = () if seen["b"].value is None else (seen["b"].value,)
        if "y" in resolution.named and seen["y"].value == FAILS:
            return Built(None, destinations, Ledger(tokens_of(view, resolution)), failed=True)
    own: tuple[tuple[int, tuple[object, ...]], ...] = ()
    if view.root and seen[view.root].value == EACH:
        own = tuple((to, (seen[path].value,)) for to, path in ((1, "b"), (2, "y")) if seen[path].value is not None)
        content, destinations = own, tuple(to for to, _ in own)
    ledger = Ledger(tokens_of(view, resolution), pairs(versions), content, destinations, own=own, reads=reads)
    return Built(content, destinations, ledger._replace(wakes=wakes and not now, now=now))


def digits(document: Document, read: Iterable[int]) -> int | None:
    """Returns the value of the document with these of its digits alone, each named by its place."""
    value = document.value
    return None if value is None else sum(value // place % 10 * place for place in read)


def matches(document: Document) -> bool:
    return document.value is not None and document.value % 10 == 1


def with_tombstones(new: Ledger, old: Ledger | None, change: Change) -> tuple[tuple[str, int], ...]:
    """Returns the versions; of a missing document the one that ended, as far as the old ledger or the event tells."""
    over = {path: abs(at) for path, at in old.versions} if old else {}
    over[change.path] = max(over.get(change.path, 0), change.over)
    return tuple((path, version or -over.get(path, 0)) for path, version in new.versions)


def is_refused(view: View, seen: Mapping[str, Document]) -> bool:
    return view.root != "" and seen[view.root].value == LINK and seen["b"].value == REFUSED


def hits_of(docs: Mapping[str, Document]) -> tuple[tuple[str, Document], ...]:
    return tuple((path, docs[path]) for path in ("x", "y") if path in docs and matches(docs[path]))


def total_of(docs: Mapping[str, Document]) -> tuple[int, int]:
    """Returns how many documents match, and the sum of their values."""
    values = [each.value or 0 for _, each in hits_of(docs)]
    return len(values), sum(values)
