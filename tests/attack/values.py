"""The surface of values: user code returns values that a document cannot hold, or holds in another spelling.

Whatever the value, no delivery may fail: the view is up to date, or a dead letter names the cause; a form has an
outcome. A stored view and one that is built now must be equal, byte by byte.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from boiler_functions import Boiler, DomainModel, HttpSettings, Rejected, Store, ViewModel, access, attrs, reference
from boiler_functions.modes import dead_letter
from boiler_functions.testing.app import MemoryApp, memory_app
from boiler_functions.testing.http import http_client
from boiler_functions.types import GeoPoint, Reference
from tests.attack.surface import Judge


class Made(NamedTuple):
    """A value, and the place in user code that returns it."""

    place: str
    value: Any

    def __repr__(self) -> str:
        try:
            return f"{self.place}: {self.value!r}"
        except RecursionError:
            return f"{self.place}: a {type(self.value).__name__}, too deep to be shown"


class Thing(DomainModel):
    class Meta:
        collection_name = "things"

    owner = attrs.string(default="ada")
    kept = attrs.mapping(Any)


class ThingStore(Store):
    thing = reference(Thing)


NOTHING = Made("nowhere", None)
made = [NOTHING]
"""The value that user code returns now, as the only item."""


def value_at(place: str, otherwise: Any) -> Any:
    return made[0].value if made[0].place == place else otherwise


class ThingView(ViewModel[ThingStore]):
    class Meta:
        path = "users/{thing.owner}/things/{thing.doc_id}"
        read = write = access.owner("thing.owner")

    @attrs.computed
    def anything(self) -> Any:
        return value_at("a getter of anything", None)

    @attrs.computed
    def inner(self) -> dict[str, Any]:
        return {"at": value_at("a getter of a mapping", None)}

    @attrs.computed
    def items(self) -> list[Any]:
        return [value_at("a getter of a list", None)]

    @attrs.computed
    def text(self) -> str:
        return value_at("a getter of text", "")  # type: ignore[no-any-return]

    @attrs.computed
    def moment(self) -> datetime | None:
        return value_at("a getter of a time", None)  # type: ignore[no-any-return]

    @attrs.computed
    def kept(self) -> dict[str, Any]:
        return self.store.thing.kept or {}

    @kept.setter
    def set_kept(self, value: dict[str, Any]) -> None:
        self.store.thing.kept = {**value, "at": value_at("a setter", None)}
        if made[0].place == "a reason over HTTP":
            raise Rejected(made[0].value)
        if made[0].place == "errors over HTTP":
            raise Rejected("no", made[0].value)


class ThingForm(ViewModel):
    class Meta:
        write = access.owner("user_id")

    def propagate_change(self) -> None:
        match made[0].place:
            case "a task's model":
                Thing.new(doc_id="made", kept={"at": made[0].value}).save()
            case "a task's id":
                Thing.new(doc_id=made[0].value).save()
            case "a task's look-up":
                Thing.get(made[0].value)
            case "a task's reason":
                raise Rejected(made[0].value)
            case "a task's errors":
                raise Rejected("no", made[0].value)
            case "a task's exception":
                raise ValueError(made[0].value)


app = Boiler("things", http=HttpSettings(rate=None))
app.query(app.rest("/things")(ThingView))
app.task("forms/{user_id}/all/{form_id}", writes=[Thing])(ThingForm)

GETTERS = tuple(f"a getter of {each}" for each in ("anything", "a mapping", "a list", "text", "a time"))
CHANGES = ("a setter", "a reason over HTTP", "errors over HTTP")
TASKS = tuple(f"a task's {each}" for each in ("model", "id", "look-up", "reason", "errors", "exception"))

LETTERS = ("", "x", "a/b", ".", "..", "__x__", "\0", "\ud800", "é", " x ", "`", "a.b", "x" * 1501, "y" * 1_100_000)
SCALARS: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 0.0, -0.0, 1e308, math.nan, -math.inf, b"", b"\xff"),
    *(Decimal("0.1"), 1j, uuid.UUID(int=1), date(2020, 1, 1), timedelta(1), object(), len, int, ValueError("x")),
    *(
        bytearray(b"x"),
        memoryview(b"x"),
        {1, 2},
        frozenset("ab"),
        range(3),
        deque([1]),
        Counter("aab"),
        OrderedDict(a=1),
    ),
    *(datetime(2020, 1, 1), datetime.max, datetime.min, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    *(datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=hours, seconds=1))) for hours in (-12, 0, 13)),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    *(GeoPoint(1, 2), GeoPoint(-90.0, 180.0), GeoPoint(91, 0), GeoPoint(math.nan, 0), GeoPoint("x", None)),  # type: ignore[arg-type]
    *(Reference(path) for path in ("things/t", "things", "things/..", "", "/", "projects/p/databases/d/documents/a/b")),
    Reference(5),  # type: ignore[arg-type]
)


def inputs(random: Random) -> Iterator[Made]:
    while True:
        yield Made(random.choice((*GETTERS, *CHANGES, *TASKS)), _value(random, random.choice((0, 1, 2, 3))))


def _value(random: Random, depth: int) -> Any:
    if depth == 0:
        return random.choice(LETTERS if random.random() < 0.3 else SCALARS)
    match random.randrange(8):
        case 0:
            return [_value(random, depth - 1) for _ in range(random.randrange(4))]
        case 1:
            return tuple(_value(random, depth - 1) for _ in range(random.randrange(3)))
        case 2:
            return _in_maps(_value(random, depth - 1), random.choice((1, 17, 18, 19, 20, 21, 3000)))
        case 3:
            return _in_itself(random)
        case 4:
            return (each for each in [_value(random, depth - 1)])
        case _:
            return {random.choice((*LETTERS, 1, None, ("a",))): _value(random, depth - 1) for _ in range(2)}


def _in_maps(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"m": value}
    return value


def _in_itself(random: Random) -> Any:
    inner: dict[str, Any] = {}
    inner["m"] = random.choice((inner, [inner], {"m": inner}))
    return inner


@contextmanager
def judge() -> Iterator[Judge]:
    try:
        yield _wrong
    finally:
        made[0] = NOTHING


def _wrong(each: Made) -> str | None:
    with memory_app(app) as testing:
        made[0] = NOTHING
        testing.write("things/t", {"kept": {}, "owner": "ada"})
        testing.deliver()
        made[0] = each
        return _wrong_at(testing, each.place)


def _wrong_at(testing: MemoryApp, place: str) -> str | None:
    if place in TASKS:
        return _wrong_form(testing)
    if place in CHANGES:
        return _wrong_change(testing)
    testing.write("things/t", {"kept": {"again": True}, "owner": "ada"})
    testing.deliver()
    letters = _letters(testing)
    if any(not letter["message"].startswith(("ThingView", "users/ada/things/t has")) for letter in letters):
        return f"a letter does not name the cause: {letters}"
    return None if letters else _unequal(testing)


def _wrong_form(testing: MemoryApp) -> str | None:
    testing.write("forms/ada/all/f", {})
    testing.deliver()
    outcome = (testing.fields("forms/ada/all/f") or {}).get("outcome")
    if outcome is None:
        return "a form without an outcome"
    if (outcome["status"] == "failed") != bool(_letters(testing)):
        return f"{outcome}, and {len(_letters(testing))} letters"
    return None


def _wrong_change(testing: MemoryApp) -> str | None:
    before = testing.fields("things/t")
    answer = http_client(testing, "ada").patch("/things/t", json={"kept": {"a": 1}})
    if answer.status_code == 200:
        testing.deliver()
        return f"accepted, and then a letter: {_letters(testing)}" if _letters(testing) else _unequal(testing)
    if testing.fields("things/t") != before:
        return f"answered {answer.status_code}, but it was written"
    if answer.status_code not in (422, 500) or set(answer.json or ()) != {"code", "status", "message", "errors"}:
        return f"answered {answer.status_code}: {answer.text:.200}"
    return None


def _unequal(testing: MemoryApp) -> str | None:
    client = http_client(testing, "ada")
    stored, fresh = (client.get(f"/things/t{query}") for query in ("", "?fresh=true"))
    if stored.status_code != 200 or (stored.text, stored.headers["ETag"]) != (fresh.text, fresh.headers["ETag"]):
        return f"stored {stored.status_code} {stored.text:.200}, built now {fresh.status_code} {fresh.text:.200}"
    return None


def _letters(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().items()
    return [dict(each.fields or {}) for path, each in found if path.startswith(dead_letter.COLLECTION)]
