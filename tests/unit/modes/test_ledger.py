"""The ledger: what it holds, how it is found, and what it refuses."""

from typing import Any

import pytest

from boiler_functions import ViewModel, attrs
from boiler_functions.database import ABSENT, Document, Precondition, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import NewerSchema
from boiler_functions.modes.ledger import (
    COLLECTION,
    FORMAT,
    READABLE_FORMAT,
    Ledger,
    dependents,
    instance_of,
    ledger_path,
)
from boiler_functions.types import MISSING
from boiler_functions.views.build import Built, Instance
from tests.unit.modes.cities import CityStore, CityView, PlaceView


class SecondView(ViewModel[CityStore]):
    """A view whose second version is deployed."""

    class Meta:
        path = "secondViews/{city.doc_id}"
        schema_version = 2

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name


TOKYO = Instance(CityView, "cities/TOK")
PATH = ledger_path("demo/CityView", TOKYO)
BUILT = Built({"title": "Tokyo"}, ("cityViews/TOK",), frozenset({"b", "a"}), {"cities/TOK": 5, "countries/JP": MISSING})


def stored(ledger: Ledger, instance: Instance = TOKYO, **changes: Any) -> Document:
    """The ledger as the database gives it back."""
    database = MemoryDatabase()
    write = ledger.put(instance)
    assert isinstance(write, Put)
    database.commit([Put(write.path, {**write.fields, **changes})])
    return database.read([write.path]).documents[0]


def first(instance: Instance = TOKYO) -> Ledger:
    return Ledger.of(instance, Document(PATH)).describing(BUILT, as_of=7_000_000, cause="event-1")


def test_a_ledger_reads_as_it_was_written() -> None:
    document = stored(first())
    assert Ledger.of(TOKYO, document) == first()._replace(document=document)


def test_a_ledger_holds_what_the_design_names_and_is_indexed_by_depends_on_alone() -> None:
    fields = stored(first()).fields or {}
    assert fields["depends_on"] == ["a", "b"]
    assert fields["versions"] == {"cities/TOK": 5, "countries/JP": MISSING}
    assert fields["destinations"] == ["cityViews/TOK"]
    assert fields["content_hash"] == BUILT.content_hash
    assert (fields["format"], fields["schema_version"]) == (READABLE_FORMAT, 1)
    assert (fields["view"], fields["root"], fields["cause"]) == ("CityView", "cities/TOK", "event-1")


def test_the_first_ledger_may_not_exist_yet_and_a_later_one_must_be_as_it_was_read() -> None:
    document = stored(first())
    assert first().put(TOKYO).precondition == ABSENT
    assert Ledger.of(TOKYO, document).put(TOKYO).precondition == Precondition(version=document.version)
    assert Ledger.of(TOKYO, document).delete().precondition == Precondition(version=document.version)


def test_registering_adds_tokens_and_keeps_everything_else() -> None:
    ledger = Ledger.of(TOKYO, stored(first()))
    registered = ledger.registering(frozenset({"c"}))
    assert registered.depends_on == {"a", "b", "c"}
    assert registered._replace(depends_on=ledger.depends_on) == ledger


def test_a_ledger_after_its_own_commit_expects_the_version_of_that_commit() -> None:
    assert first().committed(9).put(TOKYO).precondition == Precondition(version=9)


def test_a_ledger_of_a_newer_schema_version_is_refused() -> None:
    newer = stored(first(), schema_version=2)
    with pytest.raises(NewerSchema, match=r"CityView of cities/TOK .* newer code.* schema_version 2"):
        Ledger.of(TOKYO, newer)


def test_a_ledger_of_a_newer_format_is_refused_whatever_the_schema_version() -> None:
    with pytest.raises(NewerSchema, match=f"format {FORMAT + 1}"):
        Ledger.of(Instance(SecondView, "cities/TOK"), stored(first(), format=FORMAT + 1, schema_version=1))


def test_a_ledger_of_an_older_schema_version_is_read() -> None:
    assert Ledger.of(Instance(SecondView, "cities/TOK"), stored(first())).cause == "event-1"


def test_a_path_too_long_for_a_map_key_is_left_out_of_the_versions() -> None:
    path = "cities/" + "x" * 1495
    built = BUILT._replace(versions={path: 5, "cities/TOK": 5})
    write = first().describing(built, as_of=1, cause="").put(TOKYO)
    assert isinstance(write, Put)
    assert write.fields["versions"] == {"cities/TOK": 5}


def test_two_views_and_two_apps_have_ledgers_of_their_own() -> None:
    paths = {ledger_path(f"{app}/{view}", TOKYO) for app in ("demo", "other") for view in ("CityView", "PlaceView")}
    assert len(paths) == 4
    assert all(path.startswith(f"{COLLECTION}/") for path in paths)


def test_dependents_come_whole_in_pages_ordered_by_path_between_two_ids() -> None:
    database = MemoryDatabase()
    for name in "abcdefg":
        token = "other" if name == "c" else "token"
        fields = {"depends_on": [token], "view": "PlaceView", "root": f"cities/{name}"}
        database.commit([Put(f"{COLLECTION}/{name}", fields)])
    pages = list(dependents(database, ["token"], 2))
    assert [[each.id for each in page] for page in pages] == [["a", "b"], ["d", "e"], ["f", "g"]]
    assert instance_of(PlaceView, pages[0][0]) == Instance(PlaceView, "cities/a")
    between = dependents(database, ["token"], 10, after="a", until="e")
    assert [[each.id for each in page] for page in between] == [["b", "d", "e"]]
