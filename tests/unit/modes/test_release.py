"""A release is what a deployment says about itself, read from a small file beside main.py or from the environment."""

from pathlib import Path

import pytest

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.release import FILE, VARIABLE, Release

RELEASE = Release(7, {"CityView": "source-abc"}, 1_800_000_000_000_000_000)


def test_a_release_reads_as_it_was_written(tmp_path: Path) -> None:
    assert RELEASE.write(tmp_path) == tmp_path / FILE
    assert Release.of(tmp_path, {}) == RELEASE


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert Release.of(tmp_path, {}) == Release()


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    RELEASE.write(tmp_path)
    assert Release.of(tmp_path, {VARIABLE: '{"deployment": 8, "codes": {}}'}) == Release(8)


@pytest.mark.parametrize(
    "text", ["7", "{", "[]", "{}", '{"deployment": "x", "codes": {}}', '{"deployment": 1, "codes": 2}']
)
def test_a_file_that_holds_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=rf"{FILE} is not a release.*deploy again, or remove it"):
        Release.of(tmp_path, {})
