"""Dead letters: one document for each thing that will fail again."""

import logging
from datetime import UTC, datetime
from random import Random

import pytest

from boiler_functions.database import Database, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict, GetterFailed, Permanent, TooLarge
from boiler_functions.modes.dead_letter import COLLECTION, KEPT, MAX_ATTEMPTS, write_dead_letter
from boiler_functions.modes.invocation import Invocation, Outcome, Surroundings
from boiler_functions.types import subclasses
from tests.unit.modes.hooked import Hooked, raises

SECOND = 1_000_000_000


def letters_after(
    *errors: Permanent, subjects: tuple[str, ...] = ("cities/TOK",)
) -> tuple[list[dict[str, object]], int]:
    """The dead letters once each error has come for each subject, a second apart, and how many were noted."""
    database = MemoryDatabase()
    clock = [SECOND]
    surroundings = Surroundings(lambda: clock[0], lambda seconds: None, Random(0))
    invocation = Invocation("demo", "city_view_on_cities", Metered(database), surroundings)
    paths: set[str] = set()
    database.subscribe(lambda before, after: paths.add(after.path))
    for error in errors:
        for subject in subjects:
            write_dead_letter(
                invocation, view="CityView", subject=subject, source="cities/TOK", event="e1", error=error
            )
        clock[0] += SECOND
    assert all(path.startswith(f"{COLLECTION}/") for path in paths)
    documents = database.read(sorted(paths)).documents
    return [dict(each.fields or {}) for each in documents], invocation.outcomes[Outcome.DEAD_LETTER]


def test_a_dead_letter_says_what_failed_where_and_why() -> None:
    (letter,), noted = letters_after(GetterFailed("CityView.title raised KeyError"))
    assert noted == 1
    assert letter == {
        "app": "demo",
        "function": "city_view_on_cities",
        "view": "CityView",
        "subject": "cities/TOK",
        "source": "cities/TOK",
        "event": "e1",
        "code": "BF505",
        "kind": "bug",
        "reason": "GetterFailed",
        "message": "CityView.title raised KeyError",
        "first_time": datetime.fromtimestamp(1, UTC),
        "last_time": datetime.fromtimestamp(1, UTC),
        "attempts": 1,
        "expire_at": datetime.fromtimestamp(1, UTC) + KEPT,
    }


def test_a_subject_that_fails_again_counts_in_its_one_dead_letter_with_the_last_reason() -> None:
    (letter,), _ = letters_after(GetterFailed("first"), TooLarge("second"))
    assert (letter["attempts"], letter["reason"], letter["message"]) == (2, "TooLarge", "second")
    assert (letter["first_time"], letter["last_time"]) == (
        datetime.fromtimestamp(1, UTC),
        datetime.fromtimestamp(2, UTC),
    )


def test_two_subjects_have_a_dead_letter_each() -> None:
    letters, noted = letters_after(GetterFailed("x"), subjects=("cities/TOK", "cities/ROM"))
    assert sorted(str(letter["subject"]) for letter in letters) == ["cities/ROM", "cities/TOK"]
    assert noted == 2


def test_a_message_that_is_longer_than_a_document_is_cut() -> None:
    (letter,), _ = letters_after(GetterFailed("x" * 2_000_000))
    assert len(str(letter["message"])) == 10_000


def test_a_message_of_many_bytes_a_character_fits_as_well() -> None:
    (letter,), _ = letters_after(GetterFailed("😀" * 2_000_000))
    assert len(str(letter["message"])) == 10_000


def test_a_message_with_a_lone_surrogate_can_be_stored(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")  # pytest itself cannot pass on what is captured
    (letter,), _ = letters_after(GetterFailed("a \ud800 b"))
    assert letter["message"] == "a ? b"


def test_every_permanent_error_says_what_is_to_be_mended() -> None:
    kinds = {each.__name__: each.kind for each in subclasses(Permanent)}
    assert kinds == {
        "InvalidDocument": "schema",
        "InvalidValue": "schema",
        "InvalidPath": "id",
        "TooLarge": "size",
        "GetterFailed": "bug",
        "ImpureGetter": "bug",
        "UndeclaredWrite": "bug",
        "EventTooOld": "age",
        "InvalidRequest": "request",
        "InvalidEvent": "event",
        "TaskFailed": "bug",
        "Undeliverable": "receiver",
        "WithdrawalHeld": "schema",
        "ForeignThread": "bug",
    }


def test_two_that_count_at_once_are_both_counted() -> None:
    database = MemoryDatabase()
    surroundings = Surroundings(lambda: SECOND, lambda seconds: None, Random(0))

    def write(through: Database) -> None:
        invocation = Invocation("demo", "city_view_on_cities", Metered(through), surroundings)
        error = TooLarge("It is too large.")
        write_dead_letter(invocation, view="CityView", subject="a", source="cities/a", event="e1", error=error)

    raced = Hooked(database).before("commit", 1, lambda: write(database))
    write(raced)
    (letter,) = database.query(Query(COLLECTION)).documents
    assert (letter.fields or {})["attempts"] == 2


def test_a_letter_that_others_always_write_meanwhile_is_not_acknowledged() -> None:
    database = MemoryDatabase()
    hooked = Hooked(database)
    for nth in range(1, MAX_ATTEMPTS + 1):
        hooked.before("commit", nth, raises(Conflict("contended")))
    invocation = Invocation("demo", "f", Metered(hooked), Surroundings(lambda: SECOND, lambda seconds: None, Random(0)))
    with pytest.raises(Conflict):
        write_dead_letter(invocation, view="V", subject="a", source="a", event="e", error=TooLarge("It is too large."))
    assert not invocation.outcomes
