"""What older code stored or recorded is delivered as far as it fits."""

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import pytest

from boiler_functions import Boiler, Changed, ViewModel, attrs
from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.on_change.outbox.scene import CityStore, Receiver, letters, sent


def city_view(**declared: Any) -> type[ViewModel[CityStore]]:
    """A view called CityView with these attributes, as one deployment or another declares it."""

    class Meta:
        path = "cityViews/{city.doc_id}"

    def init(namespace: dict[str, Any]) -> None:
        namespace.update(declared, Meta=Meta, __module__=__name__)

    return types.new_class("CityView", (ViewModel[CityStore],), {}, init)


def computed(value: Callable[[Any], Any], returns: Any) -> Any:
    def get(self: Any) -> Any:
        return value(self)

    get.__annotations__["return"] = returns
    return attrs.computed(get)


TITLE = {"title": computed(lambda self: self.store.city.name.upper(), str)}


SIZE = {"size": computed(lambda self: self.store.city.population or 0, int)}


TEXT_SIZE = {"size": computed(lambda self: str(self.store.city.population), str)}


Given = tuple[dict[str, Any] | None, dict[str, Any] | None]


def app_with(view: type[ViewModel[Any]], given: list[Given]) -> Boiler:
    app = Boiler("demo")
    app.query(view)

    @app.on_change(view)
    def tell(change: Changed[Any]) -> None:
        for each in (change.before, change.after):
            assert each is None or all(hasattr(each, name) for name in view.attributes)
        before, after = (each and each.to_view_dict() for each in (change.before, change.after))
        given.append((before, after))

    return app


def deployed(testing: MemoryApp, app: Boiler) -> None:
    """Replaces the app's code; pending events go to the functions of the same names."""
    testing.compiled = app.compiled
    testing.pending = [
        dataclasses.replace(each, function=app.compiled.functions[each.function.entry_point])
        for each in testing.pending
    ]


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ({**TITLE}, {**TITLE, **SIZE}, {"title": "TOKYO"}, {"title": "EDO", "size": 0}),
        ({**TITLE, **SIZE}, {**TITLE}, {"title": "TOKYO"}, {"title": "EDO"}),
        ({**TITLE, **SIZE}, {**TITLE, **TEXT_SIZE}, {"title": "TOKYO"}, {"title": "EDO", "size": "0"}),
        ({**SIZE}, {**TITLE}, {}, {"title": "EDO"}),
    ],
    ids=["added", "removed", "of another type", "replaced"],
)
def test_a_view_that_older_code_stored_is_delivered_as_far_as_it_fits(
    old: dict[str, Any], new: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**old), [])) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        testing.deliver()
        deployed(testing, app_with(city_view(**new), given))
        put(testing, "cities/TOK", name="Edo", population=0)
        testing.deliver()
        assert given == [(before, after)]
        assert letters(testing) == []


def test_a_record_that_older_code_left_is_delivered_as_far_as_it_fits() -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**TITLE), [])) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        testing.pending = [sent(testing)]
        deployed(testing, app_with(city_view(**TITLE, **SIZE), given))
        testing.deliver()
        assert given == [(None, {"title": "TOKYO"})]
        assert letters(testing) == []


def test_a_record_with_fewer_fields_is_delivered_as_far_as_it_fits() -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**TITLE), given)) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        record = sent(testing)
        fields = {"app": "demo", "path": "cities/TOK", "after": {"title": "TOKYO"}, "status": "pending"}
        testing.write(record.change.path, fields)
        testing.take()
        testing.handle(record)
        assert given == [(None, {"title": "TOKYO"})]


def test_a_model_that_older_code_wrote_is_given_as_far_as_it_goes(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", population=9)
    put(cities, "cities/TOK", population=9, name="Tokyo")
    put(cities, "cities/TOK", population="ten", name="Tokyo")
    put(cities, "cities/TOK", population=10, name="Tokyo")
    cities.deliver()
    told = [(change.before and change.before.to_view_dict(), change.path) for change in receiver.told]
    assert told == [
        (None, "cities/TOK"),
        ({"population": 9}, "cities/TOK"),
        ({"population": 9, "name": "Tokyo"}, "cities/TOK"),
        ({"name": "Tokyo"}, "cities/TOK"),
    ]
