"""Security rules of an app, from what it declares: who may read which view, and who may send which form.

Functions use the Admin API, which no rule binds; these rules are about the front end's own Firestore client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import INCLUDE, Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.access import Audience, Claim, Nobody, Owner, Public, SignedIn, Where
from boiler_functions.exceptions import ConfigurationError, OverlappingPaths
from boiler_functions.models import fields
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.clients import Documents
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import Pattern
from boiler_functions.types import is_name

BEGIN = "// ---- Your own rules, for the collections of your models; `boiler rules` keeps what stands here. ----"
END = "// ---- The end of your own rules. ----"

_HEADER = """\
rules_version = '2';

// Written by `boiler rules` from what the app declares; `boiler rules --check` tells when it is stale.
// What no line allows is denied. One line suffices to allow: a `{document=**}` of yours would open everything here.
"""

# https://firebase.google.com/docs/reference/rules/rules: words that no variable and no field after a dot can be.
_WORDS = frozenset(
    {
        *("allow", "database", "debug", "document", "duration", "exists", "existsAfter", "false", "function", "get"),
        *("getAfter", "hashing", "if", "in", "is", "latlng", "let", "match", "math", "null", "path", "request"),
        *("resource", "return", "rules_version", "service", "string", "timestamp", "true"),
    }
)

_TYPES: Mapping[type[marshmallow_fields.Field[Any]], str] = {
    fields.String: "string",
    fields.Integer: "int",
    fields.Float: "number",
    fields.Boolean: "bool",
    fields.Timestamp: "timestamp",
    fields.Bytes: "bytes",
    fields.Place: "latlng",
    fields.Related: "path",
    marshmallow_fields.Date: "string",
    marshmallow_fields.List: "list",
    marshmallow_fields.Dict: "map",
    marshmallow_fields.Nested: "map",
}


def documents(declarations: Declarations) -> Iterator[Documents]:
    """What an app lets clients see and send."""
    return (each for mode in declarations.modes for each in mode.clients(declarations))


def firestore_rules(declared: Iterable[Documents], existing: str | None = None) -> str:
    """The text of the rules; of the existing ones, the section that is the user's is kept.

    Raises ConfigurationError when the existing text has no such section, and OverlappingPaths when a client that may
    send a document could so write a view.
    """
    declared = list(declared)
    _check_overlaps(declared)
    blocks = [*map(_block, declared), _closed(BOOKKEEPING)]
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


def _check_overlaps(declared: Sequence[Documents]) -> None:
    for sent in (each for each in declared if each.schema is not None):
        for other in declared:
            if other is not sent and sent.pattern.overlaps(other.pattern):
                raise OverlappingPaths(
                    f"{sent.title}, is sent to {sent.pattern.text!r} and {other.title}, is at {other.pattern.text!r}; "
                    f"the rules of one would hold for the other. Give one of them another collection."
                )


def _closed(collections: Iterable[str]) -> list[str]:
    matches = (f"match /{each}/{{id}} {{ allow read, write: if false; }}" for each in collections)
    return ["// The bookkeeping of the functions.", *matches]


def _block(each: Documents) -> list[str]:
    names = _Variables(each.pattern)
    readers, senders = names.condition(each.readers), names.condition(each.senders)
    head = [f"// {each.title}.", *_unexpressed(each), f"match /{names.path} {{", f"  allow read: if {readers};"]
    if each.schema is None or senders == "false":
        return [*head, "  allow write: if false;", "}"]
    fits = "fits(request.resource.data)"
    return [
        *head,
        f"  allow create: if {fits if senders == 'true' else f'{senders} && {fits}'};",
        "  allow update, delete: if false;",
        *(f"  {line}" for line in _function("fits", each.schema, each.reserved)),
        "}",
    ]


def _unexpressed(each: Documents) -> list[str]:
    found = {
        "read": [part for part in each.readers.parts() if isinstance(part, Where)],
        "write": [part for part in each.senders.parts() if isinstance(part, Where)],
    }
    return [
        f"// A predicate of Meta.{option} cannot be said in rules: whom it alone admits is denied here."
        for option, parts in found.items()
        if parts
    ]


class _Variables:
    """The placeholders of a path as variables of the rules."""

    def __init__(self, pattern: Pattern) -> None:
        self._names: dict[str, str] = {}
        for name in pattern.names:
            variable = name.replace(".", "_")
            while variable in _WORDS or variable in self._names.values():
                variable += "_"
            self._names[name] = variable
        braced = {f"{{{name}}}": f"{{{variable}}}" for name, variable in self._names.items()}
        self.path = "/".join(braced.get(segment, segment) for segment in pattern.segments)

    def condition(self, audience: Audience) -> str:
        """Whether the user of a request belongs to the audience."""
        parts = list(audience.parts())
        if any(isinstance(part, Public) for part in parts):
            return "true"
        if any(isinstance(part, SignedIn) for part in parts):
            return "request.auth != null"
        said = list(dict.fromkeys(text for part in parts if (text := self._said(part))))
        if not said:
            return "false"
        either = said[0] if len(said) == 1 else f"({' || '.join(said)})"
        return f"request.auth != null && {either}"

    def _said(self, part: Audience) -> str | None:
        match part:
            case Owner(placeholder=name):
                # Of a view that is a form too, the owner of the one has no name in the path of the other.
                return f"request.auth.uid == {self._names[name]}" if name in self._names else None
            case Claim(name=name, value=value):
                return f"request.auth.token.get({_literal(name)}, null) == {_literal(value)}"
            case Where() | Nobody():
                return None
        raise AssertionError(f"no rule says {part!r}")


def _function(name: str, schema: Schema, reserved: Iterable[str]) -> list[str]:
    """A function of the rules that tells whether a map fits the schema."""
    first, *rest = _fits("data", schema, closed=reserved)
    lines = [f"  return {first}", *(f"    && {each}" for each in rest)]
    return [f"function {name}(data) {{", *lines[:-1], f"{lines[-1]};", "}"]


def _fits(data: str, schema: Schema, closed: Iterable[str] = ()) -> list[str]:
    """The conditions under which a map fits: what must be there, what may, and the type of each."""
    by_key = {field.data_key or name: field for name, field in schema.fields.items()}
    required = [key for key, field in by_key.items() if field.required and not schema.partial]
    if schema.unknown == INCLUDE:
        allowed = [f"!({_literal(key)} in {data})" for key in closed]
    else:
        allowed = [f"{data}.keys().hasOnly({_literal(list(by_key))})"]
    needed = [f"{data}.keys().hasAll({_literal(required)})"] if required else []
    typed = [text for key, field in by_key.items() if (text := _typed(data, key, field, key in required))]
    return [*allowed, *needed, *typed] or ["true"]


def _typed(data: str, key: str, field: marshmallow_fields.Field[Any], required: bool) -> str | None:
    value = f"{data}.{key}" if is_name(key) and key not in _WORDS else f"{data}[{_literal(key)}]"
    conditions = _of_type(value, field)
    if not conditions:
        return None
    fits = " && ".join(conditions)
    absent = []
    if not required:
        absent.append(f"!({_literal(key)} in {data})")
    if field.allow_none:
        absent.append(f"{value} == null")
    if not absent:
        return fits
    return f"({' || '.join([*absent, fits if len(conditions) == 1 else f'({fits})'])})"


def _of_type(value: str, field: marshmallow_fields.Field[Any]) -> list[str]:
    if isinstance(field, fields.Member):
        return [f"{value} in {_literal([member.value for member in field.enum])}"]
    kind = next((name for each, name in _TYPES.items() if isinstance(field, each)), None)
    if kind is None:
        return []
    inner = _fits(value, field.schema) if isinstance(field, fields.Part) else []
    return [f"{value} is {kind}", *(each for each in inner if each != "true")]


def _literal(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case _:
            return str(value)
