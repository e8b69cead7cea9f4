"""The script of docs/adopt.md adopts a shop with three generations of documents, and no document is lost on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.database import Document, Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.firestore_emulator import FirestoreEmulator, emulator_jar, java
from boiler_functions.local.launcher import write_launcher
from boiler_functions.local.loopback import free_ports
from tests.firebase_tools import BIN, ROOT, deployed, install_firebase_functions
from tests.pages import blocks

HERE = Path(__file__).parent / "legacy"
OF_THE_SCRIPT = ("adopt-legacy.sh", "keep_rules.py")
PORTS = ("firestore", "functions", "hub", "logging", "eventarc", "tasks")
DOCUMENTS: dict[str, dict[str, Any]] = json.loads((HERE / "documents.json").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path, project: str) -> Path:
    """The shop's project, with the script and what it needs."""
    for name in ("legacy.py", "legacy_lists.py"):
        shutil.copy(ROOT / "functions" / name, tmp_path / name)
    shutil.copy(HERE / "firestore.rules", tmp_path)
    for block in blocks(ROOT / "docs" / "adopt.md"):
        if block.name and (block.name in OF_THE_SCRIPT or block.name.startswith("shop/")):
            replace(block, name=block.name.removeprefix("shop/")).write(tmp_path)
    (tmp_path / "functions" / "requirements.txt").write_text("firebase-functions\n")
    (tmp_path / "functions" / "venv").symlink_to(sys.prefix)
    script = tmp_path / "adopt-legacy.sh"
    script.write_text(script.read_text().replace("demo-legacy", project))
    # As on a machine of its own, with this Python and free ports.
    ports = json.dumps({name: {"port": port} for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)})
    firebase = (tmp_path / "firebase.json").read_text()
    firebase = firebase.replace("python312", f"python3{sys.version_info.minor}")
    (tmp_path / "firebase.json").write_text(f'{firebase.rstrip().removesuffix("}")}, "emulators": {ports}}}\n')
    write_launcher(tmp_path / "emulator.jar", emulator_jar())
    return tmp_path


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """What a machine has on which firebase-tools and the functions' packages are installed."""
    tools = (str(BIN), str(ROOT / "node_modules" / ".bin"), str(java().parent))
    return {
        "PATH": os.pathsep.join([*tools, os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(folder / "packages"), os.environ.get("PYTHONPATH", "")]),
        "FIRESTORE_EMULATOR_BINARY_PATH": str(folder / "emulator.jar"),
        "CI": "true",
        "COLUMNS": "200",
        # In seconds; firebase-tools gives up the functions of a folder after 10, which a busy machine may take. It ends
        # only when the time is over.
        "FUNCTIONS_DISCOVERY_TIMEOUT": "20",
        **variables,
    }


