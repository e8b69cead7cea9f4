"""Logs: one JSON entry for each event, with its trace, and nothing of what documents hold."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloudevents.http import CloudEvent
from flask import Flask, request
from google.events.cloud.firestore_v1 import DocumentEventData
from werkzeug.exceptions import HTTPException

from boiler_functions import Boiler, Store, ViewModel, attrs, reference, use
from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.codec import Codec
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import GetterFailed, Unavailable
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.modes.release import VARIABLE, Release
from boiler_functions.runtime import export as runtime
from boiler_functions.runtime.logs import CONTENTS, JsonLines, Origin, context, log_as_json, trace_of
from tests.unit.modes.cities import City, CityView, app_of
from tests.unit.modes.hooked import Hooked, raises

DATABASE = "projects/demo-logs/databases/(default)"
SECRET = "Tokyo's secret"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "00f067aa0ba902b7"


class BrokenStore(Store):
    city = reference(City)


class BrokenView(ViewModel[BrokenStore]):
    class Meta:
        path = "brokenViews/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        raise KeyError(self.store.city.name)


class Served:
    """The exported functions of an app on a database in memory, and the lines that they logged."""

    def __init__(self, app: Boiler, through: Callable[[Database], Database], lines: io.StringIO) -> None:
        self.database = MemoryDatabase()
        self.through = through(self.database)
        self.functions: dict[str, Any] = {"__name__": "main"}
        self._lines = lines
        app.export(self.functions)

    def save(self, **values: Any) -> Document:
        with use(self.database):
            City.new(doc_id="TOK", **values).save()
        return self.database.read(["cities/TOK"]).documents[0]

    def deliver(self, name: str, city: Document, **headers: str) -> list[dict[str, Any]]:
        """What is logged while the event of the city is handled."""
        event = CloudEvent(
            {
                "id": "event-1",
                "type": "google.cloud.firestore.document.v1.written",
                "source": f"//firestore.googleapis.com/{DATABASE}",
                "document": city.path,
                "time": "2026-11-24T12:00:00Z",
            },
            _written(city),
        )
        with Flask("main").test_request_context(headers=headers):
            self.functions[name](event)
        return self.logged

    @property
    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._lines.getvalue().splitlines()]


def _written(document: Document) -> bytes:
    message = DocumentEventData.pb(DocumentEventData())
    codec = Codec(DATABASE)
    message.value.name = codec.name(document.path)
    codec.encode_fields(document.fields or {}, message.value.fields)
    message.value.update_time.FromNanoseconds(document.version)
    return bytes(message.SerializeToString())


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it would be in a process of functions-framework."""
    root, ours = logging.getLogger(), logging.getLogger("boiler_functions")
    kept = root.handlers[:], root.level, ours.level
    written = io.StringIO()
    root.handlers[:] = [logging.StreamHandler(written)]
    try:
        yield written
    finally:
        root.handlers[:] = kept[0]
        root.setLevel(kept[1])
        ours.setLevel(kept[2])


@pytest.fixture
def serve(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Served]:
    def serve(app: Boiler, through: Callable[[Database], Database] = lambda database: database) -> Served:
        served = Served(app, through, lines)
        monkeypatch.setattr(runtime, "connect", lambda database: served.through)
        return served

    return serve


def test_an_event_is_one_entry_with_what_became_of_it_and_what_it_cost(serve: Callable[..., Served]) -> None:
    served = serve(app_of(CityView))
    (entry,) = served.deliver("city_view_on_cities", served.save(name=SECRET))
    assert entry.pop("milliseconds") >= 0
    assert entry.pop("lag_milliseconds") >= 0
    assert entry.pop("message").startswith("city_view_on_cities ← cities/TOK: 1 built; 3 reads, 3 writes, 4 RPCs")
    assert entry == {
        "severity": "INFO",
        "app": "demo",
        "function": "city_view_on_cities",
        "event": "event-1",
        "document": "cities/TOK",
        "views": ["CityView"],
        "outcome": "built",
        "outcomes": {"built": 1},
        "reads": 3,
        "writes": 3,
        "rpcs": 4,
        "attempts": 1,
    }


