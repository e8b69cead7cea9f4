"""What a function logs when functions-framework serves it, as Cloud Run would collect it."""

import json
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.delivery import Refused
from boiler_functions.local.events import Event
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import LOOPBACK, free_port

MAIN = Path(__file__).parent.parent.parent / "functions" / "main.py"
TARGET = "user_view_on_users"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def event_of(project: str) -> Event:
    """The event of a user, too large to carry images."""
    headers = {
        "ce-id": "event-1",
        "ce-source": f"//firestore.googleapis.com/projects/{project}/databases/(default)",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.firestore.document.v1.written",
        "ce-time": "2026-11-24T12:00:00Z",
        "ce-document": "users/ada",
        "content-type": "application/protobuf",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    }
    return Event(headers, b"")


def entries(function: FunctionsProcess) -> list[dict[str, Any]]:
    """The entries of the log about the event; all other lines are the server's own."""
    lines = [json.loads(line) for line in function.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "event-1"]


@pytest.mark.parametrize("execution_ids", ["", "true"])
def test_an_event_is_one_line_of_json_with_its_trace(
    execution_ids: str, firestore_emulator: FirestoreEmulator, project: str
) -> None:
    environment = {EMULATOR_HOST: firestore_emulator.host, PROJECT: project, "LOG_EXECUTION_ID": execution_ids}
    with FunctionsProcess(MAIN, TARGET, env=environment) as function:
        function.post(event_of(project))
        (entry,) = entries(function)
    assert (entry["severity"], entry["function"], entry["outcome"]) == ("INFO", TARGET, "ignored")
    assert entry["logging.googleapis.com/trace"] == f"projects/{project}/traces/{TRACE}"
    assert ("execution_id" in entry.get("logging.googleapis.com/labels", {})) is bool(execution_ids)


def test_an_event_that_fails_is_one_line_too_and_is_not_acknowledged(project: str) -> None:
    nobody = f"{LOOPBACK}:{free_port()}"
    with FunctionsProcess(MAIN, TARGET, env={EMULATOR_HOST: nobody, PROJECT: project}) as function:
        with pytest.raises(Refused) as refused:
            function.post(event_of(project))
        (entry,) = entries(function)
    assert refused.value.status == 503
    assert (entry["severity"], entry["outcome"], entry["code"]) == ("WARNING", "failed", "BF402")
    assert entry["stack_trace"].startswith("Traceback")
