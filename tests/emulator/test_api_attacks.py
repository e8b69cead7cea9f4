"""What attackers and clumsy clients send to the HTTP function, byte for byte, on functions-framework."""

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.testing import unsigned_token

MAIN = Path(__file__).parent.parent / "torture" / "serve_shop.py"

SECRET = "s3cret"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Shop:
    """The running function `api` of the shop, spoken to by sockets: no client corrects what is sent."""

    host: str
    project: str

    def token(self, uid: str) -> str:
        return unsigned_token(uid, project=self.project)

    def send(
        self, method: str, path: str, body: Any = None, *, by: str | None = "ada", **headers: str | None
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        given: dict[str, str | None] = {
            "Host": "shop",
            "Connection": "close",
            "Authorization": f"Bearer {self.token(by)}" if by else None,
            "Content-Type": "application/json" if body is not None else None,
            "Content-Length": str(len(content)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given.items() if value is not None),
        ]
        return self.exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    def exchange(self, sent: bytes) -> Answer:
        name, _, port = self.host.partition(":")
        with socket.create_connection((name, int(port)), timeout=60) as connection:
            connection.sendall(sent)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin1").split("\r\n")
        named = (line.partition(": ") for line in lines)
        return Answer(int(status.split(" ")[1]), {name.lower(): value for name, _, value in named}, body)


@pytest.fixture(scope="module")
def shop(firestore_emulator: FirestoreEmulator) -> Iterator[Shop]:
    project = "demo-attacked-shop"
    env = {
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        # Never asked: it makes firebase-admin take unsigned tokens.
        "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099",
        "GOOGLE_CLOUD_PROJECT": project,
        "FUNCTION_TARGET": "api",
    }
    with FunctionsProcess(MAIN, "api", "http", env=env) as function:
        shop = Shop(function.host, project)
        assert shop.send("POST", "/articles", {"id": "pen", "name": "pen"}).status == 201
        yield shop


def check(answer: Answer, *expected: int) -> None:
    """An error in JSON, which repeats nothing of what was sent, and says nothing of how it is made."""
    assert answer.status in expected, answer
    assert answer.json.keys() == {"code", "status", "message", "errors"}
    assert answer.json["code"] == answer.status
    for told in (SECRET.encode(), b"Traceback", b"site-packages", b"boiler_functions", b".py"):
        assert told not in answer.body
    assert SECRET not in str(answer.headers)


ID = "/articles/"
PATHS = [
    *(
        "/",
        "/articles/",
        "/articles//pen",
        "/articles/pen/",
        "/./articles/pen",
        "/articles/../articles/pen",
        "/ARTICLES/pen",
    ),
    *(f"{ID}{each}" for each in ("..", ".", "%2e%2e", "%252e", "__x__", "a%2Fb", "a%2Fb%2Fc", "a%252Fb", "%00", "%ff")),
    *(f"{ID}{each}" for each in ("%0d%0aX:1", "%20pen", "pen%20", "x" * 1501, "%E2%80%AE", "%F0%9F%98%80", "pen;x=1")),
    *(f"{ID}{each}" for each in ("pen:", "pen:nothing", ":rename", "pen:rename:rename", "pen%", "%u0041", SECRET)),
    *(
        "/apidocs/",
        "/apidocs/../../etc/passwd",
        "/apidocs/..%2f..%2fsetup.py",
        "/static/x",
        "/robots.txt",
        "/" + SECRET,
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_names_nothing_is_a_404(shop: Shop, path: str) -> None:
    check(shop.send("GET", path), 404)


LONG = "%F0%9F%98%80" * 376  # 1,504 bytes
QUERIES = [
    *(
        "limit=-1",
        "limit=0",
        "limit=abc",
        "limit=1e1",
        "limit=1000000000",
        "limit=1&limit=2",
        "x",
        "__proto__=1",
        "a.b=1",
    ),
    *("%60name%60=1", "count=NaN", "count=9223372036854775808", "fresh=maybe", "price=1e999", "orderBy=tags"),
    *("pageToken=forged", "pageToken=%C3%A9", "pageToken=" + "A" * 3000, "pageToken=", "orderBy=name&count=1"),
    *(
        "tags=a&name=b",
        f"name={LONG}",
        f"tags={LONG}",
        "since=9999-12-31T23:59:59-12:00",
        "since=0001-01-01T00:00:00%2B14:00",
    ),
    f"name={'n' * 1500}",
    *(f"shelf=shelves/{each}" for each in ("y" * 1476, "", "..", "__a__", "a/b", "%00", "y" * 1501)),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_does_not_fit_is_a_422(shop: Shop, query: str) -> None:
    check(shop.send("GET", f"/articles?{query}"), 422)


@pytest.mark.parametrize("query", [f"name={'n' * 1499}", f"tags={'n' * 1499}"])
def test_the_longest_value_that_an_index_holds_is_looked_for(shop: Shop, query: str) -> None:
    answer = shop.send("GET", f"/articles?{query}")
    assert (answer.status, answer.json) == (200, {"results": []})


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "FOO", "PATCH", "PUT", "DELETE"])
def test_a_method_that_nothing_has_is_a_405(shop: Shop, method: str) -> None:
    check(shop.send(method, "/articles"), 405)


def test_head_has_the_headers_alone_and_a_method_is_not_overridden(shop: Shop) -> None:
    head = shop.send("HEAD", "/articles/pen")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["etag"] == shop.send("GET", "/articles/pen").headers["etag"]
    assert shop.send("GET", "/articles/pen", X_HTTP_Method_Override="DELETE").status == 200
    assert shop.send("GET", "/articles/pen").status == 200


BODIES = [
    *(
        (each, 400)
        for each in (b'{"name":', b"", b"\xef\xbb\xbf{}", '{"name":"x"}'.encode("utf-16"), b'{"name":"\xff"}')
    ),
    *((each, 400) for each in (b'{"a":' * 100_000, b"[" * 400_000, b'{"tags":' + b"[" * 21 + b"]" * 21 + b"}")),
    *(
        (each, 422)
        for each in (b"[]", b"null", b'"x"', b'{"name":"a","name":"b"}', b'{"price":NaN}', b'{"price":1e999}')
    ),
    *(
        (each, 422)
        for each in (b'{"count":9223372036854775808}', b'{"count":' + b"9" * 200_000 + b"}", b'{"count":1.0}')
    ),
    *((each, 422) for each in (b'{"name":"\\ud800"}', b'{"\\ud800":1}', b'{"name":null}', b'{"picture":"!!!!"}')),
    *((b'{"%s":1}' % each, 422) for each in (b"", b"__proto__", b"a.b", b"`name`", b"owner", b"id", b"x" * 1600)),
    *((b'{"since":"%s"}' % each, 422) for each in (b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"now")),
    *((b'{"scores":{"%s":1}}' % each, 422) for each in (b"", b"__a__", b"x" * 1501)),
    (b'{"lines":[[]]}', 422),
    (b'{"name":"' + b"x" * 2_000_000 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_does_not_fit_changes_nothing(shop: Shop, body: bytes, status: int) -> None:
    before = shop.send("GET", "/articles/pen").json
    check(shop.send("PATCH", "/articles/pen", body), status)
    assert shop.send("GET", "/articles/pen").json == before


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Content-Type", "text/plain", 415),
        ("Content-Type", ";;;", 415),
        ("Content-Type", "multipart/form-data", 415),
        ("Content-Encoding", "gzip", 415),
        ("If-Match", '"', 400),
        ("If-Match", ", ,", 400),
        ("If-Match", 'W/"x"', 412),
        ("If-Match", ",".join(f'"{number}"' for number in range(900)), 412),
        ("If-None-Match", '"', 400),
        ("If-None-Match", "*", 412),
        ("Idempotency-Key", "", 400),
        ("Idempotency-Key", "two words", 400),
        ("Idempotency-Key", "k" * 256, 400),
        *(("Authorization", each, 401) for each in ("Bearer", "Bearer a b", "Basic eDp5", f"Bearer {SECRET}")),
        *(("Authorization", f"Bearer {each}", 401) for each in ("eyJhbGciOiJub25lIn0.e30.", "W10.W10.", "x" * 5000)),
    ],
)
def test_a_header_that_means_nothing_or_does_not_hold_is_refused(
    shop: Shop, header: str, value: str, status: int
) -> None:
    check(shop.send("PATCH", "/articles/pen", {"name": "pen"}, **{header.replace("-", "_"): value}), status)


def test_headers_that_proxies_set_are_not_repeated_in_answers(shop: Shop) -> None:
    told = dict.fromkeys(("X_Forwarded_For", "X_Forwarded_Prefix", "X_Original_URL", "Cookie", "Origin"), SECRET)
    check(shop.send("GET", "/nothing", **told), 404)
    assert shop.send("GET", "/articles/pen", **told).status == 200


def test_a_body_in_chunks_over_the_cap_is_refused(shop: Shop) -> None:
    head = f"POST /articles HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {shop.token('ada')}\r\n"
    head += "Content-Type: application/json\r\n"
    chunk = b"400000\r\n" + b" " * 0x400000 + b"\r\n0\r\n\r\n"
    check(shop.exchange(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk), 413)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/articles/pen", None, 404),
        ("PATCH", "/articles/pen", {"name": "mine"}, 404),
        ("DELETE", "/articles/pen", None, 404),
        ("POST", "/articles/pen:rename", {"name": "mine"}, 404),
        ("POST", "/articles", {"id": "pen", "name": "mine"}, 409),
    ],
)
def test_what_is_anothers_is_as_if_missing_and_stays(
    shop: Shop, method: str, path: str, body: Any, status: int
) -> None:
    before = shop.send("GET", "/articles/pen").json
    check(shop.send(method, path, body, by="eve"), status)
    if status == 404:
        missing = shop.send(method, path.replace("pen", "nowhere"), body, by="eve")
        assert missing.body == shop.send(method, path, body, by="eve").body
    assert shop.send("GET", "/articles/pen").json == before


