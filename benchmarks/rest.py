"""The HTTP function: its requests per second and latencies, next to one by hand with the same Firestore work."""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask

from benchmarks.counted import cost_of
from benchmarks.results import Row, ratio_at_least, ratio_at_most
from benchmarks.served.rest_app import Note, NoteView, User, app
from benchmarks.stage import Stage
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.modes.rest.application import create_app
from boiler_functions.testing import unsigned_token

ROOT = Path(__file__).parents[1]
SERVED = Path(__file__).parent / "served"
BARE = "functions_framework + flask-smorest + google.cloud.firestore"
FLOOR = "functions_framework + one raw get + json.dumps"
AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"

NOTES = 20
CLIENTS = 4
SECONDS = 1.5
ROUNDS = 12

Send = Callable[[int], tuple[str, str, bytes | None]]
"""The method, the path and the body of the n-th request."""

REQUESTS: Mapping[str, Send] = {
    "GET": lambda n: ("GET", f"/notes/n{n % NOTES:02}", None),
    "list": lambda n: ("GET", "/notes", None),
    # Each PATCH changes something, as an equal write would cost less.
    "PATCH": lambda n: ("PATCH", f"/notes/n{n % NOTES:02}", json.dumps({"stars": n}).encode()),
}


def rest(stage: Stage) -> Iterator[Row]:
    """Measures GET, list and PATCH, in turns on two processes of functions-framework."""
    set_up(stage)
    # No such emulator runs; the variable makes firebase-admin accept unsigned tokens, in both processes.
    environment = {
        "PYTHONPATH": str(ROOT),
        PROJECT: stage.project,
        EMULATOR_HOST: os.environ[EMULATOR_HOST],
        AUTH_EMULATOR_HOST: "127.0.0.1:9099",
        "FUNCTION_TARGET": "api",
    }
    headers = {
        "Authorization": f"Bearer {unsigned_token('ada', project=stage.project)}",
        "Content-Type": "application/json",
    }
    with ExitStack() as stack:
        ours, bare, floor = (
            stack.enter_context(FunctionsProcess(SERVED / f"rest_{name}.py", "api", "http", environment)).host
            for name in ("ours", "bare", "floor")
        )
        for name, send in REQUESTS.items():
            yield from _raced(name, {"ours": ours, BARE: bare}, send, headers)
        yield from _raced("GET", {"ours": ours, FLOOR: floor}, REQUESTS["GET"], headers, 0.5)
    yield from _counted(stage, headers, environment)


def set_up(stage: Stage) -> None:
    """Notes of one user, and their views."""
    user = User.new(doc_id="ada", name="Ada")
    stage.save([user, *(Note.new(doc_id=f"n{n:02}", text=f"note {n}", owner=user) for n in range(NOTES))])
    stage.build_all(app, NoteView)


def _raced(
    name: str, hosts: Mapping[str, str], send: Send, headers: Mapping[str, str], least: float = 0.95
) -> Iterator[Row]:
    _, peer = hosts
    rates: dict[str, list[float]] = {each: [] for each in hosts}
    times: dict[str, list[float]] = {each: [] for each in hosts}
    numbers = count(1)
    for turn in range(1 + ROUNDS):
        for each in list(hosts) if turn % 2 else reversed(list(hosts)):
            taken = _load(hosts[each], send, headers, numbers)
            # The first round warms both up.
            if turn:
                rates[each].append(len(taken) / SECONDS)
                times[each] += taken
    ours, bare = (statistics.median(each) for each in rates.values())
    yield Row(f"HTTP {name}", ours, bare, peer, "requests/s", ratio_at_least(least))
    for percent in (50, 99):
        ours, bare = (_percentile(each, percent) for each in times.values())
        yield Row(f"HTTP {name}, p{percent}", ours, bare, peer, "ms")


def _load(host: str, send: Send, headers: Mapping[str, str], numbers: Iterator[int]) -> list[float]:
    """Returns the milliseconds of each request; every client has one connection, and every answer must be 200."""
    deadline = time.perf_counter() + SECONDS

    def client(_: int) -> list[float]:
        taken = []
        connection = HTTPConnection(host)
        while (started := time.perf_counter()) < deadline:
            method, path, body = send(next(numbers))
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {path} of {host} is answered {answer.status}: {content[:200]!r}")
            taken.append((time.perf_counter() - started) * 1000)
        connection.close()
        return taken

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [each for taken in pool.map(client, range(CLIENTS)) for each in taken]


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def _counted(stage: Stage, headers: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[Row]:
    """Returns the database requests of one HTTP request of each."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in environment.items() if name != "PYTHONPATH"})
    try:
        from benchmarks.served import rest_bare

        metered = Metered(stage.database)
        ours = create_app(app.declarations, lambda: metered)
        bare = rest_bare.create_app(stage.counted)
        for number, (name, send) in enumerate(REQUESTS.items(), start=1_000_000):
            was = metered.usage
            _ask(ours, send(number), headers)
            spent = metered.usage - was
            by_hand = _cost_by_hand(stage, bare, send(-number), headers)
            # A list also asks whether other code stored one of its copies, which the version by hand cannot tell.
            most = 2.0 if name == "list" else 1.0
            yield Row(f"HTTP {name}", spent.rpcs, by_hand.rpcs, BARE, "RPCs", ratio_at_most(most))
    finally:
        os.environ.clear()
        os.environ.update(before)


def _cost_by_hand(
    stage: Stage, bare: Flask, request: tuple[str, str, bytes | None], headers: Mapping[str, str]
) -> Usage:
    return cost_of(stage.counted, lambda _: _ask(bare, request, headers))


def _ask(flask: Flask, request: tuple[str, str, bytes | None], headers: Mapping[str, str]) -> Any:
    method, path, body = request
    answer = flask.test_client().open(path, method=method, data=body, headers=dict(headers))
    if answer.status_code != 200:
        raise RuntimeError(f"{method} {path} is answered {answer.status_code}: {answer.text[:200]}")
    return answer
