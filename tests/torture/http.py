"""Sends requests that schemathesis generates from our own document to the running function on the emulator."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urljoin, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as conformance

from boiler_functions import use
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import request
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import unsigned_token
from tests.torture.figures import Figure
from tests.torture.shop import Article, Shelf, ShelfView, app

SERVED = Path(__file__).with_name("serve_shop.py")
PROJECT = "demo-torture-http"

REQUESTS = 10_000
WORKERS = 3
SHORT_REQUESTS = 400
LEAST_SUCCESSES = 100
SHORT_LEAST_SUCCESSES = 1

USERS = ("ada", "bob")

CHECKS = (
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
)

Documents: TypeAlias = dict[str, list[tuple[str, str]]]
"""Ids and owners of documents, by the rule of their list."""

SHARES = {GenerationMode.POSITIVE: 0.8, GenerationMode.NEGATIVE: 0.2}
"""The shares of requests with valid and with invalid arguments."""

# Most requests name an existing document, and come from its owner without conditions: otherwise most answers would
# be 404.
_SENSIBLE = 0.85


@dataclass
class Tally:
    """The statuses of the answers."""

    statuses: Counter[int] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.statuses + other.statuses,
            self.successes + other.successes,
            self.violations + other.violations,
            self.server_errors + other.server_errors,
        )

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def share(self) -> float:
        """The share of answers with 2xx, in percent."""
        succeeded = sum(count for status, count in self.statuses.items() if 200 <= status < 300)
        return round(100 * succeeded / max(1, self.requests), 1)


@dataclass
class Known:
    """The existing documents and their owners, by the rule of their list; a DELETE removes one."""

    documents: Documents
    random: random.Random

    def pick(self, case: Any) -> tuple[str, str]:
        """Returns the id and owner of a document for the request."""
        there = self.documents[_rule(case.path)]
        chosen = self.random.randrange(len(there))
        return there.pop(chosen) if case.method == "DELETE" and len(there) > 1 else there[chosen]

    def learn(self, location: str, uid: str) -> None:
        self.documents[_rule(location)].append((unquote(location.rpartition("/")[2]), uid))


def _rule(path: str) -> str:
    return f"/{path.split('/')[1]}"


@dataclass
class Client:
    """Sends the generated requests, mostly changed so that they can succeed, and counts the answers."""

    url: str
    random: random.Random
    known: Known
    tally: Tally = field(default_factory=Tally)

    def send(self, case: Any) -> None:
        """Sends one request, and checks its answer."""
        uid = self._make_sensible(case) if self.random.random() < _SENSIBLE else None
        response = case.call(base_url=self.url, headers=self._authorization(uid))
        if 200 <= response.status_code < 300:
            for location in response.headers.get("location") or ():
                self.known.learn(urlsplit(urljoin(response.request.url, location)).path, uid or "")
        try:
            case.validate_response(response, checks=CHECKS)
            failed = ""
        except FailureGroup as error:
            failed = "; ".join(str(each).partition("\n")[0] for each in error.exceptions)
        self._note(case, response, failed)

    def _note(self, case: Any, response: Any, failed: str) -> None:
        operation = case.operation.definition.raw["operationId"]
        told = f"{operation}: {response.status_code} {response.content[:200]!r}"
        self.tally.statuses[response.status_code] += 1
        if 200 <= response.status_code < 300:
            self.tally.successes[operation] += 1
        if response.status_code >= 500:
            self.tally.server_errors.append(told)
        if failed:
            self.tally.violations.append(f"{case.method} {response.request.url} {told}: {failed}")

    def _make_sensible(self, case: Any) -> str:
        """Makes the request name an existing document, and returns the owner to send it as."""
        for values, name in ((case.headers, "If-Match"), (case.headers, "If-None-Match"), (case.query, "pageToken")):
            (values or {}).pop(name, None)
        if "doc_id" not in (case.path_parameters or {}):
            return self.random.choice(USERS)
        case.path_parameters["doc_id"], uid = self.known.pick(case)
        return uid

    def _authorization(self, uid: str | None) -> dict[str, str]:
        if uid is not None:
            return {"Authorization": f"Bearer {unsigned_token(uid, project=PROJECT)}"}
        strange = ("Bearer garbage", "Basic YTpi", f"Bearer {unsigned_token('eve', project=PROJECT)}", None)
        chosen = self.random.choice(strange)
        return {} if chosen is None else {"Authorization": chosen}


def run(short: bool, first_seed: int) -> Iterator[Figure]:
    """Yields the figures of a run."""
    requests, workers = (SHORT_REQUESTS, 1) if short else (REQUESTS, WORKERS)
    tally, operations = torture(requests, first_seed, workers)
    yield from figures(tally, operations, requests, SHORT_LEAST_SUCCESSES if short else LEAST_SUCCESSES)


def figures(tally: Tally, operations: list[str], requests: int, least_successes: int) -> Iterator[Figure]:
    least = min(tally.successes[each] for each in operations)
    note = next(each for each in operations if tally.successes[each] == least)
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items()))
    yield Figure("http_requests", tally.requests, "≥", requests, f"  {statuses}")
    yield Figure("http_operations", len(operations), "≥", 10)
    yield Figure("http_answers_of_500_and_above", len(tally.server_errors), "=", 0, _first(tally.server_errors))
    yield Figure("http_schema_violations", len(tally.violations), "=", 0, _first(tally.violations))
    yield Figure("http_answers_2xx_percent", tally.share, "≥", 30)
    yield Figure("http_2xx_of_the_rarest_operation", least, "≥", least_successes, f"  {note}")


def _first(found: list[str]) -> str:
    return f"  {found[0]}" if found else ""


def torture(requests: int, first_seed: int, workers: int) -> tuple[Tally, list[str]]:
    """The tally of so many requests, spread over all operations of the function's own document; and those.

    Each worker has documents of its own, so that its seed tells what it sends.
    """
    with FirestoreEmulator() as emulator:
        database = FirestoreDatabase(PROJECT, emulator=emulator.host)
        with use(database):
            parts = [_documents(f"w{number}") for number in range(workers)]
        for _ in RebuildAll(app.name, ShelfView, database).run():
            """Stores the views, as Query mode's functions do."""
        with _serving(emulator.host) as function:
            document = json.loads(request(function.host, "GET", "/openapi.json").text)
            jobs = [
                (function.url, document, documents, requests // workers + 1, first_seed + number)
                for number, documents in enumerate(parts)
            ]
            # The emulator's client has threads, which a fork would not survive.
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                tallies = list(pool.map(_work, *zip(*jobs, strict=True)))
    return sum(tallies, Tally()), [each.definition.raw["operationId"] for each in _operations(document)]


def _work(url: str, document: Any, documents: Documents, requests: int, first_seed: int) -> Tally:
    chance = random.Random(first_seed)
    client = Client(url, chance, Known(documents, chance))
    operations = _operations(document)
    for number, operation in enumerate(operations):
        for mode, part in SHARES.items():
            count = int(requests * part / len(operations)) + 1
            _send_all(client, operation, mode, count, first_seed * 1000 + number)
    return client.tally


def _operations(document: Any) -> list[Any]:
    schema = schemathesis.openapi.from_dict(document)
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    # A deleted document is not found by other operations.
    return sorted(found, key=lambda each: each.method.upper() == "DELETE")


def _send_all(client: Client, operation: Any, mode: GenerationMode, count: int, first_seed: int) -> None:
    @seed(first_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        client.send(case)

    send()


@contextmanager
def _serving(host: str) -> Iterator[FunctionsProcess]:
    environment: Mapping[str, str] = {
        "FIRESTORE_EMULATOR_HOST": host,
        # No such emulator runs; the variable makes firebase-admin accept unsigned tokens.
        "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FUNCTION_TARGET": "api",
    }
    with FunctionsProcess(SERVED, "api", "http", env=environment) as function:
        yield function


def _documents(prefix: str) -> Documents:
    """Stores and returns the documents that exist before the first request."""
    articles, shelves = [], []
    for number in range(20):
        for uid in USERS:
            article = Article.new(doc_id=f"{prefix}-{uid}-{number}", owner=uid, name=f"Article {number}", count=number)
            article.save()
            articles.append((article.doc_id, uid))
    for number in range(10):
        shelf = Shelf.new(doc_id=f"{prefix}-{number}", title=f"Shelf {number}", level=number % 3)
        shelf.save()
        shelves.append((shelf.doc_id, USERS[0]))
    return {"/articles": articles, "/shelves": shelves}
