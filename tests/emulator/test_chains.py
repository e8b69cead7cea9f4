"""A chain of views on the emulator: its own triggers wake each view for the copies of the one before."""

from boiler_functions.database import Delete, Put, Write
from boiler_functions.local.delivery import DeliveryFaults
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.types import Reference
from tests.unit.modes.query.test_views_of_views import chain


def test_each_view_follows_the_copies_of_the_one_before_to_the_end(
    firestore_emulator: FirestoreEmulator, event_server: EventServer, project: str
) -> None:
    handled: list[Handled] = []
    faults = DeliveryFaults(seed=7, duplicate=0.3)
    with LocalStack(
        chain(), project, observer=handled.append, emulator=firestore_emulator, server=event_server, faults=faults
    ) as stack:

        def written(*writes: Write) -> dict[str, object]:
            stack.database.commit(list(writes))
            stack.drain()
            board = stack.database.read(["boards/all"]).documents[0].fields or {}
            return {name: board.get(name) for name in ("cards", "open", "seats")}

        both = [Put(f"meetings/{name}", {"title": name, "room": "red", "seats": 1}) for name in "mn"]
        assert written(*both) == {"cards": ["m: free", "n: free"], "open": ["m", "n"], "seats": 2}
        sold = Put("tickets/t", {"meeting": Reference("meetings/m")})
        assert written(sold) == {"cards": ["m: full", "n: free"], "open": ["n"], "seats": 1}
        handled.clear()
        assert written(Put("meetings/m", {"title": "m", "room": "red", "seats": 1, "seenAt": 5}))["seats"] == 1
        assert {each.delivery.function for each in handled} == {"session_on_meetings"}
        assert written(Delete("meetings/m")) == {"cards": ["n: free"], "open": ["n"], "seats": 1}
