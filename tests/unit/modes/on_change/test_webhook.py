"""Webhook: a change as a signed POST, only to public addresses."""

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain, repeat
from typing import Any

import pytest

from boiler_functions import Changed, DomainModel, Webhook, attrs
from boiler_functions.exceptions import ConfigurationError, DeclarationError, Undeliverable, Undelivered
from boiler_functions.modes.on_change import public_http
from boiler_functions.modes.on_change.webhook import signature
from boiler_functions.types import GeoPoint

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    founded = attrs.timestamp()
    place = attrs.geopoint()
    density = attrs.float()
    twin = attrs.relation("City")


class Receiver:
    """An HTTP server that answers as the test sets it, and keeps the requests."""

    def __init__(self) -> None:
        self.status, self.location = 204, ""
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?of=cities"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.came.append((self.path, headers, body))
                self.send_response(receiver.status)
                self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITIES_SECRET", SECRET)
    monkeypatch.delenv("K_SERVICE", raising=False)


def change(**values: Any) -> Changed[City]:
    city = City.new(doc_id="TOK", **{"name": "Tokyo", **values})
    return Changed("key-1", "City", "cities/TOK", None, city, datetime(2026, 11, 24, tzinfo=UTC))


def hook(url: str, **options: Any) -> Webhook:
    return Webhook(url, secret_env="CITIES_SECRET", **options)


def test_the_signature_is_that_of_the_standards_example() -> None:
    body = b'{"test": 2432232314}'
    found = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_change_arrives_as_json_under_its_key_and_signed(receiver: Receiver) -> None:
    hook(receiver.url).notify(change())
    ((path, headers, body),) = receiver.came
    assert path == "/hooks?of=cities"
    assert headers["webhook-id"] == "key-1"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-signature"] == signature(SECRET, "key-1", headers["webhook-timestamp"], body)
    message = json.loads(body)
    assert (message["type"], message["timestamp"]) == ("City.changed", "2026-11-24T00:00:00+00:00")
    assert message["data"] == {"path": "cities/TOK", "before": None, "after": {"name": "Tokyo"}}


def test_every_value_of_a_document_has_a_spelling(receiver: Receiver) -> None:
    values = {"founded": datetime(1457, 1, 1, tzinfo=UTC), "place": GeoPoint(35.7, 139.7), "density": float("nan")}
    hook(receiver.url).notify(change(**values, twin="EDO"))
    assert json.loads(receiver.came[0][2])["data"]["after"] == {
        "name": "Tokyo",
        "founded": "1457-01-01T00:00:00+00:00",
        "place": {"latitude": 35.7, "longitude": 139.7},
        "density": None,
        "twin": "cities/EDO",
    }


