"""The same work as a competent user would write it with plain google-cloud-firestore: the peers of our comparison.

(a) `single_gets`: a transaction with single gets and a marker of the event
(b) `one_get_all`: the same with one `get_all`
(c) `preconditioned`: get, then commit with a precondition, in a loop
(d) `rename_in_batches`: for a fan-out, a script with batches of 500
(e) `build_on_conditions`: for a build, the reads and writes that a ledger takes
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore
from google.cloud.firestore import Client, DocumentReference, Transaction
from google.cloud.firestore import DocumentSnapshot as Snapshot

DocumentSnapshot: TypeAlias = Snapshot[DocumentReference]

MAX_ATTEMPTS = 50


@dataclass(frozen=True)
class Work:
    """One event's work: the view to write, the root that it shows, and the sources that the root names.

    `expected` are the sources as the event's payload names them, so that all can be read at once.
    """

    event: str
    view: DocumentReference
    root: DocumentReference
    expected: tuple[DocumentReference, ...]
    sources_of: Callable[[DocumentSnapshot], list[DocumentReference]]
    content_of: Callable[[DocumentSnapshot, list[DocumentSnapshot]], dict[str, Any]]


def single_gets(client: Client, work: Work) -> bool:
    """(a) Reads each document with a get of its own; returns whether the event was handled now, not before."""
    marker = client.collection("peerMarkers").document(work.event)

    @firestore.transactional
    def rebuild(transaction: Transaction) -> bool:
        if marker.get(transaction=transaction).exists:
            return False
        root = work.root.get(transaction=transaction)
        sources = [source.get(transaction=transaction) for source in work.sources_of(root)]
        transaction.set(work.view, work.content_of(root, sources))
        transaction.create(marker, {"time": firestore.SERVER_TIMESTAMP})
        return True

    return bool(rebuild(client.transaction()))


def one_get_all(client: Client, work: Work) -> bool:
    """(b) As (a), but reads the marker, the root and all sources with one `get_all`."""
    marker_ref = client.collection("peerMarkers").document(work.event)

    @firestore.transactional
    def rebuild(transaction: Transaction) -> bool:
        marker, root, *sources = in_order(client, [marker_ref, work.root, *work.expected], transaction)
        if marker.exists:
            return False
        if (named := work.sources_of(root)) != list(work.expected):
            sources = in_order(client, named, transaction)
        transaction.set(work.view, work.content_of(root, sources))
        transaction.create(marker_ref, {"time": firestore.SERVER_TIMESTAMP})
        return True

    return bool(rebuild(client.transaction()))


def preconditioned(client: Client, work: Work) -> None:
    """(c) Reads everything by one `get_all`; writes the view unless somebody else did meanwhile, then again."""
    for _ in range(MAX_ATTEMPTS):
        view, root, *sources = in_order(client, [work.view, work.root, *work.expected])
        if (named := work.sources_of(root)) != list(work.expected):
            sources = in_order(client, named)
        content = work.content_of(root, sources)
        try:
            if view.exists:
                work.view.update(content, option=client.write_option(last_update_time=view.update_time))
            else:
                work.view.create(content)
        except (Aborted, AlreadyExists, FailedPrecondition, NotFound):
            continue
        return
    raise RuntimeError(f"{work.view.path} is contended")


def in_order(
    client: Client, references: list[DocumentReference], transaction: Transaction | None = None
) -> list[DocumentSnapshot]:
    """Returns the documents in the order of the references; `get_all` gives them in any order."""
    found = {each.reference.path: each for each in client.get_all(references, transaction=transaction)}
    return [found[reference.path] for reference in references]


def headline(client: Client, event: str, itinerary_id: str) -> Work:
    """Returns the view of the root alone."""
    return Work(
        event,
        client.collection("peerHeadlines").document(itinerary_id),
        client.collection("itineraries").document(itinerary_id),
        (),
        lambda itinerary: [],
        lambda itinerary, _: {"title": itinerary.get("title")},
    )


def route(client: Client, event: str, itinerary_id: str, stops: Iterable[DocumentReference]) -> Work:
    """Returns the view of an itinerary and its cities."""
    return Work(
        event,
        client.collection("peerRoutes").document(itinerary_id),
        client.collection("itineraries").document(itinerary_id),
        tuple(stops),
        lambda itinerary: list(itinerary.get("stops")),
        lambda itinerary, cities: {
            "title": itinerary.get("title"),
            "cities": sorted(city.get("name") for city in cities),
            "inhabitants": sum(city.get("population") for city in cities),
        },
    )


def routes_through(client: Client, event: str, city: DocumentReference) -> Iterator[Work]:
    """Returns the work after a change of a city; a query finds the itineraries that refer to it."""
    for itinerary in client.collection("itineraries").where(filter=array_contains("stops", city)).stream():
        yield route(client, event, itinerary.id, itinerary.get("stops"))


def city_view(client: Client, event: str, city: DocumentSnapshot) -> Work:
    """Returns the view of a city with its country."""
    return Work(
        f"{event}-{city.id}",
        client.collection("peerCityViews").document(city.id),
        city.reference,
        (city.get("country"),),
        lambda found: [found.get("country")],
        lambda found, countries: city_content(found, countries[0]),
    )


def city_content(city: DocumentSnapshot, country: DocumentSnapshot) -> dict[str, Any]:
    """Returns the content of a city's view."""
    return {
        "name": city.get("name"),
        "population": city.get("population"),
        "country": country.get("name"),
        "currency": country.get("currency"),
        "continent": country.get("continent"),
    }


