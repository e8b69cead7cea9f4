"""The torture on the emulator, in its short form: real events, real processes, real kills."""

import pytest

from tests.torture.emulator import run

LEAST = {
    "increments": 1,
    "contributions": 1,
    "faults_injected[sigkill]": 2,
    "faults_injected[database_down]": 1,
    "faults_injected[delivered_again]": 1,
    "faults_injected[upkeep_asleep]": 1,
    "faults_injected[upkeep_with_a_wrong_clock]": 1,
}


@pytest.mark.timeout(280)
def test_nothing_is_lost_doubled_or_stale_though_workers_are_killed_and_the_database_goes_away() -> None:
    figures = {figure.name: figure for figure in run(short=True, seed=7)}
    wrong = [str(figure) for figure in figures.values() if figure.relation == "=" and not figure.holds]
    assert wrong == []
    assert figures["views_compared"].value > 0
    assert {name: figures[name].value >= least for name, least in LEAST.items()} == dict.fromkeys(LEAST, True)
