"""A fan-out that outlasts its invocation is handed on: nothing is left out, done twice, or acknowledged too early."""

import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from itertools import chain, count, pairwise, repeat
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Database,
    Delete,
    Document,
    Put,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.database.change import Change
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import BoilerError, InvalidRequest, Transient, Unavailable
from boiler_functions.modes.dead_letter import COLLECTION as DEAD_LETTERS
from boiler_functions.modes.event_function import Enqueue, EventFunction
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.run import Report
from boiler_functions.types import Fields, Instant, Reference
from boiler_functions.views.build import Instance
from tests.unit.modes.hooked import raises

BOOKS = 250
FEW = 50
PAGE = 10
VIEWS = 100
HOUR = 3_600_000_000_000
AUTHOR = "authors/ada"


class Publisher(DomainModel):
    class Meta:
        collection_name = "publishers"

    name = attrs.string(required=True)


class Author(DomainModel):
    class Meta:
        collection_name = "authors"

    name = attrs.string(required=True)
    publisher = attrs.relation(Publisher)


class Book(DomainModel):
    class Meta:
        collection_name = "books"

    author = attrs.relation(Author)


class BookStore(Store):
    book = reference(Book)
    author = reference(Book.author)
    publisher = reference(Author.publisher)


class BookCard(ViewModel[BookStore]):
    class Meta:
        path = "bookCards/{book.doc_id}"

    @attrs.computed
    def byline(self) -> str:
        author, publisher = self.store.author, self.store.publisher
        return f"{author.name if author else 'unknown'}, {publisher.name if publisher else 'self-published'}"


def compiled() -> dict[str, EventFunction]:
    app = Boiler("library")
    app.query(BookCard)
    return dict(app.compiled.functions)


FUNCTIONS = compiled()
ON_AUTHORS = FUNCTIONS["book_card_on_authors"]


