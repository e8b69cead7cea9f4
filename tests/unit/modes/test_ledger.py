"""The ledger: what it holds, how it is found, and what it refuses."""

from typing import Any

import pytest

from boiler_functions import ViewModel, attrs
from boiler_functions.database import ABSENT, Document, Precondition, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import NewerSchema
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.ledger import (
    COLLECTION,
    FORMAT,
    READABLE_FORMAT,
    Debt,
    Ledger,
    due_at,
    instance_of,
    is_current,
    ledger_path,
)
from boiler_functions.modes.ledgers import dependents, owed_by
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


EDITION = Edition("demo/CityView/plan", "demo/CityView/code", 7, 1)
DEBT = Debt(5_000, "not built yet", 0, "demo/1970-01-01T00:01:00.000000Z")
TOKYO = Instance(CityView, "cities/TOK")
PATH = ledger_path("demo/CityView", TOKYO)
BUILT = Built(
    {"title": "Tokyo"},
    ("cityViews/TOK",),
    frozenset({"b", "a"}),
    {"cities/TOK": 5, "countries/JP": MISSING},
    content_hash="of the content",
)


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


def test_registering_adds_tokens_and_keeps_everything_else_until_the_view_is_built() -> None:
    ledger = Ledger.of(TOKYO, stored(first()))
    registered = Ledger.of(TOKYO, stored(ledger.registering(frozenset({"c"}), EDITION, DEBT)))
    assert registered.depends_on == {"a", "b", "c"}
    assert registered.is_registered
    rest = registered._replace(document=ledger.document, depends_on=ledger.depends_on, is_registered=False)
    assert rest == ledger
    assert not registered.describing(BUILT, 1, "event-2").is_registered


def test_a_ledger_after_its_own_commit_expects_the_version_of_that_commit() -> None:
    assert first().committed(9).put(TOKYO).precondition == Precondition(version=9)


def test_a_ledger_that_is_registered_before_a_first_build_owes_it_to_its_own_edition() -> None:
    registered = Ledger.of(TOKYO, Document(PATH)).registering(frozenset({"c"}), EDITION, DEBT)
    found = Ledger.of(TOKYO, stored(registered))
    assert (found.edition, found.debt, found.depends_on) == (EDITION, DEBT, frozenset({"c"}))
    assert found.is_owed_to(EDITION)
    assert not found.describing(BUILT, 1, "", EDITION).is_owed_to(EDITION)


def test_a_ledger_of_another_fetch_plan_owes_a_build_and_one_of_other_code_does_not() -> None:
    built = Ledger.of(TOKYO, stored(first().describing(BUILT, 1, "", EDITION)))
    assert built.is_owed_to(EDITION._replace(plan="demo/CityView/other"))
    assert not built.is_owed_to(EDITION._replace(code="demo/CityView/other"))
    assert not is_current(built.document, EDITION._replace(code="demo/CityView/other"))
    assert is_current(built.document, EDITION)
    assert is_current(built.document, EDITION._replace(code="demo/CityView/class-other"))  # Of which nothing is known.


def test_a_later_edition_is_owed_what_an_earlier_one_is_not() -> None:
    later = EDITION._replace(plan="demo/CityView/other", code="demo/CityView/other", deployment=8)
    built = Ledger.of(TOKYO, stored(first().describing(BUILT, 1, "", EDITION)))
    assert built.is_owed_to(later)
    assert not Ledger.of(TOKYO, stored(first().describing(BUILT, 1, "", later))).is_owed_to(EDITION)


@pytest.mark.parametrize(
    ("deployment", "schema", "is_later"),
    [(8, 1, True), (7, 1, False), (6, 2, False), (8, 0, True), (7, 2, True), (0, 1, False), (0, 2, True)],
)
def test_of_two_codes_the_later_deployment_is_later_and_then_the_higher_schema_version(
    deployment: int, schema: int, is_later: bool
) -> None:
    other = EDITION._replace(code="demo/CityView/other", deployment=deployment, schema_version=schema)
    assert other.is_later_than(EDITION) is is_later
    assert not EDITION._replace(deployment=deployment).is_later_than(EDITION)  # It is the same code.


def test_the_number_of_the_latest_deployment_stays_when_an_earlier_one_builds() -> None:
    built = first().describing(BUILT, 1, "", EDITION).describing(BUILT, 1, "", EDITION._replace(deployment=3))
    assert built.edition.deployment == 7


def test_a_ledger_of_the_version_before_counts_as_one_of_another_plan() -> None:
    fields = dict(stored(first()).fields or {})
    for name in ("plan", "code", "deployment", "owed", "due"):
        del fields[name]
    found = Ledger.of(TOKYO, Document(PATH, fields, 5))
    assert (found.edition, found.debt) == (Edition(), None)
    assert found.is_owed_to(EDITION)


def test_each_failure_is_paused_twice_as_long_as_the_one_before_and_at_most_six_hours() -> None:
    debt, pauses = None, []
    for _ in range(12):
        debt = Debt.of("demo", "GetterFailed", 0, debt)
        pauses.append(debt.due)
    assert pauses[:3] == [
        "demo/1970-01-01T00:01:00.000000Z",
        "demo/1970-01-01T00:02:00.000000Z",
        "demo/1970-01-01T00:04:00.000000Z",
    ]
    assert pauses[-1] == "demo/1970-01-01T06:00:00.000000Z"


def test_the_debts_of_an_app_come_in_the_order_in_which_they_are_due() -> None:
    database = MemoryDatabase()
    for number, app in enumerate(["demo", "demo", "other", "demo"]):
        debt = Debt(0, "", 0, due_at(app, (9 - number) * 1_000_000_000))
        database.commit([Put(f"{COLLECTION}/{number}", {"due": debt.due, "root": f"cities/{number}"})])
    found = [each.id for page in owed_by(database, "demo", 8_000_000_000, 1) for each in page.documents]
    assert found == ["3", "1"]


def test_a_ledger_of_a_newer_format_is_refused_whatever_the_schema_version() -> None:
    with pytest.raises(NewerSchema, match=f"format {FORMAT + 1}"):
        Ledger.of(Instance(SecondView, "cities/TOK"), stored(first(), format=FORMAT + 1, schema_version=1))


def test_a_ledger_of_an_older_schema_version_is_read() -> None:
    assert Ledger.of(Instance(SecondView, "cities/TOK"), stored(first())).cause == "event-1"


@pytest.mark.parametrize("path", ["cities/" + "x" * 1495, "__cfg/main__"])
def test_versions_of_paths_that_are_no_keys_of_a_map_are_known_all_the_same(path: str) -> None:
    built = BUILT._replace(versions={path: 5, "cities/TOK": 5})
    ledger = first().describing(built, as_of=1, cause="")
    assert dict(Ledger.of(TOKYO, stored(ledger)).versions) == {path: 5, "cities/TOK": 5}


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
    pages = [page.documents for page in dependents(database, ["token"], 2)]
    assert [[each.id for each in page] for page in pages] == [["a", "b"], ["d", "e"], ["f", "g"]]
    assert instance_of(PlaceView, pages[0][0]) == Instance(PlaceView, "cities/a")
    between = dependents(database, ["token"], 10, after="a", until="e")
    assert [[each.id for each in page] for page, *_ in between] == [["b", "d", "e"]]
