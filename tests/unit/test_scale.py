"""The page on scale says what the command works out, by limits that hold at every size."""

import json
from pathlib import Path

import pytest

from benchmarks.results import FILE
from benchmarks.scale import MANY, NAMED, ONE, RAMP, Speed, duration, follow, measured_rate, ramp, rebuild_seconds, rows
from boiler_functions.plan.prices import Prices

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def speed(rate: float = 1000.0, instances: int = 100) -> Speed:
    return Speed(rate, 0.015, 60, instances)


def test_the_page_has_the_rows_of_the_command() -> None:
    measured = measured_rate(json.loads(FILE.read_text("utf-8")))
    assert f"builds {measured:,.0f} views a second" in PAGE.read_text("utf-8")
    found = rows(Speed(measured, 0.015, 60), Prices.read())
    assert "\n".join(f"| {' | '.join(each)} |" for each in found) in PAGE.read_text("utf-8")


def test_writes_may_grow_by_half_every_five_minutes() -> None:
    assert [ramp(second) for second in (0, 299, 300, 600)] == [500, 500, 750, 1125]


@pytest.mark.parametrize(
    ("views", "given", "limit"),
    [
        (1_000, speed(rate=100), ONE),
        (100_000, speed(), RAMP),
        (2_000_000, speed(rate=10, instances=3), MANY),
        (100_000_000, speed(instances=1000), NAMED),
    ],
)
def test_the_limit_that_holds_is_named(views: int, given: Speed, limit: str) -> None:
    assert follow(views, given).limit == limit


def test_more_views_take_longer_and_no_limit_is_passed() -> None:
    seconds = [follow(views, speed()).seconds for views in (1_000, 100_000, 10_000_000)]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 1_000 / 500
    assert rebuild_seconds(10_000, 100) == 100
    assert rebuild_seconds(10_000, 10_000) == 20


def test_a_duration_has_the_unit_that_people_use() -> None:
    assert [duration(each) for each in (20, 600, 9_000, 500_000)] == ["20 s", "10 min", "2.5 h", "5.79 days"]
