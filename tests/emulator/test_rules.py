"""The generated security rules, as the emulator applies them to a front end's requests."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, NotRequired, TypedDict

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    Embedded,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
)
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import request
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.plan.security_rules import BEGIN, documents, firestore_rules

# They share the emulator of rules.
pytestmark = pytest.mark.xdist_group("rules")


class Color(Enum):
    RED = "red"
    BLUE = "bl'ue"


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Address(Embedded):
    street = attrs.string(required=True)
    city = attrs.string()


class Line(TypedDict):
    text: str
    number: NotRequired[int]


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    title = attrs.string(required=True)
    readers = attrs.relation(User, many=True)


class NoteStore(Store):
    note = reference(Note)
    readers = references(Note.readers)


app = Boiler("rules")


class _NoteView(ViewModel[NoteStore]):
    @attrs.computed
    def title(self) -> str:
        return self.store.note.title


@app.query
class PublicView(_NoteView):
    class Meta:
        path = "publicViews/{note.doc_id}"
        read = access.public


@app.query
class SignedInView(_NoteView):
    class Meta:
        path = "signedInViews/{note.doc_id}"
        read = access.signed_in


@app.query
class OwnView(_NoteView):
    class Meta:
        path = "users/{readers.doc_id}/ownViews/{note.doc_id}"
        read = access.owner("readers.doc_id") | access.claim("admin") | access.claim("ro'le", "editor")


@app.query
@app.document()
class SharedView(_NoteView):
    """Changed by mutations beside its copies."""

    class Meta:
        path = "users/{readers.doc_id}/sharedViews/{note.doc_id}"
        write = access.owner("readers.doc_id")
        versioned = True

    @attrs.computed
    def text(self) -> str:
        return self.store.note.title

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.note.title = value


@app.query
class ClosedView(_NoteView):
    class Meta:
        path = "closedViews/{note.doc_id}"


@app.query
class AskedView(_NoteView):
    class Meta:
        path = "askedViews/{note.doc_id}"
        read = lambda caller, view: True  # noqa: E731


class _Form(ViewModel):
    def propagate_change(self) -> None:
        raise Rejected("a test of rules sends no form to a function")


@app.task("users/{request}/orders/{order_id}", writes=[Note])
class Order(_Form):
    """One field of each type; the placeholder is a word of the rules."""

    class Meta:
        write = access.owner("request")

    text = attrs.string(required=True)
    count = attrs.integer()
    price = attrs.float()
    express = attrs.boolean(default=False)
    moment = attrs.timestamp()
    picture = attrs.bytes()
    place = attrs.geopoint()
    tags = attrs.list(str)
    scores = attrs.mapping(int)
    color = attrs.enum(Color)
    size = attrs.enum(Size)
    address = attrs.embedded(Address)
    note = attrs.relation(Note)
    odd = attrs.string(data_key="o'dd na\\me")
    word = attrs.string(data_key="in")
    anything = attrs.bproperty()

    @attrs.computed
    def day(self) -> date | None:
        return None

    @day.setter
    def set_day(self, value: date | None) -> None:
        """Takes any."""

    @attrs.computed
    def line(self) -> Line | None:
        return None

    @line.setter
    def set_line(self, value: Line | None) -> None:
        """Takes any."""


@app.task("reports/{id}", writes=[Note])
class Report(_Form):
    """Sent by whoever is signed in, in whatever shape; read by nobody."""

    class Meta:
        write = access.signed_in
        unknown = "include"


@app.task("guestbook/{id}", writes=[Note])
class Guest(_Form):
    class Meta:
        write = access.public
        read = access.public

    name = attrs.string(required=True)


@app.task("sealed/{id}", writes=[Note])
class Sealed(_Form):
    """Sent by functions alone."""

    name = attrs.string()


RULES = firestore_rules(documents(app.compiled.declarations))
# What the user wrote into the section that is kept.
OWN = "    match /notes/{id} {\n      allow read: if true;\n    }\n"

ADA = {"sub": "ada"}
BOB = {"sub": "bob"}
ADMIN = {"sub": "root", "admin": True}
NO_ADMIN = {"sub": "eve", "admin": "true"}
EDITOR = {"sub": "ed", "ro'le": "editor"}
# Of a tenant of Identity Platform, where the app admits users of none.
FOREIGN = {"sub": "ada", "admin": True, "firebase": {"tenant": "theirs"}}

ORDER: dict[str, Any] = {"text": "tea"}
STAMP = {"outcome": {"status": "done"}}


@dataclass(frozen=True)
class Reference:
    path: str


@dataclass(frozen=True)
class Case:
    """A request of a user, None for one who is not signed in, and whether it is allowed."""

    user: dict[str, Any] | None
    verb: str
    path: str
    allowed: bool
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        who = self.user["sub"] if self.user else "nobody"
        what = f" {json.dumps(self.fields, default=str)}" if self.fields else ""
        return f"{who} {'may' if self.allowed else 'may not'} {self.verb} {self.path}{what}"


def _reads(path: str, *allowed: Any) -> Iterator[Case]:
    for user in EVERYBODY:
        yield Case(user, "get", path, user in allowed)


def _orders(allowed: bool, **values: Any) -> Case:
    return Case(ADA, "create", "users/ada/orders/new", allowed, {**ORDER, **values})


def _changes(allowed: bool, user: dict[str, Any] | None = ADA, **values: Any) -> Case:
    return Case(user, "create", f"{MUTATIONS}/new", allowed, values)


MUTATIONS = "users/ada/sharedViews/n1/_PATCH_SharedView"

EVERYBODY: tuple[dict[str, Any] | None, ...] = (None, ADA, BOB, ADMIN, NO_ADMIN, EDITOR, FOREIGN)
SIGNED_IN = EVERYBODY[1:-1]

CASES = [
    *_reads("publicViews/n1", *EVERYBODY),
    *_reads("signedInViews/n1", *SIGNED_IN),
    *_reads("users/ada/ownViews/n1", ADA, ADMIN, EDITOR),
    *_reads("closedViews/n1"),
    *_reads("askedViews/n1"),
    *_reads("users/ada/orders/o1", ADA),
    *_reads("reports/r1"),
    *_reads("guestbook/g1", *EVERYBODY),
    *_reads("sealed/s1"),
    *_reads(f"{MUTATIONS}/m1", ADA),
    *_reads("boilerOutbox/rules.tell.Note/boilerOutbox/x"),
    *(case for collection in BOOKKEEPING for case in _reads(f"{collection}/x")),
    *_reads("users/ada"),
    *_reads("elsewhere/x"),
    Case(ADA, "list", "users/ada/ownViews", True),
    Case(BOB, "list", "users/ada/ownViews", False),
    Case(ADA, "list", "publicViews", True),
    Case(ADA, "list", "closedViews", False),
    *(
        Case(user, verb, path, False, {"title": "mine"} if verb != "delete" else {})
        for path in ("publicViews/n1", "signedInViews/n1", "users/ada/ownViews/n1", "closedViews/n1", "askedViews/n1")
        for user, verb in ((ADA, "update"), (ADMIN, "delete"), (None, "update"))
    ),
    *(
        Case(ADMIN, verb, f"{collection}/{name}", False, {"a": 1} if verb != "delete" else {})
        for collection in (*BOOKKEEPING, "elsewhere")
        for verb, name in (("create", "new"), ("update", "x"), ("delete", "x"))
    ),
    Case(ADA, "create", "publicViews/new", False, {"title": "mine"}),
    Case(BOB, "create", "users/ada/orders/new", False, ORDER),
    Case(None, "create", "users/ada/orders/new", False, ORDER),
    Case(ADA, "update", "users/ada/orders/o1", False, ORDER),
    Case(ADA, "delete", "users/ada/orders/o1", False),
    _orders(True),
    _orders(False, outcome={"status": "done"}),
    _orders(False, undeclared=1),
    Case(ADA, "create", "users/ada/orders/new", False, {"count": 1}),
    _orders(False, text=1),
    _orders(False, text=None),
    *(
        _orders(True, **{name: None})
        for name in ("count", "price", "moment", "color", "address", "note", "in", "day", "picture")
    ),
    *(_orders(True, **{name: None}) for name in ("place", "size", "o'dd na\\me", "in", "day", "picture")),
    *(_orders(True, count=value) for value in (0, -(2**63))),
    *(_orders(False, count=value) for value in ("1", 1.5, True)),
    *(_orders(True, price=value) for value in (1, 1.5)),
    _orders(False, price="1"),
    _orders(True, express=True),
    *(_orders(False, express=value) for value in (None, 1)),
    _orders(True, moment={"timestampValue": "2030-01-02T03:04:05Z"}),
    _orders(False, moment="2030-01-02T03:04:05Z"),
    _orders(True, picture=b"\x00"),
    _orders(False, picture="AA=="),
    _orders(True, place={"geoPointValue": {"latitude": 1, "longitude": 2}}),
    _orders(False, place={"latitude": 1, "longitude": 2}),
    _orders(True, tags=["a"]),
    *(_orders(False, tags=value) for value in (None, "a", {"a": 1})),
    _orders(True, scores={"a": 1}),
    *(_orders(False, scores=value) for value in (None, [1])),
    *(_orders(True, color=value) for value in ("red", "bl'ue")),
    _orders(False, color="green"),
    _orders(True, size=2),
    *(_orders(False, size=value) for value in (3, "1")),
    *(
        _orders(True, address=value)
        for value in ({"street": "x"}, {"street": "x", "city": None}, {"street": "x", "city": "y"})
    ),
    *(
        _orders(False, address=value)
        for value in ("x", {}, {"street": 1}, {"street": "x", "city": 1}, {"street": "x", "zip": 1})
    ),
    _orders(True, note=Reference("notes/n1")),
    _orders(False, note="notes/n1"),
    *(_orders(True, **{name: "text"}) for name in ("o'dd na\\me", "in", "day")),
    *(_orders(False, **{name: 1}) for name in ("o'dd na\\me", "in", "day")),
    *(_orders(True, anything=value) for value in (None, 1, "x", {"a": [1]})),
    *(_orders(True, line=value) for value in ({"text": "a"}, {"text": "a", "number": 1}, None)),
    *(
        _orders(False, line=value)
        for value in ({}, "a", {"text": 1}, {"text": "a", "number": "1"}, {"text": "a", "x": 1})
    ),
    _changes(True, text="x"),
    _changes(True, text="x", if_version="v1"),
    _changes(True, if_version="v1"),
    _changes(False, BOB, text="x"),
    _changes(False, None, text="x"),
    _changes(False, ADMIN, text="x"),
    _changes(False, FOREIGN, text="x"),
    _changes(False, text=1),
    _changes(False, text=None),
    _changes(False, title="x"),
    _changes(False, text="x", if_version=1),
    _changes(False, text="x", **STAMP),
    Case(ADA, "create", "users/ada/sharedViews/n1/_PATCH_OwnView/new", False, {"text": "x"}),
    Case(ADA, "update", f"{MUTATIONS}/m1", False, {"text": "x"}),
    Case(ADA, "delete", f"{MUTATIONS}/m1", False),
    Case(BOB, "create", "reports/new", True, {"whatever": 1}),
    Case(BOB, "create", "reports/new", False, {"whatever": 1, **STAMP}),
    Case(None, "create", "reports/new", False, {"whatever": 1}),
    Case(BOB, "update", "reports/r1", False, {"whatever": 1}),
    Case(None, "create", "guestbook/new", True, {"name": "me"}),
    *(Case(None, "create", "guestbook/new", False, each) for each in ({"name": 1}, {}, {"name": "me", "color": "red"})),
    Case(None, "delete", "guestbook/g1", False),
    Case(None, "get", "notes/n1", True),
    Case(ADMIN, "update", "notes/n1", False, {"title": "x"}),
    Case(ADMIN, "create", "sealed/new", False, {"name": "me"}),
]

THERE = (
    *("publicViews/n1", "signedInViews/n1", "users/ada/ownViews/n1", "closedViews/n1", "askedViews/n1"),
    *("users/ada/orders/o1", "reports/r1", "guestbook/g1", "sealed/s1", "users/ada", "elsewhere/x", "notes/n1"),
    *(f"{collection}/x" for collection in BOOKKEEPING),
    "boilerOutbox/rules.tell.Note/boilerOutbox/x",
    f"{MUTATIONS}/m1",
)


def token(claims: dict[str, Any]) -> str:
    """An unsigned token, which the emulator takes for one of Firebase's."""
    parts = [{"alg": "none", "typ": "JWT"}, {"iat": 0, "user_id": claims["sub"], **claims}]
    encoded = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join([*encoded, ""])


