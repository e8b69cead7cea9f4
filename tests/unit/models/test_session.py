"""Where models read and write: the database itself, a unit of work, or nowhere while a view is built."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from boiler_functions import DomainModel, attrs, use
from boiler_functions.database import ABSENT, PRESENT, Delete, Document, Precondition, Put, Write
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict, ImpureGetter, InvalidDocument, TaskFailed
from boiler_functions.models import session
from boiler_functions.models.session import Direct, Snapshot, UnitOfWork, active, overlaid
from boiler_functions.types import Reference


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string()
    age = attrs.integer()
    friend = attrs.relation("User")


class Letter(DomainModel):
    class Meta:
        collection_name = "letters"

    to = attrs.relation(User, by=User.name)


class Profile(DomainModel):
    class Meta:
        collection_name = "users"

    motto = attrs.string()


def database_with(**users: dict[str, Any]) -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put(f"users/{doc_id}", fields) for doc_id, fields in users.items()])
    return database


def fields_of(database: MemoryDatabase, doc_id: str) -> dict[str, Any] | None:
    fields = database.read([f"users/{doc_id}"]).documents[0].fields
    return None if fields is None else dict(fields)


def commit(database: MemoryDatabase, unit: UnitOfWork, *, verify: bool = True) -> None:
    database.commit(unit.commit_writes(verify=verify), verify=unit.found if verify else ())


# use, and which session is active.


def test_use_is_for_the_block_and_may_be_nested() -> None:
    one, other = MemoryDatabase(), MemoryDatabase()
    with use(one):
        with use(other):
            User.new(doc_id="a").save()
        assert User.get("a") is None
    with use(other):
        assert User.get("a") is not None


def test_use_ends_when_the_block_raises() -> None:
    outer = MemoryDatabase()
    with use(outer):
        with pytest.raises(ZeroDivisionError), use(MemoryDatabase()):
            _ = 1 / 0
        User.new(doc_id="a").save()
        assert fields_of(outer, "a") is not None


def test_tasks_of_one_thread_keep_their_sessions_apart() -> None:
    """One process serves many events at once: no session may leak into another."""

    async def work(database: MemoryDatabase, doc_id: str) -> None:
        with use(database):
            await asyncio.sleep(0)
            User.new(doc_id=doc_id).save()

    async def both(one: MemoryDatabase, other: MemoryDatabase) -> None:
        await asyncio.gather(work(one, "a"), work(other, "b"))

    one, other = MemoryDatabase(), MemoryDatabase()
    asyncio.run(both(one, other))
    assert (fields_of(one, "a") is None, fields_of(one, "b") is None) == (False, True)
    assert (fields_of(other, "a") is None, fields_of(other, "b") is None) == (True, False)


def test_a_direct_session_reads_anew_each_time_and_writes_at_once() -> None:
    metered = Metered(database_with(a={"name": "Ada"}))
    with use(metered):
        assert User.get("a") is not User.get("a")
        User.new(doc_id="b").save()
    assert metered.usage.rpcs == 3
    assert isinstance(Direct(metered).models, dict)


# Snapshot.


class Team(DomainModel):
    class Meta:
        collection_name = "teams"

    users = attrs.relation(User, many=True)


def related(*paths: str) -> Sequence[User]:
    return Team.new(users=[Reference(path) for path in paths]).users


def snapshot(*documents: Document) -> Snapshot:
    return Snapshot({document.path: document for document in documents}, "UserView")


ADA = Document("users/a", {"name": "Ada"}, 1)


def test_a_snapshot_resolves_relations_among_its_documents() -> None:
    bob = Document("users/b", {"name": "Bob"}, 1)
    with active(snapshot(ADA, bob)):
        assert [user.name for user in related("users/b", "users/a")] == ["Bob", "Ada"]


def test_a_snapshot_knows_documents_that_are_missing() -> None:
    with active(snapshot(Document("users/b"))):
        assert related("users/b") == ()


def test_one_document_of_a_snapshot_is_one_object() -> None:
    with active(snapshot(ADA)):
        assert related("users/a")[0] is related("users/a")[0]


def test_a_relation_out_of_a_snapshot_fails_and_says_to_declare_it_in_the_store() -> None:
    with (
        active(snapshot(ADA)),
        pytest.raises(ImpureGetter, match=r"UserView follows a relation to users/b"),
    ):
        related("users/b")


def test_a_getter_that_reads_queries_or_writes_fails_with_what_it_did() -> None:
    with active(snapshot(ADA)):
        with pytest.raises(ImpureGetter, match=r"A getter of UserView reads users/a"):
            User.get("a")
        with pytest.raises(ImpureGetter, match=r"A getter of UserView queries users"):
            list(User.where(name="Ada"))
        with pytest.raises(ImpureGetter, match=r"A getter of UserView writes users/b"):
            User.new(doc_id="b").save()
        with pytest.raises(ImpureGetter, match=r"A getter of UserView writes users/a"):
            related("users/a")[0].delete()


# UnitOfWork.


def test_a_unit_of_work_writes_nothing_until_it_is_committed() -> None:
    database = database_with(a={"name": "Ada"})
    unit = UnitOfWork(database, {})
    with active(unit):
        User.new(doc_id="b", name="Bob").save()
    assert fields_of(database, "b") is None
    commit(database, unit)
    assert (fields_of(database, "b") or {})["name"] == "Bob"


def test_a_unit_of_work_reads_each_document_once_and_at_one_time() -> None:
    database = database_with(a={"name": "Ada"}, b={"name": "Bob"})
    metered = Metered(database)
    unit = UnitOfWork(metered, {})
    with active(unit):
        first = User.get("a")
        database.commit([Put("users/b", {"name": "Bill"})])
        bob = User.get("b")
        assert User.get("a") is first
    assert bob is not None
    assert bob.name == "Bob"
    assert metered.usage.rpcs == 2


def test_a_unit_of_work_reads_its_own_writes() -> None:
    unit = UnitOfWork(database_with(a={"name": "Ada", "age": 5}), {})
    with active(unit):
        ada = User.get("a")
        assert ada is not None
        ada.name = "Augusta"
        ada.save()
        again = User.get("a")
        assert again is not None
        assert (again.name, again.age) == ("Augusta", 5)
        again.delete()
        assert User.get("a") is None
        User.new(doc_id="c", name="Carl").save()
        carl = User.get("c")
        assert carl is not None
        assert carl.name == "Carl"


def test_a_read_document_that_changed_meanwhile_is_a_conflict() -> None:
    database = database_with(a={"name": "Ada"})
    unit = UnitOfWork(database, {})
    with active(unit):
        User.get("a")
        User.new(doc_id="b").save()
    database.commit([Put("users/a", {"name": "Augusta"})])
    with pytest.raises(Conflict, match="users/a"):
        commit(database, unit)
    assert fields_of(database, "b") is None


def test_a_read_miss_that_was_filled_meanwhile_is_a_conflict() -> None:
    database = MemoryDatabase()
    unit = UnitOfWork(database, {})
    with active(unit):
        assert User.get("a") is None
        User.new(doc_id="b").save()
    database.commit([Put("users/a", {})])
    with pytest.raises(Conflict, match="users/a"):
        commit(database, unit)


def test_a_query_that_would_find_more_now_is_a_conflict() -> None:
    database = database_with(a={"name": "Ada"})
    unit = UnitOfWork(database, {})
    with active(unit):
        assert [user.doc_id for user in User.where(name="Ada")] == ["a"]
        User.new(doc_id="b").save()
    database.commit([Put("users/c", {"name": "Ada"})])
    with pytest.raises(Conflict, match="users/c"):
        commit(database, unit)


def test_without_verification_only_what_is_written_must_be_as_it_was() -> None:
    database = database_with(a={"name": "Ada"}, b={"name": "Bob"})
    unit = UnitOfWork(database, {})
    with active(unit):
        User.get("a")
        bob = User.get("b")
        assert bob is not None
        bob.age = 5
        bob.save()
    database.commit([Put("users/a", {"name": "Augusta"})])
    commit(database, unit, verify=False)
    assert (fields_of(database, "b") or {})["age"] == 5


def test_documents_of_a_reference_with_verify_false_are_not_verified() -> None:
    unit = UnitOfWork(MemoryDatabase(), {"users/a": ADA, "users/b": Document("users/b")})
    unit.unverified.add("users/a")
    assert unit.commit_writes() == [Delete("users/b", precondition=ABSENT)]


def test_a_changed_model_is_written_with_the_version_that_was_read() -> None:
    unit = UnitOfWork(MemoryDatabase(), {"users/a": Document("users/a", {"name": "Ada", "obj_type": "User"}, 7)})
    with active(unit):
        ada = User.get("a")
        assert ada is not None
        ada.age = 5
        ada.save()
    (write,) = unit.commit_writes()
    assert write.precondition == Precondition(version=7)


def test_saving_a_new_model_twice_in_a_task_commits() -> None:
    database = MemoryDatabase()
    unit = UnitOfWork(database, {})
    with active(unit):
        user = User.new(doc_id="a", name="Ada")
        user.save()
        user.age = 5
        user.save()
    commit(database, unit)
    fields = fields_of(database, "a") or {}
    assert (fields["name"], fields["age"]) == ("Ada", 5)


def test_a_model_that_is_deleted_and_saved_again_in_a_task_is_whole() -> None:
    database = database_with(a={"name": "Ada", "age": 5, "note": "gone"})
    unit = UnitOfWork(database, {})
    with active(unit):
        ada = User.get("a")
        assert ada is not None
        ada.delete()
        ada.name = "Augusta"
        ada.save()
    commit(database, unit)
    fields = fields_of(database, "a") or {}
    assert (fields.get("name"), fields.get("age")) == ("Augusta", 5)


def test_a_model_that_is_saved_and_deleted_in_a_task_is_gone() -> None:
    database = database_with(a={"name": "Ada"})
    unit = UnitOfWork(database, {})
    with active(unit):
        user = User.new(doc_id="a", name="x")
        user.save()
        user.delete()
    commit(database, unit)
    assert fields_of(database, "a") is None


def test_undeclared_fields_survive_two_saves_in_a_task() -> None:
    database = database_with(a={"name": "Ada", "note": "kept"})
    unit = UnitOfWork(database, {})
    with active(unit):
        for age in (5, 6):
            ada = User.get("a")
            assert ada is not None
            ada.age = age
            ada.save()
    commit(database, unit)
    fields = fields_of(database, "a") or {}
    assert (fields["note"], fields["age"]) == ("kept", 6)


def test_a_query_after_a_write_is_refused_with_what_was_written() -> None:
    unit = UnitOfWork(MemoryDatabase(), {})
    with active(unit):
        User.new(doc_id="a").save()
        with pytest.raises(TaskFailed, match=r"users is queried after users/a was written"):
            list(User.all())


def test_writing_while_iterating_a_short_selection_is_allowed() -> None:
    database = database_with(a={"name": "Ada"}, b={"name": "Bob"})
    unit = UnitOfWork(database, {})
    with active(unit):
        for user in User.all():
            user.age = 1
            user.save()
    commit(database, unit)
    assert (fields_of(database, "b") or {})["age"] == 1


def test_a_query_result_and_a_read_of_it_are_one_object() -> None:
    unit = UnitOfWork(database_with(a={"name": "Ada"}), {})
    with active(unit):
        (found,) = User.where(name="Ada")
        assert User.get("a") is found


def test_two_models_of_one_collection_are_told_apart() -> None:
    unit = UnitOfWork(database_with(a={"name": "Ada", "motto": "x"}), {})
    with active(unit):
        user, profile = User.get("a"), Profile.get("a")
    assert type(user) is User
    assert type(profile) is Profile


# Merging writes.


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([Put("u/a", {"x": 1}, mask=("x",)), Put("u/a", {"y": 2}, mask=("y",))], {"x": 1, "y": 2, "old": 0}),
        ([Put("u/a", {"x": 1}, mask=("x",)), Put("u/a", {"x": 2}, mask=("x",))], {"x": 2, "old": 0}),
        ([Put("u/a", {"x": 1}, mask=("x",)), Put("u/a", {}, mask=("x",))], {"old": 0}),
        ([Put("u/a", {"x": 1}), Put("u/a", {"y": 2}, mask=("y",))], {"x": 1, "y": 2}),
        ([Put("u/a", {"x": 1}, mask=("x",)), Put("u/a", {"y": 2})], {"y": 2}),
        ([Delete("u/a"), Put("u/a", {"y": 2}, mask=("y",))], {"y": 2}),
        ([Put("u/a", {"x": 1}), Delete("u/a")], None),
        ([Put("u/a", {"x y": 1}, mask=("`x y`",)), Put("u/a", {"x y": 2}, mask=("`x y`",))], {"x y": 2, "old": 0}),
        ([Put("u/a", {"x": 1}, ("x",), PRESENT), Put("u/a", {"y": 2}, ("y",), PRESENT)], {"x": 1, "y": 2, "old": 0}),
    ],
)
def test_several_writes_of_one_document_are_one_that_does_the_same(writes: list[Write], expected: Any) -> None:
    one_by_one, at_once = MemoryDatabase(), MemoryDatabase()
    for database in (one_by_one, at_once):
        database.commit([Put("u/a", {"old": 0})])
    for write in writes:
        one_by_one.commit([write])
    unit = UnitOfWork(at_once, {})
    for write in writes:
        unit.write(write)
    commit(at_once, unit)
    assert len(unit.writes) == 1
    assert one_by_one.read(["u/a"]).documents[0].fields == expected
    assert at_once.read(["u/a"]).documents[0].fields == expected


def test_a_put_lies_over_the_stored_fields_as_its_mask_says() -> None:
    stored = {"a": 1, "b c": 2}
    assert overlaid(stored, {"a": 9}, ("a",)) == {"a": 9, "b c": 2}
    assert overlaid(stored, {}, ("`b c`",)) == {"a": 1}
    assert overlaid(stored, {"d": 1}, None) == {"d": 1}


def test_outside_of_any_session_models_use_the_default_database(monkeypatch: pytest.MonkeyPatch) -> None:
    database = MemoryDatabase()
    monkeypatch.setattr(session, "default_database", lambda: database)
    User.new(doc_id="a").save()
    assert fields_of(database, "a") is not None


# What a relation finds by a value, in a unit of work.


def test_a_unit_of_work_finds_by_a_value_what_its_own_writes_leave() -> None:
    database = database_with(a={"name": "Ada"}, b={"name": "Bob"})
    unit = UnitOfWork(database, {})
    with active(unit):
        letter = Letter.new("l", to="Ada")

        def found() -> User | None:
            return letter.to

        ada, bob = User.get("a"), User.get("b")
        assert ada is not None
        assert bob is not None
        assert found() == ada
        ada.name = "Countess"
        ada.save()
        assert found() is None
        bob.name = "Ada"
        bob.save()
        assert found() == bob
        User.new("n", name="New").save()
        assert Letter.new("m", to="New").to is not None
        bob.delete()
        assert found() is None
    commit(database, unit)
    assert fields_of(database, "b") is None


def test_a_third_document_of_a_value_shows_once_a_write_takes_the_value_from_the_first() -> None:
    database = database_with(a={"name": "Ada"}, b={"name": "Ada"}, c={"name": "Ada"})
    unit = UnitOfWork(database, {})
    with active(unit):
        letter = Letter.new("l", to="Ada")
        for doc_id, names in (("a", "users/a and users/b"), ("b", "users/b and users/c")):
            with pytest.raises(InvalidDocument, match=f"'Ada' is the name of {names}"):
                _ = letter.to
            one = User.get(doc_id)
            assert one is not None
            one.name = "Other"
            one.save()
        assert letter.to == User.get("c")


def test_a_commit_fails_if_another_document_got_the_value_that_a_relation_was_followed_by() -> None:
    database = database_with(a={"name": "Ada"})
    for other in ({"name": "Ada"}, None):
        unit = UnitOfWork(database, {})
        with active(unit):
            letter = Letter.new("l", to="Ada")
            assert letter.to is not None
            letter.save()
        database.commit([Put("users/z", {"name": "Ada"})] if other else [Delete("users/a")])
        with pytest.raises(Conflict):
            commit(database, unit)
        database.commit([Delete("users/z")])
