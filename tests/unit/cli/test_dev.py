"""What `boiler dev` is asked for is checked before anything starts."""

import json
import socket
from pathlib import Path

import pytest

from boiler_functions.cli.dev import Ports
from boiler_functions.cli.firebase_json import FirebaseJson
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.exported import Exported, export
from boiler_functions.local.loopback import LOOPBACK, free_ports
from tests.unit.cli.conftest import APP, Run, Write


def firebase(folder: Path, emulators: object) -> FirebaseJson:
    (folder / "firebase.json").write_text(json.dumps({"emulators": emulators}))
    return FirebaseJson.read(folder)


def test_the_ports_are_those_of_firebase_json_else_those_of_firebase_tools(tmp_path: Path) -> None:
    named = dict(zip(("firestore", "auth"), free_ports(2), strict=True))
    found = firebase(tmp_path, {name: {"port": port} for name, port in named.items()})
    assert {name: found.port(name) for name in ("firestore", "auth", "functions")} == {**named, "functions": 5001}


@pytest.mark.parametrize("record", [{"port": "8080"}, {"port": 0}, {"port": 70000}, {"port": True}, 8080])
def test_what_is_no_port_is_refused(record: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the emulator 'firestore' has no port, but"):
        firebase(tmp_path, {"firestore": record}).port("firestore")


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    first, second, third = free_ports(3)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, second))
        taken.listen()
        emulators = {"firestore": {"port": first}, "auth": {"port": second}, "functions": {"port": third}}
        with pytest.raises(ConfigurationError, match=rf"port {second} of 'auth' is taken\. .*pass --free-ports"):
            Ports.of(firebase(tmp_path, emulators))


def test_an_export_needs_a_folder(run: Run, module: Write) -> None:
    module(APP)
    result = run("dev", "--export-on-exit")
    assert result.exit_code == 2
    assert "--export-on-exit needs a folder" in result.stderr


def test_an_export_deletes_no_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"holds other files, which an export would delete"):
        export(tmp_path, "demo-x", None, None)  # type: ignore[arg-type] # refused before the emulator is asked
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_folder_without_an_export_holds_no_data_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert Exported.find(tmp_path) is None
    (tmp_path / "firebase-export-metadata.json").write_text("[]")
    with pytest.raises(ConfigurationError, match=r"firebase-export-metadata\.json cannot be read"):
        Exported.find(tmp_path)
