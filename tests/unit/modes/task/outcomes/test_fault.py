"""Whether the sender or the code is at fault."""

from typing import Any

import pytest

from boiler_functions import Boiler, Store, ViewModel, attrs, reference
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size
from boiler_functions.modes.dead_letter import COLLECTION as LETTERS
from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.outcomes.scene import (
    COMPLETIONS,
    FORM,
    Shelf,
    Stock,
    add,
    count,
    orders,
    outcome,
    touch,
)


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == LETTERS]


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
