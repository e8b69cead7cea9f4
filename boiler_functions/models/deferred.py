"""Imports marshmallow without compiling the large regular expressions of its validator of email addresses.

Their character classes with ranges of Unicode take more time to compile than the rest of marshmallow takes to load, and
a cold start pays for them although hardly any model has an email address. They are compiled when they are first used.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_VALIDATORS: Final = "marshmallow.validate"


class DeferredPattern:
    """A regular expression that is compiled when an attribute of it is first used; `re` caches the result."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments), name)


@contextmanager
def deferring() -> Iterator[None]:
    """Lets the patterns that marshmallow's validators compile meanwhile be deferred; compiles all others as usual."""
    compiling = re.compile

    def compile_or_defer(*arguments: Any, **options: Any) -> Any:
        # Only the classes' own patterns: other modules, and other threads, may compile at the same time.
        caller = sys._getframe(1).f_globals.get("__name__")
        return (
            DeferredPattern(*arguments) if caller == _VALIDATORS and not options else compiling(*arguments, **options)
        )

    re.compile = compile_or_defer
    try:
        yield
    finally:
        re.compile = compiling


with deferring():
    import marshmallow.validate  # noqa: F401
