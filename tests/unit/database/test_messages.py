"""The packaged messages."""

import subprocess
import sys

import pytest

from boiler_functions.database.messages import DESCRIPTORS
from tests.descriptors import installed

BOTH = """
{first}
{second}
from boiler_functions.database import messages
from google.cloud.firestore_v1.types import Document
ours = messages.BatchGetDocumentsResponse()
ours.found.name = "projects/p/databases/d/documents/a/b"
theirs = Document.pb(Document())
theirs.ParseFromString(ours.found.SerializeToString())
assert theirs.name == ours.found.name and type(theirs) is not type(ours.found)
"""
OURS, THEIRS = "import boiler_functions.database.firestore", "import google.cloud.firestore"


def test_the_packaged_messages_are_those_of_the_installed_releases() -> None:
    expected = installed().SerializeToString(deterministic=True)
    assert DESCRIPTORS.read_bytes() == expected, (
        "google-cloud-firestore or google-events has other messages than the package; "
        "run `python -m tests.descriptors`, and look at what changed"
    )


@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)])
def test_user_code_imports_google_cloud_firestore_before_or_after(first: str, second: str) -> None:
    subprocess.run([sys.executable, "-c", BOTH.format(first=first, second=second)], check=True)


def test_an_event_function_starts_without_google_cloud_firestore() -> None:
    script = (
        f"{OURS}, boiler_functions.runtime, sys; print([m for m in sys.modules if 'firestore_v1' in m or 'proto' == m])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
