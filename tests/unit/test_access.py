"""Who may: audiences, and the caller whom they admit."""

from collections.abc import Collection
from types import new_class
from typing import Any

import pytest

from boiler_functions import Boiler, Caller, DomainModel, Store, ViewModel, access, attrs, reference, references
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, ImpureGetter
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.views.build import Instance, Reader, build


class User(DomainModel):
    class Meta:
        collection_name = "users"


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    users = attrs.relation(User, many=True)


class MeetingStore(Store):
    meeting = reference(Meeting)
    users = references(Meeting.users)


class Copies:
    """A view with the copies of two users."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        return {"users.doc_id": {"ada", "bob"}, "meeting.doc_id": {"m1"}}[placeholder]


ADA = Caller("ada", {"admin": True, "role": "editor", "level": 1})
EVE = Caller("eve", {"admin": "true", "role": "reader", "level": True})
ADMITTED: list[tuple[access.Audience, list[Caller | None]]] = [
    (access.nobody, []),
    (access.public, [ADA, EVE, None]),
    (access.signed_in, [ADA, EVE]),
    (access.owner("users.doc_id"), [ADA]),
    (access.claim("admin"), [ADA]),
    (access.claim("role", "reader"), [EVE]),
    (access.claim("level", 1), [ADA]),
    (access.claim("level", True), [EVE]),
    (access.claim("absent"), []),
    (access.claim("role", "reader") | access.owner("users.doc_id"), [ADA, EVE]),
    (access.any_of(), []),
    (access.nobody | (lambda caller, view: caller is None), [None]),
    (access.audience(lambda caller, view: caller == EVE), [EVE]),
]


@pytest.mark.parametrize(("audience", "admitted"), ADMITTED, ids=[str(number) for number in range(len(ADMITTED))])
def test_an_audience_admits_only_those_whom_it_names(audience: access.Audience, admitted: list[Caller | None]) -> None:
    assert [each for each in (ADA, EVE, None) if audience.admits(each, Copies())] == admitted


def test_the_parts_of_a_combination_are_its_uncombined_audiences() -> None:
    combined = (access.owner("a.b") | access.signed_in) | access.claim("admin")
    assert list(combined.parts()) == [access.Owner("a.b"), access.SignedIn(), access.Claim("admin")]
    assert list(access.public.parts()) == [access.public]


def test_a_caller_shows_no_claims_in_a_log() -> None:
    assert repr(ADA) == "Caller(uid='ada')"


@pytest.mark.parametrize("placeholder", ["", "{user_id}", "a b"])
def test_an_owner_that_is_not_a_placeholder_is_refused(placeholder: str) -> None:
    with pytest.raises(DeclarationError, match=r"access\.owner"):
        access.owner(placeholder)


@pytest.mark.parametrize(("name", "value"), [("", True), ("role", None), ("role", 1.5), ("roles", ["a"])])
def test_a_claim_that_rules_cannot_compare_is_refused(name: Any, value: Any) -> None:
    with pytest.raises(DeclarationError, match=r"access\.claim"):
        access.claim(name, value)


def view(*, read: Any = None, write: Any = None, path: str | None = None) -> type[ViewModel[MeetingStore]]:
    options = {name: each for name, each in (("read", read), ("write", write), ("path", path)) if each is not None}
    meta = type("Meta", (), options)
    body = {"Meta": meta, "__module__": __name__}
    made: type[ViewModel[MeetingStore]] = new_class(
        "MeetingView", (ViewModel[MeetingStore],), exec_body=lambda namespace: namespace.update(body)
    )
    return made


PATH = "users/{users.doc_id}/meetings/{meeting.doc_id}"


def test_a_view_without_an_audience_admits_nobody() -> None:
    assert (view().__readers__(), view().__writers__()) == (access.nobody, access.nobody)


def test_the_audiences_of_a_view_are_inherited() -> None:
    class Base(ViewModel[MeetingStore]):
        class Meta:
            read = access.public

    class Inner(Base):
        class Meta:
            path = PATH

    assert (Inner.__readers__(), Inner.__writers__()) == (access.public, access.nobody)


@pytest.mark.parametrize("option", ["read", "write"])
@pytest.mark.parametrize("audience", ["public", 1, access.Public, access])
def test_anything_but_an_audience_is_refused_when_the_class_is_made(option: str, audience: Any) -> None:
    with pytest.raises(DeclarationError, match=rf"MeetingView\.Meta\.{option}: .* is not an audience"):
        view(**{option: audience})


@pytest.mark.parametrize("option", ["read", "write"])
@pytest.mark.parametrize("predicate", [lambda: True, lambda caller: True, lambda caller, view, more: True])
def test_a_function_that_cannot_take_a_caller_and_a_view_is_refused_when_the_class_is_made(
    option: str, predicate: Any
) -> None:
    message = rf"MeetingView\.Meta\.{option}: the function <lambda>\(.*\) cannot be called with \(caller, view\)"
    with pytest.raises(DeclarationError, match=message):
        view(**{option: predicate})


def test_an_owner_that_the_path_does_not_name_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"MeetingView\.Meta\.write has owner\('users\.email'\).*users\.doc_id"):
        view(path=PATH, write=access.signed_in | access.owner("users.email"))
    with pytest.raises(DeclarationError, match=r"owner\('users\.doc_id'\).*there are meeting\.doc_id"):
        view(read=access.owner("users.doc_id"))


def test_the_owner_of_a_form_is_a_placeholder_of_its_task() -> None:
    class Form(ViewModel):
        class Meta:
            write = access.owner("user_id")

        def propagate_change(self) -> None:
            """Does nothing."""

    right, wrong = Boiler("demo"), Boiler("demo")
    right.task("users/{user_id}/forms/{form_id}", writes=[])(Form)
    assert list(right.compiled.functions) == ["form_task"]
    wrong.task("users/{uid}/forms/{form_id}", writes=[])(Form)
    with pytest.raises(DeclarationError, match=r"Form\.Meta has owner\('user_id'\).*there are uid, form_id"):
        _ = wrong.compiled


def test_the_owner_of_a_view_that_is_not_a_form_has_a_dot() -> None:
    app = Boiler("demo")
    app.rest("/meetings")(view(read=access.owner("user_id"), path=PATH))
    with pytest.raises(DeclarationError, match=r"MeetingView\.Meta has owner\('user_id'\)"):
        _ = app.compiled


@pytest.fixture
def database() -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put("meetings/m1", {}), Put("users/ada", {})])
    return database


def test_the_owners_of_a_view_are_the_users_of_its_copies(database: MemoryDatabase) -> None:
    documents = {each.path: each for each in database.read(["meetings/m1", "users/ada", "users/bob"]).documents}
    store = MeetingStore({"meeting": ("meetings/m1",), "users": ("users/ada", "users/bob")}, documents, int)
    with active(UnitOfWork(database, documents)):
        assert view(path=PATH).of(store, {}).__owners__("users.doc_id") == {"ada"}


def test_only_a_unit_of_work_has_a_caller(database: MemoryDatabase) -> None:
    unit = UnitOfWork(database, {})
    made = view().of(MeetingStore({}, {}, int), {})
    assert made.caller is None
    unit.caller = ADA
    with active(unit):
        assert made.caller is ADA


def test_a_getter_that_uses_the_caller_is_refused_by_its_code_or_else_when_it_is_built(
    database: MemoryDatabase,
) -> None:
    class Mine(ViewModel[MeetingStore]):
        class Meta:
            path = "mine/{meeting.doc_id}"

        @attrs.computed
        def me(self) -> str | None:
            return self.caller.uid if self.caller else None

    with pytest.raises(DeclarationError, match=r"Mine\.me uses self\.caller; .*same for every reader"):
        Boiler("demo").query(Mine)
    instance, reader = Instance(Mine, "meetings/m1"), Reader(database)
    with pytest.raises(ImpureGetter, match="same for every reader"):
        build(instance, reader, reader.resolve([instance])[instance], "demo/Mine")