def test_an_event_that_does_nothing_has_an_entry_without_lag(serve: Callable[..., Served]) -> None:
    served = serve(app_of(CityView))
    city = served.save(name=SECRET)
    first, second = [served.deliver("city_view_on_cities", city) for _ in range(2)][-1]
    assert (first["outcome"], second["outcome"], second["writes"]) == ("built", "covered", 0)
    assert second["lag_milliseconds"] is None


def test_an_event_that_fails_for_now_is_one_entry_with_its_stack_and_is_not_acknowledged(
    serve: Callable[..., Served],
) -> None:
    def down(database: Database) -> Database:
        return Hooked(database).before("read", 1, raises(Unavailable("Firestore is down")))

    served = serve(app_of(CityView), down)
    with pytest.raises(HTTPException) as refused:
        served.deliver("city_view_on_cities", served.save(name="Tokyo"))
    assert refused.value.get_response().status_code == 503
    (entry,) = served.logged
    assert (entry["severity"], entry["outcome"], entry["error"]) == ("WARNING", "failed", "Unavailable")
    assert (entry["code"], entry["rpcs"]) == ("BF402", 1)
    assert entry["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert entry["stack_trace"].endswith("Unavailable: Firestore is down")


def test_a_defect_of_the_package_itself_is_one_entry_and_is_not_acknowledged(serve: Callable[..., Served]) -> None:
    served = serve(app_of(CityView), lambda database: Hooked(database).before("read", 1, raises(RuntimeError(SECRET))))
    with pytest.raises(HTTPException) as refused:
        served.deliver("city_view_on_cities", served.save(name="Tokyo"))
    assert refused.value.code == 500
    (entry,) = served.logged
    assert (entry["severity"], entry["outcome"], entry["error"]) == ("ERROR", "failed", "RuntimeError")
    assert entry["stack_trace"].endswith("RuntimeError")
    assert SECRET not in json.dumps(entry)


def test_a_dead_letter_is_one_entry_with_the_stack_of_the_users_code_and_where_the_letter_is(
    serve: Callable[..., Served],
) -> None:
    served = serve(app_of(BrokenView))
    letter, event = served.deliver("broken_view_on_cities", served.save(name=SECRET))
    assert (letter["severity"], letter["code"], letter["kind"]) == ("ERROR", "BF505", "bug")
    assert (letter["view"], letter["subject"], letter["event"]) == ("BrokenView", "cities/TOK", "event-1")
    assert served.database.read([letter["dead_letter"]]).documents[0].exists
    assert "in title" in letter["stack_trace"]
    assert letter["stack_trace"].endswith("GetterFailed (BF505, bug)")
    assert (event["severity"], event["outcomes"]) == ("INFO", {"dead letter": 1})


def test_an_error_names_the_app_and_its_deployment_for_error_reporting_and_another_entry_does_not(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, Release(17).to_json())
    served = serve(app_of(BrokenView))
    letter, event = served.deliver("broken_view_on_cities", served.save(name="Tokyo"))
    assert letter["serviceContext"] == {"service": "demo", "version": "17"}
    assert "serviceContext" not in event
    assert letter["app"] == event["app"] == "demo"


def test_without_a_deployment_number_the_version_is_the_revision_of_cloud_run() -> None:
    assert Origin.of("towns", 0, {"K_REVISION": "towns-upkeep-00007-abc"}).of_errors == {
        "serviceContext": {"service": "towns", "version": "towns-upkeep-00007-abc"}
    }
    assert Origin.of("towns", 0, {}).of_errors == {"serviceContext": {"service": "towns"}}


def test_nothing_of_a_document_is_logged_not_even_by_an_exception_of_user_code(serve: Callable[..., Served]) -> None:
    served = serve(app_of(BrokenView))
    assert SECRET not in json.dumps(served.deliver("broken_view_on_cities", served.save(name=SECRET)))


def test_contents_are_logged_when_they_are_asked_for(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONTENTS, "true")
    served = serve(app_of(BrokenView))
    letter, event = served.deliver("broken_view_on_cities", served.save(name=SECRET))
    assert SECRET in letter["message"]
    assert SECRET in letter["stack_trace"]
    assert (event["before"], event["after"]["name"]) == (None, SECRET)


def test_an_event_that_cannot_be_read_is_a_dead_letter_of_its_own_kind(serve: Callable[..., Served]) -> None:
    served = serve(app_of(CityView))
    served.functions["city_view_on_cities"](CloudEvent({"id": "event-1", "type": "x", "source": "y"}, b""))
    letter, event = served.logged
    assert (letter["code"], letter["kind"], letter["subject"]) == ("BF510", "event", "event-1")
    assert (event["event"], event["outcomes"]) == ("event-1", {"dead letter": 1})


def test_the_rest_of_a_fan_out_whose_function_is_gone_is_a_dead_letter(serve: Callable[..., Served]) -> None:
    served = serve(app_of(CityView))
    nothing = Document("countries/JP")
    rest = Continuation.of(
        "old_view_on_countries", ("token",), Change("event-1", "s", nothing.path, nothing, nothing, 0)
    )
    with Flask("main").test_request_context(json=rest.to_json()):
        assert served.functions["continuations"](request) == ("", 204)
    (letter,) = served.logged
    assert (letter["kind"], letter["subject"], letter["event"]) == ("event", "countries/JP", "event-1")
    assert served.database.read([letter["dead_letter"]]).documents[0].exists


@pytest.mark.parametrize(
    ("header", "value", "sampled"),
    [
        ("traceparent", f"00-{TRACE}-{SPAN}-01", True),
        ("traceparent", f"00-{TRACE}-{SPAN}-00", False),
        ("X-Cloud-Trace-Context", f"{TRACE}/{int(SPAN, 16)};o=1", True),
        ("X-Cloud-Trace-Context", f"{TRACE}/{int(SPAN, 16)}", False),
    ],
)
def test_an_entry_belongs_to_the_trace_of_its_request(
    serve: Callable[..., Served], header: str, value: str, sampled: bool
) -> None:
    served = serve(app_of(CityView))
    (entry,) = served.deliver("city_view_on_cities", served.save(name="Tokyo"), **{header: value})
    assert entry["logging.googleapis.com/trace"] == f"projects/demo-logs/traces/{TRACE}"
    assert entry["logging.googleapis.com/spanId"] == SPAN
    assert entry["logging.googleapis.com/trace_sampled"] is sampled


def test_what_user_code_logs_while_an_event_is_handled_belongs_to_it_too(lines: io.StringIO) -> None:
    log_as_json()
    with context(function="f", event="event-1"):
        logging.getLogger("users").warning("hello %s", "world")
    logging.getLogger("users").warning("later")
    assert [json.loads(line) for line in lines.getvalue().splitlines()] == [
        {"severity": "WARNING", "message": "hello world", "function": "f", "event": "event-1"},
        {"severity": "WARNING", "message": "later"},
    ]


def test_an_exception_that_user_code_logs_is_told_as_it_is(lines: io.StringIO) -> None:
    log_as_json()
    try:
        raise KeyError(SECRET)
    except KeyError:
        logging.getLogger("users").exception("told by its owner")
    assert SECRET in json.loads(lines.getvalue())["stack_trace"]


def test_a_handler_with_a_format_of_its_own_keeps_it(lines: io.StringIO) -> None:
    logging.getLogger().handlers[0].setFormatter(logging.Formatter("own: %(message)s"))
    log_as_json()
    logging.getLogger("users").warning("hello")
    assert lines.getvalue() == "own: hello\n"


@pytest.mark.parametrize("headers", [{}, {"traceparent": "garbage"}, {"x-cloud-trace-context": "x/1;o=1"}])
def test_a_request_without_a_readable_trace_has_no_trace_fields(headers: dict[str, str]) -> None:
    assert trace_of(headers, "demo") == {}


def test_a_chain_of_exceptions_is_told_from_the_first_cause_on() -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise GetterFailed(SECRET) from error
    except GetterFailed as error:
        record = logging.LogRecord("boiler_functions.x", logging.ERROR, "x.py", 1, "of %s", (error,), None)
        record.exc_info = (type(error), error, error.__traceback__)
    entry = json.loads(JsonLines().format(record))
    assert entry["message"] == "of GetterFailed (BF505, bug)"
    assert entry["stack_trace"].index("ValueError") < entry["stack_trace"].index("direct cause")
    assert SECRET not in json.dumps(entry)
