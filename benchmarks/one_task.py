"""A form that takes effect, based on three documents that the task only reads."""

import secrets
from collections.abc import Iterator

from benchmarks import peers
from benchmarks.apps import Itinerary, Traveller, app
from benchmarks.counted import cost_of
from benchmarks.measure import Contestant, medians
from benchmarks.results import Row, at_most, ratio_at_most
from benchmarks.single_view import OURS, A, B, counts
from benchmarks.stage import Stage
from boiler_functions.database.change import Change
from boiler_functions.paths import id_of
from emulator import geonames

FUNCTION = "visit_form_task"
CITIES = 50


def task_3_sources(stage: Stage) -> Iterator[Row]:
    """Measures a task with three read-only sources."""
    name = "task, 3 read-only sources"
    set_up(stage)
    taken = medians(
        {
            OURS: Contestant(lambda: send(stage), lambda change: stage.handle(app, FUNCTION, change)),
            A: Contestant(lambda: send(stage), lambda change: by_hand(stage, change, peers.one_by_one)),
            B: Contestant(lambda: send(stage), lambda change: by_hand(stage, change, peers.in_order)),
        }
    )
    yield Row(name, taken[OURS], taken[A], A, "ms", ratio_at_most(1.0))
    yield Row(name, taken[OURS], taken[B], B, "ms")
    change = send(stage)
    usage = stage.handle(app, FUNCTION, change).usage
    again = stage.handle(app, FUNCTION, change).usage
    change = send(stage)
    first, second = (
        cost_of(
            stage.counted,
            lambda client: peers.visit(client, change.id, client.document(change.path), peers.one_by_one),
        )
        for _ in range(2)
    )
    yield from counts(name, usage, first, at_most(2))
    yield Row("duplicate event of a task", again.rpcs, second.rpcs, A, "RPCs", at_most(1))
    yield Row("duplicate event of a task", again.writes, second.writes, A, "writes", at_most(0))


def set_up(stage: Stage) -> None:
    """A traveller, an itinerary and cities to visit."""
    cities = geonames.cities(CITIES)
    traveller = Traveller.new(doc_id="ada", name="Ada")
    itinerary = Itinerary.new(doc_id="0", title="Round the world", stops=cities[:9])
    stage.save([*cities, traveller, itinerary])


def send(stage: Stage) -> Change:
    """Sends the form again for the itinerary's first city, and returns its event."""
    city = (stage.read("itineraries/0").fields or {})["stops"][0]
    path = f"travellers/ada/plans/0/visitForms/{id_of(city.path)}"
    stage.delete(path)
    return stage.change(path, {"note": secrets.token_hex(4)})


def by_hand(stage: Stage, change: Change, read: peers.Read) -> bool:
    """Handles the form as a peer does."""
    return peers.visit(stage.client, change.id, stage.client.document(change.path), read)
