"""marshmallow fields in two spellings: strict Firestore values, and JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any, NotRequired, Required, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError
from marshmallow import fields as marshmallow_fields

from boiler_functions import Embedded, attrs
from boiler_functions.models import fields as ours
from boiler_functions.models.annotations import field_for
from boiler_functions.models.fields import flatten
from boiler_functions.models.spelling import JsonSchema, StoredSchema
from boiler_functions.types import GeoPoint, Reference

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Color(Enum):
    RED = "red"
    TWO = 2


class Stop(TypedDict):
    at: datetime
    name: str


class Leg(TypedDict, total=False):
    stops: list[Stop]


class Address(Embedded):
    street = attrs.string(required=True)
    since = attrs.timestamp()


def schema_of(annotation: Any, base: type[Schema] = StoredSchema, **options: Any) -> Schema:
    made: type[Schema] = type("Made", (base,), {"value": field_for(annotation, **options)})
    return made()


def stored(annotation: Any, value: Any) -> Any:
    """The value as a document holds it; raises for one that does not fit, as saving does."""
    schema = schema_of(annotation, required=True)
    dumped = schema.dump({"value": value})
    if errors := schema.validate(dumped):
        raise ValidationError(errors)
    return dumped["value"]


def loaded(annotation: Any, value: Any, base: type[Schema] = StoredSchema) -> Any:
    return schema_of(annotation, base).load({"value": value})["value"]


FITTING: list[tuple[Any, Any]] = [
    (str, ""),
    (str, "東京"),
    (int, 2**63 - 1),
    (int, -(2**63)),
    (float, 1.5),
    (float, math.inf),
    (bool, False),
    (bytes, b"\x00\xff"),
    (datetime, NOON),
    (GeoPoint, GeoPoint(-90, 180)),
    (Color, Color.TWO),
    (list[str], ["a", "b"]),
    (list, [1, "a", None]),
    (Sequence[int], [1]),
    (dict[str, int], {"a": 1}),
    (Mapping[str, list[int]], {"a": [1]}),
    (dict, {"a": 1, "b": "x"}),
    (Stop, {"at": NOON, "name": "a"}),
    (list[Stop], [{"at": NOON, "name": "a"}]),
    (Leg, {"stops": [{"at": NOON, "name": "a"}]}),
    (Leg, {}),
    (Any, {"a": [1, None]}),
    (object, b"x"),
    (int | str, "a"),
    (Address, Address(street="Gilman Drive", since=NOON)),
    (list[Address], [Address(street="a"), Address(street="b")]),
]


@pytest.mark.parametrize(("annotation", "value"), FITTING)
def test_a_value_survives_the_way_into_a_document_and_back(annotation: Any, value: Any) -> None:
    assert loaded(annotation, stored(annotation, value)) == value


# JSON has neither infinity nor untyped bytes.
FITTING_JSON = [each for each in FITTING if each[1] not in (math.inf, b"x")]


@pytest.mark.parametrize(("annotation", "value"), [*FITTING_JSON, (date, date(2026, 1, 2))])
def test_a_value_survives_the_way_into_json_and_back(annotation: Any, value: Any) -> None:
    schema = schema_of(annotation, JsonSchema)
    assert schema.load(json.loads(json.dumps(schema.dump({"value": value})))) == {"value": value}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, 5),
        (str, b"a"),
        (str, True),
        (str, "\ud800"),
        (int, "5"),
        (int, 5.0),
        (int, True),
        (int, 2**63),
        (int, -(2**63) - 1),
        (float, "5"),
        (float, True),
        (float, 10**400),
        (bool, 1),
        (bool, "yes"),
        (bytes, "a"),
        (bytes, 5),
        (datetime, "2026-01-01T00:00:00Z"),
        (datetime, datetime(2026, 1, 1)),
        (datetime, 5),
        (GeoPoint, {"latitude": 1, "longitude": 2}),
        (GeoPoint, GeoPoint(91, 0)),
        (GeoPoint, GeoPoint(0, -181)),
        (GeoPoint, GeoPoint(math.nan, 0)),
        (Color, "green"),
        (list[str], "abc"),
        (list[str], [1]),
        (list[str], {"a": 1}),
        (dict[str, int], [1]),
        (dict[str, int], {"a": "1"}),
        (dict[str, int], {1: 1}),
        (Stop, {"name": "a"}),
        (Stop, {"at": NOON, "name": 5}),
        (Address, {"since": NOON}),
        (Address, "Gilman Drive"),
        (str, None),
        (list[str], [None]),
    ],
)
def test_values_of_documents_are_validated_strictly(annotation: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        loaded(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, 5),
        (str, True),
        (str, b"abc"),
        (int, 10.7),
        (int, "7"),
        (int, True),
        (float, "1.5"),
        (float, True),
        (bool, "yes"),
        (bool, 1),
        (bytes, "a"),
        (datetime, "2026-01-01"),
        (datetime, datetime(2026, 1, 1)),
        (GeoPoint, (1, 2)),
        (list[str], "abc"),
        (list[str], [1]),
        (dict[str, int], {"a": 1.5}),
        (dict[str, int], {1: 1}),
    ],
)
def test_a_wrong_value_is_not_coerced_on_the_way_out(annotation: Any, value: Any) -> None:
    """A model must store what it was given, or say no: never another value."""
    with pytest.raises((ValidationError, ValueError, TypeError, AttributeError)):
        stored(annotation, value)


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_reads_as_a_float_where_a_float_is_declared(number: int) -> None:
    """JavaScript clients store 5.0 as the integer 5."""
    value = loaded(float, number)
    assert type(value) is float
    assert value == float(number)


@pytest.mark.parametrize("annotation", [str | None, int | None, list[str] | None, Address | None, Color | None])
def test_an_optional_type_takes_none(annotation: Any) -> None:
    assert loaded(annotation, stored(annotation, None)) is None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(Any, None), (list[Any], [None]), (dict[str, Any], {"a": None}), (list, [None]), (dict, {"a": None})],
)
def test_any_takes_none(annotation: Any, value: Any) -> None:
    assert loaded(annotation, stored(annotation, value)) == value


@pytest.mark.parametrize(
    ("annotation", "field"),
    [
        (str, ours.String),
        (bool, ours.Boolean),
        (int, ours.Integer),
        (float, ours.Float),
        (datetime, ours.Timestamp),
        (bytes, ours.Bytes),
        (GeoPoint, ours.Place),
        (Color, ours.Member),
        (list[int], marshmallow_fields.List),
        (dict[str, int], marshmallow_fields.Dict),
        (Stop, marshmallow_fields.Nested),
        (Address, marshmallow_fields.Nested),
        (Address | None, marshmallow_fields.Nested),
    ],
)
def test_a_type_has_its_field(annotation: Any, field: type[Any]) -> None:
    assert isinstance(field_for(annotation), field)


@pytest.mark.parametrize("annotation", [set[str], complex, Schema, list[set[int]], dict[str, complex], type, "City"])
def test_a_type_that_no_document_can_hold_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(
        TypeError,
        match=r"is not a type that a document can hold; use bool, int, .* a TypedDict, an Enum or an Embedded",
    ):
        field_for(annotation)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (datetime, NOON, "2026-01-01T12:00:00+00:00"),
        (bytes, b"\xff", "/w=="),
        (GeoPoint, GeoPoint(32.880361, -117.242929), {"latitude": 32.880361, "longitude": -117.242929}),
        (Color, Color.RED, "red"),
        (list[datetime], [NOON], ["2026-01-01T12:00:00+00:00"]),
        (Address, Address(street="a", since=NOON), {"street": "a", "since": "2026-01-01T12:00:00+00:00"}),
        (list[Stop], [{"at": NOON, "name": "a"}], [{"at": "2026-01-01T12:00:00+00:00", "name": "a"}]),
    ],
)
def test_json_spells_values_as_text_at_any_depth(annotation: Any, value: Any, text: Any) -> None:
    schema = schema_of(annotation, JsonSchema)
    assert schema.dump({"value": value}) == {"value": text}
    assert schema.load({"value": text}) == {"value": value}


def test_json_spells_untyped_values_too() -> None:
    value = {"at": [NOON], "place": GeoPoint(1, 2), "data": b"\xff", "user": Reference("users/a"), "n": None}
    assert schema_of(Any, JsonSchema).dump({"value": value}) == {
        "value": {
            "at": ["2026-01-01T12:00:00+00:00"],
            "place": {"latitude": 1, "longitude": 2},
            "data": "/w==",
            "user": "users/a",
            "n": None,
        }
    }


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (datetime, "yesterday"),
        (datetime, "2026-01-01T12:00:00"),
        (bytes, "not base64!"),
        (bytes, "ÄÄÄÄ"),
        (GeoPoint, {"latitude": "1", "longitude": 2}),
        (GeoPoint, {"latitude": True, "longitude": 2}),
        (GeoPoint, {"latitude": 1}),
        (GeoPoint, {"latitude": 91, "longitude": 2}),
        (GeoPoint, {"latitude": 1, "longitude": 2, "height": 3}),
        (int, "1"),
        (bool, "true"),
        pytest.param(float, math.nan, id="float-nan"),
        pytest.param(float, math.inf, id="float-inf"),
    ],
)
def test_values_of_json_are_validated_strictly_too(annotation: Any, text: Any) -> None:
    with pytest.raises(ValidationError):
        loaded(annotation, text, JsonSchema)


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert loaded(datetime, tokyo.isoformat(), JsonSchema) == NOON


def test_a_reference_is_a_path_in_json_and_a_reference_in_documents() -> None:
    field = {"value": ours.Related(lambda path: path.startswith("users/"), lambda: "users/{doc_id}")}
    in_json: Schema = type("InJson", (JsonSchema,), dict(field))()
    in_documents: Schema = type("InDocuments", (StoredSchema,), dict(field))()
    assert in_json.dump({"value": Reference("users/a")}) == {"value": "users/a"}
    assert in_json.load({"value": "users/a"}) == {"value": Reference("users/a")}
    assert in_documents.dump({"value": Reference("users/a")}) == {"value": Reference("users/a")}
    with pytest.raises(ValidationError, match="Not a reference to a document"):
        in_documents.load({"value": "users/a"})
    with pytest.raises(ValidationError, match=r"Not a reference into users/\{doc_id\}"):
        in_documents.load({"value": Reference("cities/a")})


def test_messages_are_flattened_by_dotted_field() -> None:
    messages = {"address": {"city": ["Missing."], "lines": {0: ["Bad."]}}, "name": ["Short.", "Odd."], "age": "Old."}
    assert flatten(messages) == {
        "address.city": ["Missing."],
        "address.lines.0": ["Bad."],
        "name": ["Short.", "Odd."],
        "age": ["Old."],
    }


def test_string_annotations_say_which_keys_of_a_typed_dict_may_be_missing() -> None:
    # As `from __future__ import annotations` has them.
    part = TypedDict("part", {"text": "str", "number": "NotRequired[int]"})  # noqa: UP013
    rest = TypedDict("rest", {"text": "Required[str]", "number": "int"}, total=False)  # noqa: UP013
    for kind in (part, rest):
        found = field_for(kind)
        assert isinstance(found, ours.Part)
        fields = found.schema.fields
        assert {name: each.required for name, each in fields.items()} == {"text": True, "number": False}


@pytest.mark.parametrize("path", ["users/", "users/.", "users/..", "users/__a__", "users/a ", "users/" + "a" * 1501])
def test_a_reference_in_json_is_a_path_that_a_document_can_have(path: str) -> None:
    field = {"value": ours.Related(lambda _: True, lambda: "users/{doc_id}")}
    in_json: Schema = type("InJson", (JsonSchema,), field)()
    with pytest.raises(ValidationError, match="Not a reference to a document"):
        in_json.load({"value": path})


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_is_of_the_years_1_to_9999_as_greenwich_counts(text: str) -> None:
    with pytest.raises(ValidationError, match="Not a valid timestamp"):
        loaded(datetime, text, JsonSchema)
    with pytest.raises(ValidationError, match="Not a valid timestamp"):
        loaded(datetime, datetime.fromisoformat(text), StoredSchema)


@pytest.mark.parametrize("make", [set, frozenset])
@pytest.mark.parametrize(
    ("annotation", "items", "stored"),
    [
        (list[str], ["b", "a", "é", "c"], ["a", "b", "c", "é"]),
        (list[int], [10, 9, -1], [-1, 9, 10]),
        (list[float], [2.5, -1.0, math.inf], [-1.0, 2.5, math.inf]),
        (list[Any], ["a", 1, None, False], [None, False, 1, "a"]),
        (Sequence[bytes], [b"b", b"a"], [b"a", b"b"]),
    ],
)
def test_a_set_is_stored_as_a_list_in_one_order(
    make: Any, annotation: Any, items: list[Any], stored: list[Any]
) -> None:
    assert field_for(annotation)._serialize(make(items), "value", None) == stored


@pytest.mark.parametrize(("value", "base"), [(datetime(2026, 1, 1), StoredSchema), ("2026-01-01T00:00:00", JsonSchema)])
def test_a_moment_without_a_time_zone_is_refused_with_what_to_write(value: object, base: type[Schema]) -> None:
    with pytest.raises(ValidationError, match=r"Has no time zone; give one, as datetime.now\(UTC\)"):
        schema_of(datetime, base, required=True).load({"value": value})
