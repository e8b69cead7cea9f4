"""What is published: one version, complete metadata, and archives that need nothing but themselves."""

import re
import subprocess
import sys
import tarfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import boiler_functions
from boiler_functions.cli.commands import boiler

ROOT = Path(__file__).parents[2]

# The archives are built once for all of them.
pytestmark = pytest.mark.xdist_group("archives")


def build(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (archive,) = folder.iterdir()
    return archive


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with tarfile.open(build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        folder = tmp_path_factory.mktemp("unpacked")
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_the_version_of_the_package_is_that_of_the_wheel(metadata: Message) -> None:
    assert metadata["Version"] == boiler_functions.__version__


def test_the_changelog_speaks_of_this_version_or_says_that_it_is_not_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{boiler_functions.__version__}]" in text or f"will be {boiler_functions.__version__}." in text


def test_the_changelog_names_every_command() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert [name for name in boiler.commands if not re.search(rf"`(boiler )?{name}`", text)] == []


def test_the_wheel_says_what_it_is_under_which_licence_and_for_which_python(metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith("# boiler_functions")
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_no_tool_of_the_checkout_is_an_extra(metadata: Message) -> None:
    assert "dev" not in metadata.get_all("Provides-Extra", [])


def test_the_wheel_holds_the_package_its_types_and_its_licence_alone(wheel: Path) -> None:
    folders = {name.split("/")[0] for name in names(wheel)}
    assert folders == {"boiler_functions", f"boiler_functions-{boiler_functions.__version__}.dist-info"}
    assert "boiler_functions/py.typed" in names(wheel)
    assert any(name.endswith("licenses/LICENSE") for name in names(wheel))


def test_the_source_archive_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    assert build(sdist, "wheel", tmp_path).read_bytes() == wheel.read_bytes()


def test_the_source_archive_holds_what_its_readers_need(sdist: Path) -> None:
    assert {"README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"} <= {each.name for each in sdist.iterdir()}


# What the releases of firebase-functions pin of the packages that this one needs too.
CLOUDEVENTS_OF_FIREBASE_FUNCTIONS = {
    **dict.fromkeys(("0.1.0", "0.1.1", "0.1.2", "0.2.0", "0.3.0", "0.4.0", "0.4.1", "0.4.2"), "==1.9.0"),
    **dict.fromkeys(("0.4.3", "0.5.0", "0.6.0"), "<2.0.0,>=1.2.0"),
}
CLOUDEVENTS_OF_FUNCTIONS_FRAMEWORK = {"3.9.2": "<=1.11.0,>=1.2.0", "3.10.2": "<=1.12.0,>=1.11.0"}
CLOUDEVENTS = ("1.9.0", "1.11.0", "1.12.0")


@pytest.mark.parametrize(("release", "pinned"), CLOUDEVENTS_OF_FIREBASE_FUNCTIONS.items())
def test_every_release_of_firebase_functions_installs_beside_the_package(
    release: str, pinned: str, metadata: Message
) -> None:
    wanted = [Requirement(each) for each in metadata.get_all("Requires-Dist", [])]
    framework = next(each.specifier for each in wanted if each.name == "functions-framework")
    together = [
        (each, version)
        for each, accepted in CLOUDEVENTS_OF_FUNCTIONS_FRAMEWORK.items()
        for version in CLOUDEVENTS
        if each in framework and version in SpecifierSet(accepted) and version in SpecifierSet(pinned)
    ]
    assert together, f"no functions-framework of {framework} goes with firebase-functions {release}"
    # It pins google-events, which the package must not need.
    assert "google-events" not in {each.name for each in wanted}
