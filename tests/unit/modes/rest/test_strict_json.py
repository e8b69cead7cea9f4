"""What a body costs before it is refused."""

import time

import pytest
from marshmallow import ValidationError

from boiler_functions.modes.rest.strict_json import parse


def seconds(text: str, max_keys: int) -> float:
    """Returns the least CPU time of three attempts to parse the text, which is refused."""
    found = []
    for _ in range(3):
        started = time.process_time()
        with pytest.raises((ValueError, ValidationError)):
            parse(text, max_keys=max_keys)
        found.append(time.process_time() - started)
    return min(found)


def twice(number: int) -> str:
    """Returns an object with so many duplicate names."""
    return "{" + ",".join(f'"n{each}":1,"n{each}":1' for each in range(number)) + "}"


@pytest.mark.parametrize("max_keys", [2000, 10**6])
def test_names_that_are_given_twice_are_found_in_linear_time(max_keys: int) -> None:
    # In quadratic time eight times as many names take sixty-four times as long.
    assert seconds(twice(16_000), max_keys) < 25 * seconds(twice(2_000), max_keys)


def test_too_many_names_are_refused_before_their_values_are_kept() -> None:
    with pytest.raises(ValueError, match="more than 3 field names"):
        parse('[{"a":1,"b":2},{"a":1,"b":2}]', max_keys=3)
    assert parse('[{"a":1},{"a":1,"b":2}]', max_keys=3) == [{"a": 1}, {"a": 1, "b": 2}]


def test_each_name_that_is_given_twice_is_listed() -> None:
    with pytest.raises(ValidationError) as caught:
        parse('{"a":1,"b":2,"a":3,"c":{}}')
    assert caught.value.messages == {"a": ["Given more than once."]}