@pytest.fixture
def a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and continuations of a tenth of their size, so that a tenth of the books will do."""
    monkeypatch.setattr("boiler_functions.modes.query.rebuild.PAGE", PAGE)
    monkeypatch.setattr("boiler_functions.modes.query.continuation.VIEWS", VIEWS)


small = pytest.mark.usefixtures("a_tenth")


def enough_time() -> Instant:
    return HOUR


def out_of_time() -> Callable[[], Instant]:
    """A clock that says after each page that the time is over."""
    return count(HOUR, HOUR).__next__


def rebuild_all(database: Database) -> None:
    books = [Instance(BookCard, document.path) for document in database.query(Query("books")).documents]
    Rebuild(Invocation("library", "build", Metered(database)), (BookCard,)).rebuild(books)


def all_of(database: Database, collection: str) -> dict[str, Fields | None]:
    return {document.path: document.fields for document in database.query(Query(collection)).documents}


class Library:
    """Books of one author, each with a card, and a record of later writes of ledgers."""

    def __init__(self, books: int) -> None:
        self.database = MemoryDatabase()
        self.changes: list[Change] = []
        self.ledger_writes: Counter[str] = Counter()
        put = [Put(f"books/b{n:04d}", {"obj_type": "Book", "author": Reference(AUTHOR)}) for n in range(books)]
        self.database.commit(
            [*put, *(self._publisher(name) for name in ("north", "south")), self._author("Ada", "north")]
        )
        rebuild_all(self.database)
        self.database.subscribe(self._on_change)

    def _on_change(self, before: Document, after: Document) -> None:
        if after.collection == LEDGERS:
            self.ledger_writes[after.path] += 1
        if after.path == AUTHOR:
            event = f"event{len(self.changes)}"
            self.changes.append(Change(event, "//firestore", AUTHOR, before, after, after.version))

    @staticmethod
    def _publisher(name: str) -> Write:
        return Put(f"publishers/{name}", {"obj_type": "Publisher", "name": name})

    @staticmethod
    def _author(name: str, publisher: str) -> Write:
        return Put(AUTHOR, {"obj_type": "Author", "name": name, "publisher": Reference(f"publishers/{publisher}")})

    def change_author(self, name: str, publisher: str = "north") -> Change:
        self.database.commit([self._author(name, publisher)])
        return self.changes[-1]

    def delete_author(self) -> Change:
        self.database.commit([Delete(AUTHOR)])
        return self.changes[-1]

    def handle(self, change: Change, clock: Callable[[], Instant], enqueue: Enqueue | None) -> Report:
        return ON_AUTHORS.handle(change, self.database, Surroundings(clock), enqueue)

    def go_on(self, continuation: Continuation, clock: Callable[[], Instant], enqueue: Enqueue | None) -> Report:
        return ON_AUTHORS.go_on(as_received(continuation), self.database, Surroundings(clock), enqueue)

    @property
    def cards(self) -> dict[str, Fields | None]:
        return all_of(self.database, "bookCards")

    @property
    def cards_of_a_rebuild(self) -> dict[str, Fields | None]:
        """The cards as they are built in a database that has nothing but the sources."""
        fresh = MemoryDatabase()
        for collection in ("publishers", "authors", "books"):
            fields = all_of(self.database, collection)
            fresh.commit([Put(path, each) for path, each in fields.items() if each is not None])
        rebuild_all(fresh)
        return all_of(fresh, "bookCards")


class Tasks:
    """A queue that, as Cloud Tasks, never takes a name twice; `fails` names the calls that fail, and how."""

    def __init__(self, fails: dict[int, BoilerError] | None = None) -> None:
        self.waiting: deque[Continuation] = deque()
        self.created: list[Continuation] = []
        self.refused: list[Continuation] = []
        self._fails = fails or {}
        self._calls = count()

    def put(self, continuation: Continuation) -> None:
        if error := self._fails.get(next(self._calls)):
            raise error
        if continuation.name in {each.name for each in self.created}:
            self.refused.append(continuation)
            return
        self.created.append(continuation)
        self.waiting.append(continuation)


class Contended:
    """The database, where somebody else is faster at the first commit."""

    def __init__(self, database: Database, somebody: Callable[[], object]) -> None:
        self._database = database
        self._somebody: Callable[[], object] | None = somebody

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        return self._database.query(query, at=at)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        return self._database.aggregate(aggregation, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        somebody, self._somebody = self._somebody, None
        if somebody:
            somebody()
        return self._database.commit(writes, verify=verify)


def as_received(continuation: Continuation) -> Continuation:
    payload: dict[str, Any] = json.loads(json.dumps(continuation.to_json()))
    return Continuation.from_json(payload)


def handed_on(library: Library, change: Change) -> Tasks:
    """What an invocation hands on that is out of time after its first page."""
    tasks = Tasks()
    library.handle(change, out_of_time(), tasks.put)
    return tasks


def test_a_continuation_is_the_same_after_its_way_through_json() -> None:
    continuation = Continuation("f", ("a", "b"), "x", "y", "e1", "s", "authors/ada", 3, 1, 2)
    assert as_received(continuation) == continuation
    assert as_received(continuation).name == continuation.name


@pytest.mark.parametrize("field", ["function", "tokens", "after", "until", "id", "source"])
def test_other_work_has_another_name(field: str) -> None:
    continuation = Continuation("f", ("a",), "x", "y", "e1", "s", "authors/ada", 3, 1, 2)
    other = Continuation.from_json({**continuation.to_json(), field: "other"})
    assert other.name != continuation.name


@small
def test_without_a_queue_one_invocation_does_the_whole_fan_out_however_long_it_takes() -> None:
    library = Library(BOOKS)
    report = library.handle(library.change_author("Grace"), out_of_time(), None)
    assert report.outcomes == {"built": BOOKS}
    assert library.cards == library.cards_of_a_rebuild


@small
def test_a_rest_of_too_many_parts_is_handed_on_as_one_that_hands_on_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boiler_functions.modes.query.continuation.VIEWS", 40)
    monkeypatch.setattr("boiler_functions.modes.query.continuation.PARTS", 2)
    library = Library(BOOKS)
    tasks = handed_on(library, library.change_author("Grace"))
    assert [bool(each.until) for each in tasks.created] == [True, True, False]
    while tasks.waiting:
        library.go_on(tasks.waiting.popleft(), out_of_time(), tasks.put)
    assert tasks.refused == []
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_pages_in_work_at_once_give_what_one_after_the_other_gives() -> None:
    library, other = Library(BOOKS), Library(BOOKS)
    change = library.change_author("Grace", publisher="south")
    report = ON_AUTHORS.handle(change, library.database, Surroundings(enough_time, threads=4))
    alone = other.handle(other.change_author("Grace", publisher="south"), enough_time, None)
    assert (report.outcomes, report.usage) == (alone.outcomes, alone.usage)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_what_is_in_work_when_the_time_is_over_is_finished_and_the_rest_handed_on() -> None:
    library, tasks = Library(BOOKS), Tasks()
    times = chain([HOUR] * 6, repeat(2 * HOUR))  # Over after some pages.
    report = ON_AUTHORS.handle(
        library.change_author("Grace"), library.database, Surroundings(times.__next__, threads=4), tasks.put
    )
    assert report.outcomes["continued"] == len(tasks.created) > 0
    assert report.outcomes["built"] == len(library.ledger_writes)
    built = [library.go_on(each, enough_time, None).outcomes for each in tasks.created]
    assert all({*each} == {"built"} for each in built)
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_the_failure_of_a_page_fails_the_event_and_its_redelivery_completes_it() -> None:
    library = Library(BOOKS)
    change = library.change_author("Grace")
    down = Contended(library.database, raises(Unavailable("the database is down")))
    with pytest.raises(Unavailable):
        ON_AUTHORS.handle(change, down, Surroundings(enough_time, threads=4))
    assert 0 < len(library.ledger_writes) < BOOKS
    again = ON_AUTHORS.handle(change, library.database, Surroundings(enough_time, threads=4))
    assert again.outcomes["covered"] == BOOKS - again.outcomes["built"] > 0
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_with_time_left_nothing_is_handed_on() -> None:
    library, tasks = Library(BOOKS), Tasks()
    report = library.handle(library.change_author("Grace"), enough_time, tasks.put)
    assert (report.outcomes, tasks.created) == ({"built": BOOKS}, [])


def test_the_rest_is_cut_into_ranges_that_together_rebuild_every_view_once() -> None:
    library = Library(2500)
    tasks = Tasks()
    report = library.handle(library.change_author("Grace"), out_of_time(), tasks.put)
    assert report.outcomes == {"built": 100, "continued": 3}
    assert all(former.until == latter.after for former, latter in pairwise(tasks.created))
    built = [library.go_on(each, enough_time, tasks.put).outcomes for each in reversed(tasks.created)]
    assert built == [{"built": 400}, {"built": 1000}, {"built": 1000}]
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert len(library.ledger_writes) == 2500
    assert library.cards == library.cards_of_a_rebuild
    assert {(fields or {})["byline"] for fields in library.cards.values()} == {"Grace, north"}


@small
def test_a_continuation_that_is_delivered_again_is_covered_and_writes_nothing() -> None:
    library = Library(FEW)
    (rest,) = handed_on(library, library.change_author("Grace")).created
    library.go_on(rest, enough_time, None)
    again = library.go_on(rest, enough_time, None)
    assert (again.outcomes, again.usage.writes) == ({"covered": FEW - PAGE}, 0)


@pytest.mark.parametrize("refusal", [Unavailable("the queue is away"), InvalidRequest("there is no such queue")])
@small
def test_an_event_whose_rest_was_not_handed_on_is_not_acknowledged_and_its_redelivery_completes(
    refusal: BoilerError,
) -> None:
    """A dead letter would acknowledge the event, so even a permanent refusal of the queue is raised as transient."""
    library = Library(BOOKS)
    change = library.change_author("Grace")
    tasks = Tasks({1: refusal})
    with pytest.raises(Transient):
        library.handle(change, out_of_time(), tasks.put)
    assert all_of(library.database, DEAD_LETTERS) == {}
    assert len(tasks.created) == 1
    again = library.handle(change, out_of_time(), tasks.put)
    assert again.outcomes == {"covered": PAGE, "continued": 3}
    assert (len(tasks.created), len(tasks.refused)) == (3, 1)
    for each in tasks.created:
        library.go_on(each, enough_time, None)
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_each_delivery_gets_further_while_the_queue_takes_nothing() -> None:
    library = Library(BOOKS)
    change = library.change_author("Grace")
    broken = Tasks(dict.fromkeys(range(3), Unavailable("the queue is away")))
    with pytest.raises(Unavailable):
        library.handle(change, out_of_time(), broken.put)
    with pytest.raises(Unavailable):
        library.handle(change, lambda: HOUR if len(library.ledger_writes) < 2 * PAGE else 2 * HOUR, broken.put)
    assert len(library.ledger_writes) == 2 * PAGE


@small
def test_a_continuation_that_runs_out_of_time_hands_on_and_every_name_is_new() -> None:
    """The queue refuses a used name, and a refusal counts as success: work under its own name would be lost.

    An invocation looks at the clock after a page, never before, so the range that it hands on starts further on.
    """
    library = Library(BOOKS)
    tasks = handed_on(library, library.change_author("Grace"))
    while tasks.waiting:
        continuation = tasks.waiting.popleft()
        known = len(tasks.created)
        report = library.go_on(continuation, out_of_time(), tasks.put)
        assert report.outcomes["built"] == PAGE
        assert all((each.after, each.until) > (continuation.after, "") for each in tasks.created[known:])
        assert all(each.until == continuation.until for each in tasks.created[known:])
    assert tasks.refused == []
    assert len(tasks.created) == BOOKS // PAGE - 1
    assert library.ledger_writes == dict.fromkeys(all_of(library.database, LEDGERS), 1)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_a_name_that_the_queue_refuses_after_a_redelivery_stands_for_the_same_work() -> None:
    library = Library(BOOKS)
    tasks = handed_on(library, library.change_author("Grace"))
    first = tasks.waiting.popleft()
    library.go_on(first, out_of_time(), tasks.put)
    again = library.go_on(first, out_of_time(), tasks.put)
    assert (again.outcomes, again.usage.writes) == ({"covered": PAGE, "continued": 1}, 0)
    assert [each.after for each in tasks.refused] == [tasks.created[-1].after]
    while tasks.waiting:
        library.go_on(tasks.waiting.popleft(), out_of_time(), tasks.put)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_views_that_appear_in_a_range_after_it_was_cut_are_right_too() -> None:
    library = Library(FEW)
    (rest,) = handed_on(library, library.change_author("Grace")).created
    library.database.commit([Put("books/new", {"obj_type": "Book", "author": Reference(AUTHOR)})])
    rebuild_all(library.database)
    library.go_on(rest, enough_time, None)
    assert library.cards == library.cards_of_a_rebuild


@small
def test_a_range_whose_last_ledger_is_gone_still_ends_where_it_was_cut() -> None:
    library = Library(BOOKS)
    first, *others = handed_on(library, library.change_author("Grace")).created
    (last,) = library.database.read([f"{LEDGERS}/{first.until}"]).documents
    library.database.commit([Delete((last.fields or {})["root"])])
    rebuild_one(library.database, (last.fields or {})["root"])
    reports = [library.go_on(each, enough_time, None).outcomes for each in (first, *others)]
    assert reports == [{"built": 99}, {"built": 100}, {"built": 40}]
    assert library.cards == library.cards_of_a_rebuild


def rebuild_one(database: Database, root: str) -> None:
    Rebuild(Invocation("library", "build", Metered(database)), (BookCard,)).rebuild([Instance(BookCard, root)])


@small
def test_a_continuation_finds_dependencies_that_its_change_brought_although_it_carries_no_contents() -> None:
    library = Library(FEW)
    (rest,) = handed_on(library, library.change_author("Grace", publisher="south")).created
    library.go_on(rest, enough_time, None)
    assert {(fields or {})["byline"] for fields in library.cards.values()} == {"Grace, south"}
    assert library.cards == library.cards_of_a_rebuild


@small
def test_a_continuation_of_a_deletion_rebuilds_and_is_covered_afterwards() -> None:
    library = Library(FEW)
    (rest,) = handed_on(library, library.delete_author()).created
    assert library.go_on(rest, enough_time, None).outcomes == {"built": FEW - PAGE}
    assert library.go_on(rest, enough_time, None).outcomes == {"covered": FEW - PAGE}
    assert library.cards == library.cards_of_a_rebuild


@small
def test_a_continuation_whose_page_meets_a_conflict_goes_on_view_by_view() -> None:
    library = Library(FEW)
    (rest,) = handed_on(library, library.change_author("Grace")).created
    (last,) = library.database.read([f"{LEDGERS}/{rest.until}"]).documents
    page = library.database.query(Query(LEDGERS)).documents[PAGE:]
    root = (page[0].fields or {})["root"]
    contended = Contended(library.database, lambda: rebuild_one(library.database, root))
    report = ON_AUTHORS.go_on(rest, contended, Surroundings(enough_time, lambda _: None), None)
    assert last.path == page[-1].path
    assert report.outcomes == {"built": FEW - PAGE - 1, "covered": 1}
    assert library.cards == library.cards_of_a_rebuild
