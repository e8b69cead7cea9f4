"""The surface of HTTP: requests of every route, most of them malformed somewhere.

Each goes to two services whose databases differ in what no attacker may see; the answers must be equal, and fit the
one shape of answers and errors.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import quote

from flask.testing import FlaskClient

from boiler_functions.database import Put
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.models.session import use
from boiler_functions.modes.authentication import FirebaseTokens
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.rest.application import create_app
from boiler_functions.testing import unsigned_token
from boiler_functions.testing.app import MemoryApp, VirtualClock
from tests.attack.diary import Entry, app
from tests.attack.surface import Judge

PROJECT = "demo-attack"

LEAK = "s3cret"
"""A text in every request that no answer may repeat, and in each document that no attacker may see."""

LIFE = 250
"""The number of requests to one pair of services."""

NEXT = "the token of the last list"
"""A value of `pageToken` that is replaced by the last token of each service."""


class Request(NamedTuple):
    """A request as it is sent; `by` is the caller whose token it carries, None without a token."""

    method: str
    path: str
    query: str = ""
    by: str | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = {}


IDS = ("e1", "e2", "e3", "none", "new1", "new2", "ada")
STRANGE_IDS = ("", ".", "..", "__x__", "a/b", "%00", "%ff", "%fe", "%0a", " e1", "e1 ", "x" * 1501, "é", "ä" * 751)
RULES = ("/entries", "/board", "/notices", "/profiles")
STRANGE_PATHS = ("/", "//", "/entries//e1", "/entries/e1/", "/openapi.json", "/apidocs", "/nothing", "/entries/e1:none")
PARAMETERS = {
    "limit": ("1", "2", "100", "0", "-1", "101", "1e1", "9" * 400, "abc", ""),
    "orderBy": ("title", "-title", "stars", "-stars", "secret", "-secret", "owner", "shared", "tags", "__name__", ""),
    "pageToken": (NEXT, NEXT, "", "x", "AAAA", "é", "A" * 3000, "=" * 9),
    "title": ("one", "two", LEAK, "", "x" * 1501, "%ff"),
    "stars": ("0", "1", "5", "NaN", str(2**63), "1.0", "9" * 5000),
    "tags": ("a", "b", LEAK),
    "fresh": ("true", "false", "maybe"),
    "wait": ("0", "1", "-1", "x"),
    **dict.fromkeys(("secret", "owner", "shared", "__proto__", "a.b", "`title`", "x" * 300), ("1", LEAK, "true")),
}
BODIES = (
    b"",
    b"[]",
    b"null",
    b"{",
    b"{}",
    b'{"title":"one"}',
    b'{"title":"two","stars":3}',
    b'{"title":1}',
    b'{"title":null}',
    b'{"stars":NaN}',
    b'{"stars":1e999}',
    b'{"stars":9223372036854775808}',
    b'{"title":"\\ud800"}',
    b'{"title":"a","title":"b"}',
    b'{"owner":"ada"}',
    b'{"secret":"x"}',
    b'{"__proto__":1}',
    b'{"times":1}',
    b'{"times":0}',
    b'{"times":"x"}',
    b'{"title":"\xff"}',
    b"[" * 5000,
    b'{"a":' * 5000,
    b'{"id":"new1","title":"one"}',
    b'{"id":"new2","title":"two","stars":1}',
    b'{"id":"a/b","title":"x"}',
    b'{"id":"ada","name":"Ada"}',
    b'{"name":"x"}',
    *(
        b'{"after":"%s"}' % text
        for text in (
            b"e2",
            b"entries/e2",
            b"entries/..",
            b"..",
            b"entries/__x__",
            b"others/e2",
            b"entries/a/b/c",
            b"/",
            b"",
            b"projects/x/databases/y/documents/entries/e2",
            b"entries/" + b"y" * 1501,
            b"entries/\\ud800",
            b"entries/\\u0000",
        )
    ),
    b'{"id":"..","title":"x"}',
    b'{"id":null,"title":"x"}',
    b'{"' + b"x" * 1600 + b'":1}',
    b'{"title":"' + b"x" * 1_100_000 + b'"}',
    b"{" + b",".join(b'"n%d":1' % number for number in range(2100)) + b"}",
)
HEADERS = {
    "Content-Type": ("application/json", "text/plain", ";;;", "application/json; charset=utf-16"),
    "Content-Encoding": ("gzip", "identity", "br, gzip"),
    "If-Match": ('"x"', '"', "*", 'W/"x"', ", ,"),
    "If-None-Match": ('"x"', "*", '"'),
    "Idempotency-Key": ("k1", "k2", "", "two words", "k" * 256),
    "Prefer": ("wait=1", "wait=999999", "wait=-1", "respond-async", ";;="),
    "Origin": ("https://evil.example", "null"),
    "Authorization": (
        "Bearer",
        "Bearer x.y.z",
        f"Basic {LEAK}",
        f"Bearer {LEAK}",
        "Bearer " + "." * 3000,
        "Bearer " + urlsafe_b64encode(b"[" * 9000).decode() + ".e30.",
        "Bearer eyJhbGciOiJub25lIn0." + urlsafe_b64encode(b'{"a":' * 9000).decode() + ".",
        "Bearer " + unsigned_token("a/b", project=PROJECT),
        "Bearer " + unsigned_token("..", project=PROJECT),
        "Bearer " + unsigned_token("x" * 129, project=PROJECT),
        "Bearer " + unsigned_token("ada", project="demo-other"),
        "Bearer " + unsigned_token("ada", project=PROJECT, firebase=[]),
        "Bearer " + unsigned_token("ada", project=PROJECT, iat="soon"),
        "Bearer " + unsigned_token("ada", project=PROJECT, exp={}),
    ),
    "X-Forwarded-For": (LEAK, "::1, 1.2.3.4", ""),
}


def inputs(random: Random) -> Iterator[Request]:
    """Yields requests, of which about half are well-formed."""
    while True:
        method = random.choice(("GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"))
        yield Request(
            method,
            _path(random, method),
            _query(random, method),
            random.choice((None, "ada", "ada", "bob")),
            random.choice(BODIES) if method in ("POST", "PUT", "PATCH") or random.random() < 0.05 else None,
            {
                name: random.choice(HEADERS[name])
                for name in random.sample(sorted(HEADERS), random.choice((0, 0, 0, 1, 2)))
            },
        )


def _path(random: Random, method: str) -> str:
    if random.random() < 0.05:
        return random.choice(STRANGE_PATHS)
    rule = random.choice(RULES)
    if method == "POST" and random.random() < 0.5:
        return f"{rule}/{random.choice(IDS)}:praise"
    if random.random() < (0.7 if method in ("GET", "POST") else 0.1):
        return rule
    strange = random.random() < 0.3
    return f"{rule}/{quote(random.choice(STRANGE_IDS), safe='%') if strange else random.choice(IDS)}"


def _query(random: Random, method: str) -> str:
    if method == "GET" and random.random() < 0.3:
        order = random.choice(("", "&orderBy=-stars", "&orderBy=title", "&title=one", "&stars=1"))
        token = random.choice(("", f"&pageToken={quote(NEXT)}"))
        return f"limit={random.choice((1, 2, 3))}{order}{token}"
    many = random.choice((0, 1, 1, 2, 3) if method == "GET" else (0, 0, 0, 1))
    names = random.sample(sorted(PARAMETERS), many)
    return "&".join(f"{name}={quote(random.choice(PARAMETERS[name]), safe='%')}" for name in names)


class Service:
    """The app's HTTP function with its own database, and the page token of the last list."""

    def __init__(self, *, with_hidden: bool) -> None:
        clock = VirtualClock()
        self.testing = MemoryApp(app, Surroundings(clock.now, clock.sleep, Random(0)))
        self.database = Metered(self.testing.database)
        with use(self.testing.database):
            for owner, name in (("ada", "e1"), ("ada", "e2"), ("bob", "e3")):
                Entry.new(doc_id=name, owner=owner, title="one", shared=owner == "bob", secret=LEAK).save()
        if with_hidden:
            self.testing.database.commit([Put(f"entries/{name}", fields) for name, fields in _hidden()])
        self._deliver()
        flask = create_app(
            self.testing.compiled.declarations,
            lambda: self.database,
            self.testing.surroundings,
            FirebaseTokens(PROJECT),
            bytes(32),
        )
        self.client: FlaskClient = flask.test_client()
        self.token = ""
        self.numbers = count()
        self.asked = 0

    def ask(self, request: Request) -> dict[str, Any]:
        """The answer, without what is random in it."""
        headers = {"Content-Type": "application/json", **request.headers}
        if request.by is not None:
            headers.setdefault("Authorization", f"Bearer {unsigned_token(request.by, project=PROJECT)}")
        query = request.query.replace(quote(NEXT), self.token)
        self.asked += 1
        self.database.usage = Usage()
        with patch("boiler_functions.modes.rest.routes.random_id", lambda: f"r{next(self.numbers)}"):
            answer = self.client.open(
                f"{request.path}?{query}", method=request.method, data=request.body, headers=headers
            )
        asked = self.database.usage.rpcs
        body = answer.get_json(silent=True)
        if isinstance(body, dict) and "nextPageToken" in body:
            self.token = body["nextPageToken"]
            body["nextPageToken"] = NEXT
        seen = {name: value for name, value in answer.headers.items() if name not in ("Content-Length", "Date")}
        self._deliver()
        return {"status": answer.status_code, "headers": seen, "body": body, "text": answer.text, "rpcs": asked}

    def _deliver(self) -> None:
        while taken := self.testing.take():
            for delivery in taken:
                self.testing.handle(delivery)


