"""Writes conditions of security rules on the shape of a map: which keys it has, and the type of each value.

Rules evaluate at most 1,000 expressions per request; a variable, a literal and an operator count one each. The
condition `!('a' in data) || data.a == null || data.a is string` for each field would exceed that at some fifty fields.
So values are collected in lists, and each list is checked at once. Fields beyond the limit are left to the function,
which checks all of them anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from marshmallow import INCLUDE, Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.models import fields
from boiler_functions.plan.rules_language import literal, member

# https://firebase.google.com/docs/firestore/security/rules-structure#security_rule_limits: also, calls are nested at
# most 20 deep.
MOST_EXPRESSIONS = 1000
_DEEPEST = 8

# No operator checks the type of all items of a list, so the items are joined to one text with this separator. A text
# that contains the separator is denied; it is long and rare enough that no text of a user does.
_SEPARATOR = literal("\x1e\x1f\x1e")

HELPERS = f"""\
// Whether all values are texts: only of these the text of all splits into the same again.
function areTexts(values) {{
  let framed = ['.'].concat(values).concat(['.']);
  return framed.join({_SEPARATOR}).split({_SEPARATOR}) == framed;
}}

// Whether all conditions hold, except one for each field that is null and may be.
function allHoldOrNull(data, nulls, conditions) {{
  return conditions.removeAll([true]).size() == data.diff(nulls).unchangedKeys().size();
}}
""".splitlines()

# The type of a field in rules, and a value of that type, which is the default for a missing field.
_TYPES: tuple[tuple[type[marshmallow_fields.Field[Any]], str, str], ...] = (
    (fields.Integer, "int", "0"),
    (fields.Float, "number", "0"),
    (fields.Timestamp, "timestamp", "request.time"),
    (fields.Bytes, "bytes", "b''"),
    (fields.Place, "latlng", "latlng.value(0, 0)"),
    (fields.Related, "path", "/a/b"),
    (marshmallow_fields.List, "list", "[]"),
    (marshmallow_fields.Dict, "map", "{}"),
    (marshmallow_fields.Nested, "map", "{}"),
)

_TEXTS = (fields.String, fields.RelatedText, marshmallow_fields.Date)

# Expressions: `data.a`, `data.get('a', null)`, ` is int`; and what stands around the names, or the items of a list.
_MEMBER, _GET, _IS = 2, 4, 2
_KEYS, _ARE_TEXTS, _ALL_HOLD, _ALL_HOLD_OR_NULL = 12, 24, 6, 18
_DEFAULT = {"request.time": 1, "latlng.value(0, 0)": 4, "/a/b": 3}


@dataclass
class Shape:
    """The functions that check a map, the most expressions that they evaluate, and the fields left unchecked."""

    functions: list[str]
    cost: int
    unchecked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Field:
    key: str
    field: marshmallow_fields.Field[Any]
    is_required: bool

    @property
    def may_be_null(self) -> bool:
        return bool(self.field.allow_none)

    def value(self, default: str) -> str:
        return member("data", self.key) if self.is_required else f"data.get({literal(self.key)}, {default})"

    def cost(self, default: str) -> int:
        return _MEMBER if self.is_required else _GET + _DEFAULT.get(default, 0)


def shape_of(name: str, schema: Schema, most: int, closed: Iterable[str] = (), depth: int = 0) -> Shape | None:
    """Returns the rules function `name` and those that it calls; None if its keys alone cost more than `most`."""
    return _Shaped(name, schema, most, depth).shape(closed)


class _Shaped:
    """Collects conditions on the fields, from the cheapest to the dearest, until the expressions are used up."""

    def __init__(self, name: str, schema: Schema, most: int, depth: int) -> None:
        self._name = name
        self._schema = schema
        self._left = most
        self._depth = depth
        self._fields = [
            _Field(each.data_key or key, each, bool(each.required and not schema.partial))
            for key, each in schema.fields.items()
        ]
        self._texts: dict[bool, list[str]] = {}
        self._members: dict[str, list[str]] = {}
        self._typed: list[str] = []
        self._typed_or_null: dict[str, str] = {}
        self._inner: list[str] = []
        self._unchecked: list[str] = []

    def shape(self, closed: Iterable[str]) -> Shape | None:
        most = self._left
        keys = list(self._keys(closed))
        if self._left < 0:
            return None
        for each in sorted(self._fields, key=self._rank):
            self._add(each)
        first, *rest = [*keys, *self._conditions()] or ["true"]
        lines = [f"  return {first}", *(f"    && {each}" for each in rest)]
        functions = [f"function {self._name}(data) {{", *lines[:-1], f"{lines[-1]};", "}", *self._inner]
        order = [each.key for each in self._fields]
        unchecked = sorted(self._unchecked, key=lambda key: order.index(key) if key in order else len(order))
        return Shape(functions, most - self._left, unchecked)

    def _keys(self, closed: Iterable[str]) -> Iterator[str]:
        self._left -= _KEYS
        names = [each.key for each in self._fields]
        if self._schema.unknown == INCLUDE:
            yield from (f"!({literal(key)} in data)" for key in closed)
        else:
            self._left -= len(names)
            yield f"data.keys().hasOnly({literal(names)})"
        if required := [each.key for each in self._fields if each.is_required]:
            self._left -= len(required)
            yield f"data.keys().hasAll({literal(required)})"

    @staticmethod
    def _rank(each: _Field) -> int:
        """Orders fields by cost: texts and members are cheap, parts are expensive."""
        if isinstance(each.field, _TEXTS):
            return 0
        if isinstance(each.field, fields.Member | fields.Boolean):
            return 1
        return 3 if isinstance(each.field, fields.Part) else 2

    def _add(self, each: _Field) -> None:
        match each.field:
            case marshmallow_fields.String() | fields.RelatedText() | marshmallow_fields.Date():
                default = "null" if each.may_be_null else "''"
                is_new = each.may_be_null not in self._texts
                if self._takes(each, each.cost(default) + _ARE_TEXTS * is_new):
                    self._texts.setdefault(each.may_be_null, []).append(each.value(default))
            case fields.Member(enum=enum):
                self._add_member(each, [member.value for member in cast(Any, enum)])
            case fields.Boolean():
                self._add_member(each, [True, False])
            case fields.Part(schema=schema):
                self._add_part(each, schema)
            case _:
                self._add_typed(each)

    def _add_member(self, each: _Field, values: list[Any]) -> None:
        default = "null" if each.may_be_null else literal(values[0])
        permitted = literal([*values, None] if each.may_be_null else values)
        around = (_ALL_HOLD + len(values)) * (permitted not in self._members)
        if self._takes(each, each.cost(default) + around):
            self._members.setdefault(permitted, []).append(each.value(default))

    def _add_typed(self, each: _Field) -> None:
        kind, default = next(
            ((name, default) for type_, name, default in _TYPES if isinstance(each.field, type_)), (None, "")
        )
        if kind is None:
            return
        condition, cost = f"{each.value(default)} is {kind}", each.cost(default) + _IS
        if each.may_be_null:
            if self._takes(each, cost + 2 + _ALL_HOLD_OR_NULL * (not self._typed_or_null)):
                self._typed_or_null[each.key] = condition
        elif self._takes(each, cost + _ALL_HOLD * (not self._typed)):
            self._typed.append(condition)

    def _add_part(self, each: _Field, schema: Schema) -> None:
        absent = [] if each.is_required else [f"!({literal(each.key)} in data)"]
        if each.may_be_null:
            absent.append(f"{member('data', each.key)} == null")
        around = 5 * len(absent) + _MEMBER + 1 + _ALL_HOLD * (not self._typed)
        name = f"{self._name}_{self._fields.index(each) + 1}"
        inner = None
        if self._depth < _DEEPEST:
            inner = shape_of(name, schema, self._left - around, depth=self._depth + 1)
        if inner is None:
            self._add_typed(each)
            self._unchecked += [f"{each.key}.*"] * (each.key not in self._unchecked)
            return
        self._left -= around + inner.cost
        self._inner += inner.functions
        self._unchecked += [f"{each.key}.{key}" for key in inner.unchecked]
        self._typed.append(" || ".join([*absent, f"{name}({member('data', each.key)})"]))

    def _takes(self, each: _Field, cost: int) -> bool:
        """Takes the expressions if enough are left, and returns whether they were."""
        if cost > self._left:
            self._unchecked.append(each.key)
            return False
        self._left -= cost
        return True

    def _conditions(self) -> Iterator[str]:
        for is_nullable, values in self._texts.items():
            yield f"areTexts({_list(values)}{'.removeAll([null])' if is_nullable else ''})"
        for permitted, values in self._members.items():
            yield f"{_list(values)}.hasOnly({permitted})"
        if self._typed:
            yield f"{_list(self._typed)}.hasOnly([true])"
        if self._typed_or_null:
            nulls = literal(dict.fromkeys(self._typed_or_null))
            yield f"allHoldOrNull(data, {nulls}, {_list(self._typed_or_null.values())})"


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(values)}]"