def at_once(send: Callable[[int], Answer], many: int = 12) -> list[Answer]:
    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(send, range(many)))


def statuses(answers: Iterable[Answer]) -> list[int]:
    return sorted(answer.status for answer in answers)


def test_of_twelve_changes_at_once_of_one_version_one_is_made(shop: Shop) -> None:
    shop.send("POST", "/articles", {"id": "raced", "name": "raced"})
    etag = shop.send("GET", "/articles/raced").headers["etag"]
    answers = at_once(lambda n: shop.send("PATCH", "/articles/raced", {"count": n + 1}, If_Match=etag))
    assert statuses(answers) == [200, *[412] * 11]
    [made] = [answer.json for answer in answers if answer.status == 200]
    assert shop.send("GET", "/articles/raced").json == made


def test_of_twelve_requests_at_once_with_one_key_one_takes_effect_and_each_has_its_answer(shop: Shop) -> None:
    new = {"name": "once"}
    answers = at_once(lambda _: shop.send("POST", "/articles", new, by="bob", Idempotency_Key="raced"))
    assert statuses(answers) == [201] * 12
    assert len({answer.body for answer in answers}) == 1
    check(shop.send("POST", "/articles", {"name": "twice"}, by="bob", Idempotency_Key="raced"), 422)
    assert shop.send("POST", "/articles", new, by="carol", Idempotency_Key="raced").body != answers[0].body
    listed = shop.send("GET", "/articles?name=once&limit=100", by="bob").json["results"]
    assert [each["id"] for each in listed] == [answers[0].json["id"]]


