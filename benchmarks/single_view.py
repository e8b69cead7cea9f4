"""One event and one view: a change of its root, of another source, and events that need no work."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping

from google.cloud.firestore import Client

from benchmarks import peers
from benchmarks.apps import Atlas, Itinerary, app
from benchmarks.counted import cost_of
from benchmarks.measure import Contestant, medians
from benchmarks.results import Row, Target, at_most, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.modes.run import Report
from boiler_functions.views.build import Instance, Reader
from emulator import geonames

OURS = "ours"
A = "(a) single gets"
B = "(b) one get_all"
C = "(c) precondition"

ITINERARIES = 50
STOPS = 9
ROOT = "itineraries/0"

Ours = Callable[[Change], Report]
Works = Callable[[Client, Change], Iterable[peers.Work]]

_STRATEGIES: Mapping[str, Callable[[Client, peers.Work], object]] = {
    A: peers.single_gets,
    B: peers.one_get_all,
    C: peers.preconditioned,
}


def root_1_source(stage: Stage) -> Iterator[Row]:
    """Measures a change of the root of a view that reads nothing else."""
    set_up(stage, "headline_on_itineraries", stops=0)
    yield from compare(
        stage,
        "root change, 1 source",
        lambda: retitle(stage),
        lambda change: stage.handle(app, "headline_on_itineraries", change),
        lambda client, change: [peers.headline(client, change.id, "0")],
        time=ratio_at_most(1.1),
        rpcs=at_most(2),
    )


def root_10_sources(stage: Stage) -> Iterator[Row]:
    """Measures a change of the root of a view that reads nine more documents."""
    set_up(stage, "route_on_itineraries", stops=STOPS)
    yield from compare(
        stage,
        "root change, 10 sources",
        lambda: retitle(stage),
        lambda change: stage.handle(app, "route_on_itineraries", change),
        _routes_of_root,
        time=ratio_at_most(0.6),
        rpcs=at_most(2),
    )


def other_source(stage: Stage) -> Iterator[Row]:
    """Measures a change of one of the nine other documents; the view has to be found first."""
    set_up(stage, "route_on_itineraries", stops=STOPS)
    yield from compare(
        stage,
        "another source's change, 10 sources",
        lambda: rename_a_stop(stage),
        lambda change: stage.handle(app, "route_on_cities", change),
        lambda client, change: peers.routes_through(client, change.id, client.document(change.path)),
        time=ratio_at_most(1.0),
        rpcs=at_most(3),
    )


def depth_3(stage: Stage) -> Iterator[Row]:
    """Counts the reads of a Store with three levels, for several widths."""
    for width in (3, 30):
        stage.save(geonames.countries())
        set_up(stage, "atlas_on_itineraries", stops=width, itineraries=1)
        # Without the read of the ledger: only what the Store reads, starting from the key.
        metered = Metered(stage.database)
        Reader(metered).resolve([Instance(Atlas, ROOT)])
        peer = cost_of(stage.counted, lambda client: peers.countries_singly(client, "0"))
        name = f"Store of depth 3, {width} wide"
        contestants = {
            OURS: Contestant(lambda: None, lambda _: Reader(stage.database).resolve([Instance(Atlas, ROOT)])),
            "N+1 gets": Contestant(lambda: None, lambda _: peers.countries_singly(stage.client, "0")),
        }
        yield Row(name, metered.usage.rpcs, peer.rpcs, "N+1 gets", "BatchGets", at_most(3))
        taken = medians(contestants)
        yield Row(name, taken[OURS], taken["N+1 gets"], "N+1 gets", "ms")


def needless(stage: Stage) -> Iterator[Row]:
    """Measures events that were handled before, or are covered by a newer build: one RPC, no write."""
    set_up(stage, "route_on_itineraries", stops=STOPS)
    change = stage.created("itineraries/1")

    def by_hand(client: Client) -> None:
        for work in _routes_of_root(client, change):
            peers.single_gets(client, work)

    by_hand(stage.client)
    peer = cost_of(stage.counted, by_hand)
    for name, usage in needless_events(stage):
        yield Row(name, usage.rpcs, peer.rpcs, A, "RPCs", at_most(1))
        yield Row(name, usage.writes, peer.writes, A, "writes", at_most(0))


def needless_events(stage: Stage) -> Iterator[tuple[str, Usage]]:
    """Returns duplicate and covered events, and the cost of each, by kind."""
    roots, cities = "route_on_itineraries", "route_on_cities"
    for what, function, write in (("a source", cities, rename_a_stop), ("the root", roots, retitle)):
        older, newer = write(stage), write(stage)
        stage.handle(app, function, newer)
        yield f"duplicate update of {what}", stage.handle(app, function, newer).usage
        yield f"covered update of {what}", stage.handle(app, function, older).usage
        gone = stage.delete(newer.path)
        stage.handle(app, function, gone)
        yield f"duplicate deletion of {what}", stage.handle(app, function, gone).usage


def set_up(stage: Stage, function: str, *, stops: int, itineraries: int = ITINERARIES) -> None:
    """Stores itineraries, each through cities of its own, and their views."""
    cities = geonames.cities(itineraries * stops) if stops else []
    chosen = [cities[start * stops : (start + 1) * stops] for start in range(itineraries)]
    plans = [Itinerary.new(doc_id=str(n), title=f"Journey {n}", stops=each) for n, each in enumerate(chosen)]
    stage.save([*cities, *plans])
    for plan in plans:
        stage.handle(app, function, stage.created(plan.path))


def retitle(stage: Stage) -> Change:
    """Changes the title of the first itinerary, and returns the event."""
    return stage.change(ROOT, {"title": f"Journey {secrets.token_hex(4)}"})


def rename_a_stop(stage: Stage) -> Change:
    """Renames the first itinerary's first city, and returns the event."""
    stops = (stage.read(ROOT).fields or {})["stops"]
    return stage.change(stops[0].path, {"name": f"City {secrets.token_hex(4)}"})


def compare(
    stage: Stage, name: str, prepare: Callable[[], Change], ours: Ours, works: Works, *, time: Target, rpcs: Target
) -> Iterator[Row]:
    """Compares the time with each peer; and RPCs, reads and writes with (a), which alone have targets."""

    def by(peer: str, client: Client, change: Change) -> None:
        for work in works(client, change):
            _STRATEGIES[peer](client, work)

    contestants: dict[str, Contestant[Change]] = {OURS: Contestant(prepare, ours)}
    for peer in _STRATEGIES:
        contestants[peer] = Contestant(prepare, lambda change, peer=peer: by(peer, stage.client, change))  # type: ignore[misc]
    taken = medians(contestants)
    for peer in _STRATEGIES:
        yield Row(name, taken[OURS], taken[peer], peer, "ms", time if peer == A else None)
    usage = ours(prepare()).usage
    change = prepare()
    yield from counts(name, usage, cost_of(stage.counted, lambda client: by(A, client, change)), rpcs)


def counts(name: str, ours: Usage, peer: Usage, rpcs: Target) -> Iterator[Row]:
    """Compares the requests to the database with those of (a)."""
    yield Row(name, ours.rpcs, peer.rpcs, A, "RPCs", rpcs)
    yield Row(name, ours.reads, peer.reads, A, "reads")
    yield Row(name, ours.writes, peer.writes, A, "writes")


def _routes_of_root(client: Client, change: Change) -> list[peers.Work]:
    stops = [client.document(stop.path) for stop in (change.after.fields or {})["stops"]]
    return [peers.route(client, change.id, change.after.id, stops)]
