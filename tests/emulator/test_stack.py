"""LocalStack runs every function of an app on the real emulator, reports each delivery, and serves the app's rules."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from boiler_functions import use
from boiler_functions.database import Put
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.delivery import DeliveryFaults, Retries
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import request
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.testing import unsigned_token
from emulator.listeners import Listeners, NotSeen
from functions import city, meeting_room
from functions.city import City

FORM = "users/uid1/cityForms/LA"


class Recorded:
    """A stack, and the deliveries that its observer received."""

    def __init__(self) -> None:
        self.handled: list[Handled] = []
        self.stack: LocalStack

    def of(self, function: str) -> list[Handled]:
        self.stack.drain()
        return [each for each in self.handled if each.delivery.function == function]

    def outcomes(self, function: str) -> list[str]:
        reports = [each.report for each in self.of(function) if each.report]
        return sorted(outcome for report in reports for outcome in report.outcomes)


@pytest.fixture
def options(firestore_emulator: FirestoreEmulator, event_server: EventServer) -> Iterator[dict[str, Any]]:
    with ExitStack() as opened:
        yield {"emulator": firestore_emulator, "server": event_server, "opened": opened}


def started(project: str, options: dict[str, Any], app: Any = city.app, **more: Any) -> Recorded:
    recorded = Recorded()
    opened, parts = options["opened"], {name: part for name, part in options.items() if name != "opened"}
    recorded.stack = opened.enter_context(LocalStack(app, project, observer=recorded.handled.append, **parts, **more))
    opened.enter_context(use(recorded.stack.database))
    return recorded


def save(name: str = "Tokyo") -> None:
    City.new(doc_id="TOK", city_name=name, country="Japan").save()


def test_the_observer_receives_each_delivery_and_what_the_function_did(project: str, options: dict[str, Any]) -> None:
    recorded = started(project, options)
    save()
    (handled,) = recorded.of("city_view_on_city")
    assert handled.event is not None
    assert handled.report is not None
    assert (handled.event.document, handled.report.document) == ("City/TOK", "City/TOK")
    assert handled.report.outcomes == {"built": 1}
    assert str(handled) == str(handled.report)


def test_a_delivery_that_never_reached_the_function_has_no_report_and_says_why(
    project: str, options: dict[str, Any]
) -> None:
    faults = DeliveryFaults(seed=1, drop=0.5)
    recorded = started(project, options, faults=faults, retries=Retries(first=0.01, longest=0.01))
    for number in range(8):
        save(f"Tokyo {number}")
    handled = recorded.of("city_view_on_city")
    dropped = [each for each in handled if each.event is None]
    assert dropped
    assert {each.report for each in dropped} == {None}
    assert all("503 fault: the delivery was dropped" in str(each) for each in dropped)
    assert all(each.report for each in handled if each.event)


def test_an_event_can_be_delivered_again_and_takes_effect_once(project: str, options: dict[str, Any]) -> None:
    recorded = started(project, options)
    recorded.stack.database.commit([Put(FORM, {"name": "Los Angeles", "country": "USA"})])
    first = next(each for each in recorded.of("city_form_task") if each.report and "done" in each.report.outcomes)
    assert first.event is not None
    recorded.stack.deliver("city_form_task", first.event)
    recorded.stack.deliver("city_form_task", first.event)
    assert recorded.outcomes("city_form_task") == ["done", "duplicate", "duplicate", "ignored"]
    assert recorded.outcomes("city_view_on_city") == ["built"]


def test_a_stopped_stack_takes_no_event(project: str, options: dict[str, Any]) -> None:
    recorded = started(project, options)
    save()
    (handled,) = recorded.of("city_view_on_city")
    recorded.stack.stop()
    assert handled.event is not None
    with pytest.raises(ConfigurationError, match="takes no events: 404"):
        recorded.stack.deliver("city_view_on_city", handled.event)


def test_the_api_is_served_while_the_stack_runs_and_what_a_request_cost_is_known(
    project: str, options: dict[str, Any]
) -> None:
    stack = started(project, options, meeting_room.app).stack
    assert stack.api_url is not None
    host = urlsplit(stack.api_url).netloc
    headers = {"Authorization": f"Bearer {unsigned_token('ada', project=project)}"}
    assert request(host, "GET", "/meeting_sessions/nowhere", headers=headers).status == 404
    assert stack.last_request is not None
    assert stack.last_request.usage.rpcs > 0
    stack.stop()
    with pytest.raises(ConnectionError):
        request(host, "GET", "/meeting_sessions/nowhere")


def test_an_app_without_rules_has_no_api(project: str, options: dict[str, Any]) -> None:
    assert started(project, options).stack.api_url is None


def test_an_emulator_without_the_server_of_its_events_is_refused(firestore_emulator: FirestoreEmulator) -> None:
    with pytest.raises(ConfigurationError, match="both, or neither"):
        LocalStack(city.app, emulator=firestore_emulator)


def test_it_starts_and_stops_an_emulator_of_its_own(project: str) -> None:
    with LocalStack(city.app, project) as stack, use(stack.database):
        save()
        stack.drain()
        assert stack.database.read(["cityView/TOK"]).documents[0].exists
    with pytest.raises(OSError, match="refused"):
        request(stack.emulator.host, "GET", "/")


def test_a_listener_sees_a_view_made_changed_and_deleted(project: str, options: dict[str, Any]) -> None:
    stack = started(project, options).stack
    path = "cityView/TOK"
    with Listeners(stack.client(), [path]) as listeners:
        listeners.await_all({path: None})
        for name in ("Tokyo", "Edo"):
            save(name)
            stack.drain()
            listeners.await_all({path: stack.database.read([path]).documents[0].fields})
        listeners.forget()
        City.new(doc_id="TOK").delete()
        listeners.await_all({path: None})
        assert [each.fields for each in listeners.since(path)] == [None]


def test_a_listener_that_missed_a_change_is_named(project: str, options: dict[str, Any]) -> None:
    stack = started(project, options).stack
    with (
        Listeners(stack.client(), ["cityView/TOK"]) as listeners,
        pytest.raises(NotSeen, match=r"After 0\.2 s the listeners on cityView/TOK"),
    ):
        listeners.await_all({"cityView/TOK": {"name": "Tokyo"}}, timeout=0.2)
