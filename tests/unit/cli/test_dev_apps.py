"""What `boiler dev` runs when a file is saved, and while views are staged: with stand-ins for its processes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from boiler_functions.cli import dev_apps
from boiler_functions.cli.dev_apps import Apps
from boiler_functions.cli.dev_deliveries import Deliveries
from boiler_functions.cli.project import Project
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.staged import StagedProgress, StagedVersion


class StandIn(dev_apps.App):
    """A process whose code is the text of `main.py` as it is when it starts; a broken one does not start."""

    code = ""

    def start(self) -> Mapping[str, Any] | None:
        self.code = (self.source / "main.py").read_text()
        self.plan = None if self.code == "broken" else {"app": "towns", "functions": [], "code": self.code}
        return self.plan

    def stop(self) -> None:
        self.plan, self.code = None, ""

    def kill(self) -> None:
        self.stop()


class Post:
    """The deliveries: to whom they go, and whether they wait."""

    def __init__(self) -> None:
        self.project = "demo-towns"
        self.emulator = self
        self.host = "127.0.0.1:1"
        self.running = False
        self.receivers: dict[str, Any] = {}

    def use(self, host: str, plan: Mapping[str, Any], staged: str = "") -> None:
        self.receivers[staged] = plan["code"]

    def drop(self, staged: str) -> None:
        del self.receivers[staged]

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = True


class Scene:
    """A project on disk that `boiler dev` runs."""

    def __init__(self, folder: Path, apps: Apps, post: Post, database: MemoryDatabase) -> None:
        self.folder, self.apps, self.post, self.database = folder, apps, post, database

    def write(self, code: str) -> None:
        (self.folder / "main.py").write_text(code)

    def save(self, code: str) -> None:
        self.write(code)
        self.apps.save("main.py")

    def stage(self, view: str) -> None:
        StagedVersion.of(self.database, "towns", view).write(self.database)
        self.apps.stage(view)

    def promoted(self, view: str) -> None:
        StagedVersion.of(self.database, "towns", view).write(self.database, progress=StagedProgress.PROMOTED)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    database, post, folder = MemoryDatabase(), Post(), tmp_path / "functions"
    folder.mkdir()
    monkeypatch.setattr(dev_apps, "App", StandIn)
    monkeypatch.setattr(dev_apps, "FirestoreDatabase", lambda *_, **__: database)
    apps = Apps(Project(tmp_path, folder, "main:app"), {}, (1, 2), cast(Deliveries, post))
    scene = Scene(folder, apps, post, database)
    scene.write("one")
    assert apps.start()
    yield scene
    apps.stop()


Says = Callable[[], str]


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    return lambda: capsys.readouterr().out.strip()


def test_what_is_saved_is_the_apps_at_once_and_events_wait_for_what_does_not_start(scene: Scene, says: Says) -> None:
    first = scene.apps.shown.deployment
    scene.save("two")
    assert (scene.post.receivers, says()) == ({"": "two"}, "main.py changed; towns with 0 functions reloaded.")
    assert scene.apps.shown.deployment > first
    scene.save("broken")
    assert not scene.post.running
    assert says() == "main.py changed; the app does not start. Events wait until it does."
    scene.save("three")
    assert (scene.post.receivers, scene.post.running) == ({"": "three"}, True)


def test_what_is_saved_while_a_view_is_staged_is_its_staged_version(scene: Scene, says: Says) -> None:
    deployment = scene.apps.shown.deployment
    scene.stage("CityView")
    assert "CityView is staged: what is saved from now on is its staged version" in says()
    scene.save("two")
    assert says() == "main.py changed; the staged version of CityView reloaded."
    assert scene.post.receivers == {"": "one", "CityView": "two"}
    scene.apps.crash()
    assert scene.post.receivers[""] == "one"
    assert scene.apps.shown.deployment == deployment
    scene.save("broken")
    assert not scene.post.running
    scene.save("three")
    assert (scene.post.receivers, scene.post.running) == ({"": "one", "CityView": "three"}, True)


def test_the_first_file_that_is_saved_after_the_promotion_is_the_apps(scene: Scene) -> None:
    scene.stage("CityView")
    scene.save("two")
    scene.promoted("CityView")
    staged = scene.apps.shown.deployment
    scene.save("three")
    assert scene.post.receivers == {"": "three"}
    assert scene.apps.shown.deployment > staged
    scene.apps.unstage("CityView")
    assert scene.post.receivers == {"": "three"}


def test_a_deployment_ends_what_is_staged(scene: Scene, says: Says) -> None:
    scene.stage("CityView")
    scene.save("two")
    scene.apps.deploy()
    assert scene.post.receivers == {"": "two"}
    assert says().endswith("towns with 0 functions runs the code that was staged.")


def test_an_abort_leaves_the_app_as_it_is_until_a_file_is_saved(scene: Scene, says: Says) -> None:
    scene.stage("CityView")
    scene.save("two")
    scene.apps.unstage("CityView")
    assert says().endswith("not staged any more; the app runs the code from before until a file is saved.")
    assert scene.post.receivers == {"": "one"}
    scene.save("three")
    assert scene.post.receivers == {"": "three"}


def test_two_views_are_staged_beside_each_other_and_the_promoted_one_keeps_its_code(scene: Scene) -> None:
    scene.stage("CityView")
    scene.stage("CityLabel")
    scene.save("two")
    assert scene.post.receivers == {"": "one", "CityView": "two", "CityLabel": "two"}
    scene.promoted("CityView")
    scene.save("three")
    assert scene.post.receivers == {"": "one", "CityView": "two", "CityLabel": "three"}


def test_what_does_not_start_is_not_staged(scene: Scene) -> None:
    scene.write("broken")
    with pytest.raises(ConfigurationError, match=r"The app does not start"):
        scene.stage("CityView")
    scene.save("two")
    assert scene.post.receivers == {"": "two"}
