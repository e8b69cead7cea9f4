"""The error tree: one base, stable codes, and messages that say what to do next."""

import inspect
import re
from pathlib import Path

import pytest

from boiler_functions import exceptions
from boiler_functions.exceptions import BoilerError, InvalidDocument, InvalidValue, Permanent, Rejected, Transient
from boiler_functions.types import subclasses

ROOT = Path(__file__).parents[2]

# Other modules, tests among them, may have errors of their own.
ERRORS: list[type[BoilerError]] = [BoilerError]
ERRORS += [error for error in subclasses(BoilerError) if error.__module__ == exceptions.__name__]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_docstring_that_is_a_sentence(error: type[BoilerError]) -> None:
    assert (error.__doc__ or "").splitlines()[0].endswith(".")


def test_every_code_stands_once_in_the_sources() -> None:
    texts = [
        path.read_text("utf-8") for room in ("boiler_functions", "emulator") for path in (ROOT / room).rglob("*.py")
    ]
    codes = [code for text in texts for code in re.findall(r'^    code(?:: .*)? = "(BF\d{3})"$', text, re.MULTILINE)]
    assert sorted(codes) == sorted({error.code for error in ERRORS})


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_sets_a_code_of_its_own(error: type[BoilerError]) -> None:
    assert "code" in vars(error)
    assert re.fullmatch(r"BF\d{3}", error.code)


def test_the_tree_at_the_top_of_the_file_names_every_error_with_its_code_and_parent() -> None:
    drawn = re.findall(r"([A-Z]\w+) +(BF\d{3}) ", exceptions.__doc__ or "")
    assert dict(drawn) == {error.__name__: error.code for error in ERRORS if error is not BoilerError}


def test_all_names_every_error_sorted() -> None:
    classes = inspect.getmembers(exceptions, inspect.isclass)
    declared = [name for name, each in classes if issubclass(each, BoilerError)]
    assert exceptions.__all__ == sorted(declared)


def test_no_error_is_both_transient_and_permanent() -> None:
    assert not {error for error in ERRORS if issubclass(error, Transient) and issubclass(error, Permanent)}


def test_a_rejection_carries_its_reason_and_errors_by_field() -> None:
    rejection = Rejected("the meeting is closed", {"status": ["closed"]})
    assert (rejection.reason, rejection.errors, str(rejection)) == (
        "the meeting is closed",
        {"status": ["closed"]},
        "the meeting is closed",
    )
    assert Rejected("no").errors == {}


def test_an_invalid_document_is_named_with_model_field_and_next_step() -> None:
    error = InvalidDocument("cities/TOK", "City", {"population": ["Not a valid integer."]})
    assert str(error) == (
        "cities/TOK does not fit City: population: Not a valid integer. Correct the document, or the declaration."
    )


def test_an_invalid_value_is_named_with_model_and_field() -> None:
    error = InvalidValue("City", {"name": ["Too short.", "Not upper case."], "size": ["Too large."]})
    assert str(error) == "City refuses name: Too short. Not upper case.; size: Too large."
