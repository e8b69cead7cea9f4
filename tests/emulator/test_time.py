"""A moment that comes on the emulator: by its read times, its timestamps, and its query of what is due."""

import time
from datetime import datetime, timedelta

from boiler_functions.database import Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.query.upkeep import Upkeep
from boiler_functions.types import to_datetime
from functions.poll import PollView

COPY = "owners/ada/polls/lunch"


def test_upkeep_finds_a_view_at_its_moment_and_not_before(firestore_emulator: FirestoreEmulator, project: str) -> None:
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)

    def is_open() -> object:
        return (database.read([COPY]).documents[0].fields or {})["open"]

    def upkeep() -> dict[str, int]:
        invocation = Invocation("poll", "upkeep", Metered(database))
        Upkeep(invocation, [PollView]).run(invocation.now())
        return {str(outcome): count for outcome, count in invocation.outcomes.items()}

    def now() -> datetime:
        return to_datetime(database.read(["polls/lunch"]).read_time)

    for seconds in (3, 30):  # On a busy machine the moment may come before the view is looked at.
        closes_at = now() + timedelta(seconds=seconds)
        database.commit([Put("polls/lunch", {"question": "Soup?", "owner": "ada", "closesAt": closes_at})])
        list(RebuildAll("poll", PollView, database).run())
        before = is_open(), upkeep()
        if now() < closes_at:
            break
    assert before == (True, {})
    while now() < closes_at:
        time.sleep(0.1)
    assert upkeep() == {"built": 1}
    assert is_open() is False
    assert upkeep() == {}
