"""Checks of the arguments of declarations; an error says what is expected and what was found.

check_each("HttpSettings.", settings._asdict(), {"burst": whole(1), "tenant": optional(text), "app_check": flag})
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, get_args

from boiler_functions.exceptions import InvalidOption

Check: TypeAlias = Callable[[str, Any], Any]
"""Takes the name to show and the value; returns the value, or raises InvalidOption."""

_INFINITE = float("inf")
_LONGEST = timedelta(days=3650)


def check_each(where: str, said: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Raises InvalidOption for the first argument that fails its check."""
    for name, check in checks.items():
        check(f"{where}{name}", said[name])


def fits(expected: str, is_fit: Callable[[Any], bool]) -> Check:
    """Returns a check that raises unless `is_fit(value)`; `expected` describes a fitting value."""

    def check(where: str, value: Any) -> Any:
        if not is_fit(value):
            raise InvalidOption(f"{where} must be {expected}; found {value!r}.")
        return value

    return check


def whole(least: int, most: int | None = None) -> Check:
    """Returns a check for a whole number within the limits, both included."""
    expected = f"a whole number, {least} or more" if most is None else f"{least} to {most}"
    return fits(
        expected, lambda value: _is_number(value, int) and least <= value <= (_INFINITE if most is None else most)
    )


def one_of(kind: Any) -> Check:
    """Returns a check for one of the values of a Literal."""
    return fits(f"one of {', '.join(map(repr, get_args(kind)))}", lambda value: value in get_args(kind))


def of_kind(kind: type[Any]) -> Check:
    """Returns a check for an instance of the class."""
    return fits(f"{kind.__name__}(…)", lambda value: isinstance(value, kind))


def optional(check: Check) -> Check:
    """Returns a check that admits None, too."""
    return lambda where, value: None if value is None else check(where, value)


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Returns a collection of strings as a tuple; refuses a bare string, whose letters would count as its items."""
    if isinstance(value, str):
        raise InvalidOption(f"{where} must be a list; write [{value!r}].")
    if not isinstance(value, Collection) or not all(isinstance(each, str) for each in value):
        raise InvalidOption(f"{where} must be a list of strings; found {value!r}.")
    return tuple(value)


def _is_number(value: Any, kind: Any = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


flag = fits("True or False", lambda value: isinstance(value, bool))
text = fits("a string", lambda value: isinstance(value, str))
positive = fits("a number above 0", lambda value: _is_number(value) and 0 < value < _INFINITE)
mapping = fits("a mapping by name", lambda value: isinstance(value, Mapping))
duration = fits(
    "a positive timedelta of at most ten years, as timedelta(hours=1)",
    lambda value: isinstance(value, timedelta) and timedelta(0) < value <= _LONGEST,
)
