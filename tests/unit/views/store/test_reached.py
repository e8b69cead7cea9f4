"""What a relation reaches: missing documents, and those of other classes."""

from typing import Any

from boiler_functions import DomainModel, Store, attrs, reference, references, referrers
from boiler_functions.types import Reference
from tests.unit.views.store.scene import Fetched, Location


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    home = attrs.relation(Location)
    boss = attrs.relation("Manager")
    team = attrs.relation("Manager", many=True)


class Manager(Person):
    assistant = attrs.relation(Person)


class Guest(Person):
    host = attrs.relation(Person, data_key="assistant")


PEOPLE: dict[str, dict[str, Any]] = {
    "people/ada": {
        "boss": Reference("people/bob"),
        "team": [Reference("people/bob"), Reference("people/eve"), Reference("people/gone")],
        "home": Reference("locations/ada"),
    },
    "people/bob": {"obj_type": "Guest", "home": Reference("locations/bob"), "assistant": Reference("people/ada")},
    "people/eve": {"obj_type": "Manager", "home": Reference("locations/eve"), "assistant": Reference("people/ada")},
    "people/tom": {"obj_type": "Person", "boss": Reference("people/eve")},
    "people/tim": {"obj_type": "Person", "boss": Reference("people/bob")},
    "people/kim": {"obj_type": "Person", "boss": Reference("people/gone")},
    **{f"locations/{name}": {} for name in ("ada", "bob", "eve")},
}


class BossStore(Store):
    person = reference(Person)
    boss = reference(Person.boss)
    home = reference(Person.home, via=boss)
    assistant = reference(Manager.assistant, via=boss)
    colleagues = referrers(Person.boss, via=boss)


class TeamStore(Store):
    person = reference(Person)
    team = references(Person.team)
    homes = references(Person.home, via=team)
    reports = referrers(Person.boss, via=team)


def boss_of_ada(path: str) -> Fetched:
    return Fetched(BossStore, "people/ada", {**PEOPLE, "people/ada": {"boss": Reference(path)}})


def test_nothing_is_reached_from_a_document_of_another_class() -> None:
    found = boss_of_ada("people/bob")
    assert [found.one(name) for name in ("boss", "home", "assistant")] == [None, None, None]
    assert found.ids("colleagues") == []
    assert found.resolution.named.keys() == {"people/ada", "people/bob"}
    assert found.resolution.queries == {}


def test_nothing_is_reached_from_a_missing_document_of_a_subclass() -> None:
    found = boss_of_ada("people/gone")
    assert (found.one("boss"), found.ids("colleagues"), found.resolution.queries) == (None, [], {})


def test_all_is_reached_from_a_document_of_the_class() -> None:
    found = boss_of_ada("people/eve")
    assert [found.one(name).doc_id for name in ("boss", "home", "assistant")] == ["eve", "eve", "ada"]
    assert found.ids("colleagues") == ["ada", "tom"]


def test_only_documents_of_the_class_lead_on_from_a_reference_to_many() -> None:
    found = Fetched(TeamStore, "people/ada", PEOPLE)
    assert (found.ids("team"), found.ids("homes"), found.ids("reports")) == (["eve"], ["eve"], ["tom"])


def test_a_relation_of_a_subclass_starts_from_documents_of_that_class_alone() -> None:
    class Assisted(Store):
        person = reference(Person)
        assistant = reference(Manager.assistant)

    assert Fetched(Assisted, "people/eve", PEOPLE).one("assistant").doc_id == "ada"
    assert Fetched(Assisted, "people/bob", PEOPLE).one("assistant") is None


def test_documents_that_refer_to_a_subclass_are_not_found_from_one_of_another_class() -> None:
    class Reports(Store):
        person = reference(Person)
        reports = referrers(Person.boss)

    assert Fetched(Reports, "people/eve", PEOPLE).ids("reports") == ["tom"]
    assert Fetched(Reports, "people/bob", PEOPLE).ids("reports") == []


def test_a_document_of_a_fixed_id_that_is_of_another_class_leads_nowhere() -> None:
    class Fixed(Store):
        boss = reference(Manager, doc_id="bob")
        home = reference(Person.home)

    assert Fetched(Fixed, documents=PEOPLE).resolution.named.keys() == {"people/bob"}
