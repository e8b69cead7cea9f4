"""Every request passes the rate and the tokens; every answer carries CORS and security headers."""

import logging
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from boiler_functions import Boiler, HttpSettings
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError, DeclarationError, Unavailable
from boiler_functions.modes.rest.application import create_app
from boiler_functions.modes.rest.gate import SECURITY, network
from boiler_functions.modes.rest.rate import MOST_CALLERS, Rate
from boiler_functions.modes.secret import COLLECTION, secret_of
from tests.unit.modes.rest.meeting_api import Api, Faulty, MeetingView, NamedTokens, RoomView


def api_with(**settings: Any) -> Api:
    app = Boiler("gate", http=HttpSettings(**settings))
    app.rest("/rooms")(RoomView)
    app.rest("/meetings")(MeetingView)
    memory = MemoryDatabase()
    return Api(memory, Faulty(memory), app=app)


@pytest.mark.parametrize("header", ["ada", "Basic YTpi", "Bearer", "Bearer ", "bearer\t", "Bearer expired"])
def test_a_header_that_proves_nothing_is_a_401_also_where_everybody_may_read(api: Api, header: str) -> None:
    answer: Any = api.client.get("/meetings/m1", headers={"Authorization": header})
    assert (answer.status_code, answer.json["code"]) == (401, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer error=")
    assert api.database.usage == Usage()


def test_the_scheme_may_be_spelled_in_any_case(api: Api) -> None:
    assert api.client.get("/meetings/m1", headers={"Authorization": "bEARER ada"}).status_code == 200


def test_no_token_is_in_an_answer_or_in_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    class Away(NamedTokens):
        def claims(self, token: str) -> Any:
            raise Unavailable("An ID token cannot be verified now.")

    caplog.set_level(logging.DEBUG)
    flask = create_app(api.app.declarations, lambda: api.database, tokens=Away())
    for client, path in ((api.client, "/meetings/m1"), (api.client, "/nowhere"), (flask.test_client(), "/meetings/m1")):
        for value in ("Bearer hush-hush", "Basic hush-hush", "hush-hush"):
            answer = client.get(path, headers={"Authorization": value, "X-Firebase-AppCheck": "hush-hush"})
            assert "hush" not in answer.text + str(answer.headers)
    assert answer.status_code == 401
    assert "hush" not in caplog.text + "".join(str(vars(record)) for record in caplog.records)


def test_a_token_that_cannot_be_verified_now_is_a_503() -> None:
    class Away(NamedTokens):
        def claims(self, token: str) -> Any:
            raise Unavailable("An ID token cannot be verified now.")

    api = api_with()
    client = create_app(api.app.declarations, lambda: api.database, tokens=Away()).test_client()
    assert client.get("/rooms", headers={"Authorization": "Bearer ada"}).status_code == 503


def test_an_app_check_token_is_demanded_where_it_is_asked_for() -> None:
    api = api_with(app_check=True)
    for headers in ({}, {"X-Firebase-AppCheck": "theirs"}):
        answer: Any = api.client.get("/rooms", headers=headers)
        assert (answer.status_code, "App Check" in answer.json["message"]) == (401, True)
    assert api.database.usage == Usage()
    assert api.client.get("/rooms", headers={"X-Firebase-AppCheck": "our app"}).status_code == 200


def test_a_client_over_the_rate_learns_when_to_come_back_and_others_are_served() -> None:
    api = api_with(rate=2, burst=3)
    assert [api.get("/rooms", by="ada").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = api.get("/rooms", by="ada")
    assert (answer.json["status"], answer.headers["Retry-After"]) == ("Too Many Requests", "1")
    assert api.get("/rooms", by="bob").status_code == 200
    api.pause(1.0)
    assert [api.get("/rooms", by="ada").status_code for _ in range(3)] == [200, 200, 429]


def test_a_client_that_tries_tokens_is_limited_by_its_address() -> None:
    api = api_with(rate=1, burst=2)
    assert [api.get("/rooms", by="expired").status_code for _ in range(3)] == [401, 401, 429]
    assert api.get("/rooms").status_code == 429


def test_an_address_is_what_the_front_end_saw_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    api = api_with(rate=1, burst=1)

    def ask(forwarded: str) -> int:
        return api.client.get("/rooms", headers={"X-Forwarded-For": forwarded}).status_code

    assert [ask("1.1.1.1"), ask("2.2.2.2")] == [200, 429]
    monkeypatch.setenv("K_SERVICE", "gate")
    assert [ask("9.9.9.9, 1.1.1.1"), ask("8.8.8.8, 1.1.1.1"), ask("9.9.9.9, 2.2.2.2")] == [200, 429, 200]


def test_a_rate_remembers_a_bounded_number_of_callers() -> None:
    rate = Rate(1, 1, lambda: 0)
    for number in range(MOST_CALLERS + 10):
        assert rate.wait(str(number)) == 0
    assert len(rate._buckets) == MOST_CALLERS
    assert rate.wait(str(MOST_CALLERS)) == 1


def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/meetings/m1", "/nowhere", "/meetings/m9", "/meetings?limit=x"):
        headers = api.client.get(path).headers
        assert {name: headers.get(name) for name in SECURITY} == SECURITY
        assert "Authorization" in headers["Vary"]


@pytest.mark.parametrize(
    ("origins", "origin", "expected"),
    [
        ([], "https://shop.example", None),
        (["https://shop.example"], "https://shop.example", "https://shop.example"),
        (["https://shop.example"], "https://evil.example", None),
        (["https://shop.example"], "https://shop.example.evil", None),
        (["https://shop.example"], "null", None),
        (["*"], "https://anybody.example", "*"),
    ],
)
def test_pages_of_listed_origins_alone_may_call(origins: list[str], origin: str, expected: str | None) -> None:
    api = api_with(origins=origins)
    preflight = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    for answer in (
        api.client.get("/rooms", headers={"Origin": origin}),
        api.client.get("/nowhere", headers={"Origin": origin}),
        api.client.options("/meetings/m1", headers=preflight),
    ):
        assert answer.headers.get("Access-Control-Allow-Origin") == expected
        assert "Access-Control-Allow-Credentials" not in answer.headers
    allowed = answer.headers.get("Access-Control-Allow-Headers", "").split(", ")
    assert ("Authorization" in allowed, "If-Match" in allowed) == (expected is not None,) * 2


@pytest.mark.parametrize(
    ("settings", "body", "code"),
    [
        ({"max_keys": 2}, '{"guest": {"a": 1, "b": 2}}', 400),
        ({"max_keys": 3}, '{"guest": {"a": 1, "b": 2}}', 404),
        ({"max_depth": 2}, '{"guest": {"a": [1]}}', 400),
        ({"max_depth": 3}, '{"guest": {"a": [1]}}', 404),
        ({"max_body_bytes": 20}, '{"notes": "' + "x" * 20 + '"}', 413),
    ],
)
def test_limits_of_a_body_are_settings(settings: dict[str, Any], body: str, code: int) -> None:
    api = api_with(**settings)
    assert api.send(body).status_code == code


def test_the_longest_page_is_a_setting() -> None:
    api = api_with(max_limit=5)
    assert api.get("/rooms", limit="6").status_code == 422
    assert api.get("/rooms", limit="5").status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"origins": "https://a.example"},
        {"origins": ["a.example"]},
        {"origins": ["https://a.example/"]},
        {"origins": None},
        {"origins": [1]},
        {"check_revoked": "no"},
        {"tenant": 5},
        {"app_check": None},
        {"rate": 0},
        {"rate": "5"},
        {"rate": float("nan")},
        {"burst": 0},
        {"burst": None},
        {"max_wait": None},
        {"max_depth": None},
        {"keeps_answers": 3600},
        {"keeps_answers": timedelta(-1)},
        {"max_depth": 21},
        {"max_keys": -1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"HttpSettings\."):
        Boiler("gate", http=HttpSettings(**settings))


@pytest.mark.parametrize("variable", ["FIREBASE_AUTH_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"])
def test_a_deployed_function_refuses_to_start_beside_an_emulator(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "gate-api")
    monkeypatch.setenv(variable, "127.0.0.1:9099")
    with pytest.raises(ConfigurationError, match=f"{variable} is set beside K_SERVICE='gate-api'"):
        api_with()


def test_the_secret_is_made_once_and_is_every_instances() -> None:
    memory = MemoryDatabase()
    first = secret_of(memory, "gate")
    assert len(first) == 32
    assert secret_of(memory, "gate") == first != secret_of(memory, "other")
    assert memory.read([f"{COLLECTION}/gate"]).documents[0].fields == {"secret": first}


def test_a_page_token_of_one_instance_goes_on_at_another(api: Api) -> None:
    def client() -> Any:
        return create_app(api.app.declarations, lambda: api.database, tokens=NamedTokens()).test_client()

    token = client().get("/meetings?limit=1").json["nextPageToken"]
    assert [each["id"] for each in client().get(f"/meetings?pageToken={token}").json["results"]] == ["m2"]


def test_the_secret_may_come_from_the_environment(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOILER_SECRET", b64encode(bytes(32)).decode())
    client: Any = create_app(api.app.declarations, lambda: api.database, tokens=NamedTokens()).test_client()
    assert client.get("/meetings?limit=1").json["nextPageToken"]
    assert api.document(f"{COLLECTION}/room") is None
    for wrong in ("short", b64encode(bytes(31)).decode()):
        monkeypatch.setenv("BOILER_SECRET", wrong)
        with pytest.raises(ConfigurationError, match="BOILER_SECRET"):
            create_app(api.app.declarations, lambda: api.database)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("unknown", ""),
        ("1.2.3.4.5", ""),
        ("", ""),
    ],
)
def test_a_client_is_an_address_of_ipv4_or_a_network_of_ipv6(address: str, expected: str) -> None:
    assert network(address) == expected


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/rooms", {"Authorization": "Bearer"}),
        ("GET", "/rooms", {"Authorization": "Basic YTpi"}),
        ("GET", "/rooms", {"Authorization": "Bearer expired"}),
        ("GET", "/nothing", {}),
        ("GET", "/rooms/%ff", {}),
        ("GET", "/rooms?x=%ff", {}),
        ("GET", "/rooms?x=" + "x" * 20_000, {}),
        ("GET", "/rooms?limit=x", {}),
        ("TRACE", "/rooms", {}),
        ("OPTIONS", "/nothing", {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}),
        ("PATCH", "/meetings/m1", {"Content-Type": "text/plain"}),
    ],
)
def test_every_refused_request_counts_towards_the_rate(method: str, path: str, headers: dict[str, str]) -> None:
    api = api_with(rate=1, burst=3)
    statuses = [api.client.open(path, method=method, headers=headers).status_code for _ in range(4)]
    assert 400 <= statuses[0] < 500
    assert statuses == [*[statuses[0]] * 3, 429]
    assert api.client.get("/rooms").status_code == 429


def test_addresses_of_one_network_of_ipv6_are_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "gate")
    api = api_with(rate=1, burst=2)
    found = [api.client.get("/rooms", headers={"X-Forwarded-For": f"2001:db8::{n:x}"}).status_code for n in range(3)]
    assert found == [200, 200, 429]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/meetings/%ff", 404), ("/meetings/m1%c3", 404), ("/meetings/m1?x=%fe", 400), ("/meetings?status=%ff", 400)],
)
def test_a_url_that_is_not_utf_8_is_not_found(api: Api, path: str, status: int) -> None:
    assert api.client.get(path).status_code == status
    assert api.database.usage == Usage()


def test_a_url_that_is_too_long_is_refused_before_it_is_looked_at(api: Api) -> None:
    answer: Any = api.client.get(f"/meetings?{'x=1&' * 10_000}")
    assert (answer.status_code, answer.json["code"]) == (414, 414)
