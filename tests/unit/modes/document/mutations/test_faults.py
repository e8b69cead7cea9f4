"""Mutations under faults."""

from functools import partial

import pytest

from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import UnknownOutcome
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild
from tests.unit.modes.cities import put
from tests.unit.modes.document.mutations.scene import COPY, MUTATION, count, counting, opened, outcome, version
from tests.unit.modes.hooked import Hooked, raises


def test_a_commit_whose_answer_is_lost_takes_effect_once(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    (event,) = testing.take()
    report = testing.handle(event, Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost"))))
    assert report.outcomes == {"done": 1}
    testing.pending.append(event)
    testing.deliver()
    assert count(testing) == 2


@pytest.mark.parametrize("seed", range(6))
def test_under_any_faults_each_mutation_takes_effect_exactly_once(seed: int) -> None:
    faults = Faults(before=0.03, after=0.05)
    with opened(counting()) as testing:
        copies = [f"users/{user}/counters/one" for user in ("ann", "ben")]
        paths = [f"{copies[number % 2]}/_PATCH_CounterView/m{number}" for number in range(25)]
        sent = [partial(testing.write, path, {"add": 1}) for path in paths]
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.01, drops=0.05, faults=faults, meanwhile=sent)
        assert count(testing) == 25
        assert testing.injected["handler crashed"]
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("seed", range(6))
def test_of_mutations_that_saw_the_same_version_at_most_one_takes_effect(seed: int) -> None:
    with opened(counting(versioned=True, strict=True)) as testing:
        seen = version(testing)
        for number in range(8):
            put(testing, f"{COPY}/_PATCH_CounterView/m{number}", add=1, if_version=seen)
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.02)
        found = [outcome(testing, f"{COPY}/_PATCH_CounterView/m{number}")["status"] for number in range(8)]
        assert sorted(found) == ["done", *["rejected"] * 7]
        assert count(testing) == 1
