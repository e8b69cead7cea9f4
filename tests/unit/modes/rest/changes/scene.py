"""What the tests of this folder share."""

from typing import Any

from tests.unit.modes.rest.meeting_api import Api


def note(api: Api, doc_id: str = "n1") -> Any:
    return api.document(f"notes/{doc_id}")