def test_other_data_can_be_sent_under_the_key(receiver: Receiver) -> None:
    hook(receiver.url).notify(change(), {"at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert json.loads(receiver.came[0][2]) == {"data": {"at": "2026-01-01T00:00:00+00:00"}}


def test_several_secrets_all_sign_so_that_one_can_be_replaced(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITIES_SECRET", f"{SECRET} another")
    hook(receiver.url).notify(change())
    _, headers, body = receiver.came[0]
    wanted = [signature(each, "key-1", headers["webhook-timestamp"], body) for each in (SECRET, "another")]
    assert headers["webhook-signature"].split() == wanted


def test_a_secret_of_plain_text_is_the_key_itself() -> None:
    plain, coded = "secret", "whsec_" + b64encode(b"secret").decode()
    assert signature(plain, "id", "1", b"{}") == signature(coded, "id", "1", b"{}")


@pytest.mark.parametrize("status", [500, 502, 503, 408, 409, 429])
def test_what_may_pass_is_delivered_again(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Undelivered, match=f"answered {status}"):
        hook(receiver.url).notify(change())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_any_other_refusal_is_for_good(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Undeliverable, match=f"answered {status}"):
        hook(receiver.url).notify(change())


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, receiver.url
    with pytest.raises(Undeliverable, match="redirects are not followed"):
        hook(receiver.url).notify(change())
    assert len(receiver.came) == 1


def test_no_answer_is_delivered_again(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Undelivered, match="gave no answer: TimeoutError"):
            hook(url, timeout_sec=0.05).notify(change())
    with pytest.raises(Undelivered, match="gave no answer: ConnectionRefusedError"):
        hook(url).notify(change())


def test_a_change_is_delivered_again_after_an_answer_that_is_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Undelivered, match="no HTTP"):
            hook(f"http://127.0.0.1:{server.getsockname()[1]}").notify(change())
        thread.join()


def test_a_receiver_that_echoes_the_request_puts_nothing_of_the_url_into_the_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            taken, _ = server.accept()
            with taken:
                taken.sendall(taken.recv(65536))

        thread = threading.Thread(target=echo)
        thread.start()
        with pytest.raises(Undelivered, match="no HTTP") as undelivered:
            hook(f"http://127.0.0.1:{server.getsockname()[1]}/s3cret").notify(change())
        assert "s3cret" not in str(undelivered.value)
        thread.join()


def test_an_informational_answer_is_not_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                taken.sendall(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        hook(f"http://127.0.0.1:{server.getsockname()[1]}").notify(change())
        thread.join()


def dripping(*drips: bytes) -> Iterator[str]:
    """The URL of a server that never ends: it sends the last of these again and again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        is_over = threading.Event()

        def drip() -> None:
            taken, _ = server.accept()
            with taken, suppress(OSError):
                for each in chain(drips, repeat(drips[-1])):
                    if is_over.wait(0.02):
                        return
                    taken.sendall(each)

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        is_over.set()
        thread.join()


@pytest.mark.parametrize(
    "drips",
    [
        (b"H", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n",),
    ],
    ids=["bytes", "headers", "continue", "hints"],
)
def test_the_time_limit_is_for_all_of_the_answer(drips: tuple[bytes, ...]) -> None:
    for url in dripping(*drips):
        with pytest.raises(Undelivered, match=r"gave no answer: TimeoutError: it took longer than 0\.3 seconds"):
            hook(url, timeout_sec=0.3).notify(change())


def test_a_name_that_is_looked_up_for_too_long_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(public_http, "getaddrinfo", lambda *_, **__: is_over.wait(30))
    with pytest.raises(Undelivered, match="gave no answer: TimeoutError"):
        hook("https://hooks.example.com/", timeout_sec=0.1).notify(change())
    is_over.set()


@pytest.mark.parametrize("secret", ["whsec_", "good whsec_", "whsec_====", "whsec_not base64", "whsec_%%%%"])
def test_a_secret_without_a_key_signs_nothing(secret: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = hook(receiver.url)
    monkeypatch.setenv("CITIES_SECRET", secret)
    with pytest.raises(ConfigurationError, match="variable CITIES_SECRET has a secret without valid base64"):
        declared.notify(change())
    with pytest.raises(ConfigurationError, match="CITIES_SECRET"):
        hook(receiver.url)
    assert receiver.came == []


def test_no_message_repeats_what_of_a_url_may_be_secret(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    for status in (500, 404, 307):
        receiver.status = status
        declared = hook(receiver.url.replace("/hooks?of=cities", "/T000/s3cret?token=s3cret"))
        with pytest.raises((Undelivered, Undeliverable)) as told:
            declared.notify(change())
        assert "s3cret" not in f"{told.value!r} {told.value} {declared!r} {caplog.text}"
    for url in ("https://ada:s3cret@example.com", "http://example.com/s3cret", "https://example.com/a b?s3cret"):
        with pytest.raises(DeclarationError, match="Webhook") as refused:
            hook(url)
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "224.0.0.1",
        "100.64.0.1",
        "192.0.0.10",
        "192.88.99.1",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::5db8:d822",
        "::ffff:169.254.169.254",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::5db8:d822",
        "64:ff9b:1::1",
        "2001::1",
        "2001:0:a00:1::f5ff:fffe",
        "2001:db8::1",
        "2002:a00:1::1",
        "2002:5db8:d822::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "fe80::1%eth0",
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_http, "getaddrinfo", found(address))
    monkeypatch.setattr(public_http, "create_connection", never)
    with pytest.raises(Undeliverable, match=r"not a public address; give a public URL"):
        hook("https://hooks.example.com/").notify(change())


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_a_public_address_is_public(address: str) -> None:
    assert public_http.is_public(address)


def test_a_name_that_leads_outside_and_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_http, "getaddrinfo", found("93.184.216.34", "10.0.0.1"))
    monkeypatch.setattr(public_http, "create_connection", never)
    with pytest.raises(Undeliverable, match=r"10\.0\.0\.1"):
        hook("https://hooks.example.com/").notify(change())


def test_the_address_that_was_checked_is_the_one_that_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[Any] = []

    def connect(address: Any, seconds: float) -> Any:
        reached.append(address)
        raise ConnectionRefusedError("closed")

    monkeypatch.setattr(public_http, "getaddrinfo", found("93.184.216.34"))
    monkeypatch.setattr(public_http, "create_connection", connect)
    with pytest.raises(Undelivered):
        hook("https://hooks.example.com/").notify(change())
    assert reached == [("93.184.216.34", 443)]


def test_in_the_cloud_this_machine_is_no_receiver(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "tell-on-cities")
    with pytest.raises(Undeliverable, match="the function's own machine"):
        hook(receiver.url).notify(change())
    assert receiver.came == []


def test_under_the_emulators_of_firebase_tools_this_machine_is_a_receiver(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "tell-on-cities")
    monkeypatch.setenv("FUNCTIONS_EMULATOR", "true")
    hook(receiver.url).notify(change())
    assert len(receiver.came) == 1


def test_without_its_secret_nothing_is_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITIES_SECRET")
    with pytest.raises(ConfigurationError, match="set the environment variable CITIES_SECRET"):
        hook(receiver.url).notify(change())
    assert receiver.came == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com:99999",
        "https://example.com:0",
        "https://@example.com",
        "https://ex ample.com/",
        "http://example.com",
        "ftp://example.com",
        "example.com/hooks",
        "https://",
        "https://a:b@example.com",
        "",
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused_when_it_is_declared(url: str) -> None:
    with pytest.raises(DeclarationError, match="Webhook"):
        hook(url)


def test_a_secret_in_place_of_its_name_is_refused_and_not_repeated() -> None:
    with pytest.raises(DeclarationError, match="the name of an environment variable") as caught:
        Webhook("https://example.com", secret_env="whsec_AAAA+BBB=")
    assert "AAAA" not in str(caught.value)


def found(*addresses: str) -> Callable[..., Any]:
    return lambda host, port, **_: [(None, None, None, "", (address, port)) for address in addresses]


def never(*_: object) -> Any:
    raise AssertionError("a connection was opened")
