"""The script of docs/adopt.md adopts a shop with three generations of documents, and no document is lost on the way."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.database import Document, Put, Query
from boiler_functions.database.firestore import EMULATOR_HOST, PROJECT, FirestoreDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from tests.pages import blocks

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "legacy"
DOCUMENTS: dict[str, dict[str, Any]] = json.loads((HERE / "documents.json").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shop's project, with the script and what it needs."""
    (tmp_path / "functions").mkdir()
    for name in ("legacy.py", "legacy_lists.py"):
        shutil.copy(ROOT / "functions" / name, tmp_path / "functions" / name)
    shutil.copy(HERE / "firestore.rules", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "legacy:app"\n')
    for block in blocks(ROOT / "docs" / "adopt.md"):
        if block.name in ("adopt-legacy.sh", "keep_rules.py"):
            block.write(tmp_path)
    return tmp_path


def adopted(folder: Path, emulator: FirestoreEmulator, project: str) -> str:
    """Runs the script, and returns what it prints."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    place = {EMULATOR_HOST: emulator.host, PROJECT: project, "PATH": path, "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "adopt-legacy.sh"],
        cwd=folder,
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


def found(database: FirestoreDatabase, collection: str, *, group: bool = False) -> dict[str, Document]:
    return {each.path: each for each in database.query(Query(collection, group=group)).documents}


@pytest.mark.timeout(400)
def test_every_old_document_is_in_its_views_or_named_with_its_reason(
    folder: Path, firestore_emulator: FirestoreEmulator, project: str
) -> None:
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
    for path, before in DOCUMENTS.items():
        (after,) = database.read([path]).documents
        fields = after.fields or {}
        if path not in left:
            assert not {"name", "customer", "body"} & fields.keys(), path
        assert fields.get("closed") == before.get("closed"), "what no model declares stays"
    moment = (database.read(["tickets/t5"]).documents[0].fields or {})["createdAt"]
    assert isinstance(moment, datetime)

    rules = (folder / "firestore.rules").read_text()
    assert "allow read: if request.auth.uid == customer;" in rules
    assert "match /ticketDetails/{ticket__doc_id}" in rules or "match /ticketDetails/" in rules