def adopted(folder: Path, emulator: FirestoreEmulator, project: str) -> str:
    """Runs the script, and returns what it prints."""
    place = {EMULATOR_HOST: emulator.host, PROJECT: project}
    with subprocess.Popen(
        ["bash", "adopt-legacy.sh"],
        cwd=folder,
        env={**os.environ, **environment(folder, **place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as script:
        try:
            told, _ = script.communicate(timeout=500)
        finally:
            # firebase-tools leaves some of the processes that ran functions.
            with suppress(ProcessLookupError):
                os.killpg(script.pid, signal.SIGKILL)
    assert script.returncode in (0, 1), told
    assert "Traceback" not in told, told
    return told


def found(database: FirestoreDatabase, collection: str, *, group: bool = False) -> dict[str, Document]:
    return {each.path: each for each in database.query(Query(collection, group=group)).documents}


@pytest.mark.timeout(900)
def test_every_old_document_is_in_its_views_or_named_with_its_reason(
    folder: Path, firestore_emulator: FirestoreEmulator, project: str
) -> None:
    install_firebase_functions(folder / "packages")
    own = deployed(folder, project, **environment(folder))
    assert own == {"default": ["confirm", "opening_hours"]}
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    database.commit([Put(path, fields) for path, fields in DOCUMENTS.items()])
    told = adopted(folder, firestore_emulator, project)

    details = {path.rpartition("/")[2]: each.fields or {} for path, each in found(database, "ticketDetails").items()}
    assert {name: (each["title"], each["customer"], each["price"]) for name, each in sorted(details.items())} == {
        "t1": ("Loom", "Ada Lovelace", 120.0),
        "t2": ("Card reader", "Ada Lovelace", 12.5),
        "t3": ("Compiler", "Grace Hopper", 80.0),
        "t4": ("Relay", "Grace Hopper", 9.9),
        "t5": ("Moth", "Grace Hopper", 1.5),
        "t6": ("Engine", "Ada Lovelace", 300.0),
    }
    assert {name: each["comments"] for name, each in details.items() if each["comments"]} == {
        "t1": ["Bring it in.", "Done."],
        "t4": ["Clicks."],
    }
    lists = {path: (each.fields or {})["titles"] for path, each in found(database, "views", group=True).items()}
    assert lists == {
        "customers/ada/views/openTickets": ["Card reader", "Fan"],
        "customers/grace/views/openTickets": ["Moth", "Relay"],
        "customers/nobody/views/openTickets": ["Clock"],
    }

    # What is in no view has its reason: a letter, what a step left, or what a ledger leaves out.
    letters = [each.fields or {} for each in found(database, "boilerDeadLetters").values()]
    left = {
        (each.fields or {})["path"]: (each.fields or {})["why"] for each in found(database, "boilerUnmigrated").values()
    }
    skipped = [
        each
        for ledger in found(database, "boilerLedgers").values()
        for each in (ledger.fields or {}).get("skipped", [])
    ]
    reasons = {(each["view"], each["subject"]): each["message"] for each in letters}
    assert "tickets/t7 does not fit Ticket: price" in reasons["TicketDetail", "tickets/t7"]
    assert "tickets/t8 does not fit Ticket: customerId" in reasons["TicketDetail", "tickets/t8"]
    assert "customers/nobody does not fit Customer: fullName" in reasons["TicketDetail", "tickets/t9"]
    assert left.keys() == {"customers/nobody", "tickets/t7", "tickets/t8", "tickets/t4/comments/c2"}
    assert {(each["path"], each["why"]) for each in skipped} == {
        ("tickets/t4/comments/c2", "text: Not a valid string.")
    }
    for path in left:
        assert path in told

    # Every other document is as it is declared today.
    for path, old in DOCUMENTS.items():
        (after,) = database.read([path]).documents
        fields = after.fields or {}
        if path not in left:
            assert not {"name", "customer", "body"} & fields.keys(), path
        assert fields.get("closed") == old.get("closed"), "what no model declares stays"
    moment = (database.read(["tickets/t5"]).documents[0].fields or {})["createdAt"]
    assert isinstance(moment, datetime)

    # The functions that were there are found as before, and work beside those of the app.
    listed = deployed(folder, project, **environment(folder))
    assert set(listed.pop("legacy")) > {"legacy-ticket-detail-on-tickets", "legacy-open-tickets-on-customers"}
    assert listed == own
    assert "opening hours: 9 to 17" in told, told
    assert "mails/new {'text': 'We repair your radio.'}" in told
    assert re.search("ticketDetails/new .*'customer': 'Eve'", told)
    assert re.search(r"customers/eve/views/openTickets .*'titles': \['radio'\]", told)
    firebase = (folder / "firebase.json").read_text()
    assert "// The shop's own functions." in firebase

    rules = (folder / "firestore.rules").read_text()
    assert "allow read: if request.auth.uid == customer;" in rules
    assert "match /ticketDetails/{ticket__doc_id}" in rules or "match /ticketDetails/" in rules
