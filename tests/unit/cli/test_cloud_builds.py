"""`boiler build --cloud` begins a build that functions do, shows it, and asks before it costs more than a cent."""

import json
from typing import Any

import pytest

from boiler_functions.cli import cloud_builds
from boiler_functions.database import Query
from boiler_functions.modes import cloud_build
from boiler_functions.plan.prices import Prices
from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

PROJECT = ("--project", "demo-towns")


def cities(testing: MemoryApp, number: int = 30) -> None:
    for each in range(number):
        name = f"c{each:02}"
        testing.write(f"cities/{name}", {"name": name, "obj_type": "City", "doc_id": name})
    testing.take()


def answer(run: Run, *arguments: str, status: int = 0) -> Any:
    result = run(*arguments, "--json", *PROJECT)
    assert result.exit_code == status, result.output
    found = json.loads(result.stdout)
    assert (found["project"], found["is_fine"]) == ("demo-towns", status == 0)
    return found["result"]


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> list[MemoryApp]:
    """While a command waits for its next look, upkeep runs in the apps of this list."""
    apps: list[MemoryApp] = []
    monkeypatch.setattr("time.sleep", lambda _: [each.upkeep() for each in apps])
    return apps


def test_all_views_are_built_and_shown_until_the_end(start: Start, run: Run, minutes: list[MemoryApp]) -> None:
    testing = start(APP + LABEL)
    minutes.append(testing)
    cities(testing)
    result = run("build", "--all", "--cloud", *PROJECT)
    assert result.exit_code == 0, result.output
    assert (
        "towns: project demo-towns, database (default)\nBuilding 60 instances of CityView, CityLabel" in result.stderr
    )
    assert "; costs less than a cent\n" in result.stderr
    assert "upkeep begins it within a minute" in result.stderr
    assert ": done; 60 built" in result.stdout
    assert (testing.fields("cityLabels/c07"), testing.fields("cityView/c29")) != (None, None)


def test_a_build_is_begun_listed_paused_resumed_and_cancelled(start: Start, run: Run) -> None:
    testing = start(APP)
    cities(testing)
    begun = answer(run, "build", "CityView", "--cloud", "--detach")
    name = begun["build"]["id"]
    assert begun["estimate"] | {"price": 0} == {
        "reads": 180, "writes": 60, "price": 0, "currency": "USD", "prices": "2025-11",
    }  # fmt: skip
    assert answer(run, "builds", "pause", name)["build"]["state"] == "paused"
    testing.upkeep()
    assert testing.fields("cityView/c00") is None
    watched = run("builds", "watch", name)
    assert watched.exit_code == 1
    assert f"`boiler builds resume {name}` lets it go on" in watched.stdout
    assert answer(run, "builds", "resume", name)["build"]["state"] == "running"
    testing.upkeep()
    assert [each["state"] for each in answer(run, "builds", "list")["builds"]] == ["done"]
    assert answer(run, "builds", "cancel", name, status=1)["build"]["state"] == "done"
    other = answer(run, "build", "CityView", "--cloud", "--detach")["build"]["id"]
    assert answer(run, "builds", "cancel", other)["build"]["state"] == "cancelled"
    testing.upkeep()
    assert answer(run, "builds", "watch", other, status=1)["build"]["outcomes"] == {}
    assert "There is no build 'x'" in run("builds", "watch", "x").stderr
    listed = run("builds", "list").stdout.splitlines()
    assert listed[1].split() == ["id", "state", "views", "built", "of", "failed", "began"]
    assert len(listed) == 4


def test_only_views_that_other_code_has_built_are_built_again(start: Start, run: Run) -> None:
    testing = start(APP + LABEL)
    cities(testing)
    answer(run, "build", "--all", "--cloud", "--detach")
    testing.upkeep()
    assert answer(run, "build", "--all", "--cloud", "--stale", "--detach") == {"build": None}
    start(APP.replace("return self.store.city.name", 'return self.store.city.name + "!"') + LABEL)
    begun = answer(run, "build", "CityView", "--cloud", "--stale", "--detach")["build"]
    assert (begun["views"], begun["instances"]) == (["CityView"], 30)
    testing.upkeep()
    assert cloud_build.read(testing.database, begun["id"]).outcomes == {"built": 30}
    assert (testing.fields("cityView/c00") or {})["title"] == "c00!"