def rename_on_four_threads(client: Client, event: str, country: DocumentReference) -> int:
    """(a) for a fan-out: handles every city of the country in its own transaction, four at a time."""
    found = client.collection("cities").where(filter=equal("country", country)).stream()
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lambda city: single_gets(client, city_view(client, event, city)), found))


def rename_in_batches(client: Client, country_ref: DocumentReference) -> int:
    """(d) for a fan-out: a script that overwrites the views in batches of 500; an event in between is lost."""
    country = country_ref.get()
    cities = iter(client.collection("cities").where(filter=equal("country", country_ref)).stream())
    written = 0
    while chunk := list(islice(cities, 500)):
        batch = client.batch()
        for city in chunk:
            batch.set(client.collection("peerCityViews").document(city.id), city_content(city, country))
        batch.commit()
        written += len(chunk)
    return written


def build_in_batches(client: Client, collections: Sequence[str]) -> int:
    """(d) for a build: a script that writes the view of every city, in each of the collections, in batches of 500."""
    countries = {each.reference.path: each for each in client.collection("countries").stream()}
    cities = iter(client.collection("cities").stream())
    written = 0
    while chunk := list(islice(cities, 500 // len(collections))):
        batch = client.batch()
        for city in chunk:
            content = city_content(city, countries[city.get("country").path])
            for collection in collections:
                batch.set(client.collection(collection).document(city.id), content)
        batch.commit()
        written += len(chunk)
    return written


def build_on_conditions(client: Client) -> int:
    """(e) for a build: as a build with ledgers reads and writes, on four threads; nobody else's write is overwritten.

    It reads the ledger of each city with the city, and commits both documents on the condition that the ledger is as it
    was read. A city without a ledger gets one first, and its documents are read once more.
    """
    countries = {each.reference.path: each for each in client.collection("countries").stream()}
    names = iter(client.collection("cities").select([]).stream())

    def build(cities: list[DocumentReference]) -> int:
        ledgers = {each.id: client.collection("peerGuards").document(each.id) for each in cities}
        found = {each.reference.path: each for each in client.get_all([*ledgers.values(), *cities])}
        guards = {each: found[ledger.path].update_time for each, ledger in ledgers.items()}
        if missing := [ledger for ledger in ledgers.values() if not found[ledger.path].exists]:
            registering = client.batch()
            for ledger in missing:
                registering.create(ledger, {"depends_on": [], "versions": {}})
            versions = [each.update_time for each in registering.commit()]
            guards |= dict(zip((each.id for each in missing), versions, strict=True))
            again = client.get_all([*cities, *(each.reference for each in countries.values())], field_paths=["name"])
            assert all(each.exists for each in again)
        batch = client.batch()
        for city in cities:
            read = found[city.path]
            country = countries[read.get("country").path]
            dependencies = {each.reference.path: each.update_time for each in (read, country)}
            content = {"depends_on": [*dependencies], "versions": [*dependencies.values()], "view": city.path}
            batch.update(ledgers[city.id], content, option=client.write_option(last_update_time=guards[city.id]))
            batch.set(client.collection("peerGuardedViews").document(city.id), city_content(read, country))
        return len(batch.commit()) // 2

    pages = iter(lambda: [each.reference for each in islice(names, 100)], [])
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(build, pages))


Read = Callable[[Client, list[DocumentReference], Transaction], list[DocumentSnapshot]]


def one_by_one(client: Client, references: list[DocumentReference], transaction: Transaction) -> list[DocumentSnapshot]:
    """Returns the documents, with a get for each."""
    return [reference.get(transaction=transaction) for reference in references]


def visit(client: Client, event: str, form_ref: DocumentReference, read: Read) -> bool:
    """A task: records the visit that the form asks for and stamps the form, once per event.

    (a) reads `one_by_one`, (b) `in_order`.
    """
    _, traveller_id, _, itinerary_id, _, city_id = form_ref.path.split("/")
    marker_ref = client.collection("peerMarkers").document(event)
    references = [
        marker_ref,
        form_ref,
        client.collection("travellers").document(traveller_id),
        client.collection("cities").document(city_id),
        client.collection("itineraries").document(itinerary_id),
    ]

    @firestore.transactional
    def take_effect(transaction: Transaction) -> bool:
        marker, form, traveller, city, itinerary = read(client, references, transaction)
        if marker.exists or not form.exists or "outcome" in (form.to_dict() or {}):
            return False
        content = {"traveller": traveller.get("name"), "city": city.get("name"), "itinerary": itinerary.get("title")}
        transaction.set(client.collection("peerVisits").document(f"{traveller_id}-{city_id}"), content)
        transaction.update(form_ref, {"outcome": {"status": "done", "time": firestore.SERVER_TIMESTAMP}})
        transaction.create(marker_ref, {"time": firestore.SERVER_TIMESTAMP})
        return True

    return bool(take_effect(client.transaction()))


def countries_singly(client: Client, itinerary_id: str) -> list[str]:
    """Returns the countries of an itinerary with N+1 gets: the root, each city, each country once."""
    itinerary = client.collection("itineraries").document(itinerary_id).get()
    cities = [city.get() for city in itinerary.get("stops")]
    countries = {city.get("country").path: city.get("country") for city in cities}
    return sorted(country.get().get("name") for country in countries.values())


def equal(field: str, value: DocumentReference) -> Any:
    """Returns a filter for documents whose field refers to the document."""
    return firestore.FieldFilter(field, "==", value)


def array_contains(field: str, value: DocumentReference) -> Any:
    """Returns a filter for documents whose list refers to the document."""
    return firestore.FieldFilter(field, "array_contains", value)