def encoded(project: str, value: Any) -> dict[str, Any]:
    """The value as Firestore's REST API has it."""
    match value:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"integerValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": b64encode(value).decode()}
        case Reference(path=path):
            return {"referenceValue": f"projects/{project}/databases/(default)/documents/{path}"}
        case list():
            return {"arrayValue": {"values": [encoded(project, each) for each in value]}}
        case {"timestampValue": _} | {"geoPointValue": _}:
            return dict(value)
        case _:
            return {"mapValue": {"fields": {name: encoded(project, each) for name, each in value.items()}}}


@dataclass(frozen=True)
class Client:
    """The Firestore of one project, as a front end reaches it."""

    host: str
    project: str

    def use(self, rules: str) -> None:
        """Sets the rules of the project."""
        body = json.dumps({"rules": {"files": [{"name": "firestore.rules", "content": rules}]}}).encode()
        headers = {"Content-Type": "application/json"}
        answer = request(self.host, "PUT", f"/emulator/v1/projects/{self.project}:securityRules", body, headers)
        assert answer.status == 200, answer.text

    def ask(self, case: Case) -> int:
        """The status of the answer: 200, or 403 where the rules deny."""
        authorization = {"Authorization": f"Bearer {token(case.user)}"} if case.user else {}
        return self.send(case.verb, case.path, case.fields, authorization)

    def put(self, path: str, fields: dict[str, Any]) -> None:
        """Writes past the rules, as a function does."""
        assert self.send("update", path, fields, {"Authorization": "Bearer owner"}) == 200

    def send(self, verb: str, path: str, fields: dict[str, Any], headers: dict[str, str]) -> int:
        documents = f"/v1/projects/{self.project}/databases/(default)/documents"
        body = json.dumps({"fields": {name: encoded(self.project, each) for name, each in fields.items()}}).encode()
        collection, _, name = path.rpartition("/")
        method, address, content = {
            "get": ("GET", path, None),
            "list": ("GET", path, None),
            "create": ("POST", f"{collection}?documentId={name}", body),
            "update": ("PATCH", path, body),
            "delete": ("DELETE", path, None),
        }[verb]
        headers = {**headers, **({"Content-Type": "application/json"} if content else {})}
        return request(self.host, method, f"{documents}/{address}", content, headers).status

    def coverage(self) -> dict[str, list[Any]]:
        """The values that each expression of the rules had, by where it stands and its text."""
        answer = request(self.host, "GET", f"/emulator/v1/projects/{self.project}:ruleCoverage")
        found = json.loads(answer.text)
        text = found["rules"]["files"][0]["content"]
        return {
            f"{at['line']}:{at['column']} {text[at['currentOffset'] : at['endOffset'] + 1]}": [
                each["value"].get("boolValue", each["value"]) for each in expression.get("values", [])
            ]
            for expression in _flat(found["report"])
            for at in [expression["sourcePosition"]]
        }