def test_what_costs_more_than_a_cent_is_asked_about(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    cities(testing)
    monkeypatch.setattr(Prices, "of_documents", lambda *_: 12.5)
    for command in (("build", "CityView", "--cloud"), ("build", "CityView")):
        asked = run(*command, *PROJECT)
        assert asked.exit_code == 1
        assert "costs USD 12.50 at list prices of 2025-11" in asked.output
        assert "Go on? [y/N]" in asked.stderr
    assert testing.fields("cityView/c00") is None
    assert cloud_build.builds(testing.database, "towns") == []
    assert run("build", "CityView", "--yes", *PROJECT).exit_code == 0
    assert testing.fields("cityView/c00") is not None


def test_a_view_that_cannot_be_built_makes_the_command_fail(start: Start, run: Run, minutes: list[MemoryApp]) -> None:
    testing = start(APP)
    minutes.append(testing)
    cities(testing)
    testing.write("cities/c07", {"obj_type": "City"})
    result = run("build", "CityView", "--cloud", *PROJECT)
    assert result.exit_code == 1
    assert "1 could not be built and are unchanged; `boiler letters list` says why" in result.stdout


def test_ctrl_c_ends_the_command_and_not_the_build(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    cities(testing)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    result = run("build", "CityView", "--cloud", *PROJECT)
    assert result.exit_code == 130
    assert "The build goes on without this command." in result.stderr
    testing.upkeep()
    assert testing.fields("cityView/c00") is not None


def test_a_build_that_nobody_begins_is_remarked_upon(
    start: Start, run: Run, minutes: list[MemoryApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(APP)
    cities(testing)
    monkeypatch.setattr(cloud_builds, "BEGUN_BY", 0.0)
    looks = iter(range(3))

    def wait(_: float) -> None:
        if next(looks) == 2:
            testing.upkeep()

    monkeypatch.setattr("time.sleep", wait)
    assert "upkeep has not begun it for 0 s" in run("build", "CityView", "--cloud", *PROJECT).stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("build",), "Name one VIEW, or give --all."),
        (("build", "CityView", "--all"), "Name one VIEW, or give --all."),
        (("build", "CityView", "--stale"), "--stale is for builds in the cloud."),
        (("build", "--all", "--resume"), "--resume continues the build of one VIEW from here."),
        (("build", "CityView", "--root", "x", "--cloud"), "--root builds a single instance, from here."),
    ],
    ids=["nothing", "both", "stale", "resume", "root"],
)
def test_options_that_contradict_each_other_are_refused(
    arguments: tuple[str, ...], why: str, start: Start, run: Run
) -> None:
    start(APP)
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_an_app_without_upkeep_is_told_what_begins_a_build(start: Start, run: Run) -> None:
    start(APP.replace('Boiler("towns")', 'Boiler("towns", upkeep=False)'))
    assert "has no upkeep, which begins builds in the cloud" in run("build", "CityView", "--cloud").stderr


KEPT = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, referrers

app = Boiler("regions")

class Region(DomainModel):
    class Meta:
        collection_name = "regions"

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    region = attrs.relation(Region)

class RegionStore(Store):
    region = reference(Region)
    cities = referrers(City.region).count(kept=True)

@app.query
class RegionView(ViewModel[RegionStore]):
    class Meta:
        path = "regionViews/{region.doc_id}"

    @attrs.computed
    def cities(self) -> int:
        return self.store.cities
"""


def test_a_view_whose_kept_total_is_not_filled_is_refused_by_name(start: Start, run: Run) -> None:
    testing = start(KEPT)
    assert run("build", "RegionView", "--cloud", "--detach").exit_code == 0
    (head,) = testing.database.query(Query("boilerTotals")).documents
    testing.write(head.path, None)
    result = run("build", "RegionView", "--cloud", "--detach")
    assert result.exit_code == 2
    assert "RegionView keeps a total that is not filled yet" in result.stderr


def test_the_page_shows_what_they_print(start: Start, run: Run, minutes: list[MemoryApp]) -> None:
    built, listed = shown("cloud.txt")
    testing = start(APP)
    minutes.append(testing)
    cities(testing)
    assert built.prints(run(*built.arguments).stdout)
    assert listed.prints(run(*listed.arguments).stdout)
