"""HTTP, sockets, security rules and Document mode decide alike about every caller."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from boiler_functions import Boiler, DomainModel, HttpSettings, Store, ViewModel, access, attrs, reference
from boiler_functions.access import Audience, Public
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.rest.application import create_app
from boiler_functions.modes.websocket.sockets import Sockets
from boiler_functions.plan.security_rules import documents, firestore_rules
from boiler_functions.testing import MemoryApp, memory_app, unsigned_token
from tests.emulator.test_rules import Case, Client
from tests.unit.modes.websocket.test_endings import Wire

# They share the emulator of rules.
pytestmark = pytest.mark.xdist_group("rules")

AUDIENCES = 12
CALLERS = 25

OWNERS = ("ada", "bob", "a'b", "a b", "grün", "a%2Fb", "$(x)", "{x}", "東京")
STRANGE = ("a/b", "ADA", "gru\u0308n", "a", ".")
CLAIMS: dict[str, tuple[Any, ...]] = {
    "admin": (True, False, "true", 1, None),
    "level": (1, 2, 1.0, 1.5, "1", True, 2**53, 0),
    "role": ("editor", "Editor", "", ["editor"], "a'b"),
    "o'dd.na\\me": ("x", "\n", True),
    "email_verified": (True, False),
}


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    owner = attrs.string(required=True)
    title = attrs.string(required=True)


class NoteStore(Store):
    note = reference(Note)


class Shown(ViewModel[NoteStore]):
    @attrs.computed
    def title(self) -> str:
        return self.store.note.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.note.title = value


class Someone(NamedTuple):
    """A caller: a user's id, None without a token, and the claims of the token."""

    uid: str | None
    claims: dict[str, Any]

    def token(self, project: str) -> str | None:
        return None if self.uid is None else unsigned_token(self.uid, project=project, **self.claims)

    def __repr__(self) -> str:
        return f"{self.uid!r} with {self.claims}"


def audience(random: Random) -> Audience:
    parts = [
        access.public,
        access.signed_in,
        access.owner("note.owner"),
    ]
    for name, values in CLAIMS.items():
        value = random.choice([each for each in values if type(each) in (str, bool, int)])
        parts.append(access.claim(name, value))
    weights = [1, 1, 4, *[2] * (len(parts) - 3)]
    return access.any_of(*random.choices(parts, weights, k=random.choice((1, 1, 2, 3))))


def someone(random: Random) -> Someone:
    if random.random() < 0.1:
        return Someone(None, {})
    claims = {name: random.choice(values) for name, values in CLAIMS.items() if random.random() < 0.5}
    firebase: dict[str, Any] = {"sign_in_provider": random.choice(("anonymous", "password", "custom"))}
    if (tenant := random.choice((None, None, "ours", "theirs"))) is not None:
        firebase["tenant"] = tenant
    return Someone(random.choice((*OWNERS, *OWNERS, *STRANGE)), {**claims, "firebase": firebase})


def app_of(random: Random, tenant: str | None) -> Boiler:
    app = Boiler("agreeing", http=HttpSettings(tenant=tenant, rate=None))
    for number in range(AUDIENCES):
        meta = {
            "path": f"users/{{note.owner}}/v{number}/{{note.doc_id}}",
            "read": audience(random),
            "write": audience(random),
        }
        view: Any = type(f"View{number}", (Shown,), {"Meta": type("Meta", (), meta), "__module__": __name__})
        app.query(app.rest(f"/v{number}")(app.websocket(f"/v{number}")(app.document()(view))))
    return app


@pytest.mark.parametrize("tenant", [None, "ours"])
@pytest.mark.parametrize("seed", range(2))
def test_every_surface_decides_alike_about_every_caller(
    seed: int,
    tenant: str | None,
    rules_emulator: FirestoreEmulator,
    project: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    random = Random(seed)
    app = app_of(random, tenant)
    rules = Client(rules_emulator.host, project)
    rules.use(firestore_rules(documents(app.compiled.declarations)))
    with memory_app(app) as testing:
        owner = {f"n{number}": uid for number, uid in enumerate(OWNERS)}
        for doc_id, uid in owner.items():
            Note.new(doc_id=doc_id, owner=uid, title=doc_id).save()
        testing.deliver()
        for doc_id, uid in owner.items():
            for number in range(AUDIENCES):
                rules.put(f"users/{quote(uid, safe='')}/v{number}/{doc_id}", {"title": "there"})
        callers = [someone(random) for _ in range(CALLERS)]
        wrong = list(disagreements(random, app, testing, rules, owner, callers, project))
    assert wrong == [], f"seed {seed}"


def disagreements(
    random: Random,
    app: Boiler,
    testing: MemoryApp,
    rules: Client,
    owner: dict[str, str],
    callers: list[Someone],
    project: str,
) -> Iterator[str]:
    declarations = app.compiled.declarations
    http = create_app(declarations, lambda: testing.database).test_client()
    asked = 0
    for caller in callers:
        token = caller.token(project)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        payload = json.loads(_decoded(token)) if token else None
        views = [(number, random.choice(list(owner))) for number in range(AUDIENCES)]
        followed = asyncio.run(follow(declarations, testing, token, views))
        for number, doc_id in views:
            view = declarations.stored[number]
            path = f"users/{quote(owner[doc_id], safe='')}/v{number}/{doc_id}"
            asked += 1
            said = {
                "HTTP": http.get(f"/v{number}/{doc_id}", headers=headers).status_code == 200,
                "rules": rules.ask(Case(payload, "get", path, True)) == 200,
                "sockets": followed[number] == 200,
            }
            if len(set(said.values())) > 1 and not (said["rules"] and is_public(view.__readers__())):
                yield f"{caller!r} reads {path}: {said}; for {view.__readers__()}"
            patched = http.patch(f"/v{number}/{doc_id}", json={"title": "x"}, headers=headers)
            mutation = f"{path}/_PATCH_View{number}/m{asked}"
            changed = {
                "HTTP": patched.status_code < 300,
                "rules": rules.ask(Case(payload, "create", mutation, True, {"title": "x"})) == 200,
            }
            if len(set(changed.values())) > 1 and not (changed["rules"] and is_public(view.__writers__())):
                yield f"{caller!r} changes {path}: {changed}; for {view.__writers__()}"


def is_public(audience: Audience) -> bool:
    """Whether everybody may: a token that HTTP refuses can be left away, and rules need not ask for one."""
    return any(isinstance(part, Public) for part in audience.parts())


async def follow(
    declarations: Any, testing: MemoryApp, token: str | None, views: list[tuple[int, str]]
) -> dict[int, int]:
    """The code with which a socket is answered that subscribes to each of the views."""
    sockets = Sockets(declarations, lambda: testing.database)
    wire = Wire(sockets)
    for number, doc_id in views:
        auth = json.dumps({"token": token}) if token else ""
        wire.say(f"40/v{number},{auth}")
        wire.say(f'42/v{number},1["subscribe",{{"id":"{doc_id}"}}]')
    codes: dict[int, int] = {}
    async with asyncio.timeout(20):
        while len(codes) < len(views):
            await asyncio.sleep(0.005)
            for text in wire.told():
                name, _, rest = text[2:].partition(",")
                if text.startswith("44/"):
                    codes[int(name[2:])] = 401
                elif text.startswith("43/"):
                    codes[int(name[2:])] = json.loads(rest[1:])[0]["code"]
    wire.hang_up()
    await wire.serving
    await sockets.close()
    return codes


def _decoded(token: str) -> bytes:
    body = token.split(".")[1]
    return urlsafe_b64decode(body + "=" * (-len(body) % 4))
