"""Compares kept totals with the numbers that Firestore counts, while writers and functions go on; it only reads.

Both numbers are as of one time. If they differ each time, all that a group consists of is read as of one time, as an
event may be on its way: contributions and shards change in one commit, so that they agree at any time; and a document
that differs from its contribution tells by its version for how long it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isclose
from typing import Any, NamedTuple

from boiler_functions.database import Aggregation, Database, Document, Filter, Number, Query, Result
from boiler_functions.modes.query.by_halves import by_halves
from boiler_functions.modes.query.paging import pages
from boiler_functions.modes.stored_copies import WrongTotal
from boiler_functions.types import Instant
from boiler_functions.views.build import Instance, Reader, chunks
from boiler_functions.views.keeping import CONTRIBUTIONS, Contribution, Keeping, Recorded, amounts_of, group_of
from boiler_functions.views.totals import Total, kept_totals
from boiler_functions.views.view_model import View

PAGE = 100

LOOKS = 5
"""The most looks at two numbers that differ, before all documents of the group are read."""


class _Shown(NamedTuple):
    """A kept total as an instance shows it."""

    instance: Instance
    name: str
    asked: tuple[Total[Any], Aggregation]
    kept: Result

    @property
    def question(self) -> Aggregation:
        return self.asked[1]


class _Seen(NamedTuple):
    """A kept number and what Firestore counts, as of one time; of a total by value, all that differ."""

    asked: tuple[Total[Any], Aggregation]
    kept: Number | Mapping[str, Number]
    counted: Number | Mapping[str, Number]
    at: Instant

    @property
    def is_equal(self) -> bool:
        if isinstance(self.kept, Mapping):
            return not self.kept
        return _is_same(self.kept, self.counted)


class KeptAudit(NamedTuple):
    """Compares the kept totals of one view; `late` is how long an event may take."""

    view: View
    database: Database
    late: Instant

    def wrong(self, roots: Iterable[str]) -> Iterator[WrongTotal]:
        """Yields each kept total of these roots whose number is wrong; one that many show is looked at once."""
        if not list(kept_totals([self.view.store_class])):
            return
        known: dict[str, _Seen | None] = {}
        for page in chunks(roots, PAGE):
            # What cannot be built shows no number.
            for found in by_halves(lambda roots: self._wrong_together(roots, known), page, lambda _: []):
                yield from found

    def _wrong_together(self, roots: list[str], known: dict[str, _Seen | None]) -> list[WrongTotal]:
        reader = Reader(self.database)
        wrong: list[WrongTotal] = []
        for each in self._shown(reader, [Instance(self.view, root) for root in roots]):
            key = each.question.key
            if key not in known:
                known[key] = self._judged(_seen(reader, each), each)
            if (found := known[key]) is not None:
                wrong.append(WrongTotal(each.instance.root, each.name, found.kept, found.counted))
        return wrong

    def _shown(self, reader: Reader, instances: list[Instance]) -> Iterator[_Shown]:
        reader.read(each.root for each in instances if each.root)
        for instance, resolution in reader.resolve(instances).items():
            for name, (total, question, kept) in resolution.kept.items():
                assert isinstance(total, Total)
                yield _Shown(instance, name, (total, question), kept)

    def _judged(self, seen: _Seen, shown: _Shown) -> _Seen | None:
        """Looks again at numbers that differ; returns what is wrong, and None for what is right or late."""
        for _ in range(LOOKS):
            if seen.is_equal:
                return None
            reader = Reader(self.database)
            now = next((each for each in self._shown(reader, [shown.instance]) if each.name == shown.name), None)
            if now is None or now.question.key != shown.question.key:
                return None  # The instance is gone, or shows another group since.
            seen = _seen(reader, now)
        return seen if not seen.is_equal and self._is_wrong(seen) else None

    def _is_wrong(self, seen: _Seen) -> bool:
        total, question = seen.asked
        keeping, group = total.keeping, group_of(question.query)
        assert keeping is not None
        recorded = self._recorded(keeping, group, seen.at)
        if self._held(keeping, group, seen.at) != _sum(each.contribution.amounts(group) for each in recorded.values()):
            return True  # No event changes the one without the other.
        members = {each.path: each for each in self.database.query(question.query, at=seen.at).documents}
        behind = [
            path
            for path in {**recorded, **members}
            if _adds(total, members.get(path), group) != _recorded_of(recorded.get(path)).amounts(group)
        ]
        return any(self._is_lost(page, recorded, seen.at) for page in chunks(behind, PAGE))

    def _recorded(self, keeping: Keeping, group: str, at: Instant) -> dict[str, Recorded]:
        """Returns the contributions to a group, by the path of the document; only their total is indexed."""
        query = Query(CONTRIBUTIONS, filters=(Filter("total", "==", keeping.total),), limit=PAGE)
        found = (each for page in pages(self.database, query, at=at) for each in page)
        return {
            (each.fields or {})["path"]: Recorded.of(each) for each in found if group in (each.fields or {})["groups"]
        }

    def _held(self, keeping: Keeping, group: str, at: Instant) -> Counter[str]:
        shards = self.database.read(keeping.shards_of(group), at=at).documents
        return _sum(map(amounts_of, shards))

    def _is_lost(self, paths: list[str], recorded: Mapping[str, Recorded], at: Instant) -> bool:
        """Whether one of the documents has differed from its contribution for longer than an event takes."""
        since = at - self.late
        now, before = (self.database.read(paths, at=time).documents for time in (at, since))
        return not all(
            member.version > since if member.exists else earlier.exists or _seen_at(recorded.get(member.path)) > since
            for member, earlier in zip(now, before, strict=True)
        )


def _seen(reader: Reader, shown: _Shown) -> _Seen:
    """Asks for the number as of the time at which the kept one was read."""
    total, question = shown.asked
    kept, counted = (total.shown(each) for each in (shown.kept, reader.aggregate(question).value))
    if total.by is not None:
        both = kept.keys() & counted.keys()
        wrong = [each for each in {**kept, **counted} if each not in both or not _is_same(kept[each], counted[each])]
        kept, counted = ({str(value): found.get(value) for value in wrong} for found in (kept, counted))
    return _Seen(shown.asked, kept, counted, reader.time())


def _is_same(kept: Any, counted: Any) -> bool:
    if isinstance(kept, float) and isinstance(counted, float):
        return isclose(kept, counted)  # An average, divided by another machine.
    return bool(kept == counted)


def _adds(total: Total[Any], member: Document | None, group: str) -> Mapping[str, int]:
    return total.contribution_of(member).amounts(group) if member is not None else {}


def _recorded_of(recorded: Recorded | None) -> Contribution:
    return Contribution() if recorded is None else recorded.contribution


def _seen_at(recorded: Recorded | None) -> Instant:
    return 0 if recorded is None else recorded.seen


def _sum(amounts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Returns the sum of each field; fields of nothing equal missing ones."""
    sums: Counter[str] = Counter()
    for each in amounts:
        sums.update(each)
    return sums
