"""The functions of the live meeting room by hand, on google.cloud.firestore alone: each copy is written anew."""

from collections.abc import Iterator
from typing import Any

from google.cloud.firestore import Client, DocumentReference, DocumentSnapshot
from google.cloud.firestore_v1.base_query import FieldFilter

from boiler_functions.local.delivery import EventHandler, LocalTrigger
from boiler_functions.local.events import Event

SOURCES = ("meetings", "tickets", "users", "locations")


def triggers(client: Client) -> list[LocalTrigger]:
    """A function for each collection that the meeting is made of."""

    def target(event: Event) -> int:
        for meeting in meetings_of(client, client.document(event.document)):
            write_copies(client, meeting)
        return 204

    functions: EventHandler = target
    return [LocalTrigger(f"copy_meetings_on_{source}", f"{source}/{{doc_id}}", functions) for source in SOURCES]


def meetings_of(client: Client, source: DocumentReference) -> Iterator[DocumentSnapshot[Any]]:
    """The meetings that show the document."""
    meetings = client.collection("meetings")
    match source.parent.id:
        case "meetings":
            yield source.get()
        case "tickets":
            yield from meetings.where(filter=FieldFilter("tickets", "array_contains", source)).stream()
        case "locations":
            yield from meetings.where(filter=FieldFilter("location", "==", source)).stream()
        case "users":
            for ticket in client.collection("tickets").where(filter=FieldFilter("user", "==", source)).stream():
                yield from meetings_of(client, ticket.reference)


def write_copies(client: Client, meeting: DocumentSnapshot[Any]) -> None:
    """Writes a copy for each participant, guarded by nothing: of two that run at once the later one stays."""
    location = meeting.get("location").get()
    tickets = list(client.get_all(meeting.get("tickets")))
    users = {user.reference.path: user for user in client.get_all([ticket.get("user") for ticket in tickets])}
    attending = [users[ticket.get("user").path] for ticket in tickets if ticket.get("attendance")]
    shown = sorted((_shown(user) for user in attending), key=lambda each: str(each["name"]))
    content = {
        "inSession": meeting.get("status") == "in-session",
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "address": location.get("address"),
        "attending": shown,
        "numHearingAidRequested": sum(each["hearing_aid_requested"] for each in shown),
    }
    batch = client.batch()
    for user in users.values():
        batch.set(user.reference.collection("meetingSessions").document(meeting.id), content)
    batch.commit()


def _shown(user: DocumentSnapshot[Any]) -> dict[str, Any]:
    return {
        "name": f"{user.get('firstName')} {user.get('lastName')}",
        "organization": user.get("organization"),
        "hearing_aid_requested": user.get("hearingAidRequested"),
    }
