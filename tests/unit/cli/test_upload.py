"""An upload holds this package as it runs here, and shows for each function whether its code changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.app import Boiler
from boiler_functions.cli import upload
from boiler_functions.cli.project import Project
from boiler_functions.cli.upload import Upload, check_source, stage
from boiler_functions.exceptions import IncompleteUpload
from tests.unit.cli.conftest import APP, FOLLOWED, LABEL, Write

REQUIREMENTS = "boiler-functions[tasks]>=0.1,<1\n"


@pytest.fixture
def source(folder: Path, module: Write) -> Path:
    """A folder of functions that lacks nothing."""
    name = module(APP + LABEL)
    (folder / "functions" / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
    (folder / "functions" / "requirements.txt").write_text(f"# what runs\n{REQUIREMENTS}requests\n")
    return folder / "functions"


@pytest.fixture
def app(source: Path) -> Boiler:
    return Project.find().load()


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as if it was installed from an index."""
    monkeypatch.setattr(upload, "_origin", lambda package: None)


def installed_from(monkeypatch: pytest.MonkeyPatch, **origin: Any) -> None:
    monkeypatch.setattr(upload, "_origin", lambda package: origin)


@pytest.mark.usefixtures("released")
def test_a_release_is_uploaded_as_requirements_txt_names_it(source: Path, app: Boiler, tmp_path: Path) -> None:
    staged = stage(Project.find(), app.manifest, tmp_path / "upload")
    assert staged.files["requirements.txt"] == (source / "requirements.txt").read_bytes()


def test_a_checkout_carries_its_wheel_along_and_leaves_the_folder_as_it_was(
    source: Path, app: Boiler, tmp_path: Path
) -> None:
    before = Upload(source).files
    staged = stage(Project.find(), app.manifest, tmp_path / "upload")
    (wheel,) = (name for name in staged.files if name.endswith(".whl"))
    assert staged.files["requirements.txt"].decode() == f"# what runs\n./{wheel}[tasks]\nrequests\n"
    assert Upload(source).files == before


def test_the_same_checkout_makes_the_same_upload(source: Path, app: Boiler, tmp_path: Path) -> None:
    first = stage(Project.find(), app.manifest, tmp_path / "first")
    assert stage(Project.find(), app.manifest, tmp_path / "second").files == first.files


