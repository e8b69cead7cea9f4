"""Mutations that name the version that their sender saw."""

from boiler_functions.modes.rest.representation import etag_of
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild
from tests.unit.modes.cities import put
from tests.unit.modes.document.mutations.scene import COPY, MUTATION, count, counting, opened, outcome, version


def test_a_copy_holds_a_version_that_its_content_alone_decides(versioned: MemoryApp) -> None:
    first = version(versioned)
    assert version(versioned, "users/ben/counters/one") == first
    put(versioned, MUTATION, add=1)
    versioned.deliver()
    assert version(versioned) != first
    put(versioned, f"{MUTATION}2", add=-1)
    versioned.deliver()
    assert version(versioned) == first
    assert_views_equal_rebuild(versioned)


def test_the_version_is_the_etag_that_the_api_gives(versioned: MemoryApp) -> None:
    assert version(versioned) == etag_of(versioned.fields(COPY) or {})


def test_a_mutation_of_the_version_that_was_seen_takes_effect(versioned: MemoryApp) -> None:
    put(versioned, MUTATION, add=1, if_version=version(versioned))
    versioned.deliver()
    assert outcome(versioned)["status"] == "done"
    assert count(versioned) == 1


def test_a_mutation_of_an_older_version_is_rejected_with_a_reason(versioned: MemoryApp) -> None:
    seen = version(versioned)
    for name in ("m1", "m2"):
        put(versioned, f"{COPY}/_PATCH_CounterView/{name}", add=1, if_version=seen)
    versioned.deliver()
    found = outcome(versioned, f"{COPY}/_PATCH_CounterView/m2")
    assert found["reason"] == "The CounterView has changed since; look at it, and send the change again."
    assert found["errors"] == {"if_version": ["Not the version that it has now."]}
    assert count(versioned) == 1


def test_a_version_is_that_of_the_sources_even_while_the_copy_lags_behind(versioned: MemoryApp) -> None:
    seen = version(versioned)
    put(versioned, "counters/one", count=5, users=(versioned.fields("counters/one") or {})["users"])
    versioned.take()
    put(versioned, MUTATION, add=1, if_version=seen)
    versioned.deliver()
    assert outcome(versioned)["status"] == "rejected"


def test_strict_demands_a_version() -> None:
    with opened(counting(versioned=True, strict=True)) as testing:
        put(testing, MUTATION, add=1)
        testing.deliver()
        assert outcome(testing)["errors"] == {"if_version": ["Missing data for required field."]}
        put(testing, f"{MUTATION}2", add=1, if_version=version(testing))
        testing.deliver()
        assert count(testing) == 1
