"""What an argument of a declaration may be: a check for each kind, which says what was found and what is expected.

check_each("HttpSettings.", settings._asdict(), {"burst": whole(1), "tenant": optional(text), "app_check": flag})
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, get_args

from boiler_functions.exceptions import InvalidOption

Check: TypeAlias = Callable[[str, Any], Any]
"""Gives the value back; raises InvalidOption, which begins with where it was said, for one that cannot be."""

_INFINITE = float("inf")
_LONGEST = timedelta(days=3650)


def check_each(where: str, said: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Raises InvalidOption for the first argument that cannot be."""
    for name, check in checks.items():
        check(f"{where}{name}", said[name])


def fits(expected: str, is_fit: Callable[[Any], bool]) -> Check:
    """The check that a value is as expected."""

    def check(where: str, value: Any) -> Any:
        if not is_fit(value):
            raise InvalidOption(f"{where} is {expected}; found {value!r}.")
        return value

    return check


def whole(least: int, most: int | None = None) -> Check:
    """A whole number in these limits."""
    expected = f"a whole number, {least} or more" if most is None else f"{least} to {most}"
    return fits(
        expected, lambda value: _is_number(value, int) and least <= value <= (_INFINITE if most is None else most)
    )


def one_of(kind: Any) -> Check:
    """One of the values of a Literal."""
    return fits(f"one of {', '.join(map(repr, get_args(kind)))}", lambda value: value in get_args(kind))


def of_kind(kind: type[Any]) -> Check:
    """An instance of the class."""
    return fits(f"{kind.__name__}(…)", lambda value: isinstance(value, kind))


def optional(check: Check) -> Check:
    """The same, or None."""
    return lambda where, value: None if value is None else check(where, value)


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Texts; a single one, whose letters would be taken for them, is none."""
    if isinstance(value, str):
        raise InvalidOption(f"{where} is a list; write [{value!r}].")
    if not isinstance(value, Collection) or not all(isinstance(each, str) for each in value):
        raise InvalidOption(f"{where} is a list of texts; found {value!r}.")
    return tuple(value)


def _is_number(value: Any, kind: Any = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


flag = fits("True or False", lambda value: isinstance(value, bool))
text = fits("a text", lambda value: isinstance(value, str))
positive = fits("a number, more than 0", lambda value: _is_number(value) and 0 < value < _INFINITE)
mapping = fits("a mapping by name", lambda value: isinstance(value, Mapping))
duration = fits(
    "a time that passes, as timedelta(hours=1)",
    lambda value: isinstance(value, timedelta) and timedelta(0) < value <= _LONGEST,
)