def test_a_wheel_that_was_installed_is_carried_along(
    source: Path, app: Boiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "boiler_functions-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    installed_from(monkeypatch, url=wheel.as_uri(), archive_info={})
    assert stage(Project.find(), app.manifest, tmp_path / "upload").files[wheel.name] == b"a wheel"


def test_a_commit_of_a_repository_is_named(
    source: Path, app: Boiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(monkeypatch, url="https://example.org/b.git", vcs_info={"vcs": "git", "commit_id": "abc"})
    staged = stage(Project.find(), app.manifest, tmp_path / "upload")
    assert b"boiler-functions[tasks] @ git+https://example.org/b.git@abc\n" in staged.files["requirements.txt"]


def test_a_checkout_that_is_gone_is_refused(
    source: Path, app: Boiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_from(monkeypatch, url=(tmp_path / "gone").as_uri(), dir_info={"editable": True})
    with pytest.raises(IncompleteUpload, match=r"installed from .*gone, which is gone"):
        stage(Project.find(), app.manifest, tmp_path / "upload")


@pytest.mark.usefixtures("released")
def test_what_belongs_to_the_machine_stays_here(source: Path, app: Boiler, tmp_path: Path) -> None:
    for name in ("venv/bin/python", "__pycache__/a.pyc", "firestore-debug.log", ".pytest_cache/x", "data/cities.json"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("")
    names = set(stage(Project.find(), app.manifest, tmp_path / "upload").files)
    assert {name for name in names if not re.fullmatch(r"app_\w+\.py", name)} == {
        "main.py",
        "requirements.txt",
        "data/cities.json",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda source: (source / "main.py").unlink(), r"main\.py.* does not exist"),
        (lambda source: (source / "main.py").write_text("import os\n"), r"main\.py exports no app"),
        (lambda source: (source / "requirements.txt").unlink(), r"Write it: boiler-functions\[tasks\]==0\.1\.0"),
        (
            lambda source: (source / "requirements.txt").write_text("flask\n"),
            r"does not name this package. Add boiler-f",
        ),
        (lambda source: (source / "requirements.txt").write_text("boiler_functions\n"), r":1 .* need \[tasks\] too"),
        (
            lambda source: (source / "requirements.txt").write_text("x\nBoiler.Functions[tasks]==9\n"),
            r":2 names Boiler\.Functions\[tasks\]==9, and this is boiler-functions 0\.1\.0",
        ),
    ],
)
def test_a_folder_whose_functions_could_not_start_is_refused(
    change: Callable[[Path], object], told: str, source: Path, app: Boiler
) -> None:
    change(source)
    with pytest.raises(IncompleteUpload, match=told) as refused:
        check_source(source, app.manifest)
    assert refused.value.code == "BF202"


class Fingerprints:
    """The fingerprints of an app's functions, by entry point, as the source is changed."""

    def __init__(self, source: Path, app: Boiler) -> None:
        (self.module,) = source.glob("app_*.py")
        self._source, self._app = source, app

    def now(self) -> dict[str, str]:
        parts = self._app.manifest.parts
        views = [view for each in parts for view in each.views]
        uploaded = Upload(self._source)
        return {each.entry_point: uploaded.fingerprint(each, views) for each in parts}

    def changed_by(self, old: str, new: str) -> set[str]:
        before = self.now()
        text = self.module.read_text()
        assert old in text
        self.module.write_text(text.replace(old, new))
        after = self.now()
        return {name for name in after if after[name] != before[name]}


@pytest.fixture
def fingerprints(source: Path, app: Boiler) -> Fingerprints:
    return Fingerprints(source, app)


def test_a_change_of_one_view_concerns_its_functions_alone(fingerprints: Fingerprints) -> None:
    assert fingerprints.changed_by('"* "', '"+ "') == {"city_label_on_cities", "continuations", "upkeep"}


def test_a_change_of_what_clients_follow_concerns_the_service_alone(folder: Path, module: Write) -> None:
    module(APP + LABEL + FOLLOWED)
    fingerprints = Fingerprints(folder / "functions", Project.find().load())
    assert fingerprints.changed_by('"# "', '"= "') == {"websocket"}
    assert "websocket" not in fingerprints.changed_by('"* "', '"+ "')
    assert "websocket" in fingerprints.changed_by("name = attrs.string", "name = attrs.text")


def test_a_change_of_a_model_concerns_all(fingerprints: Fingerprints) -> None:
    declared = "name = attrs.string(required=True)\n\nclass CityStore"
    assert fingerprints.changed_by(declared, declared.replace("True", "False")) == set(fingerprints.now())


def test_a_view_that_something_else_uses_concerns_all(fingerprints: Fingerprints) -> None:
    fingerprints.module.write_text(fingerprints.module.read_text() + "\n\nKINDS = {'label': CityLabel}\n")
    assert fingerprints.changed_by('"* "', '"+ "') == set(fingerprints.now())


def test_a_file_of_data_concerns_all(fingerprints: Fingerprints, source: Path) -> None:
    before = fingerprints.now()
    (source / "cities.json").write_text(json.dumps({"a": 1}))
    after = fingerprints.now()
    assert all(after[name] != before[name] for name in before)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class CityStore", "\n\nclass CityStore"),
        ("class CityView(ViewModel[CityStore]):\n", 'class CityView(ViewModel[CityStore]):\n    """A city."""\n\n'),
        ("app = Boiler", '"""Towns and their cities."""\n\napp = Boiler'),
        (
            "    name = attrs.string(required=True)\n\nclass CityStore",
            "    name = attrs.string(required=True)  # as it is spelled\n\nclass CityStore",
        ),
    ],
    ids=["layout", "docstring", "module", "comment"],
)
def test_what_does_nothing_concerns_none(old: str, new: str, fingerprints: Fingerprints) -> None:
    assert fingerprints.changed_by(old, new) == set()


def test_a_view_more_or_less_concerns_no_function_of_others(fingerprints: Fingerprints) -> None:
    before = fingerprints.now()
    text = fingerprints.module.read_text()
    fingerprints.module.write_text(text.replace(LABEL, ""))
    after = fingerprints.now()
    assert {name for name in after if after[name] != before[name]} == {
        "city_label_on_cities",
        "continuations",
        "upkeep",
    }


def test_a_function_follows_the_code_that_its_release_records(source: Path, app: Boiler) -> None:
    views = [view for each in app.manifest.parts for view in each.views]
    one, other = (Upload(source, {"CityView": code, "CityLabel": "same"}) for code in ("one", "other"))
    changed = {e.entry_point for e in app.manifest.parts if one.fingerprint(e, views) != other.fingerprint(e, views)}
    assert changed == {"city_view_on_cities", "continuations", "upkeep"}


def test_what_firebase_reads_concerns_none(fingerprints: Fingerprints, source: Path) -> None:
    before = fingerprints.now()
    (source / "functions.yaml").write_text("endpoints: {}")
    assert fingerprints.now() == before
