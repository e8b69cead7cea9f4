"""Writes the security rules of an app: who may read which view, and who may write which form.

Functions use the Admin API, which ignores rules; these rules apply to the Firestore client of the front end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from boiler_functions.access import Audience, Claim, Nobody, Owner, Public, SignedIn, Where
from boiler_functions.exceptions import ConfigurationError, OverlappingPaths
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.clients import Exposed
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import Pattern
from boiler_functions.plan.rules_language import WORDS, is_segment, literal
from boiler_functions.plan.shapes import HELPERS, MOST_EXPRESSIONS, Shape, shape_of

BEGIN = "// ---- Your own rules, for the collections of your models; `boiler rules` keeps what stands here. ----"
END = "// ---- The end of your own rules. ----"

_HEADER = """\
rules_version = '2';

// Written by `boiler rules` from what the app declares; `boiler rules --check` tells when it is stale.
// What no line allows is denied. One line suffices to allow: a `{document=**}` of yours would open everything here.
"""

# The most expressions that the condition on the caller and the path take: in all, and for each part.
_AROUND = 80
_PART = 12

_USERS = """\
// Whether somebody signed in, as a user of this tenant of Identity Platform; null is for users of no tenant.
function isUserOf(tenant) {
  return request.auth != null && request.auth.token.get(['firebase', 'tenant'], null) == tenant;
}
""".splitlines()


def documents(declarations: Declarations) -> Iterator[Exposed]:
    """Yields the documents that clients may read or write."""
    for mode in declarations.modes:
        for each in mode.clients(declarations):
            yield replace(each, tenant=declarations.tenant)


def firestore_rules(declared: Iterable[Exposed], existing: str | None = None) -> str:
    """Returns the text of the rules, with the user's own section of the existing text.

    Raises ConfigurationError if the existing text has no such section, and OverlappingPaths if a client that may write
    one kind of document could thereby write another.
    """
    declared = list(declared)
    _check_overlaps(declared)
    helpers = [HELPERS] if any(each.is_sent for each in declared) else []
    blocks = [_USERS, *map(_block, declared), *helpers, _closed(BOOKKEEPING)]
    own = _own_section(existing) if existing else ""
    inner = "\n".join("".join(f"    {line}\n" if line else "\n" for line in block) for block in blocks)
    return (
        f"{_HEADER}service cloud.firestore {{\n  match /databases/{{database}}/documents {{\n{inner}\n"
        f"    {BEGIN}\n{own}    {END}\n  }}\n}}\n"
    )


def _own_section(existing: str) -> str:
    _, begin, rest = existing.partition(f"{BEGIN}\n")
    own, end, _ = rest.partition(END)
    if not begin or not end:
        raise ConfigurationError(
            f"The rules that are there were not written by `boiler rules`, which would lose them. Put those of your "
            f"own collections between these lines, and run it again:\n{BEGIN}\n{END}"
        )
    return own.rpartition("\n")[0] + "\n" if own.strip() else ""


def _check_overlaps(declared: Sequence[Exposed]) -> None:
    for sent in (each for each in declared if each.is_sent):
        for other in declared:
            if other is not sent and sent.pattern.overlaps(other.pattern):
                raise OverlappingPaths(
                    f"{sent.title}, is sent to {sent.pattern.text!r} and {other.title}, is at {other.pattern.text!r}; "
                    f"the rules of one would hold for the other. Give one of them another collection."
                )


def _closed(collections: Iterable[str]) -> list[str]:
    matches = (f"match /{each}/{{id}} {{ allow read, write: if false; }}" for each in collections)
    return ["// The bookkeeping of the functions.", *matches]


def _block(each: Exposed) -> list[str]:
    path = _Path(each.pattern)
    readers, senders = path.condition(each.readers, each.tenant), path.condition(each.senders, each.tenant)
    head = [f"// {each.title}.", *_unexpressed(each)]
    opened = [f"match /{path.text} {{", f"  allow read: if {readers};"]
    if not each.is_sent or senders == "false":
        return [*head, *opened, "  allow write: if false;", "}"]
    shape = _shape(each)
    fits = "fits(request.resource.data)"
    return [
        *head,
        *_unchecked(shape),
        *opened,
        f"  allow create: if {fits if senders == 'true' else f'{senders} && {fits}'};",
        "  allow update, delete: if false;",
        *(f"  {line}" for line in shape.functions),
        "}",
    ]


def _shape(each: Exposed) -> Shape:
    parts = len(list(each.senders.parts())) + len(each.pattern.segments)
    shape = shape_of("fits", each.schema, MOST_EXPRESSIONS - _AROUND - _PART * parts, closed=each.reserved)
    if shape is None:
        raise ConfigurationError(
            f"{each.title}, has {len(each.schema.fields)} fields, more than security rules can compare with their "
            f"names: they evaluate at most {MOST_EXPRESSIONS} expressions. Put some of them into an Embedded or a dict."
        )
    return shape


def _unchecked(shape: Shape) -> list[str]:
    if not shape.unchecked:
        return []
    return [
        f"// Rules evaluate at most {MOST_EXPRESSIONS} expressions. The function alone checks the values of: "
        f"{', '.join(map(literal, shape.unchecked))}."
    ]


def _unexpressed(each: Exposed) -> list[str]:
    found = {
        "read": [part for part in each.readers.parts() if isinstance(part, Where)],
        "write": [part for part in each.senders.parts() if isinstance(part, Where)],
    }
    return [
        f"// A predicate of Meta.{option} cannot be said in rules: whom it alone admits is denied here."
        for option, parts in found.items()
        if parts
    ]


class _Path:
    """A document path in rules: placeholders are variables, and so are names that rules cannot contain."""

    def __init__(self, pattern: Pattern) -> None:
        self._names: dict[str, str] = {}
        self._fixed: list[str] = []
        self.text = "/".join(map(self._segment, pattern.segments))

    def _segment(self, segment: str) -> str:
        if segment.startswith("{"):
            return f"{{{self._variable(segment[1:-1], segment[1:-1].replace('.', '_'))}}}"
        if is_segment(segment):
            return segment
        variable = self._variable(f"/{segment}", "collection")
        self._fixed.append(f"{variable} == {literal(segment)}")
        return f"{{{variable}}}"

    def _variable(self, name: str, variable: str) -> str:
        while variable in WORDS or variable in self._names.values():
            variable += "_"
        self._names[name] = variable
        return variable

    def condition(self, audience: Audience, tenant: str | None) -> str:
        """Returns the condition that the user of a request belongs to the audience."""
        who = self._who(audience, tenant)
        if who == "false":
            return who
        return " && ".join([*self._fixed, *([] if who == "true" and self._fixed else [who])])

    def _who(self, audience: Audience, tenant: str | None) -> str:
        parts = list(audience.parts())
        if any(isinstance(part, Public) for part in parts):
            return "true"
        if any(isinstance(part, SignedIn) for part in parts):
            return f"isUserOf({literal(tenant)})"
        said = list(dict.fromkeys(text for part in parts if (text := self._said(part))))
        if not said:
            return "false"
        either = said[0] if len(said) == 1 else f"({' || '.join(said)})"
        return f"isUserOf({literal(tenant)}) && {either}"

    def _said(self, part: Audience) -> str | None:
        match part:
            case Owner(placeholder=name):
                # A view that is also a form has two paths, and the owner may have a placeholder in only one of them.
                return f"request.auth.uid == {self._names[name]}" if name in self._names else None
            case Claim(name=name, value=value):
                return f"request.auth.token.get({literal(name)}, null) == {literal(value)}"
            case Where() | Nobody():
                return None
        raise AssertionError(f"no rule says {part!r}")