def test_a_page_token_opens_for_its_list_and_its_caller_alone(shop: Shop) -> None:
    for number in range(3):
        shop.send("POST", "/articles", {"name": f"page{number}"}, by="dora")
    token = shop.send("GET", "/articles?limit=1", by="dora").json["nextPageToken"]
    assert shop.send("GET", f"/articles?limit=1&pageToken={token}", by="dora").status == 200
    check(shop.send("GET", f"/articles?limit=1&pageToken={token}", by="eve"), 422)
    check(shop.send("GET", f"/articles?limit=1&orderBy=name&pageToken={token}", by="dora"), 422)
    check(shop.send("GET", f"/shelves?limit=1&pageToken={token}", by="dora"), 422)


@pytest.mark.parametrize("chunks", [b"zz\r\nabc\r\n0\r\n\r\n", b"-5\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"])
def test_malformed_chunks_are_a_400(shop: Shop, chunks: bytes) -> None:
    head = f"POST /articles HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {shop.token('ada')}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    check(shop.exchange(head.encode() + chunks), 400)


@pytest.mark.parametrize(
    ("path", "token", "status"), [("/articles", False, 401), ("/nothing", True, 404), ("/articles", True, 413)]
)
def test_a_large_body_is_refused_before_any_of_it_is_sent(shop: Shop, path: str, token: bool, status: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {255 * 1024 * 1024}\r\n"
    head += f"Authorization: Bearer {shop.token('ada')}\r\n\r\n" if token else "\r\n"
    name, _, port = shop.host.partition(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        received = b""
        while b"}" not in received:
            received += connection.recv(65536)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("by", ["ada", None])
def test_bodies_that_never_come_stall_nobody_else(shop: Shop, by: str | None) -> None:
    head = "POST /articles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
    head += f"Authorization: Bearer {shop.token(by)}\r\n\r\n" if by else "\r\n"
    name, _, port = shop.host.partition(":")
    with ExitStack() as stack:
        # More than the process has threads.
        for _ in range(4 * (os.cpu_count() or 1) + 2):
            connection = stack.enter_context(socket.create_connection((name, int(port)), timeout=60))
            connection.sendall(head.encode())
        assert shop.send("GET", "/articles/pen").status == 200
