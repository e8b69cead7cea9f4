"""Whether the sender or the code is at fault when a form has no effect, and how a task knows that a form is done."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import validate

from boiler_functions import Boiler, DomainModel, Embedded, Store, ViewModel, access, attrs, reference
from boiler_functions.database import Delete, Put
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size
from boiler_functions.modes.dead_letter import COLLECTION as LETTERS
from boiler_functions.modes.forms.task import Completion
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.testing import Delivery, MemoryApp, memory_app
from boiler_functions.types import digest
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked

FORM = "orders/one"
COMPLETIONS: tuple[Completion, ...] = ("stamp", "keep", "delete")


class Stock(DomainModel):
    class Meta:
        collection_name = "stock"

    count = attrs.integer(default=0, validate=validate.Range(max=100))
    note = attrs.string(default="")


class Shelf(DomainModel):
    class Meta:
        collection_name = "shelves"

    stock = attrs.relation(Stock)


def orders(
    body: Callable[[Any], None], on_completion: Completion = "stamp", *, name: str = "Order", late: bool = False
) -> Boiler:
    """An app with one task; `late` declares one attribute more."""
    app = Boiler("shop")
    attributes: dict[str, Any] = {"count": attrs.integer(required=True), "stock": attrs.string(default="main")}
    if late:
        attributes["remark"] = attrs.string(default="")
    view = type(name, (ViewModel,), {**attributes, "propagate_change": body, "__module__": __name__})
    app.task("orders/{order_id}", writes=[Stock, Shelf], on_completion=on_completion)(view)
    return app


def add(form: Any) -> None:
    stock = Stock.get(form.stock) or Stock.new(doc_id=form.stock)
    stock.count += form.count
    stock.save()


def count(testing: MemoryApp) -> object:
    return (testing.fields("stock/main") or {}).get("count", 0)


def outcome(testing: MemoryApp, path: str = FORM) -> dict[str, Any]:
    return dict((testing.fields(path) or {}).get("outcome", {}))


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == LETTERS]


def touch(testing: MemoryApp, **fields: object) -> None:
    """What a migration, or an extension, does: fields beside those of the form."""
    testing.database.commit([Put(FORM, fields, mask=tuple(fields))])


# Who is at fault.


def test_a_value_that_the_task_made_and_a_model_refuses_is_a_dead_letter_and_the_form_has_failed() -> None:
    with memory_app(orders(lambda form: Stock.new(doc_id="main", count=form.count * 1000).save())) as testing:
        put(testing, FORM, count=1)
        testing.deliver(duplicates=1)
        assert outcome(testing)["status"] == "failed"
        assert "errors" not in outcome(testing)
        assert [each["code"] for each in letters(testing)] == ["BF502"]
        assert testing.fields("stock/main") is None


def test_a_document_that_a_task_reads_and_that_does_not_fit_is_no_fault_of_the_form() -> None:
    with memory_app(orders(add)) as testing:
        put(testing, "stock/main", count="many")
        put(testing, FORM, count=1)
        testing.deliver()
        assert (outcome(testing)["status"], letters(testing)[0]["code"]) == ("failed", "BF501")


def test_a_form_that_failed_is_tried_again_when_it_is_touched_and_by_nothing_else() -> None:
    with memory_app(orders(add)) as testing:
        put(testing, "stock/main", count="many")
        put(testing, FORM, count=1)
        testing.deliver(duplicates=2)
        put(testing, "stock/main", count=1)
        testing.deliver()
        assert outcome(testing)["status"] == "failed"
        touch(testing, again=1)
        testing.deliver(duplicates=2)
        assert (outcome(testing)["status"], count(testing)) == ("done", 2)


def test_the_event_of_a_failed_stamp_that_has_no_images_does_not_answer_itself_for_ever() -> None:
    with memory_app(orders(lambda form: form.bug)) as testing:
        put(testing, FORM, count=1)
        for _ in range(3):
            for each in testing.take():
                testing.handle(each.without_images())
        assert testing.pending == []


@pytest.mark.parametrize("error", [SystemExit, SystemExit(3), AssertionError, NotImplementedError])
def test_any_exception_of_a_task_is_a_dead_letter_and_the_form_has_failed(error: Any) -> None:
    def fail(form: object) -> None:
        raise error

    with memory_app(orders(fail)) as testing:
        put(testing, FORM, count=1)
        testing.deliver()
        assert (outcome(testing)["status"], letters(testing)[0]["code"]) == ("failed", "BF511")


def test_a_failure_of_a_torn_view_is_no_failure() -> None:
    """What was read is verified before the letter is written."""

    def exact(form: Any) -> None:
        stock = Stock.get("main")
        assert stock is not None
        assert stock.count == 2
        Stock.new(doc_id="other", count=form.count).save()

    with memory_app(orders(exact)) as testing:
        put(testing, "stock/main", count=1)
        put(testing, FORM, count=1)
        delivery = next(each for each in testing.take() if each.change.path == FORM)
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "stock/main", count=2))
        assert testing.handle(delivery, hooked).outcomes == {"done": 1}
        assert letters(testing) == []


def assert_rejected(testing: MemoryApp, on_completion: Completion, path: str = FORM, **fields: object) -> None:
    """Sends a form, and asserts that it is rejected for good without a letter, whatever becomes of the form."""
    put(testing, path, **fields)
    (delivery,) = testing.take()
    assert testing.handle(delivery).outcomes == {"rejected": 1}
    assert testing.handle(delivery).outcomes == {"duplicate": 1}
    testing.deliver()
    assert outcome(testing, path).get("status") == ("rejected" if on_completion == "stamp" else None)
    assert (testing.fields(path) is None) == (on_completion == "delete")
    assert letters(testing) == []


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("text", ["a/b", "..", "", " x", "__x__", "x" * 1501, "stock/.."])
def test_an_id_in_a_form_that_no_document_can_have_is_an_outcome_and_no_letter(
    text: str, on_completion: Completion
) -> None:
    with memory_app(orders(add, on_completion)) as testing:
        assert_rejected(testing, on_completion, count=1, stock=text)


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("text", ["stock/..", "stock", "a/b/c", "", 5])
def test_a_relation_in_a_form_that_no_document_can_have_is_an_outcome_and_no_letter(
    text: object, on_completion: Completion
) -> None:
    app = Boiler("shop")

    @app.task("moves/{move_id}", writes=[Shelf], on_completion=on_completion)
    class Move(ViewModel[Store]):
        to = attrs.relation(Stock)

        def propagate_change(self) -> None:
            Shelf.new(doc_id="s", stock=self.to).save()

    with memory_app(app) as testing:
        assert_rejected(testing, on_completion, "moves/m", to=text)


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("order", ["x ", "a\tb"])
def test_the_id_of_a_form_that_no_root_can_have_is_an_outcome_and_no_letter(
    order: str, on_completion: Completion
) -> None:
    class StockStore(Store):
        stock = reference(Stock)

    app = Boiler("shop")

    @app.task("orders/{doc_id}", writes=[Stock], on_completion=on_completion)
    class Order(ViewModel[StockStore]):
        def propagate_change(self) -> None:
            self.store.stock.save()

    with memory_app(app) as testing:
        assert_rejected(testing, on_completion, f"orders/{order}", count=1)


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_that_makes_a_document_too_large_is_an_outcome_and_no_letter(on_completion: Completion) -> None:
    def copy_twice(form: Any) -> None:
        Stock.new(doc_id="main", note=form.stock * 2).save()

    with memory_app(orders(copy_twice, on_completion)) as testing:
        assert_rejected(testing, on_completion, count=1, stock="x" * 600_000)


def put_full(testing: MemoryApp, room: int = 0) -> None:
    """Writes a form that leaves only so many bytes of what a document can hold."""
    # One value cannot fill a document.
    half = "x" * 500_000
    rest = MAX_DOCUMENT_BYTES - room - document_size(FORM, {"count": 1, "a": half, "b": ""})
    put(testing, FORM, count=1, a=half, b="x" * rest)


@pytest.mark.parametrize("room", [0, 100])
def test_a_form_without_room_for_a_stamp_is_rejected_without_one_and_has_no_effect(room: int) -> None:
    with memory_app(orders(add)) as testing:
        put_full(testing, room)
        (delivery,) = testing.take()
        assert testing.handle(delivery).outcomes == {"rejected": 1}
        assert testing.handle(delivery).outcomes == {"duplicate": 1}
        assert (count(testing), letters(testing)) == (0, [])


def test_the_letter_of_a_form_without_room_for_a_stamp_names_the_error_of_the_code() -> None:
    with memory_app(orders(lambda form: form.bug)) as testing:
        put_full(testing)
        testing.deliver()
        assert [each["code"] for each in letters(testing)] == ["BF511"]


# What tells that a form has had its effect.


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


# The same in Document mode.


class StockStore(Store):
    stock = reference(Stock)


changed = Boiler("stocks")


@changed.query
@changed.document()
class StockView(ViewModel[StockStore]):
    class Meta:
        path = "stockViews/{stock.doc_id}"
        write = access.public

    @attrs.computed
    def add(self) -> int:
        return 0

    @add.setter
    def set_add(self, value: int) -> None:
        self.store.stock.count += value

    @attrs.computed
    def count(self) -> int:
        return self.store.stock.count


def test_a_field_beside_a_mutation_does_not_repeat_its_effect_and_leaves_its_outcome() -> None:
    path = "stockViews/main/_PATCH_StockView/m"
    with memory_app(changed) as testing:
        put(testing, "stock/main", count=1)
        testing.deliver()
        put(testing, path, add=2)
        testing.deliver()
        testing.database.commit([Put(path, {"state": "SEEN"}, mask=("state",))])
        testing.deliver(duplicates=1)
        assert (count(testing), outcome(testing, path)["status"]) == (3, "done")
