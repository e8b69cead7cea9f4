"""Getters whose value can change without an event are refused when the view is declared."""

import datetime as dt
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from random import choice
from time import time as now
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.exceptions import DeclarationError
from boiler_functions.views.purity import check_getters


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string()
    founded = attrs.timestamp()


class CityStore(Store):
    city = reference(City)


class Seeded:
    """An object whose `==` must never be called."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = None  # type: ignore[assignment]


SEEDED = Seeded()
LIMITS = {"a": 1}
BOUND = City.name


def helper() -> float:
    return inner()


def inner() -> float:
    return time.time()


def endless(depth: int) -> int:
    return endless(depth - 1) if depth else 0


def view_of(getter: Callable[[Any], Any]) -> type[ViewModel[Any]]:
    getter.__annotations__["return"] = object
    getter.__name__ = "value"
    meta = type("Meta", (), {"path": "cityViews/{city.doc_id}"})
    return type("CityView", (ViewModel,), {"store_class": CityStore, "Meta": meta, "value": attrs.computed(getter)})


@pytest.mark.parametrize(
    ("getter", "told"),
    [
        (lambda self: datetime.now(), "datetime.now"),
        (lambda self: datetime.now(UTC), "datetime.now"),
        (lambda self: dt.datetime.now(dt.UTC), "datetime.now"),
        (lambda self: datetime.today(), "datetime.today"),
        (lambda self: date.today(), "date.today"),
        (lambda self: dt.date.today(), "date.today"),
        (lambda self: time.time(), "time"),
        (lambda self: time.time_ns(), "time_ns"),
        (lambda self: time.monotonic(), "monotonic"),
        (lambda self: time.gmtime(), "gmtime"),
        (lambda self: now(), "time"),
        (lambda self: random.random(), "random"),
        (lambda self: random.choice("ab"), "choice"),
        (lambda self: random.getrandbits(3), "getrandbits"),
        (lambda self: choice("ab"), "choice"),
        (lambda self: secrets.token_hex(), "token_hex"),
        (lambda self: os.urandom(3), "urandom"),
        (lambda self: os.getenv("X"), "getenv"),
        (lambda self: os.environ["X"], "environ"),
        (lambda self: uuid.uuid4(), "uuid4"),
        (lambda self: [random.choice("ab") for _ in "ab"], "choice"),
        (lambda self: sorted("ab", key=lambda _: random.choice("ab")), "choice"),
        (lambda self: helper(), "time"),
        (lambda self: self.store.city.founded < datetime.now(UTC), "datetime.now"),
    ],
)
def test_a_getter_that_uses_the_clock_or_chance_is_refused_by_name(getter: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=rf"CityView\.value uses .*{told}.*nothing would rebuild the view"):
        check_getters(view_of(getter))


@pytest.mark.parametrize("getter", [lambda self: hash(self.store.city.name), lambda self: f"city {id(self)}"])
def test_a_getter_whose_value_differs_between_processes_is_refused(getter: Callable[[Any], Any]) -> None:
    with pytest.raises(
        DeclarationError, match=r"CityView\.value uses (hash|id)\(\); its value differs between processes"
    ):
        check_getters(view_of(getter))


def test_a_function_of_the_module_that_a_getter_calls_is_checked_too() -> None:
    def moment() -> float:
        return time.time()

    with pytest.raises(DeclarationError, match=r"CityView\.value uses time\(\)"):
        check_getters(view_of(lambda self: moment()))


@pytest.mark.parametrize(
    "default", [uuid.uuid4, lambda: uuid.uuid4().hex, partial(random.choice, "ab"), iter(range(99)).__next__]
)
def test_an_attribute_of_a_view_whose_default_differs_in_each_build_is_refused(default: Any) -> None:
    meta = type("Meta", (), {"path": "cityViews/{city.doc_id}"})
    drawing = attrs.string(default=default)
    view: Any = type("CityView", (ViewModel,), {"store_class": CityStore, "Meta": meta, "value": drawing})
    with pytest.raises(DeclarationError, match=r"CityView\.value has a default that differs in each build"):
        check_getters(view)


@pytest.mark.parametrize("default", ["x", lambda: "x", str])
def test_an_attribute_of_a_view_may_have_a_constant_default(default: Any) -> None:
    meta = type("Meta", (), {"path": "cityViews/{city.doc_id}"})
    check_getters(
        type("CityView", (ViewModel,), {"store_class": CityStore, "Meta": meta, "value": attrs.string(default=default)})
    )


@pytest.mark.parametrize(
    "getter",
    [
        lambda self: self.store.city.name,
        lambda self: datetime(2026, 1, 1, tzinfo=UTC),
        lambda self: datetime.fromisoformat("2026-01-01"),
        lambda self: time.strptime("2026", "%Y"),
        lambda self: uuid.uuid5(uuid.NAMESPACE_DNS, "x"),
        lambda self: os.path.join("a", "b"),  # noqa: PTH118
        lambda self: sorted(each for each in [self.store.city.name] if each),
        lambda self: LIMITS["a"],
        lambda self: SEEDED is None,
        lambda self: BOUND,
        lambda self: City.name,
        lambda self: endless(3),
    ],
)
def test_a_pure_getter_is_accepted(getter: Callable[[Any], Any]) -> None:
    check_getters(view_of(getter))


def test_a_view_with_an_impure_getter_cannot_be_declared() -> None:
    app = Boiler("cities")
    with pytest.raises(DeclarationError, match=r"CityView\.value uses .*datetime\.now"):
        app.query(view_of(lambda self: datetime.now(UTC)))


def test_a_setter_may_use_the_clock() -> None:
    class Stamping(ViewModel[CityStore]):
        class Meta:
            path = "stampings/{city.doc_id}"

        @attrs.computed
        def founded(self) -> datetime | None:
            return self.store.city.founded

        @founded.setter
        def set_founded(self, value: datetime | None) -> None:
            self.store.city.founded = value or datetime.now(UTC)

    check_getters(Stamping)


def test_an_inherited_getter_is_checked_too() -> None:
    class Base(ViewModel[CityStore]):
        @attrs.computed
        def value(self) -> float:
            return time.time()

    class Derived(Base):
        class Meta:
            path = "deriveds/{city.doc_id}"

    with pytest.raises(DeclarationError, match=r"Derived\.value uses"):
        check_getters(Derived)


def test_a_method_of_the_view_that_a_getter_calls_is_checked_too() -> None:
    class Helped(ViewModel[CityStore]):
        class Meta:
            path = "helpeds/{city.doc_id}"

        def _now(self) -> float:
            return time.time()

        @attrs.computed
        def value(self) -> float:
            return self._now()

    with pytest.raises(DeclarationError, match=r"Helped\.value uses"):
        check_getters(Helped)
