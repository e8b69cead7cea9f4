"""What a mutation does."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, access, attrs
from boiler_functions.testing import MemoryApp
from tests.unit.modes.cities import put
from tests.unit.modes.document.mutations.scene import MUTATION, Counting, count, opened, outcome


def test_a_mutation_takes_effect_through_the_setters_and_every_copy_follows(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2, label="two")
    testing.deliver()
    assert outcome(testing)["status"] == "done"
    for user in ("ann", "ben"):
        found = testing.fields(f"users/{user}/counters/one") or {}
        assert (found["count"], found["label"]) == (2, "two")


def test_a_mutation_that_is_delivered_twice_takes_effect_once(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    testing.deliver(duplicates=4, shuffle=3)
    assert count(testing) == 2


def test_of_two_mutations_without_a_version_the_latest_wins(testing: MemoryApp) -> None:
    put(testing, MUTATION, label="first")
    put(testing, "users/ben/counters/one/_PATCH_CounterView/m1", label="second")
    testing.deliver()
    assert (testing.fields("counters/one") or {})["label"] == "second"


def test_a_setter_that_refuses_leaves_all_as_it_was_and_says_why(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2, label="forbidden")
    testing.deliver()
    found = outcome(testing)
    assert (found["status"], found["reason"], found["errors"]) == ("rejected", "not that one", {"label": ["forbidden"]})
    assert count(testing) == 0


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"add": "2"}, {"add": ["Not a valid integer."]}),
        ({"count": 2}, {"count": ["Unknown field."]}),
        ({"nothing": 1}, {"nothing": ["Unknown field."]}),
        ({"add": None}, {"add": ["Field may not be null."]}),
        ({"add": 1, "if_version": "x"}, {"if_version": ["Unknown field."]}),
    ],
)
def test_what_no_setter_takes_is_rejected_by_field(
    testing: MemoryApp, fields: dict[str, Any], errors: dict[str, Any]
) -> None:
    testing.write(MUTATION, fields)
    testing.deliver()
    assert outcome(testing)["status"] == "rejected"
    assert outcome(testing)["errors"] == errors
    assert count(testing) == 0


def test_a_setter_may_write_another_model_that_is_declared_and_no_other() -> None:
    class Log(DomainModel):
        class Meta:
            collection_name = "logs"

        text = attrs.string(required=True)

    def app_of(*writes: type[DomainModel]) -> Boiler:
        app = Boiler("demo")

        @app.query
        @app.document(writes=writes)
        class CounterView(Counting):
            class Meta:
                path = "users/{users.doc_id}/counters/{counter.doc_id}"
                write = access.owner("users.doc_id")

            def propagate_change(self) -> None:
                super().propagate_change()
                Log.new(doc_id="one", text=f"by {self.caller.uid if self.caller else None}").save()

        return app

    with opened(app_of(Log)) as testing:
        put(testing, MUTATION, add=2)
        testing.deliver()
        assert (testing.fields("logs/one") or {})["text"] == "by ann"
    with opened(app_of()) as testing:
        put(testing, MUTATION, add=2)
        testing.deliver()
        (letter,) = letters(testing)
        assert (letter["code"], count(testing)) == ("BF507", 0)


def test_an_error_in_a_setter_is_a_dead_letter_that_names_the_view() -> None:
    app = Boiler("demo")

    class CounterView(Counting):
        class Meta:
            path = "users/{users.doc_id}/counters/{counter.doc_id}"
            write = access.owner("users.doc_id")

        @attrs.computed
        def wrong(self) -> int:
            return 0

        @wrong.setter
        def set_wrong(self, value: int) -> None:
            raise ZeroDivisionError("a bug")

    app.query(CounterView)
    app.document()(CounterView)
    with opened(app) as testing:
        put(testing, MUTATION, wrong=1)
        testing.deliver()
        (letter,) = letters(testing)
    assert letter["message"] == "CounterView, by a setter or propagate_change, raised ZeroDivisionError: a bug"


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]
