"""The short form of `make torture`: no figure is off target, and one that is off would be noticed."""

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from random import SystemRandom
from typing import Any

import pytest

from boiler_functions.database import Write
from boiler_functions.modes.cloud_build import CloudBuild
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.ledger import Ledger
from boiler_functions.modes.query import rebuild
from boiler_functions.modes.query.build_ranges import Builder
from boiler_functions.modes.query.commits import Commits
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.query.shelf import Shelf
from boiler_functions.views.build import Built, Instance, build_to_store
from boiler_functions.views.dependencies import sources_of
from boiler_functions.views.totals import Total
from tests.torture import builds, chains, clubs, stages, transfers
from tests.torture.__main__ import PARTS, main
from tests.torture.devices import DEVICES, Device, found_by_search, proven
from tests.torture.figures import Figure, fault_figures
from tests.torture.simulator import torture


def test_no_figure_of_the_simulator_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["simulator", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed
    assert f"seed {seed}" in printed


def test_no_figure_of_sub_collections_and_subclasses_is_off_in_the_short_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["family", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_deployments_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["deployments", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_quiet_views_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["quiet", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_views_of_views_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["chains", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_copies_that_differ_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["participants", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_staged_versions_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["stages", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_builds_in_the_cloud_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["builds", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def test_no_figure_of_access_is_off_in_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    seed = SystemRandom().randrange(10**6)
    status = main(["clubs", "--short", "--seed", str(seed)])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed


def without_a_ledger(self: Commits, instance: Instance, unfinished: Ledger, writes: Sequence[Write]) -> None:
    """Commits each copy by itself, and the ledger after them."""
    for write in (*writes[1:], writes[0]):
        self.invocation.database.commit([write])


def raising(*arguments: Any) -> Built:
    """Raises what it cannot build, instead of saying which copies are to be withdrawn."""
    if (built := build_to_store(*arguments)).failure is not None:
        raise built.failure
    return built


@pytest.mark.parametrize(
    ("owner", "name", "replacement", "figure"),
    [
        pytest.param(rebuild, "build_to_store", raising, "reads_on", id="withdrawal"),
        pytest.param(Commits, "_commit_in_parts", without_a_ledger, "view_divergence", id="parts"),
    ],
)
def test_the_part_of_access_finds_what_goes_wrong_without_its_devices(
    owner: Any, name: str, replacement: Any, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, replacement)
    assert any(clubs.torture(seed).wrong[figure] for seed in range(40))


@pytest.mark.parametrize(
    ("name", "replacement", "figure"),
    [
        pytest.param("_is_as_new", lambda self, pair, is_back: not pair.shelf.is_unpaid, "gaps", id="as new"),
        pytest.param("_ask_for", lambda self, pairs: None, "commands_without_end", id="asked for"),
    ],
)
def test_the_part_of_staged_versions_finds_what_goes_wrong_without_its_devices(
    name: str, replacement: Any, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, name, replacement)
    # One seed in some thirty needs what is asked for.
    assert any(stages.torture(seed).wrong[figure] for seed in range(400))


def counted_unbuilt(self: Builder, work: RebuildAll, build: CloudBuild, roots: Sequence[str]) -> Counter[Outcome]:
    """Moves the range past the roots, and leaves them to a later task."""
    return Counter()


@pytest.mark.parametrize(
    ("name", "replacement", "figure"),
    [
        pytest.param("_rebuilt", counted_unbuilt, "views_not_built", id="built before counted"),
        pytest.param("_stands_still", lambda *_: False, "builds_without_end", id="upkeep hands again"),
    ],
)
def test_the_part_of_builds_finds_what_goes_wrong_without_its_devices(
    name: str, replacement: Any, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Builder, name, replacement)
    assert any(builds.torture(seed).wrong[figure] for seed in range(40))


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_a_test_holds_with_its_safety_device_and_falls_without_it(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1, "boiler_functions")
    assert proven(device), device.test_name


def test_the_tests_of_the_safety_devices_are_run_by_pytest_under_their_names() -> None:
    for device in DEVICES:
        module = sys.modules[device.test.__module__]
        assert getattr(module, device.test.__name__) is device.test
        assert device.test.__name__.startswith("test_")
    assert len(DEVICES) == 52


def test_a_device_whose_test_does_not_fail_is_not_proven() -> None:
    assert not proven(Device("nothing", lambda patch: None, DEVICES[-1].test))


def test_the_simulator_finds_by_search_what_goes_wrong_without_the_ledgers_precondition() -> None:
    (device,) = (each for each in DEVICES if each.name == "ledger precondition")
    assert found_by_search(device, range(40))


def test_the_simulator_finds_by_search_what_goes_wrong_if_every_change_is_taken_for_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def always(self: Rebuild, instance: Instance, ledger: Ledger) -> bool:
        assert self.change is not None
        sources = list(sources_of(instance.view.store_class, self.change.path))
        return bool(sources) and all(isinstance(each, Total) for each in sources)

    monkeypatch.setattr(Rebuild, "_is_counted", always)
    assert any(torture(seed).wrong["view_divergence"] for seed in range(40))


def test_a_chain_of_views_shows_what_goes_wrong_without_the_tokens_of_what_a_copy_was_before() -> None:
    (device,) = (each for each in DEVICES if each.name == "before-image tokens")
    with pytest.MonkeyPatch.context() as patch:
        device.remove(patch)
        assert any(chains.torture(seed).wrong["view_divergence"] for seed in range(20))


def test_transfers_between_accounts_never_show_a_sum_that_never_was_and_do_without_the_seen_version() -> None:
    assert sum(transfers.in_memory(seed)["wrong"] for seed in range(20)) == 0
    (device,) = (each for each in DEVICES if each.name == "seen version")
    with pytest.MonkeyPatch.context() as patch:
        device.remove(patch)
        assert sum(transfers.in_memory(seed)["wrong"] for seed in range(20)) > 0


def test_a_seed_is_replayed_exactly() -> None:
    assert torture(7) == torture(7)
    assert torture(7).injected != torture(8).injected


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("lost_events", 0, "=", 0), True),
        (Figure("lost_events", 1, "=", 0), False),
        (Figure("seeds", 1_000, "≥", 1_000), True),
        (Figure("seeds", 999, "≥", 1_000), False),
        (Figure("p99", 2, "≤", 1), False),
        (Figure("builds", 2), True),
    ],
)
def test_a_figure_that_misses_its_target_says_so(figure: Figure, holds: bool) -> None:
    assert figure.holds is holds
    assert ("OFF" in str(figure)) is not holds


def test_a_run_that_injected_no_fault_of_a_kind_is_void() -> None:
    (torn,) = fault_figures(Counter(), ["read torn"], least=1)
    assert not torn.holds


def test_the_exit_status_tells_that_a_figure_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong, status in ((0, 0), (1, 1)):
        rows = [Figure("seeds", 1, "≥", 1), Figure("lost_events", wrong, "=", 0)]
        monkeypatch.setattr("tests.torture.simulator.run", lambda short, seed, rows=rows: rows)
        assert main(["simulator"]) == status
    assert "1 off target" in capsys.readouterr().out


def test_an_unknown_part_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulatr"])
    assert f"choose from {', '.join(PARTS)}" in capsys.readouterr().err
