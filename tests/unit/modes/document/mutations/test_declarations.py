"""What @app.document refuses."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference
from boiler_functions.exceptions import InvalidAccess, InvalidAttribute, InvalidPattern, TriggersItself
from boiler_functions.plan.security_rules import documents, firestore_rules
from tests.unit.modes.document.mutations.scene import CounterStore, Counting, User, counting


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
