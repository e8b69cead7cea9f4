"""marshmallow's large patterns are compiled when they are first used, and match as ever."""

import re
import subprocess
import sys

import pytest
from marshmallow import ValidationError, validate

from boiler_functions.models.deferred import DeferredPattern, deferring

_IMPORTS = "import {}, re; from marshmallow.validate import Email; print(isinstance(Email.USER_REGEX, re.Pattern))"


@pytest.mark.parametrize(
    ("modules", "compiled"), [("boiler_functions", "False"), ("marshmallow, boiler_functions", "True")]
)
def test_the_patterns_are_deferred_unless_marshmallow_was_imported_before(modules: str, compiled: str) -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTS.format(modules)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == compiled


def test_email_addresses_are_validated() -> None:
    assert validate.Email()("ada@example.com") == "ada@example.com"
    with pytest.raises(ValidationError):
        validate.Email()("ada at example.com")


def test_a_deferred_pattern_is_used_as_a_compiled_one() -> None:
    pattern = DeferredPattern("a+", re.IGNORECASE)
    assert pattern.fullmatch("aA")
    assert not pattern.fullmatch("ab")
    assert pattern.flags & re.IGNORECASE


def test_only_the_validators_patterns_are_deferred_and_only_meanwhile() -> None:
    compiling = re.compile
    with deferring():
        assert isinstance(re.compile("a"), re.Pattern)
        assert isinstance(eval("re.compile('a')", {"re": re, "__name__": "marshmallow.validate"}), DeferredPattern)
    assert re.compile is compiling
