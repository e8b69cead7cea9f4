"""What shows that a form has had its effect."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from boiler_functions import Boiler, Embedded, ViewModel, attrs
from boiler_functions.database import Delete
from boiler_functions.modes.forms.task import Completion
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.testing import Delivery, MemoryApp, memory_app
from boiler_functions.types import digest
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.outcomes.scene import COMPLETIONS, FORM, Stock, add, count, orders, outcome, touch


@pytest.mark.parametrize("on_completion", ["stamp", "keep"])
@pytest.mark.parametrize("images", [True, False])
def test_a_field_that_nobody_declares_does_not_repeat_the_effect(on_completion: Completion, images: bool) -> None:
    with memory_app(orders(add, on_completion)) as testing:
        put(testing, FORM, count=1)
        testing.deliver(duplicates=1)
        touch(testing, state="PROCESSED")
        for each in testing.take():
            testing.handle(each if images else each.without_images())
        testing.deliver(duplicates=1)
        assert count(testing) == 1


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_field_that_nobody_declares_and_that_comes_before_the_event_is_handled_loses_no_effect(
    order: tuple[int, ...], on_completion: Completion
) -> None:
    with memory_app(orders(add, on_completion)) as testing:
        put(testing, FORM, count=1)
        touch(testing, state="PROCESSING")
        deliveries = testing.take()
        for position in (*order, *order):
            testing.handle(deliveries[position])
        testing.deliver()
        assert count(testing) == 1


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_declared_field_that_changes_sends_the_form_anew_and_so_does_its_old_value(on_completion: Completion) -> None:
    with memory_app(orders(add, on_completion)) as testing:
        for number in (1, 20, 1):
            put(testing, FORM, count=number)
            testing.deliver(duplicates=1)
        assert count(testing) == 22


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("touched", [True, False])
def test_a_form_that_is_deleted_and_made_anew_with_the_same_words_takes_effect_again(
    on_completion: Completion, touched: bool
) -> None:
    with memory_app(orders(add, on_completion)) as testing:
        put(testing, FORM, count=1)
        testing.deliver()
        testing.database.commit([Delete(FORM)])
        put(testing, FORM, count=1)
        if touched:
            touch(testing, state="PROCESSING")
        testing.deliver(duplicates=1)
        assert count(testing) == 2


def test_a_field_that_newer_code_declares_and_a_migration_fills_in_does_not_repeat_the_effect() -> None:
    with memory_app(orders(add)) as testing:
        put(testing, FORM, count=1)
        testing.deliver()
        (newer,) = orders(add, late=True).compiled.functions.values()
        touch(testing, remark="filled in")
        for each in testing.take():
            testing.handle(replace(each, function=newer))
        assert count(testing) == 1


class Line(Embedded):
    sku = attrs.string(required=True)


@pytest.mark.parametrize("on_completion", ["stamp", "keep"])
@pytest.mark.parametrize(
    "filled",
    [
        pytest.param({"main": {"sku": "a", "weight": 3}}, id="an object"),
        pytest.param({"lines": [{"sku": "a"}, {"sku": "b", "weight": 3}]}, id="an object in a list"),
        pytest.param({"by_name": {"gift": {"sku": "c", "weight": 3}}}, id="an object in a mapping"),
        pytest.param({"remark": None}, id="a null where nothing was"),
    ],
)
def test_a_field_that_nobody_declares_inside_of_a_form_does_not_repeat_the_effect(
    filled: dict[str, Any], on_completion: Completion
) -> None:
    app = Boiler("shop")

    @app.task("orders/{order_id}", writes=[Stock], on_completion=on_completion)
    class Basket(ViewModel):
        main = attrs.embedded(Line)
        lines = attrs.list(Line)
        by_name = attrs.mapping(Line, data_key="by_name")
        remark = attrs.string()

        def propagate_change(self) -> None:
            stock = Stock.get("main") or Stock.new(doc_id="main")
            stock.count += 1
            stock.save()

    words = {"main": {"sku": "a"}, "lines": [{"sku": "a"}, {"sku": "b"}], "by_name": {"gift": {"sku": "c"}}}
    with memory_app(app) as testing:
        put(testing, FORM, **words)
        testing.deliver(duplicates=1)
        touch(testing, **filled)
        testing.deliver(duplicates=1)
        assert count(testing) == 1
        touch(testing, lines=[{"sku": "a"}, {"sku": "other", "weight": 3}])
        testing.deliver(duplicates=1)
        assert count(testing) == 2


def test_a_form_that_does_not_fit_is_looked_at_again_when_any_field_changes() -> None:
    app = orders(add)
    with memory_app(app) as testing:
        put(testing, FORM, count="one")
        testing.deliver()
        assert outcome(testing)["status"] == "rejected"
        touch(testing, count=1)
        testing.deliver()
        assert (outcome(testing)["status"], count(testing)) == ("done", 1)


def test_a_stamp_of_the_version_before_this_one_still_counts() -> None:
    with memory_app(orders(add)) as testing:
        fields = {"count": 1, "other": 2}
        put(testing, FORM, **fields, outcome={"status": "done", "input": digest(fields)})
        testing.deliver()
        for each in [*testing.take()]:
            testing.handle(each.without_images())
        touch(testing, state="PROCESSED")
        testing.deliver(duplicates=1)
        assert count(testing) == 0
        put(testing, FORM, **fields)
        testing.deliver()
        assert count(testing) == 1


@pytest.mark.parametrize("images", [True, False])
def test_a_version_marker_of_the_version_before_this_one_still_counts(images: bool) -> None:
    with memory_app(orders(add, "keep")) as testing:
        put(testing, FORM, count=1)
        (delivery,) = testing.take()
        form = testing.database.read([FORM]).documents[0]
        put(testing, f"{MARKERS}/{digest('shop', 'order_task', FORM, form.version)}", outcome="done")
        testing.handle(delivery if images else delivery.without_images())
        assert count(testing) == 0


@pytest.fixture(params=COMPLETIONS)
def renamed(request: pytest.FixtureRequest) -> Iterator[tuple[MemoryApp, list[Any]]]:
    """The app, and the task under its old and its new name."""
    functions = [
        next(iter(orders(add, request.param, name=name).compiled.functions.values())) for name in ("Order", "Purchase")
    ]
    with memory_app(orders(add, request.param)) as testing:
        yield testing, functions


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([0, 1, 0, 1]))))
@pytest.mark.parametrize("one_id", [True, False])
@pytest.mark.parametrize("images", [True, False])
def test_a_task_that_is_renamed_takes_effect_once_while_the_old_function_still_stands(
    renamed: tuple[MemoryApp, list[Any]], order: tuple[int, ...], one_id: bool, images: bool
) -> None:
    testing, functions = renamed
    put(testing, FORM, count=1)
    (delivery,) = testing.take()

    def told(place: int) -> Delivery:
        change = delivery.change if one_id else delivery.change._replace(id=f"event-of-{place}")
        each = replace(delivery, function=functions[place], change=change)
        return each if images else each.without_images()

    for place in order:
        testing.handle(told(place))
    assert count(testing) == 1


def test_a_renamed_task_and_the_old_one_at_one_instant_take_effect_once(
    renamed: tuple[MemoryApp, list[Any]],
) -> None:
    testing, functions = renamed
    put(testing, FORM, count=1)
    (delivery,) = testing.take()
    old, new = (replace(delivery, function=each) for each in functions)
    hooked = Hooked(testing.database).before("commit", 1, lambda: testing.handle(old, testing.database))
    testing.handle(new, hooked)
    assert count(testing) == 1
