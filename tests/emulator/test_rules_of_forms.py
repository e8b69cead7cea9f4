"""The generated rules of forms up to 150 fields: what fits is allowed, and each single violation is denied."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from boiler_functions import Boiler, DomainModel, Embedded, Rejected, ViewModel, access, attrs
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.plan.rules_language import literal
from boiler_functions.plan.security_rules import documents, firestore_rules
from tests.emulator.test_rules import Case, Client, Reference

# They share the emulator of rules.
pytestmark = pytest.mark.xdist_group("rules")


class Color(Enum):
    RED = "red"
    BLUE = "bl'ue"


class Address(Embedded):
    street = attrs.string(required=True)
    number = attrs.integer()


class Note(DomainModel):
    class Meta:
        collection_name = "notes"


MOMENT = {"timestampValue": "2030-01-02T03:04:05Z"}
PLACE = {"geoPointValue": {"latitude": 1, "longitude": 2}}

# A type, what fits, and what does not.
TYPES: dict[str, tuple[Callable[..., Any], Any, tuple[Any, ...]]] = {
    "string": (attrs.string, "x", (1, True, ["x"], {"x": 1}, 1.5)),
    "integer": (attrs.integer, -(2**63), ("1", 1.5, True)),
    "float": (attrs.float, 1.5, ("1", True)),
    "boolean": (attrs.boolean, True, ("true", 1)),
    "timestamp": (attrs.timestamp, MOMENT, ("2030-01-02T03:04:05Z", 1)),
    "bytes": (attrs.bytes, b"\x00", ("AA==",)),
    "geopoint": (attrs.geopoint, PLACE, ([1, 2], {"latitude": 1, "longitude": 2})),
    "enum": (lambda **options: attrs.enum(Color, **options), "bl'ue", ("green", 1)),
    "list": (lambda **options: attrs.list(str, **options), ["x"], ("x", {"x": 1})),
    "dict": (lambda **options: attrs.mapping(int, **options), {"x": 1}, ("x", ["x"])),
    "embedded": (lambda **options: attrs.embedded(Address, **options), {"street": "x"}, ("x", {"street": 1}, {"a": 1})),
    "relation": (lambda **options: attrs.relation(Note, **options), Reference("notes/n1"), ("notes/n1", 1)),
}

NAMES = ("field{}", "größe {}", "o'dd\\na\n{}", "get{}", "data.{}", "`{}`", "東京{}")


def form_of(kinds: list[str], required: bool, random: Random) -> tuple[Boiler, type[ViewModel[Any]], dict[str, str]]:
    """An app with a form of these types, the form, and the type of each key."""
    app = Boiler("forms")
    keys = {random.choice(NAMES).format(number): kind for number, kind in enumerate(kinds)}
    members = {
        f"a{number}": TYPES[kind][0](required=required, data_key=key) for number, (key, kind) in enumerate(keys.items())
    }

    def refuse(self: Any) -> None:
        raise Rejected("a test of rules sends no form to a function")

    meta = type("Meta", (), {"write": access.public})
    form = type("Form", (ViewModel,), {**members, "Meta": meta, "propagate_change": refuse})
    app.task("forms/{id}", writes=[Note])(form)
    return app, form, keys


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(
    ("size", "mixture"),
    [*((size, "all") for size in (1, 13, 50, 96, 120, 150)), (150, "string"), (150, "integer"), (150, "boolean")],
)
def test_what_fits_a_form_is_allowed_and_each_violation_denied(
    size: int, mixture: str, required: bool, rules_emulator: FirestoreEmulator, project: str
) -> None:
    seed = size
    random = Random(seed)
    kinds = [mixture if mixture != "all" else random.choice(list(TYPES)) for _ in range(size)]
    app, form, keys = form_of(kinds, required, random)
    rules = firestore_rules(documents(app.compiled.declarations))
    client = Client(rules_emulator.host, project)
    client.use(rules)
    said = next((line for line in rules.splitlines() if "The function alone checks" in line), "")
    # What a part holds may be left out though the part itself is not.
    unchecked = {key for key in keys if literal(key) in said}
    halves = {key for key in keys if literal(key)[:-1] + "." in said}
    assert len(unchecked) < size * 0.45, said
    full = {key: TYPES[kind][1] for key, kind in keys.items()}
    wrong: list[Any] = []
    number = 0

    def expect(is_allowed: bool, fields: dict[str, Any], why: Any) -> None:
        nonlocal number
        number += 1
        status = client.ask(Case(None, "create", f"forms/f{number}", is_allowed, fields))
        if status != (200 if is_allowed else 403):
            wrong.append((seed, why, status))

    expect(True, full, "full")
    expect(False, {**full, "undeclared": 1}, "undeclared")
    expect(False, {**full, "outcome": {"status": "done"}}, "outcome")
    expect(not required, {}, "empty")
    field_of = {each.data_key or name: each for name, each in form.schema().fields.items()}
    nulls = {key: None if field_of[key].allow_none else value for key, value in full.items()}
    expect(True, nulls, "nulls")
    for key in random.sample(list(keys), min(size, 12)):
        kind = keys[key]
        expect(not required, {name: value for name, value in full.items() if name != key}, f"without {key!r}")
        expect(bool(field_of[key].allow_none) or key in unchecked, {**full, key: None}, f"null {key!r}, {kind}")
        for value in TYPES[kind][2][: 1 if key in halves else None]:
            expect(key in unchecked, {**full, key: value}, f"{key!r} is {value!r}, {kind}")
            expect(key in unchecked, {**nulls, key: value}, f"{key!r} is {value!r}, {kind}, the others null")
    assert wrong == []


@pytest.mark.parametrize(
    "collection", ["my notes", "städte", "a+b", "a(b", "$x", "a'b", "a\\b", "100%", "東京", "match", "a-b", "in", "*"]
)
def test_a_collection_of_any_name_has_its_rules_and_no_other_has_them(
    collection: str, rules_emulator: FirestoreEmulator, project: str
) -> None:
    app = Boiler("named")
    meta = type("Meta", (), {"write": access.owner("user_id")})
    body = {"Meta": meta, "text": attrs.string(required=True), "propagate_change": lambda self: None}
    app.task(f"users/{{user_id}}/{collection}/{{id}}", writes=[Note])(type("Form", (ViewModel,), body))
    client = Client(rules_emulator.host, project)
    client.use(firestore_rules(documents(app.compiled.declarations)))
    for user, name, status in (("ada", collection, 200), ("bob", collection, 403), ("ada", "other", 403)):
        path = f"users/ada/{quote(name, safe='')}/x{user}"
        assert client.ask(Case({"sub": user}, "create", path, status == 200, {"text": "x"})) == status, (user, name)
