"""`boiler deploy` leaves no renamed receiver of changes beside its former self."""

from collections.abc import Callable

import pytest

from tests.unit.cli.conftest import APP, Run
from tests.unit.cli.deploy.standin import Standin

TOLD = """
@app.on_change({target}{name})
def {function}(change) -> None:
    pass
"""


def telling(function: str, target: str, name: str = "") -> str:
    return APP + TOLD.format(function=function, target=target, name=name and f", name={name!r}")


@pytest.fixture(params=["City", "CityView"])
def renaming(request: pytest.FixtureRequest, standin: Standin, run: Run, write: Callable[[str], None]) -> str:
    """A model or view whose changes the deployed function `tell` receives."""
    target: str = request.param
    write(telling("tell", target))
    assert run("deploy").exit_code == 0
    standin.remember()
    standin.works()
    return target


def test_a_receiver_that_is_renamed_is_refused_before_anything_is_changed(
    renaming: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("notify", renaming))
    result = run("deploy")
    assert (result.exit_code, result.stderr.split()[:2]) == (2, ["error", "BF212"])
    assert "towns-notify-on-cit" in result.stderr
    assert f"`@app.on_change({renaming}, name=…)`" in result.stderr
    assert standin.changes == []


def test_a_renamed_receiver_that_declares_its_former_name_is_the_same_function(
    renaming: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("notify", renaming, name="tell"))
    assert run("deploy").exit_code == 0
    assert not any("notify" in each for each in standin.deployed)
    assert any(each.startswith("towns-tell-on-cit") for each in standin.deployed)


def test_another_receiver_takes_the_place_of_one_that_is_removed(
    renaming: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("notify", renaming))
    assert run("deploy", "--prune", "--yes").exit_code == 0
    assert any(line.startswith("functions delete towns-tell-on-cit") for line in standin.commands)


def test_another_receiver_beside_one_that_is_declared_is_no_renaming(
    renaming: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("tell", renaming) + TOLD.format(function="notify", target=renaming, name=""))
    assert run("deploy").exit_code == 0


def test_only_without_the_renamed_receiver_is_deployed(
    renaming: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("notify", renaming))
    assert run("deploy", "--only", "city_form_task").exit_code == 0
    assert run("deploy", "--only", "notify*").exit_code == 2


def test_a_new_receiver_is_deployed_before_the_functions_that_write_its_records(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(telling("tell", "CityView"))
    printed = run("deploy", "--dry-run").stdout
    assert printed.index("deploy towns-tell-on-city-view") < printed.index("deploy towns-city-view-on-cities")
