"""Document mode: a mutation beside a copy of a view takes effect exactly once, for whom it is admitted."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference, references
from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import (
    InvalidAccess,
    InvalidAttribute,
    InvalidPattern,
    TriggersItself,
    UnknownOutcome,
)
from boiler_functions.modes.rest.representation import etag_of
from boiler_functions.plan.security_rules import documents, firestore_rules
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises

COPY = "users/ann/counters/one"
MUTATION = f"{COPY}/_PATCH_CounterView/m1"


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Counter(DomainModel):
    class Meta:
        collection_name = "counters"

    count = attrs.integer(default=0)
    label = attrs.string(default="")
    users = attrs.relation(User, many=True)


class CounterStore(Store):
    counter = reference(Counter)
    users = references(Counter.users)


class Counting(ViewModel[CounterStore]):
    @attrs.computed
    def count(self) -> int:
        return self.store.counter.count

    @attrs.computed
    def label(self) -> str:
        return self.store.counter.label

    @label.setter
    def set_label(self, value: str) -> None:
        if value == "forbidden":
            raise Rejected("not that one", {"label": ["forbidden"]})
        self.store.counter.label = value

    @attrs.computed
    def add(self) -> int:
        """Always 0: a value that is written here is added, so that a doubled effect shows."""
        return 0

    @add.setter
    def set_add(self, value: int) -> None:
        self.store.counter.count += value


def counting(*, versioned: bool = False, **options: Any) -> Boiler:
    """An app with a view of a counter, a copy for each user, which they may change by documents."""
    app = Boiler("demo")

    meta = {
        "path": "users/{users.doc_id}/counters/{counter.doc_id}",
        "read": access.public,
        "write": access.owner("users.doc_id"),
        "versioned": versioned,
    }

    class CounterView(Counting):
        Meta = type("Meta", (), meta)

    app.query(CounterView)
    app.document(**options)(CounterView)
    return app


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with opened(counting()) as memory:
        yield memory


@pytest.fixture
def versioned() -> Iterator[MemoryApp]:
    with opened(counting(versioned=True)) as memory:
        yield memory


@contextmanager
def opened(app: Boiler) -> Iterator[MemoryApp]:
    """The app in memory, with a counter of two users whose copies are built."""
    with memory_app(app) as testing:
        for name in ("ann", "ben", "eve"):
            User.new(doc_id=name, name=name).save()
        Counter.new(doc_id="one", users=["ann", "ben"]).save()
        testing.deliver()
        yield testing


def outcome(testing: MemoryApp, path: str = MUTATION) -> dict[str, Any]:
    found: dict[str, Any] = (testing.fields(path) or {})["outcome"]
    return found


def count(testing: MemoryApp) -> object:
    return (testing.fields("counters/one") or {})["count"]


def version(testing: MemoryApp, path: str = COPY) -> str:
    return str((testing.fields(path) or {})["doc_version"])


# Effects.


def test_a_mutation_takes_effect_through_the_setters_and_every_copy_follows(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2, label="two")
    testing.deliver()
    assert outcome(testing)["status"] == "done"
    for user in ("ann", "ben"):
        found = testing.fields(f"users/{user}/counters/one") or {}
        assert (found["count"], found["label"]) == (2, "two")


def test_a_mutation_that_is_delivered_twice_takes_effect_once(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    testing.deliver(duplicates=4, shuffle=3)
    assert count(testing) == 2


def test_of_two_mutations_without_a_version_the_latest_wins(testing: MemoryApp) -> None:
    put(testing, MUTATION, label="first")
    put(testing, "users/ben/counters/one/_PATCH_CounterView/m1", label="second")
    testing.deliver()
    assert (testing.fields("counters/one") or {})["label"] == "second"


def test_a_setter_that_refuses_leaves_all_as_it_was_and_says_why(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2, label="forbidden")
    testing.deliver()
    found = outcome(testing)
    assert (found["status"], found["reason"], found["errors"]) == ("rejected", "not that one", {"label": ["forbidden"]})
    assert count(testing) == 0


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"add": "2"}, {"add": ["Not a valid integer."]}),
        ({"count": 2}, {"count": ["Unknown field."]}),
        ({"nothing": 1}, {"nothing": ["Unknown field."]}),
        ({"add": None}, {"add": ["Field may not be null."]}),
        ({"add": 1, "if_version": "x"}, {"if_version": ["Unknown field."]}),
    ],
)
def test_what_no_setter_takes_is_rejected_by_field(
    testing: MemoryApp, fields: dict[str, Any], errors: dict[str, Any]
) -> None:
    testing.write(MUTATION, fields)
    testing.deliver()
    assert outcome(testing)["status"] == "rejected"
    assert outcome(testing)["errors"] == errors
    assert count(testing) == 0


def test_a_setter_may_write_another_model_that_is_declared_and_no_other() -> None:
    class Log(DomainModel):
        class Meta:
            collection_name = "logs"

        text = attrs.string(required=True)

    def app_of(*writes: type[DomainModel]) -> Boiler:
        app = Boiler("demo")

        @app.query
        @app.document(writes=writes)
        class CounterView(Counting):
            class Meta:
                path = "users/{users.doc_id}/counters/{counter.doc_id}"
                write = access.owner("users.doc_id")

            def propagate_change(self) -> None:
                super().propagate_change()
                Log.new(doc_id="one", text=f"by {self.caller.uid if self.caller else None}").save()

        return app

    with opened(app_of(Log)) as testing:
        put(testing, MUTATION, add=2)
        testing.deliver()
        assert (testing.fields("logs/one") or {})["text"] == "by ann"
    with opened(app_of()) as testing:
        put(testing, MUTATION, add=2)
        testing.deliver()
        (letter,) = letters(testing)
        assert (letter["code"], count(testing)) == ("BF507", 0)


def test_an_error_in_a_setter_is_a_dead_letter_that_names_the_view() -> None:
    app = Boiler("demo")

    class CounterView(Counting):
        class Meta:
            path = "users/{users.doc_id}/counters/{counter.doc_id}"
            write = access.owner("users.doc_id")

        @attrs.computed
        def wrong(self) -> int:
            return 0

        @wrong.setter
        def set_wrong(self, value: int) -> None:
            raise ZeroDivisionError("a bug")

    app.query(CounterView)
    app.document()(CounterView)
    with opened(app) as testing:
        put(testing, MUTATION, wrong=1)
        testing.deliver()
        (letter,) = letters(testing)
    assert letter["message"] == "CounterView, by a setter or propagate_change, raised ZeroDivisionError: a bug"


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]


# For whom.


@pytest.mark.parametrize("user", ["eve", "nobody"])
def test_a_client_without_a_copy_changes_nothing(testing: MemoryApp, user: str) -> None:
    path = f"users/{user}/counters/one/_PATCH_CounterView/m1"
    put(testing, path, add=2)
    testing.deliver()
    assert outcome(testing, path)["reason"] == f"There is no CounterView at users/{user}/counters/one."
    assert count(testing) == 0


def test_a_client_that_lost_its_copy_after_it_sent_the_mutation_changes_nothing(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    (event,) = testing.take()
    counter = Counter.get("one")
    assert counter is not None
    counter.users = [user for user in counter.users if user.doc_id != "ann"]
    counter.save()
    testing.handle(event)
    assert outcome(testing)["status"] == "rejected"
    assert count(testing) == 0


def test_a_root_that_is_gone_is_not_made_by_a_mutation(testing: MemoryApp) -> None:
    testing.write("counters/one", None)
    testing.deliver()
    put(testing, MUTATION, add=2)
    testing.deliver()
    assert outcome(testing)["reason"] == f"There is no CounterView at {COPY}."
    assert testing.fields("counters/one") is None


# Versions.


def test_a_copy_holds_a_version_that_its_content_alone_decides(versioned: MemoryApp) -> None:
    first = version(versioned)
    assert version(versioned, "users/ben/counters/one") == first
    put(versioned, MUTATION, add=1)
    versioned.deliver()
    assert version(versioned) != first
    put(versioned, f"{MUTATION}2", add=-1)
    versioned.deliver()
    assert version(versioned) == first
    assert_views_equal_rebuild(versioned)


def test_the_version_is_the_etag_that_the_api_gives(versioned: MemoryApp) -> None:
    assert version(versioned) == etag_of(versioned.fields(COPY) or {})


def test_a_mutation_of_the_version_that_was_seen_takes_effect(versioned: MemoryApp) -> None:
    put(versioned, MUTATION, add=1, if_version=version(versioned))
    versioned.deliver()
    assert outcome(versioned)["status"] == "done"
    assert count(versioned) == 1


def test_a_mutation_of_an_older_version_is_rejected_with_a_reason(versioned: MemoryApp) -> None:
    seen = version(versioned)
    for name in ("m1", "m2"):
        put(versioned, f"{COPY}/_PATCH_CounterView/{name}", add=1, if_version=seen)
    versioned.deliver()
    found = outcome(versioned, f"{COPY}/_PATCH_CounterView/m2")
    assert found["reason"] == "The CounterView has changed since; look at it, and send the change again."
    assert found["errors"] == {"if_version": ["Not the version that it has now."]}
    assert count(versioned) == 1


def test_a_version_is_that_of_the_sources_even_while_the_copy_lags_behind(versioned: MemoryApp) -> None:
    seen = version(versioned)
    put(versioned, "counters/one", count=5, users=(versioned.fields("counters/one") or {})["users"])
    versioned.take()
    put(versioned, MUTATION, add=1, if_version=seen)
    versioned.deliver()
    assert outcome(versioned)["status"] == "rejected"


def test_strict_demands_a_version() -> None:
    with opened(counting(versioned=True, strict=True)) as testing:
        put(testing, MUTATION, add=1)
        testing.deliver()
        assert outcome(testing)["errors"] == {"if_version": ["Missing data for required field."]}
        put(testing, f"{MUTATION}2", add=1, if_version=version(testing))
        testing.deliver()
        assert count(testing) == 1


# Faults.


def test_a_commit_whose_answer_is_lost_takes_effect_once(testing: MemoryApp) -> None:
    put(testing, MUTATION, add=2)
    (event,) = testing.take()
    report = testing.handle(event, Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost"))))
    assert report.outcomes == {"done": 1}
    testing.pending.append(event)
    testing.deliver()
    assert count(testing) == 2


@pytest.mark.parametrize("seed", range(6))
def test_under_any_faults_each_mutation_takes_effect_exactly_once(seed: int) -> None:
    faults = Faults(before=0.03, after=0.05)
    with opened(counting()) as testing:
        copies = [f"users/{user}/counters/one" for user in ("ann", "ben")]
        paths = [f"{copies[number % 2]}/_PATCH_CounterView/m{number}" for number in range(25)]
        sent = [partial(testing.write, path, {"add": 1}) for path in paths]
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.01, drops=0.05, faults=faults, meanwhile=sent)
        assert count(testing) == 25
        assert testing.injected["handler crashed"]
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("seed", range(6))
def test_of_mutations_that_saw_the_same_version_at_most_one_takes_effect(seed: int) -> None:
    with opened(counting(versioned=True, strict=True)) as testing:
        seen = version(testing)
        for number in range(8):
            put(testing, f"{COPY}/_PATCH_CounterView/m{number}", add=1, if_version=seen)
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.02)
        found = [outcome(testing, f"{COPY}/_PATCH_CounterView/m{number}")["status"] for number in range(8)]
        assert sorted(found) == ["done", *["rejected"] * 7]
        assert count(testing) == 1


# What is declared.


def test_the_manifest_has_a_function_with_a_path_that_a_trigger_takes() -> None:
    (function,) = [each for each in counting().manifest.functions if each.mode == "document"]
    assert function.entry_point == "counter_view_document"
    trigger = function.to_wire()["eventTrigger"]
    pattern = "users/{users_doc_id}/counters/{counter_doc_id}/_PATCH_CounterView/{mutation_id}"
    assert trigger["eventFilterPathPatterns"] == {"document": pattern}


def test_a_view_without_a_root_is_refused_by_name() -> None:
    class Loose(Store):
        user = reference(User, doc_id="ann")

    class LooseView(ViewModel[Loose]):
        class Meta:
            path = "loose/one"
            write = access.public

        @attrs.computed
        def name(self) -> str:
            return ""

    with pytest.raises(InvalidPattern, match=r"LooseView has no root.*add a `reference\(Model\)` to Loose"):
        Boiler("demo").document()(LooseView)


def declared(*, write: Any = access.signed_in, versioned: bool = False, strict: bool = False) -> Boiler:
    app = Boiler("demo")

    options = {"path": "counters/{counter.doc_id}/view/one", "write": write, "versioned": versioned}

    class CounterView(Counting):
        Meta = type("Meta", (), options)

    app.document(strict=strict)(CounterView)
    return app


@pytest.mark.parametrize("write", [None, access.nobody, lambda caller, view: True])
def test_a_view_that_rules_let_nobody_change_is_refused(write: Any) -> None:
    with pytest.raises(InvalidAccess, match=r"Meta\.write admits nobody.*access\.owner\('counter\.doc_id'\)"):
        declared(write=write)


def test_strict_without_a_version_in_the_copies_is_refused() -> None:
    with pytest.raises(InvalidAttribute, match=r"add `versioned = True` to CounterView\.Meta"):
        declared(strict=True)


def test_a_view_that_is_not_stored_cannot_take_mutations() -> None:
    with pytest.raises(InvalidPattern, match=r"decorate it with `@app\.query` too"):
        _ = declared().compiled


def test_a_view_without_setters_is_refused() -> None:
    class Still(ViewModel[CounterStore]):
        class Meta:
            path = "stills/{counter.doc_id}"
            write = access.signed_in

        @attrs.computed
        def count(self) -> int:
            return self.store.counter.count

    with pytest.raises(InvalidAttribute, match="Still has no setter"):
        Boiler("demo").document()(Still)


@pytest.mark.parametrize("key", ["outcome", "if_version"])
def test_an_attribute_with_the_name_of_a_field_of_mutations_is_refused(key: str) -> None:
    class Clash(ViewModel[CounterStore]):
        class Meta:
            path = "clashes/{counter.doc_id}"
            write = access.signed_in

        name = attrs.bproperty(data_key=key)

        @name.getter
        def get_name(self) -> str:
            return ""

        @name.setter
        def set_name(self, value: str) -> None: ...

    with pytest.raises(InvalidAttribute, match=f"is stored as '{key}'"):
        Boiler("demo").document()(Clash)


def test_an_attribute_named_if_version_is_refused_even_with_another_data_key() -> None:
    class Clash(ViewModel[CounterStore]):
        class Meta:
            path = "clashes/{counter.doc_id}"
            write = access.signed_in

        @attrs.computed
        def if_version(self) -> int:
            return self.store.counter.count

        @if_version.setter
        def set_version(self, value: int) -> None: ...

    with pytest.raises(InvalidAttribute, match=r"Clash\.if_version is stored as 'ifVersion'"):
        Boiler("demo").document()(Clash)


def test_a_setter_that_writes_mutations_would_trigger_itself_and_is_refused() -> None:
    class Mutation(DomainModel):
        class Meta:
            collection_name = "users/{user_id}/counters/{counter_id}/_PATCH_CounterView"

    with pytest.raises(TriggersItself, match="counter_view_document"):
        _ = counting(writes=[Mutation]).compiled


def test_the_rules_let_the_owner_create_and_check_the_types() -> None:
    declarations = counting(versioned=True).compiled.declarations
    assert """\
    // CounterViewMutation, a change of CounterView.
    match /users/{users_doc_id}/counters/{counter_doc_id}/_PATCH_CounterView/{mutation_id} {
      allow read: if isUserOf(null) && request.auth.uid == users_doc_id;
      allow create: if isUserOf(null) && request.auth.uid == users_doc_id && fits(request.resource.data);
      allow update, delete: if false;
      function fits(data) {
        return data.keys().hasOnly(['label', 'add', 'if_version'])
          && areTexts([data.get('label', ''), data.get('if_version', '')])
          && [data.get('add', 0) is int].hasOnly([true]);
      }
    }
""" in firestore_rules(documents(declarations))