def _hidden() -> Iterator[tuple[str, dict[str, Any]]]:
    """Documents that neither caller may see, by ids that nobody can guess; an audience fails over some."""
    for number in range(12):
        owner: Any = ("eve", "eve", 7, None)[number % 4]
        fields = {"owner": owner, "title": ("one", LEAK)[number % 2], "stars": number % 3, "shared": False}
        # Before, between and after those that are seen.
        yield f"{('a', 'e2', 'z')[number % 3]}hidden{number}", {**fields, "secret": LEAK, "obj_type": "Entry"}


@contextmanager
def judge() -> Iterator[Judge]:
    emulated = {"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9"}
    with patch.dict("os.environ", emulated):
        twins: list[Service] = []

        def judge(request: Request) -> str | None:
            # From time to time anew, or all that is there is deleted soon.
            if not twins or twins[0].asked == LIFE:
                twins[:] = [Service(with_hidden=each) for each in (False, True)]
            return _wrong([each.ask(request) for each in twins])

        yield judge


def _wrong(answers: list[dict[str, Any]]) -> str | None:
    """What is wrong with the answers to one request, the first of the service without hidden documents."""
    bare, full = answers
    for each in ("status", "body", "headers"):
        if bare[each] != full[each]:
            return f"what may not be seen changes {each}: {bare[each]!r} to {full[each]!r}"
    status, body = full["status"], full["body"]
    if status >= 500:
        return f"{status}: {full['text']}"
    if LEAK in full["text"] or LEAK in str(full["headers"]):
        return "the answer repeats a secret"
    if status >= 400 and full["text"] and (not isinstance(body, dict) or set(body) != SHAPE or body["code"] != status):
        return f"an error of another shape: {full['text']}"
    if status in BEFORE_READING and full["rpcs"]:
        return f"{status} after {full['rpcs']} requests to the database"
    return None


SHAPE = {"code", "status", "message", "errors"}

BEFORE_READING = (400, 401, 405, 413, 414, 415)
"""Statuses of what is refused before anything is read."""
