"""Events that no function received are listed from their subscription, handled again, or dropped."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions.cli.pubsub import PulledMessage
from boiler_functions.manifest import CREATED, WRITTEN, function_name
from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

PROJECT = "demo-towns"
FORM = "users/ann/cityForms/TOK"


class Kept:
    """A subscription in memory: nobody else is given what is pulled until it is released."""

    root = "http://127.0.0.1"
    name = "projects/demo-towns/subscriptions/towns-undelivered"

    def __init__(self) -> None:
        self.waiting: dict[str, PulledMessage] = {}
        self.leased: dict[str, PulledMessage] = {}

    def add(self, path: str, function: str = "", event_type: str = WRITTEN, project: str = PROJECT) -> str:
        name = str(len(self.waiting) + 1)
        source = f"//firestore.googleapis.com/projects/{project}/databases/(default)"
        attributes = {
            "ce-id": f"event-{name}",
            "ce-source": source,
            "ce-specversion": "1.0",
            "ce-type": event_type,
            "ce-time": datetime.now(UTC).isoformat(),
            "ce-document": path,
            "ce-database": "(default)",
            "ce-namespace": "(default)",
            "content-type": "application/protobuf",
            "CloudPubSubDeadLetterSourceDeliveryCount": "100",
            "CloudPubSubDeadLetterSourceSubscription": f"eventarc-us-central1-{function}-123456-sub-789",
        }
        self.waiting[name] = PulledMessage(name, name, b"", attributes, datetime.now(UTC))
        return name

    def messages(self) -> Iterator[PulledMessage]:
        self.leased |= self.waiting
        self.waiting = {}
        yield from list(self.leased.values())

    def acknowledge(self, messages: list[PulledMessage]) -> None:
        for each in messages:
            del self.leased[each.id]

    def release(self, messages: list[PulledMessage]) -> None:
        for each in messages:
            self.waiting[each.id] = self.leased.pop(each.id)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    kept = Kept()

    def of(project: str, name: str, key_file: str | None) -> Kept:
        assert (project, name, key_file) == (PROJECT, "towns-undelivered", None)
        return kept

    monkeypatch.setattr("boiler_functions.cli.pubsub.Subscription.of", of)
    yield kept
    assert kept.leased == {}, "No command leaves a message to nobody."


def answer(run: Run, *arguments: str, status: int = 0) -> Any:
    result = run("letters", *arguments, "--undelivered", "--json", "--project", PROJECT)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)["result"]


def lost(testing: MemoryApp, kept: Kept, name: str = "TOK") -> str:
    testing.write(f"cities/{name}", {"name": name, "obj_type": "City", "doc_id": name})
    (delivery,) = (each for each in testing.take() if each.function.views[0].__name__ == "CityView")
    return kept.add(f"cities/{name}", function_name("towns", delivery.function.entry_point))


def test_they_are_listed_and_stay_where_they_are(start: Start, run: Run, kept: Kept) -> None:
    lost(start(APP + LABEL), kept)
    for _ in range(2):
        (found,) = answer(run, "list")["undelivered"]
        assert {name: found[name] for name in ("id", "event", "path", "functions", "view", "deliveries", "why")} == {
            "id": "1",
            "event": "event-1",
            "path": "cities/TOK",
            "functions": ["city_view_on_cities"],
            "view": "CityView",
            "deliveries": "100",
            "why": None,
        }
    assert list(kept.waiting) == ["1"]
    assert answer(run, "list", "--view", "CityLabel")["undelivered"] == []


def test_an_event_is_handled_by_the_function_that_has_not_received_it(start: Start, run: Run, kept: Kept) -> None:
    testing = start(APP + LABEL)
    lost(testing, kept)
    result = answer(run, "retry", "--all")["undelivered"]
    assert result == [
        {"id": "1", "view": "CityView", "path": "cities/TOK", "outcome": "built", "is_done": True, "is_kept": False}
    ]
    assert (testing.fields("cityView/TOK") or {})["title"] == "TOK"
    assert testing.fields("cityLabels/TOK") is None
    assert kept.waiting == {}


def test_an_event_of_a_form_takes_effect_once(start: Start, run: Run, kept: Kept) -> None:
    testing = start(APP)
    testing.write(FORM, {"name": "Tokyo"})
    testing.take()
    for _ in range(2):
        kept.add(FORM, "towns-city-form-on-users-city-forms", event_type=_type_of_forms(testing))
    assert {each["outcome"] for each in answer(run, "retry", "--all")["undelivered"]} == {"done", "ignored"}
    assert (testing.fields("cities/TOK") or {})["name"] == "Tokyo"


def _type_of_forms(testing: MemoryApp) -> str:
    (function,) = (each for each in testing.compiled.functions.values() if each.mode == "task")
    assert function.event_type in (CREATED, WRITTEN)
    return function.event_type


def test_an_event_that_fails_again_is_a_dead_letter_in_its_place(start: Start, run: Run, kept: Kept) -> None:
    testing = start(APP)
    testing.write("cities/TOK", {"obj_type": "City"})
    testing.take()
    kept.add("cities/TOK", "towns-city-view-on-cities")
    (found,) = answer(run, "retry", "--all", status=1)["undelivered"]
    assert (found["outcome"], found["is_done"], found["is_kept"]) == ("failed again", False, False)
    assert "1 letters: schema 1" in run("letters", "list", "--project", PROJECT).stdout


def test_an_event_whose_function_fails_for_now_stays(
    start: Start, run: Run, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    from boiler_functions.exceptions import Unavailable

    testing = start(APP)
    lost(testing, kept)

    def fails(*_: object, **__: object) -> None:
        raise Unavailable("The database is down.")

    monkeypatch.setattr(testing.database, "commit", fails)
    monkeypatch.setattr("time.sleep", lambda _: None)
    (found,) = answer(run, "retry", "--all", status=1)["undelivered"]
    assert (found["is_done"], found["is_kept"]) == (False, True)
    assert "try again later" in found["outcome"]
    assert list(kept.waiting) == ["1"]


def test_events_that_nothing_here_handles_stay_and_say_why(start: Start, run: Run, kept: Kept) -> None:
    start(APP)
    kept.add("streets/x")
    kept.add("cities/TOK", project="other")
    kept.waiting["9"] = PulledMessage("9", "9", b"hello", {}, datetime.now(UTC))
    found = {each["id"]: each["outcome"] for each in answer(run, "retry", "--all", status=1)["undelivered"]}
    assert found["1"] == "no function of towns follows streets/x"
    assert "of the project 'other'" in found["2"]
    assert found["9"].startswith("no event of a document: ")
    assert sorted(kept.waiting) == ["1", "2", "9"]


def test_an_event_without_the_name_of_a_function_goes_to_all_that_follow_the_document(
    start: Start, run: Run, kept: Kept
) -> None:
    testing = start(APP + LABEL)
    testing.write("cities/TOK", {"name": "TOK", "obj_type": "City", "doc_id": "TOK"})
    testing.take()
    kept.add("cities/TOK")
    assert answer(run, "retry", "--all")["undelivered"][0]["outcome"] == "built; built"
    assert None not in (testing.fields("cityView/TOK"), testing.fields("cityLabels/TOK"))


def test_they_are_chosen_like_letters_and_dropped_after_asking(start: Start, run: Run, kept: Kept) -> None:
    testing = start(APP)
    for name in ("TOK", "OSL", "ROM"):
        lost(testing, kept, name)
    assert "No letter is chosen" in run("letters", "retry", "--undelivered", "--project", PROJECT).stderr
    assert "no undelivered event '7'" in run("letters", "retry", "7", "--undelivered", "--project", PROJECT).stderr
    assert answer(run, "drop", "--all", "--newer", "1h", "--older", "1h", "--yes")["dropped"] == []
    assert answer(run, "drop", "2", "--yes") == {"dropped": ["2"], "kept": ["1", "3"]}
    assert answer(run, "list", "--kind", "schema")["undelivered"] == []
    asked = run("letters", "drop", "--all", "--undelivered", "--project", PROJECT)
    assert "Drop 2 undelivered events of towns in project demo-towns" in asked.stderr
    assert sorted(kept.waiting) == ["1", "3"]


def test_an_emulators_database_is_not_mixed_with_events_of_the_cloud(
    start: Start, run: Run, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(APP)
    monkeypatch.setattr(Kept, "root", "https://pubsub.googleapis.com")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    result = run("letters", "list", "--undelivered", "--project", PROJECT)
    assert result.exit_code == 2
    assert "Set PUBSUB_EMULATOR_HOST" in result.stderr


def test_the_page_shows_what_they_print(start: Start, run: Run, kept: Kept) -> None:
    listed, retried = shown("undelivered.txt")
    lost(start(APP), kept)
    assert listed.prints(run(*listed.arguments).stdout)
    assert retried.prints(run(*retried.arguments).stdout)
