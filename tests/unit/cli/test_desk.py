"""The desk shows what the commands say, changes nothing unless it may, and answers no other site."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from boiler_functions.cli import staged
from boiler_functions.cli.context import Context
from boiler_functions.cli.desk import commands
from boiler_functions.cli.desk.application import Live, desk
from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.desk.faults import FaultSwitch
from boiler_functions.cli.desk.server import own
from boiler_functions.cli.desk.timeline import Timeline
from boiler_functions.cli.desk.trial import Trial
from boiler_functions.cli.output import Output
from boiler_functions.cli.registering import Registering
from boiler_functions.local.delivery import DeliveryFaults
from boiler_functions.testing import MemoryApp
from tests.unit.cli.conftest import APP, Run, Start, Write, folder, module, run, start

__all__ = ["folder", "module", "run", "start"]

PORT = 4080
HOST = f"127.0.0.1:{PORT}"
OWN = {"Host": HOST, "Origin": f"http://{HOST}"}
FORM = "users/ann/cityForms/OSA"
FAILING = APP.replace("City.new(", 'raise ValueError("SECRET")\n        City.new(')


def client(*, contents: bool = False, changes: bool = False) -> FlaskClient:
    return desk(own(Commands(Context(project="demo-towns"), contents)), PORT, changes=changes).test_client()


def live(timeline: Timeline, faults: FaultSwitch) -> FlaskClient:
    """The desk of `boiler dev`."""
    commands = own(Commands(Context(project="demo-towns")))
    trial = Trial("127.0.0.1:9", "127.0.0.1:9", "demo-towns", lambda: "")
    return desk(commands, PORT, changes=True, live=Live(timeline, faults, trial)).test_client()


def get(page: FlaskClient, path: str) -> Any:
    answer = page.get(path, headers={"Host": HOST})
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def built(testing: MemoryApp) -> None:
    testing.write("cities/TOK", {"name": "Tokyo"})
    testing.write(FORM, {"name": "Osaka"})
    testing.deliver()


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/api/status", ["status"]),
        ("/api/letters", ["letters", "list", "--all"]),
        ("/api/audit", ["audit"]),
        ("/api/explain?path=cityView/TOK", ["explain", "cityView/TOK"]),
        (f"/api/explain?path={FORM}", ["explain", FORM]),
    ],
)
def test_an_answer_is_what_the_command_prints(start: Start, run: Run, path: str, command: list[str]) -> None:
    built(start(FAILING))
    arguments = [each for each in command if each != "--all"]
    printed = json.loads(run(*arguments, "--json", "--project", "demo-towns").stdout)
    shown = get(client(), path)
    assert {**shown, "time": None} == {**printed, "time": None}


def test_the_map_is_what_the_plan_draws(start: Start) -> None:
    start(APP)
    result = get(client(), "/api/map")["result"]
    names = {each["id"]: each["name"] for each in result["nodes"]}
    arrows = {(names[one], names[other]) for one, other in result["edges"]}
    assert {("cities/{doc_id}", "city_view_on_cities"), ("city_view_on_cities", "CityView")} <= arrows
    assert {each["look"] for each in result["nodes"] if each["name"] == "CityView"} == {"view"}
    assert {each["column"] for each in result["nodes"]} == {"sources", "functions", "views and models"}


def test_contents_are_shown_only_to_those_who_ask_for_them(start: Start) -> None:
    built(start(FAILING))
    letter = get(client(), "/api/letters")["result"]["letters"][0]["id"]
    for path in ("/api/explain?path=cityView/TOK", f"/api/explain?path={FORM}", f"/api/letters/{letter}"):
        masked = json.dumps(get(client(), path))
        assert not any(each in masked for each in ("Tokyo", "Osaka", "SECRET"))
    shown = get(client(contents=True), "/api/explain?path=cityView/TOK")["result"]
    assert (shown["stored"]["title"], shown["found"][0]["fresh"]["title"]) == ("Tokyo", "Tokyo")
    assert "SECRET" in json.dumps(get(client(contents=True), f"/api/letters/{letter}"))


def test_a_desk_that_may_change_something_builds_again_and_retries(start: Start) -> None:
    testing = start(FAILING)
    built(testing)
    testing.write("cityView/TOK", {"title": "By hand"})
    start(APP)
    page = client(changes=True)
    done = page.post("/api/build", json={"view": "CityView", "root": "cities/TOK"}, headers=OWN)
    assert (done.status_code, done.get_json()["is_fine"]) == (200, True)
    assert (testing.fields("cityView/TOK") or {})["title"] == "Tokyo"
    (letter,) = get(page, "/api/letters")["result"]["letters"]
    done = page.post(f"/api/letters/{letter['id']}/retry", json={}, headers=OWN)
    assert done.get_json()["result"]["letters"][0]["is_done"]
    assert get(page, "/api/letters")["result"]["letters"] == []
    assert testing.fields("cities/OSA")


@pytest.mark.parametrize("path", ["/api/build", "/api/letters/x/retry"])
def test_a_desk_that_only_reads_refuses_every_change(start: Start, path: str) -> None:
    start(APP)
    answer = client().post(path, json={}, headers=OWN)
    assert (answer.status_code, "--allow-changes" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:4080"},
        {"Host": "127.0.0.1:4081"},
        {"Host": HOST, "Origin": "https://evil.example"},
        {"Host": HOST, "Origin": "null"},
        {"Host": HOST, "Sec-Fetch-Site": "cross-site"},
        {"Host": HOST, "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/desk.js", "/api/desk", "/api/status"])
def test_another_host_or_site_gets_nothing(start: Start, path: str, headers: dict[str, str]) -> None:
    start(APP)
    answer = client().get(path, headers=headers)
    assert (answer.status_code, "towns" in answer.text) == (403, False)


def test_a_change_comes_from_the_desks_own_page_alone(start: Start) -> None:
    start(APP)
    page, body = client(changes=True), {"view": "CityView", "root": "cities/TOK"}
    assert page.post("/api/build", json=body, headers={"Host": HOST}).status_code == 403
    assert page.post("/api/build", data=body, headers=OWN).status_code == 403
    assert page.post("/api/build", json=body, headers=OWN).status_code == 200


def test_every_answer_forbids_inline_code_framing_and_keeping(start: Start) -> None:
    start(APP)
    for path in ("/", "/desk.js", "/api/desk", "/nothing", "/api/explain?path=x"):
        headers = client().get(path, headers={"Host": HOST}).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nothing", 404, "The desk has no 'nothing'."),
        ("/..%2fapplication.py", 404, "not found"),
        ("/api/explain?path=cities", 422, "cities"),
        ("/api/letters/none", 422, "has no letter 'none'"),
    ],
)
def test_a_mistake_is_answered_with_what_is_wrong(start: Start, path: str, status: int, message: str) -> None:
    start(APP)
    answer = client().get(path, headers={"Host": HOST})
    assert answer.status_code == status
    assert message in answer.get_json()["message"]


def test_an_event_that_is_no_longer_kept_is_refused_with_what_is_wrong(start: Start) -> None:
    start(APP)
    delivered: list[str] = []
    timeline = Timeline(lambda function, event: delivered.append(function))
    page = live(timeline, FaultSwitch(lambda faults: None, lambda: None))
    answer = page.post("/api/deliveries/7/again", json={}, headers=OWN)
    assert (answer.status_code, delivered) == (422, [])
    assert "The event of delivery 7 is no longer kept." in answer.get_json()["message"]


def test_faults_are_simulated_as_asked_and_others_are_refused(start: Start) -> None:
    start(APP)
    simulated: list[DeliveryFaults] = []
    crashes: list[str] = []
    page = live(Timeline(lambda function, event: None), FaultSwitch(simulated.append, lambda: crashes.append("one")))
    answer = page.post("/api/faults", json={"duplicate": 0.5, "shuffle": 2, "seed": 7}, headers=OWN)
    assert (answer.status_code, answer.get_json()["seed"]) == (200, 7)
    assert simulated == [DeliveryFaults(seed=7, duplicate=0.5, shuffle=2, copies=3)]
    assert get(page, "/api/faults")["faults"] == {"duplicate": 0.5, "drop": 0, "crash": 0, "shuffle": 2, "delay": 0}
    for wanted in ({"drop": 1}, {"delay": -1}, {"crash": "often"}, {"seed": 0.5}):
        assert page.post("/api/faults", json=wanted, headers=OWN).status_code == 422
    assert len(simulated) == 1
    assert page.post("/api/faults/crash", json={}, headers=OWN).status_code == 200
    assert crashes == ["one"]
    assert client(changes=True).post("/api/faults", json={}, headers=OWN).status_code == 404


def test_what_may_be_tried_has_an_example_of_each_form(start: Start) -> None:
    app = APP.replace('path = "cityView/', 'read = access.public\n        path = "cityView/')
    start(app)
    offered = get(client(), "/api/offers")
    assert offered["forms"] == [
        {"name": "CityForm", "path": "users/{user_id}/cityForms/{city_id}", "fields": {"name": {"stringValue": ""}}}
    ]
    assert {"name": "CityView", "path": "cityView/{city.doc_id}"} in offered["documents"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"what": "read", "path": "users/{user_id}"}, "has the placeholder {user_id}; write a value in its place"),
        ({"what": "create", "path": "a/b", "fields": [1]}, "'fields' is [1]; give a JSON object."),
        ({"what": "read", "path": "a/b", "claims": {"admin": True}}, "There are claims without a user"),
        ({"what": "dance", "path": "a/b"}, "'dance' cannot be tried; give create, read or call."),
        ({"what": "read", "path": "a/b"}, "No answer came"),
    ],
)
def test_a_trial_that_cannot_be_made_is_refused_with_the_reason(start: Start, wanted: Any, message: str) -> None:
    start(APP)
    page = live(Timeline(lambda function, event: None), FaultSwitch(lambda faults: None, lambda: None))
    answer = page.post("/api/try", json=wanted, headers=OWN)
    assert answer.status_code == 422
    assert message in answer.get_json()["message"]


@pytest.mark.usefixtures("functions")
def test_a_staged_version_is_seen_and_put_in_its_place(start: Start, run: Run, module: Write) -> None:
    testing = start(APP)
    built(testing)
    Registering.of(testing.compiled.declarations, testing.database, 1).write(testing.database)
    module(APP.replace("return self.store.city.name", 'return "new " + self.store.city.name'))
    assert get(client(), "/api/versions")["result"] == {"versions": []}
    assert run("stage", "CityView", "--yes", "--project", "demo-towns").exit_code == 0
    (version,) = get(client(), "/api/versions")["result"]["versions"]
    assert (version["view"], version["readiness"], version["built"], version["of"]) == ("CityView", "ready", 2, 2)
    assert version["diff"]["changed"] == 2
    page = client(changes=True)
    assert page.post("/api/versions/CityView/promote", json={}, headers=OWN).get_json()["is_fine"]
    assert (testing.fields("cityView/TOK") or {})["title"] == "new Tokyo"
    assert page.post("/api/versions/CityView/burn", json={}, headers=OWN).status_code == 422
    assert client().post("/api/versions/CityView/rollback", json={}, headers=OWN).status_code == 403


@pytest.mark.usefixtures("functions")
def test_a_version_that_is_put_away_while_it_is_looked_at_is_not_shown(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(APP)
    built(testing)
    Registering.of(testing.compiled.declarations, testing.database, 1).write(testing.database)
    assert run("stage", "CityView", "--yes", "--project", "demo-towns").exit_code == 0

    def put_away(context: Context, name: str, **given: Any) -> Output:
        assert run("abort", "CityView", "--yes", "--project", "demo-towns").exit_code == 0
        return staged.wait(context, name, **given)

    monkeypatch.setattr(commands, "wait", put_away)
    assert get(client(), "/api/versions")["result"] == {"versions": []}


def test_a_port_that_is_taken_is_refused_before_anything_starts(run: Run, module: Write) -> None:
    import socket

    module(APP)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("desk", "--port", port, "--project", "demo-towns")
    assert result.exit_code == 2
    assert f"Port {port} of this machine is taken" in result.stderr
