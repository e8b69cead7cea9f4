"""Who may create a mutation, and whose view it changes."""

import pytest

from boiler_functions.testing import MemoryApp
from tests.unit.modes.cities import put
from tests.unit.modes.document.mutations.scene import COPY, MUTATION, Counter, count, outcome


@pytest.mark.parametrize("user", ["eve", "nobody"])
def test_a_client_without_a_copy_changes_nothing(testing: MemoryApp, user: str) -> None:
    path = f"users/{user}/counters/one/_PATCH_CounterView/m1"
    put(testing, path, add=2)
    testing.deliver()
    assert outcome(testing, path)["reason"] == f"There is no CounterView at users/{user}/counters/one."
    assert count(testing) == 0


def test_a_client_that_lost_its_copy_after_it_sent_the_mutation_changes_nothing(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    (event,) = testing.take()
    counter = Counter.get("one")
    assert counter is not None
    counter.users = [user for user in counter.users if user.doc_id != "ann"]
    counter.save()
    testing.handle(event)
    assert outcome(testing)["status"] == "rejected"
    assert count(testing) == 0


def test_a_root_that_is_gone_is_not_made_by_a_mutation(testing: MemoryApp) -> None:
    testing.write("counters/one", None)
    testing.deliver()
    put(testing, MUTATION, add=2)
    testing.deliver()
    assert outcome(testing)["reason"] == f"There is no CounterView at {COPY}."
    assert testing.fields("counters/one") is None