def _flat(expressions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in expressions:
        if "sourcePosition" in each:
            yield each
        yield from _flat(each.get("children", []))


@pytest.fixture
def client(rules_emulator: FirestoreEmulator, project: str) -> Client:
    """A project with the generated rules, and a document of each kind."""
    found = Client(rules_emulator.host, project)
    found.use(firestore_rules(documents(app.compiled.declarations), RULES.replace(BEGIN, f"{BEGIN}\n{OWN}", 1)))
    for path in THERE:
        found.put(path, {"title": "there"})
    return found


def test_every_rule_allows_and_denies_as_it_was_declared(client: Client) -> None:
    wrong = []
    for case in CASES:
        status = client.ask(case)
        if status != (200 if case.allowed else 403):
            wrong.append(f"{case}: {status}")
        if case.verb == "create" and status == 200:
            assert client.send("delete", case.path, {}, {"Authorization": "Bearer owner"}) == 200
    assert wrong == []


def test_every_expression_of_the_rules_was_evaluated_and_every_condition_both_held_and_failed(client: Client) -> None:
    for case in CASES:
        client.ask(case)
    coverage = client.coverage()
    assert len(coverage) > 200
    assert [expression for expression, values in coverage.items() if not values] == []
    # An operand that raises an error, as that of a missing field does, has no value.
    outcomes = {expression: [each for each in values if each != {}] for expression, values in coverage.items()}
    conditions = {expression: set(map(str, values)) for expression, values in outcomes.items() if values}
    assert [each for each, values in conditions.items() if values in ({"True"}, {"False"})] == []
