"""The contract of every database: one suite, which a database joins by a subclass with the fixture `database`."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import DomainModel, attrs, children, referrers, use
from boiler_functions.database import (
    ABSENT,
    NAME,
    PRESENT,
    AggregateFunction,
    Aggregation,
    Cursor,
    Database,
    Delete,
    Document,
    Filter,
    FoundVersions,
    Number,
    Order,
    Precondition,
    Put,
    Query,
    Result,
    Write,
    check,
    unchanged,
)
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size
from boiler_functions.exceptions import Conflict, InvalidRequest, TooLarge
from boiler_functions.paths import Pattern, field_path
from boiler_functions.types import MISSING, GeoPoint, Reference
from boiler_functions.views.build import Reader
from boiler_functions.views.found import Referrers

HOUR = 3_600_000_000_000

VALUES: dict[str, Any] = {
    "null": None,
    "false": False,
    "true": True,
    "zero": 0,
    "least": -(2**63),
    "most": 2**63 - 1,
    "double": 1.5,
    "whole double": 1.0,
    "infinity": math.inf,
    "empty text": "",
    "text": "Zürich, 東京, 😀",
    "bytes": b"\x00\xff",
    "empty bytes": b"",
    "time": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "old time": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "reference": Reference("users/uid1/cityForms/TOK"),
    "place": GeoPoint(32.880361, -117.242929),
    "array": [1, "two", None, {"three": [3.0]}],
    "empty array": [],
    "map": {"a b": {"c.d": 1, "`": 2}, "empty": {}},
}

NAMES = {
    "plain": "s:yes",
    "of nothing": "s:",
    "with a dot": "s:a.b",
    "with backticks": "`s:`",
    "with backslashes": "s:\\`\\",
    "as if reserved": "s:__x__",
    "with other letters": "s:ä/🏳️‍🌈",
    "with signs": 's:\n"*~[]',
    "with a number": "i:-5",
    "long": "s:" + "x" * 1398,
}
"""Names of fields, which a path has in backticks."""


def replace_fields(document: Document, fields: dict[str, Any]) -> Document:
    return document._replace(fields=fields)


def _longer(value: Any) -> Any:
    """Returns the value with one more byte in its first string."""
    match value:
        case Reference():
            return Reference(f"{value.path}i")
        case dict():
            return {name: _longer(each) if at == 0 else each for at, (name, each) in enumerate(value.items())}
        case list() | tuple():
            return type(value)([_longer(value[0]), *value[1:]])
        case _:
            return value + value[:1]


def put(database: Database, path: str = "users/ada", **fields: Any) -> Document:
    """Writes the document, and returns it as stored."""
    database.commit([Put(path, fields)])
    return get(database, path)


def get(database: Database, path: str = "users/ada") -> Document:
    return database.read([path]).documents[0]


def ids(database: Database, query: Query) -> list[str]:
    return [document.id for document in database.query(query).documents]


def found(database: Database, query: Query) -> FoundVersions:
    return FoundVersions(query, {each.path: each.version for each in database.query(query).documents})


def cities(database: Database) -> None:
    """Stores five cities, one without fields, and one in a sub-collection of the same name."""
    documents: dict[str, dict[str, Any]] = {
        "cities/bei": {"name": "Beijing", "population": 21_540_000, "capital": True, "tags": ["asia", "old"]},
        "cities/nyc": {"name": "New York", "population": 8_300_000, "capital": False, "tags": ["america"]},
        "cities/rom": {"name": "Rome", "population": 2_870_000, "capital": True, "tags": ["europe", "old"]},
        "cities/sfo": {"name": "San Francisco", "population": 870_000, "capital": False, "tags": []},
        "cities/void": {},
        "countries/it/cities/mil": {"name": "Milan", "population": 1_370_000, "capital": False, "tags": ["europe"]},
    }
    database.commit([Put(path, fields) for path, fields in documents.items()])


USERS_NOTES = Pattern("users/{user_id}/notes/{doc_id}")


def scattered_notes(database: Database, foreign: int) -> None:
    """Stores five notes of two users, and before and between them notes of others in collections of the same name."""
    own = [Put(f"users/{'ab'[n % 2]}/notes/{n}", {"n": n}) for n in range(5)]
    places = ("aaa/x/notes", "users/a/deep/x/notes", "notes", "zzz/x/notes")
    others = [Put(f"{places[n % 4]}/{n}", {"n": n % 6 - 0.5}) for n in range(foreign)]
    database.commit([*own, *others])


class Customer(DomainModel):
    class Meta:
        collection_name = "customers"

    email = attrs.string()
    number = attrs.integer()


class Purchase(DomainModel):
    class Meta:
        collection_name = "purchases"

    by_reference = attrs.relation(Customer)
    by_id = attrs.relation(Customer, by="id")
    by_path = attrs.relation(Customer, by="path")
    ids = attrs.relation(Customer, by="id", many=True)
    paths = attrs.relation(Customer, by="path", many=True)
    by_email = attrs.relation(Customer, by=Customer.email)
    numbers = attrs.relation(Customer, by=Customer.number, many=True)
    keys = attrs.relation(Customer, by="keys", many=True)
    paid = attrs.boolean()
    price = attrs.integer()


class Visit(DomainModel):
    class Meta:
        collection_name = "customers/{customer_id}/visits"

    paid = attrs.boolean()
    price = attrs.integer()


GOALS = Query("goals")


def total(database: Database, function: AggregateFunction = "sum", query: Query = GOALS, field: str = "n") -> Result:
    """Returns the number over the documents that the query finds."""
    return database.aggregate(Aggregation(query, function, None if function == "count" else field)).value


def referring(database: Database, bound: Any, target: Customer) -> list[str]:
    """Returns the paths of the documents that refer to the target."""
    source = referrers(bound)
    assert isinstance(source, Referrers)
    query = source.query(Document(target.path, target.stored_fields()))
    assert query is not None
    return [each.path for each in database.query(query).documents]


def goals(database: Database, *values: Any) -> None:
    """Writes a document for each value, in the field that `total` adds."""
    database.commit([Put(f"goals/g{number}", {"n": value}) for number, value in enumerate(values)])


class DatabaseContract:
    """The promises of `boiler_functions.database.Database`."""

    # Reads

    def test_a_document_reads_as_it_was_written_with_the_version_of_its_commit(self, database: Database) -> None:
        committed = database.commit([Put("users/ada", {"name": "Ada"})])
        reading = database.read(["users/ada"])
        assert reading.documents == (Document("users/ada", {"name": "Ada"}, committed.versions[0]),)
        assert committed.versions[0] == committed.commit_time
        assert reading.read_time >= committed.commit_time

    def test_a_missing_document_has_neither_fields_nor_version(self, database: Database) -> None:
        assert database.read(["users/nobody"]).documents == (Document("users/nobody", None, MISSING),)

    def test_documents_come_in_the_order_of_their_paths_missing_and_repeated_ones_included(
        self, database: Database
    ) -> None:
        put(database, "users/b", n=2)
        put(database, "users/a", n=1)
        paths = ["users/b", "users/none", "users/a", "users/b"]
        assert [each.path for each in database.read(paths).documents] == paths

    def test_a_read_of_nothing_returns_nothing(self, database: Database) -> None:
        assert database.read([]).documents == ()

    def test_a_document_reads_as_it_was_at_an_earlier_time(self, database: Database) -> None:
        before = database.commit([Put("users/bob", {})]).commit_time
        first = database.commit([Put("users/ada", {"n": 1})]).commit_time
        second = database.commit([Put("users/ada", {"n": 2})]).commit_time
        third = database.commit([Delete("users/ada")]).commit_time
        seen = [database.read(["users/ada"], at=at) for at in (before, first, second, third)]
        assert [each.documents[0].fields for each in seen] == [None, {"n": 1}, {"n": 2}, None]
        assert [each.documents[0].version for each in seen] == [MISSING, first, second, MISSING]
        assert [each.read_time for each in seen] == [before, first, second, third]

    def test_a_query_answers_as_of_an_earlier_time(self, database: Database) -> None:
        first = database.commit([Put("users/ada", {"n": 1})]).commit_time
        database.commit([Put("users/ada", {"n": 2}), Put("users/bob", {"n": 1})])
        query = Query("users", filters=(Filter("n", "==", 1),))
        assert [each.id for each in database.query(query, at=first).documents] == ["ada"]
        assert ids(database, query) == ["bob"]

    def test_the_future_cannot_be_read(self, database: Database) -> None:
        later = database.read(["users/ada"]).read_time + HOUR
        with pytest.raises(InvalidRequest):
            database.read(["users/ada"], at=later)
        with pytest.raises(InvalidRequest):
            database.query(Query("users"), at=later)

    def test_who_changes_what_was_read_changes_nothing_that_is_stored(self, database: Database) -> None:
        fields: dict[str, Any] = {"list": [1], "map": {"n": 1}}
        database.commit([Put("users/ada", fields)])
        fields["list"].append(2)
        read: Any = get(database).fields
        read["map"]["n"] = 9
        assert get(database).fields == {"list": [1], "map": {"n": 1}}

    # Versions

    def test_versions_rise_with_every_change_and_across_delete_and_recreate(self, database: Database) -> None:
        versions = [put(database, n=number).version for number in range(3)]
        database.commit([Delete("users/ada")])
        versions.append(put(database, n=2).version)
        assert versions == sorted(set(versions))

    def test_an_equal_write_keeps_the_version(self, database: Database) -> None:
        first = put(database, n=1, m={"a": 1})
        assert put(database, n=1, m={"a": 1}) == first
        committed = database.commit([Put("users/ada", {"n": 1}, mask=("n",))])
        assert committed.versions == (first.version,)
        assert get(database) == first

    def test_an_integer_that_becomes_a_double_is_a_change(self, database: Database) -> None:
        assert put(database, n=1).version < put(database, n=1.0).version

    def test_all_documents_of_a_commit_get_the_same_version_and_a_deleted_one_none(self, database: Database) -> None:
        put(database, "users/c")
        committed = database.commit([Put("users/a", {}), Put("users/b", {}), Delete("users/c")])
        assert committed.versions == (committed.commit_time, committed.commit_time, MISSING)

    # Preconditions

    @pytest.mark.parametrize("exists", [True, False])
    @pytest.mark.parametrize("write", [Put("users/ada", {"n": 2}), Delete("users/ada")])
    @pytest.mark.parametrize("precondition", [ABSENT, PRESENT])
    def test_a_write_demands_that_its_document_exists_or_that_it_does_not(
        self, database: Database, write: Write, precondition: Precondition, exists: bool
    ) -> None:
        before = put(database, n=1) if exists else get(database)
        guarded = write._replace(precondition=precondition)
        if precondition.exists is exists:
            database.commit([guarded])
            assert get(database).fields == (None if isinstance(write, Delete) else {"n": 2})
        else:
            with pytest.raises(Conflict):
                database.commit([guarded])
            assert get(database) == before

    @pytest.mark.parametrize("write", [Put("users/ada", {"n": 2}), Delete("users/ada")])
    def test_a_write_demands_a_version(self, database: Database, write: Write) -> None:
        old = put(database, n=0)
        new = put(database, n=1)
        with pytest.raises(Conflict):
            database.commit([write._replace(precondition=unchanged(old))])
        assert get(database) == new
        database.commit([write._replace(precondition=unchanged(new))])
        assert get(database).fields == (None if isinstance(write, Delete) else {"n": 2})

    @pytest.mark.parametrize("write", [Put("users/ada", {"n": 2}), Delete("users/ada")])
    def test_a_version_is_not_that_of_a_document_that_went_or_came_back(self, database: Database, write: Write) -> None:
        old = put(database, n=0)
        database.commit([Delete("users/ada")])
        guarded = write._replace(precondition=Precondition(version=old.version))
        with pytest.raises(Conflict):
            database.commit([guarded])
        back = put(database, n=0)
        with pytest.raises(Conflict):
            database.commit([guarded])
        assert get(database) == back

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_check_changes_nothing_and_fails_when_the_document_is_another(
        self, database: Database, exists: bool
    ) -> None:
        seen = put(database, n=1) if exists else get(database)
        database.commit([check(seen)])
        assert get(database) == seen
        put(database, n=2)
        with pytest.raises(Conflict):
            database.commit([check(seen), Put("users/bob", {})])
        assert not get(database, "users/bob").exists

    def test_a_later_write_of_a_commit_sees_the_earlier_ones(self, database: Database) -> None:
        database.commit(
            [Put("users/ada", {"n": 1}, precondition=ABSENT), Put("users/ada", {"n": 2}, precondition=PRESENT)]
        )
        assert get(database).fields == {"n": 2}
        database.commit([Put("users/ada", {"n": 3}), Delete("users/ada")])
        assert not get(database).exists

    # Atomicity

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_a_commit_of_which_one_write_fails_writes_nothing(self, database: Database, position: int) -> None:
        put(database, "users/gone", n=1)
        writes: list[Write] = [Put("users/ada", {"n": 1}), Delete("users/gone")]
        writes.insert(position, Put("users/bob", {}, precondition=PRESENT))
        with pytest.raises(Conflict):
            database.commit(writes)
        assert [each.exists for each in database.read(["users/ada", "users/gone"]).documents] == [False, True]

    def test_a_commit_of_which_one_write_is_refused_writes_nothing(self, database: Database) -> None:
        with pytest.raises(InvalidRequest):
            database.commit([Put("users/ada", {"n": 1}), Put("users/bob", {"n": object()})])
        assert not get(database).exists

    # Masks and deletions

    @pytest.mark.parametrize(
        ("mask", "fields", "after"),
        [
            (None, {"a": 1}, {"a": 1}),
            ((), {"a": 1}, {"a": 0, "m": {"x": 0, "y z": 0}, "s": "text"}),
            (("a",), {"a": 1, "m": {}}, {"a": 1, "m": {"x": 0, "y z": 0}, "s": "text"}),
            (("a",), {}, {"m": {"x": 0, "y z": 0}, "s": "text"}),
            (("new",), {"new": 1}, {"a": 0, "m": {"x": 0, "y z": 0}, "s": "text", "new": 1}),
            (("m",), {"m": {"x": 1}}, {"a": 0, "m": {"x": 1}, "s": "text"}),
            (("m.x",), {"m": {"x": 1, "y z": 1}}, {"a": 0, "m": {"x": 1, "y z": 0}, "s": "text"}),
            (("m.x",), {}, {"a": 0, "m": {"y z": 0}, "s": "text"}),
            (("m.`y z`",), {"m": {"y z": 1}}, {"a": 0, "m": {"x": 0, "y z": 1}, "s": "text"}),
            (("m.`y z`", "m.x"), {}, {"a": 0, "m": {}, "s": "text"}),
            (("s.deep",), {"s": {"deep": 1}}, {"a": 0, "m": {"x": 0, "y z": 0}, "s": {"deep": 1}}),
            (("none.deep",), {}, {"a": 0, "m": {"x": 0, "y z": 0}, "s": "text"}),
            (("`a.b`",), {"a.b": 1}, {"a": 0, "m": {"x": 0, "y z": 0}, "s": "text", "a.b": 1}),
        ],
    )
    def test_a_mask_names_the_fields_that_are_written_and_removes_those_without_a_value(
        self, database: Database, mask: tuple[str, ...] | None, fields: dict[str, Any], after: dict[str, Any]
    ) -> None:
        put(database, a=0, m={"x": 0, "y z": 0}, s="text")
        database.commit([Put("users/ada", fields, mask=mask)])
        assert get(database).fields == after

    @pytest.mark.parametrize("mask", [None, (), ("a",), ("b",)])
    def test_a_put_creates_the_document_whatever_its_mask(
        self, database: Database, mask: tuple[str, ...] | None
    ) -> None:
        database.commit([Put("users/ada", {"a": 1}, mask=mask)])
        assert get(database).fields == ({"a": 1} if mask in (None, ("a",)) else {})

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (None, {"n": 2, "m": {"a b": -1}}),
            ({"n": 5, "m": {"a b": 1, "c": 0}, "x": 1}, {"n": 7, "m": {"a b": 0, "c": 0}, "x": 1}),
            ({"n": 0.5, "m": "text"}, {"n": 2.5, "m": {"a b": -1}}),
            ({"n": None, "m": {"a b": True}}, {"n": 2, "m": {"a b": -1}}),
            ({"n": 2**63 - 2, "m": {"a b": -(2**63)}}, {"n": 2**63 - 1, "m": {"a b": -(2**63)}}),
        ],
    )
    def test_a_number_is_added_to_what_a_field_holds(
        self, database: Database, before: dict[str, Any] | None, after: dict[str, Any]
    ) -> None:
        if before is not None:
            put(database, **before)
        committed = database.commit([Put("users/ada", {}, mask=(), adds=(("n", 2), ("m.`a b`", -1)))])
        assert get(database).fields == after
        assert get(database).version == committed.versions[0] == committed.commit_time

    @pytest.mark.parametrize("name", list(NAMES.values()), ids=list(NAMES))
    def test_a_number_is_added_to_a_field_of_any_name_and_taken_out_with_it(
        self, database: Database, name: str
    ) -> None:
        field = f"values.{field_path(name)}"
        database.commit([Put("users/ada", {"n": 1}, mask=("n",), adds=((f"{field}.count", 2), (f"{field}.sum", 5)))])
        database.commit([Put("users/ada", {}, mask=(), adds=((f"{field}.count", -2), ("values.`i:1`.count", 1)))])
        assert get(database).fields == {"n": 1, "values": {name: {"count": 0, "sum": 5}, "i:1": {"count": 1}}}
        stale = Put("users/ada", {}, mask=(field,), precondition=Precondition(version=get(database).version))
        database.commit([Put("users/ada", {}, mask=(), adds=(("values.`i:1`.count", 1),))])
        with pytest.raises(Conflict):
            database.commit([stale])
        database.commit([stale._replace(precondition=unchanged(get(database)))])
        assert get(database).fields == {"n": 1, "values": {"i:1": {"count": 2}}}

    def test_numbers_are_added_in_the_commit_of_a_guarded_write_or_not_at_all(self, database: Database) -> None:
        one = Put("users/ada", {}, mask=(), adds=(("n", 1),))
        database.commit([one, one, Put("users/eva", {"n": 1}, precondition=ABSENT)])
        with pytest.raises(Conflict):
            database.commit([one, Put("users/eva", {"n": 2}, precondition=ABSENT)])
        assert get(database).fields == {"n": 2}
        database.commit([Put("users/ada", {"n": 5, "m": 1}, adds=(("n", 1),))])
        assert get(database).fields == {"n": 6, "m": 1}

    def test_a_document_that_is_not_there_can_be_deleted(self, database: Database) -> None:
        assert database.commit([Delete("users/nobody")]).versions == (MISSING,)

    def test_deleting_a_document_leaves_those_below_it(self, database: Database) -> None:
        put(database, "users/ada")
        put(database, "users/ada/forms/one", n=1)
        database.commit([Delete("users/ada")])
        assert get(database, "users/ada/forms/one").fields == {"n": 1}

    # Values

    @pytest.mark.parametrize("name", VALUES)
    def test_a_value_reads_as_it_was_written(self, database: Database, name: str) -> None:
        value = VALUES[name]
        read = (
            put(database, value=value, inside={"it": [value] if not isinstance(value, list) else value}).fields
        ) or {}
        assert read["value"] == value
        assert type(read["value"]) is type(value)

    def test_not_a_number_reads_as_such_and_the_negative_zero_keeps_its_sign(self, database: Database) -> None:
        fields = put(database, nan=math.nan, zero=-0.0).fields or {}
        assert math.isnan(fields["nan"])
        assert math.copysign(1, fields["zero"]) == -1

    def test_a_time_is_kept_to_the_microsecond_in_utc(self, database: Database) -> None:
        fields = put(database, naive=datetime(2026, 1, 1, 0, 0, 0, 1)).fields or {}
        assert fields["naive"] == datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [[1]], object(), {1, 2}, GeoPoint(91.0, 0.0)])
    def test_a_value_that_firestore_cannot_hold_is_refused(self, database: Database, value: object) -> None:
        with pytest.raises(InvalidRequest):
            put(database, value=value)

    # Queries

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Filter("capital", "==", True), ["bei", "rom"]),
            (Filter("capital", "!=", True), ["nyc", "sfo"]),
            (Filter("population", "<", 2_870_000), ["sfo"]),
            (Filter("population", "<=", 2_870_000), ["sfo", "rom"]),
            (Filter("population", ">", 8_300_000), ["bei"]),
            (Filter("population", ">=", 8_300_000), ["nyc", "bei"]),
            (Filter("name", "in", ("Rome", "Beijing", "Oz")), ["bei", "rom"]),
            (Filter("name", "not-in", ("Rome", "Beijing", "Oz")), ["nyc", "sfo"]),
            (Filter("tags", "array-contains", "old"), ["bei", "rom"]),
            (Filter("tags", "array-contains-any", ("america", "europe")), ["nyc", "rom"]),
            (Filter("population", ">", "text"), []),
            (Filter(NAME, ">=", Reference("cities/rom")), ["rom", "sfo", "void"]),
            (Filter(NAME, "in", (Reference("cities/rom"), Reference("cities/none"))), ["rom"]),
        ],
    )
    def test_a_filter_finds_what_it_says(self, database: Database, condition: Filter, expected: list[str]) -> None:
        cities(database)
        assert ids(database, Query("cities", filters=(condition,))) == expected

    def test_all_filters_must_be_fulfilled(self, database: Database) -> None:
        cities(database)
        both = (Filter("capital", "==", True), Filter("population", "<", 10_000_000))
        assert ids(database, Query("cities", filters=both)) == ["rom"]

    def test_null_and_not_a_number_are_found_by_equality(self, database: Database) -> None:
        for name, value in {"none": None, "nan": math.nan, "one": 1}.items():
            put(database, f"values/{name}", v=value)
        asked: tuple[tuple[Any, Any], ...] = (("==", None), ("!=", None), ("==", math.nan), ("!=", math.nan))
        results = [ids(database, Query("values", filters=(Filter("v", op, value),))) for op, value in asked]
        assert results == [["none"], ["nan", "one"], ["nan"], ["one"]]

    @pytest.mark.parametrize("wanted", [None, math.nan])
    def test_an_array_is_not_found_by_the_null_or_the_nan_in_it(self, database: Database, wanted: Any) -> None:
        put(database, v=[None, math.nan, 1])
        assert ids(database, Query("users", filters=(Filter("v", "array-contains", wanted),))) == []
        assert ids(database, Query("users", filters=(Filter("v", "array-contains-any", (wanted, 2)),))) == []
        assert ids(database, Query("users", filters=(Filter("v", "array-contains-any", (wanted, 1)),))) == ["ada"]

    def test_without_orders_the_result_is_ordered_by_path(self, database: Database) -> None:
        cities(database)
        assert ids(database, Query("cities")) == ["bei", "nyc", "rom", "sfo", "void"]

    def test_an_order_leaves_out_the_documents_without_its_field(self, database: Database) -> None:
        cities(database)
        up, down = Order("population"), Order("population", descending=True)
        assert ids(database, Query("cities", orders=(up,))) == ["sfo", "rom", "nyc", "bei"]
        assert ids(database, Query("cities", orders=(down,))) == ["bei", "nyc", "rom", "sfo"]

    def test_a_second_order_decides_among_equals_and_the_path_takes_the_last_direction(
        self, database: Database
    ) -> None:
        cities(database)
        orders = (Order("capital", descending=True), Order("name"))
        assert ids(database, Query("cities", orders=orders)) == ["bei", "rom", "nyc", "sfo"]
        assert ids(database, Query("cities", orders=orders[:1])) == ["rom", "bei", "sfo", "nyc"]

    @pytest.mark.parametrize("group", [False, True], ids=["collection", "group"])
    def test_ranges_of_two_fields_are_cut_by_both_and_paged_in_their_order(
        self, database: Database, group: bool
    ) -> None:
        for number in range(9):
            put(database, f"houses/h{number}", rooms=number // 3, price=number % 3 / 2)
        ranges = (Filter("rooms", ">=", 1), Filter("price", "<=", 0.5))
        orders = (Order("rooms", descending=True), Order("price"), Order(NAME))
        query = Query("houses", group=group, filters=ranges, orders=orders)
        assert ids(database, query) == ["h6", "h7", "h3", "h4"]
        after = Cursor((2, 0.5, Reference("houses/h7")), before=False)
        assert ids(database, query._replace(start=after, limit=1)) == ["h3"]

    def test_values_of_all_types_have_one_order(self, database: Database) -> None:
        ordered = [
            None, False, True, math.nan, -math.inf, -1, 0, 1.5, 2, datetime(2026, 1, 1, tzinfo=UTC), "", "a", b"", b"a",
            Reference("users/a"), GeoPoint(1.0, 2.0), [], [1], {}, {"a": 1},
        ]  # fmt: skip
        for position, value in enumerate(ordered):
            put(database, f"values/{(7 * position) % len(ordered):02}", v=value, position=position)
        found = database.query(Query("values", orders=(Order("v"),))).documents
        assert [(each.fields or {})["position"] for each in found] == list(range(len(ordered)))

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (Cursor((2_870_000,), before=True), None, ["rom", "nyc", "bei"]),
            (Cursor((2_870_000,), before=False), None, ["nyc", "bei"]),
            (None, Cursor((8_300_000,), before=True), ["sfo", "rom"]),
            (None, Cursor((8_300_000,), before=False), ["sfo", "rom", "nyc"]),
            (Cursor((870_000,), before=False), Cursor((21_540_000,), before=True), ["rom", "nyc"]),
            (Cursor((2_870_000, Reference("cities/rom")), before=False), None, ["nyc", "bei"]),
        ],
    )
    def test_cursors_cut_the_ordered_result(
        self, database: Database, start: Cursor | None, end: Cursor | None, expected: list[str]
    ) -> None:
        cities(database)
        query = Query("cities", orders=(Order("population"), Order(NAME)), start=start, end=end)
        assert ids(database, query) == expected

    def test_a_limit_keeps_the_first_in_order(self, database: Database) -> None:
        cities(database)
        assert ids(database, Query("cities", orders=(Order("population", descending=True),), limit=2)) == ["bei", "nyc"]

    def test_a_collection_group_is_all_collections_of_the_name(self, database: Database) -> None:
        cities(database)
        europe = (Filter("tags", "array-contains", "europe"),)
        assert ids(database, Query("cities", group=True, filters=europe)) == ["rom", "mil"]
        assert ids(database, Query("cities", filters=europe)) == ["rom"]
        assert ids(database, Query("countries/it/cities", filters=europe)) == ["mil"]

    @pytest.mark.parametrize("foreign", [3, 400])
    @pytest.mark.parametrize("select", [None, (), ("n",), ("none",)])
    def test_a_limit_counts_the_documents_of_the_pattern_alone(
        self, database: Database, foreign: int, select: tuple[str, ...] | None
    ) -> None:
        scattered_notes(database, foreign)
        notes = Query("notes", group=True, orders=(Order("n"),), limit=3, pattern=USERS_NOTES, select=select)
        reading = database.query(notes)
        assert [each.path for each in reading.documents] == ["users/a/notes/0", "users/b/notes/1", "users/a/notes/2"]
        has_number = select is None or "n" in select
        assert [each.fields for each in reading.documents] == [{"n": n} if has_number else {} for n in (0, 1, 2)]
        assert all(each.version for each in reading.documents)
        assert ids(database, notes._replace(limit=9)) == ["0", "1", "2", "3", "4"]
        assert ids(database, notes._replace(limit=2, start=Cursor((0,), before=False))) == ["1", "2"]
        assert ids(database, notes._replace(limit=2, orders=(Order("n", descending=True),))) == ["4", "3"]
        assert ids(database, notes._replace(limit=None)) == ["0", "1", "2", "3", "4"]
        assert ids(database, notes._replace(limit=None, orders=())) == ["0", "2", "4", "1", "3"]

    def test_a_query_of_a_pattern_with_a_limit_is_read_at_one_time(self, database: Database) -> None:
        scattered_notes(database, 3)
        notes = Query("notes", group=True, orders=(Order("n"),), limit=4, pattern=USERS_NOTES)
        before = database.query(notes)
        database.commit([Delete("users/a/notes/0"), Put("users/a/notes/9", {"n": 1.5})])
        assert database.query(notes, at=before.read_time).documents == before.documents
        assert ids(database, notes) == ["1", "9", "2", "3"]

    @pytest.mark.parametrize(
        ("write", "conflicts"),
        [
            (Delete("users/b/notes/1"), True),
            (Put("users/c/notes/0", {"n": 0}), True),
            (Put("users/b/notes/3", {"n": 3, "more": 1}), False),
            (Put("aaa/x/notes/9", {"n": 0}), False),
            (Delete("aaa/x/notes/0"), False),
        ],
    )
    def test_a_commit_verifies_a_query_of_a_pattern_by_its_own_documents(
        self, database: Database, write: Write, conflicts: bool
    ) -> None:
        scattered_notes(database, 3)
        notes = found(database, Query("notes", group=True, orders=(Order("n"),), limit=3, pattern=USERS_NOTES))
        database.commit([write])
        if conflicts:
            with pytest.raises(Conflict):
                database.commit([Put("users/ada", {})], verify=[notes])
        else:
            database.commit([Put("users/ada", {})], verify=[notes])
        assert get(database).exists is not conflicts

    @pytest.mark.parametrize(
        "select", [(), ("name",), ("name", "population", "none"), ("none",), ("tags", "capital")], ids=" ".join
    )
    @pytest.mark.parametrize("orders", [(), (Order("population"),)], ids=["by name", "by a field"])
    def test_a_query_returns_the_selected_fields_alone_and_the_true_versions(
        self, database: Database, select: tuple[str, ...], orders: tuple[Order, ...]
    ) -> None:
        cities(database)
        query = Query("cities", filters=(Filter("capital", "==", True),), orders=orders)
        whole = database.query(query).documents
        selected = [{name: value for name, value in (each.fields or {}).items() if name in select} for each in whole]
        found = database.query(query._replace(select=select))
        assert found.documents == tuple(map(replace_fields, whole, selected))
        assert [each.version for each in found.documents] == [each.version for each in whole]
        assert database.query(query._replace(select=select), at=found.read_time).documents == found.documents

    def test_a_field_with_an_odd_name_is_selected_by_its_name(self, database: Database) -> None:
        odd: dict[str, Any] = {"a b": 1, "a.b": 2, "`": 3, "a": {"b": 4}}
        put(database, **odd)
        for name in odd:
            (found,), (read,) = (
                database.query(Query("users", select=(name,))).documents,
                database.read(["users/ada"], select=(name,)).documents,
            )
            assert found.fields == read.fields == {name: odd[name]}

    def test_a_read_returns_the_selected_fields_alone_and_the_true_versions(self, database: Database) -> None:
        put(database, "users/ada", n=1, m=2)
        put(database, "users/eva", n=3)
        put(database, "users/zoe", k=4)
        paths = ["users/ada", "users/nobody", "users/eva", "users/zoe", "users/ada"]
        whole = database.read(paths)
        found = database.read(paths, select=("n", "k"))
        assert [each.fields for each in found.documents] == [{"n": 1}, None, {"n": 3}, {"k": 4}, {"n": 1}]
        assert [each.version for each in found.documents] == [each.version for each in whole.documents]
        put(database, "users/eva", n=5)
        assert database.read(paths, at=found.read_time, select=("n", "k")).documents == found.documents
        assert database.read([], select=("n",)).documents == ()

    def test_a_field_of_a_map_or_with_an_odd_name_is_found_by_its_path(self, database: Database) -> None:
        put(database, m={"a b": 1, "c": {"d": 2}})
        for field, value in (("m.`a b`", 1), ("m.c.d", 2)):
            assert ids(database, Query("users", filters=(Filter(field, "==", value),))) == ["ada"]

    @pytest.mark.parametrize(
        "query",
        [
            Query("cities", filters=(Filter("n", "in", ()),)),
            Query("cities", filters=(Filter("n", "in", tuple(range(31))),)),
            Query("cities", filters=(Filter("n", "not-in", tuple(range(11))),)),
            Query("cities", filters=(Filter("n", "!=", 1), Filter("n", "!=", 1))),
            Query("cities", filters=(Filter("n", "not-in", (1,)), Filter("n", "not-in", (1,)))),
            Query("cities", filters=(Filter("n", "in", tuple(range(6))), Filter("name", "in", tuple("abcdef")))),
            Query("cities", filters=(Filter("n", "in", (1, 1.0)), Filter("name", "in", tuple("abcdefghijklmnop")))),
            Query("cities", filters=(Filter("n", "in", (1, 2, 3)), Filter("n", "in", tuple(range(12))))),
            Query("cities", filters=(Filter("a", "array-contains-any", (1, 2)), Filter("n", "in", tuple(range(16))))),
            Query("cities", filters=(Filter("n", "!=", 1), Filter("n", "!=", 2))),
            Query("cities", filters=(Filter("n", "array-contains", 1), Filter("n", "array-contains", 2))),
            Query("cities", orders=(Order("n"), Order("n"))),
            Query("cities", orders=(Order("n"),), start=Cursor((1, Reference("cities/a"), 2), before=True)),
            Query("cities", limit=-1),
        ],
    )
    def test_a_query_that_firestore_refuses_is_refused(self, database: Database, query: Query) -> None:
        with pytest.raises(InvalidRequest):
            database.query(query)

    @pytest.mark.parametrize(
        "filters",
        [
            (Filter("n", "in", tuple(range(6))), Filter("name", "in", tuple("abcde"))),
            (Filter("n", "in", (1, 1, 1, 1, 1, 1)), Filter("name", "in", tuple("abcdef"))),
            (Filter("n", "in", tuple(range(8))), Filter("n", "in", tuple(range(8)))),
            (Filter("n", "in", (1, 2, 3)), Filter("n", "in", tuple(range(11)))),
        ],
        ids=["thirty combinations", "equal values", "equal filters", "equal combinations"],
    )
    def test_lists_may_be_combined_up_to_thirty_times(self, database: Database, filters: tuple[Filter, ...]) -> None:
        assert database.query(Query("cities", filters=filters)).documents == ()

    @pytest.mark.parametrize(
        ("largest", "op"),
        [
            (Reference(f"cities/{'i' * 1476}"), "=="),
            (Reference(f"cities/{'i' * 1476}"), "array-contains"),
            ("i" * 1499, "=="),
            ("i" * 1499, "!="),
            ("i" * 1499, ">"),
            (b"i" * 1500, "=="),
            ({"a": "i" * 1497}, "=="),
            ({"a": {"b": "i" * 1492}, "c": None}, "=="),
            (["i" * 749, "i" * 749], "=="),
            ((("i" * 1499), "a"), "in"),
        ],
    )
    def test_a_value_is_compared_with_as_far_as_an_index_holds_it(
        self, database: Database, largest: Any, op: Any
    ) -> None:
        database.query(Query("cities", filters=(Filter("n", op, largest),)))
        with pytest.raises(InvalidRequest):
            database.query(Query("cities", filters=(Filter("n", op, _longer(largest)),)))

    # Verified queries

    @pytest.mark.parametrize(
        "race",
        [
            pytest.param(lambda database: put(database, "cities/par", capital=True), id="enters"),
            pytest.param(lambda database: put(database, "cities/rom", capital=False), id="leaves"),
            pytest.param(lambda database: database.commit([Delete("cities/rom")]), id="is deleted"),
            pytest.param(lambda database: put(database, "cities/rom", capital=True, n=1), id="changes"),
        ],
    )
    def test_a_commit_is_a_conflict_when_a_document_of_its_query(
        self, database: Database, race: Callable[[Database], object]
    ) -> None:
        cities(database)
        query = found(database, Query("cities", filters=(Filter("capital", "==", True),)))
        race(database)
        with pytest.raises(Conflict):
            database.commit([Put("users/ada", {})], verify=[query])
        assert not get(database).exists

    def test_a_commit_goes_through_when_its_queries_return_what_they_did(self, database: Database) -> None:
        cities(database)
        capitals = found(database, Query("cities", filters=(Filter("capital", "==", True),)))
        nothing = found(database, Query("planets"))
        put(database, "cities/sfo", capital=False)
        database.commit([Put("users/ada", {})], verify=[capitals, nothing])
        assert get(database).exists

    def test_a_commit_that_conflicts_can_be_tried_again_at_once(self, database: Database) -> None:
        nothing = found(database, Query("planets"))
        put(database, "planets/mars")
        with pytest.raises(Conflict):
            database.commit([Put("users/ada", {})], verify=[nothing])
        database.commit([Put("users/ada", {})], verify=[found(database, Query("planets"))])
        assert get(database).exists

    # What is refused

    @pytest.mark.parametrize("path", ["", "users", "users/a/b", "users//a/b", "users/.", "users/..", "users/__x__"])
    def test_a_path_that_names_no_document_is_refused(self, database: Database, path: str) -> None:
        for write in (Put(path, {}), Delete(path)):
            with pytest.raises(InvalidRequest):
                database.commit([write])
        with pytest.raises(InvalidRequest):
            database.read([path])

    def test_an_id_has_at_most_1500_bytes(self, database: Database) -> None:
        assert put(database, f"users/{'é' * 750}", n=1).exists
        with pytest.raises(InvalidRequest):
            put(database, f"users/{'é' * 750}x", n=1)

    @pytest.mark.parametrize("name", ["", "__x__", "x" * 1501])
    def test_a_name_of_a_field_that_firestore_reserves_is_refused(self, database: Database, name: str) -> None:
        with pytest.raises(InvalidRequest):
            database.commit([Put("users/ada", {name: 1})])

    @pytest.mark.parametrize("excess", [0, 1])
    def test_the_path_to_a_nested_field_has_at_most_1500_bytes(self, database: Database, excess: int) -> None:
        nested: list[dict[str, Any]] = [
            {"m": {"é" * 749: 1}},
            {"m" * 749: {"x" * 750: 1}},
            {"m": [{"n": {"x" * 1496: 1}}]},
        ]
        if not excess:
            for value in nested:
                assert put(database, **value).fields == value
            return
        longer: list[dict[str, Any]] = [
            {"m": {"é" * 749 + "x": 1}},
            {"m" * 749: {"x" * 751: 1}},
            {"m": [{"n": {"x" * 1497: 1}}]},
        ]
        for value in longer:
            with pytest.raises(InvalidRequest):
                put(database, **value)

    @pytest.mark.parametrize("field", ["", "a b", "a..b", "__a__", "m.__a__", "`__a__`", "x" * 1500, "m." + "x" * 1498])
    def test_a_field_path_that_firestore_refuses_is_refused_before_a_precondition(
        self, database: Database, field: str
    ) -> None:
        with pytest.raises(InvalidRequest):
            database.commit([Put("users/ada", {}, mask=(field,), precondition=PRESENT)])
        with pytest.raises(InvalidRequest):
            database.query(Query("users", filters=(Filter(field, "==", 1),), orders=(Order(field),)))

    @pytest.mark.parametrize("field", ["x" * 1499, "`" + " " * 1499 + "`", "m." + "x" * 1497])
    def test_a_field_path_may_be_almost_1500_bytes_long(self, database: Database, field: str) -> None:
        database.commit([Put("users/ada", {}, mask=(field,))])
        assert database.query(Query("users", orders=(Order(field),))).documents == ()

    def test_a_version_that_is_newer_than_the_document_is_a_conflict(self, database: Database) -> None:
        old = put(database, n=1)
        newer = Precondition(version=put(database, "users/bob").version)
        for write in (Put("users/ada", {"n": 2}, precondition=newer), Delete("users/ada", newer)):
            with pytest.raises(Conflict):
                database.commit([write])
        assert get(database) == old

    @pytest.mark.parametrize("name", ["by_reference", "by_id", "by_path", "ids", "paths", "by_email", "numbers"])
    def test_documents_are_found_by_a_relation_however_it_is_stored(self, database: Database, name: str) -> None:
        bound, is_many = getattr(Purchase, name), name in ("ids", "paths", "numbers")
        with use(database):
            ada, grace = Customer.new("ada", email="a@x", number=1), Customer.new("grace", email="g@x", number=2)
            for doc_id, customer in (("1", ada), ("2", grace), ("3", ada)):
                Purchase.new(doc_id, **{name: [customer] if is_many else customer}).save()
            found = Purchase.where(bound.contains(ada) if is_many else bound == ada)
            assert [each.doc_id for each in found] == ["1", "3"]
        assert referring(database, bound, ada) == ["purchases/1", "purchases/3"]

    @pytest.mark.parametrize("doc_id", ["ada", "a b.c`d\\e", "ä-ö", "1", "x" * 1480])
    def test_documents_are_found_by_the_key_of_a_map_unless_null_stands_beside_it(
        self, database: Database, doc_id: str
    ) -> None:
        with use(database):
            ada = Customer.new(doc_id)
            for number, beside in enumerate([True, False, None, "owner", {"since": 3}, [None]]):
                Purchase.new(f"{number}", keys={doc_id: beside, "grace": True}).save()
            Purchase.new("other", keys=["grace"]).save()
            Purchase.new("none", keys={}).save()
        assert sorted(referring(database, Purchase.keys, ada)) == [f"purchases/{number}" for number in (0, 1, 3, 4, 5)]
        example = referrers(Purchase.keys)
        assert isinstance(example, Referrers)
        query = example.query(Document(ada.path))
        assert query is not None
        assert database.aggregate(Aggregation(query, "count")).value == 5

    @pytest.mark.parametrize("name", ["by_email", "numbers"])
    def test_a_relation_by_a_value_finds_the_documents_that_have_it_and_no_more_than_two(
        self, database: Database, name: str
    ) -> None:
        relation: Any = getattr(Purchase, name).attribute
        values: tuple[Any, Any] = ("a@x", "b@x") if name == "by_email" else (1, 2)
        key = "email" if name == "by_email" else "number"
        database.commit([Put(f"customers/{each}", {key: values[0]}) for each in "cab"])
        found = [[each.id for each in database.query(relation.look_up(value)).documents] for value in values]
        assert found == [["a", "b"], []]
        database.commit([Put("customers/z", {key: values[1]}), Delete("customers/a"), Delete("customers/b")])
        for expected in (["c"], ["b", "c"]):
            reader = Reader(database)
            look_ups = [relation.look_up(each) for each in values]
            reader.look_up(look_ups)
            assert [[each.id for each in reader.results[query.key]] for query in look_ups] == [expected, ["z"]]
            database.commit([Put("customers/b", {key: values[0]})])

    def test_null_is_found_by_equality_and_left_out_by_inequality(self, database: Database) -> None:
        with use(database):
            Purchase.new("1", by_id="ada").save()
            Purchase.new("2", by_id=None).save()
            Purchase.new("3").save()
            assert [each.doc_id for each in Purchase.where(by_id=None)] == ["2"]
            assert [each.doc_id for each in Purchase.where(Purchase.by_id.is_null())] == ["2"]
            assert [each.doc_id for each in Purchase.where(Purchase.by_id.is_not_null())] == ["1"]

    def test_a_choice_among_referrers_and_children_is_made_by_firestore(self, database: Database) -> None:
        database.commit(
            [
                Put(f"{collection}/{number}", {"byReference": Reference("customers/ada"), "paid": paid, "price": price})
                for collection in ("purchases", "customers/ada/visits", "customers/bob/visits")
                for number, (paid, price) in enumerate([(None, 3), (None, 1), (True, 5), (None, None), (None, 2)])
            ]
        )
        chosen: list[tuple[Any, list[str]]] = [
            (lambda source, model: source.where(paid=None), ["0", "1", "3", "4"]),
            (lambda source, model: source.where(model.paid.is_not_null()), ["2"]),
            (lambda source, model: source.where(model.price > 1, paid=None).order_by(model.price), ["4", "0"]),
            (lambda source, model: source.order_by(model.price.desc()).limit(2), ["2", "0"]),
            (lambda source, model: source.where(model.price.not_in([3, 5])).limit(1), ["1"]),
        ]
        for choose, wanted in chosen:
            purchases = choose(referrers(Purchase.by_reference), Purchase).query(Document("customers/ada"))
            visits = choose(children(Visit), Visit).query(Document("customers/ada"))
            for query in (purchases, visits):
                assert [each.id for each in database.query(query).documents] == wanted
                count = database.aggregate(Aggregation(query, "count")).value
                assert count == len(wanted)

    @pytest.mark.parametrize("depth", [20, 21])
    def test_maps_are_nested_at_most_twenty_deep(self, database: Database, depth: int) -> None:
        value: Any = 1
        for _ in range(depth):
            value = {"m": value}
        if depth <= 20:
            assert put(database, v=value).exists
        else:
            with pytest.raises(InvalidRequest):
                put(database, v=value)

    @pytest.mark.parametrize("excess", [0, 1])
    def test_a_document_has_at_most_one_mebibyte(self, database: Database, excess: int) -> None:
        before = put(database, n=1)
        halves = {"a": "x" * 500_000, "b": ""}
        rest = MAX_DOCUMENT_BYTES - document_size("users/ada", halves) + excess
        fields = {**halves, "b": "x" * rest}
        if excess:
            with pytest.raises(TooLarge):
                database.commit([Put("users/ada", fields)])
            assert get(database) == before
        else:
            database.commit([Put("users/ada", fields)])
            assert get(database).fields == fields

    def test_a_request_over_ten_mebibytes_is_refused_and_writes_nothing(self, database: Database) -> None:
        writes = [Put(f"users/{number}", {"text": "x" * 1_000_000}) for number in range(11)]
        with pytest.raises(TooLarge):
            database.commit(writes)
        assert database.query(Query("users")).documents == ()

    @pytest.mark.parametrize(
        ("values", "result", "average"),
        [
            ((), 0, None),
            ((1, 2, 4), 7, 7 / 3),
            ((1, 2.5), 3.5, 1.75),
            ((1.0, 2.0), 3.0, 1.5),
            ((1, None, "2", True, [3], {"n": 4}), 1, 1.0),
            (("none",), 0, None),
            ((2**63 - 1, 1), 2.0**63, 2.0**62),
            ((-(2**63), -1), -(2.0**63), -(2.0**62)),
            ((2**63 - 1, 1, -1), 2**63 - 1, 2.0**63 / 3),
            ((1, math.inf), math.inf, math.inf),
            ((1, math.nan), math.nan, math.nan),
            ((math.inf, -math.inf), math.nan, math.nan),
        ],
    )
    def test_a_total_takes_the_values_that_are_numbers(
        self, database: Database, values: tuple[Any, ...], result: Number, average: Number
    ) -> None:
        goals(database, *values)
        assert total(database, "count") == len(values)
        for found, expected in ((total(database), result), (total(database, "average"), average)):
            assert type(found) is type(expected)
            assert found == pytest.approx(expected, nan_ok=True) if isinstance(expected, float) else found == expected

    def test_a_total_is_of_the_documents_that_its_query_finds(self, database: Database) -> None:
        goals(database, 1, 2, 4, 8)
        database.commit([Put("goals/other", {"m": 16}), Put("clubs/goals", {"n": 32})])
        assert total(database, "count") == 5
        assert total(database) == 15
        assert total(database, query=Query("goals", filters=(Filter("n", ">", 1),))) == 14
        assert total(database, "count", Query("goals", filters=(Filter("n", "==", 3),))) == 0
        top = Query("goals", orders=(Order("n", descending=True),), limit=2)
        assert (total(database, "count", top), total(database, query=top)) == (2, 12)

    def test_a_total_is_of_nested_fields(self, database: Database) -> None:
        goals(database, {"a b": 1}, {"a b": 2}, {"c": 4})
        assert total(database, field="n.`a b`") == 3

    def test_a_total_over_a_group_has_the_collections_of_all_depths(self, database: Database) -> None:
        database.commit([Put("goals/a", {"n": 1}), Put("clubs/x/goals/b", {"n": 2})])
        assert total(database, query=Query("goals", group=True)) == 3

    def test_a_total_is_as_of_its_read_time(self, database: Database) -> None:
        goals(database, 1)
        before = database.aggregate(Aggregation(Query("goals"), "count"))
        goals(database, 1, 2)
        after = database.aggregate(Aggregation(Query("goals"), "count"))
        assert (before.value, after.value) == (1, 2)
        assert after.read_time > before.read_time
        again = database.aggregate(Aggregation(Query("goals"), "count"), at=before.read_time)
        assert (again.value, again.read_time) == (1, before.read_time)

    def test_a_total_costs_a_read_for_each_thousand_entries(self, database: Database) -> None:
        goals(database, 1, 2)
        assert database.aggregate(Aggregation(Query("goals"), "count")).reads == 1
        assert database.aggregate(Aggregation(Query("none"), "sum", "n")).reads == 1

    def test_a_total_by_value_has_a_number_for_each_in_firestores_order(self, database: Database) -> None:
        stored: list[dict[str, Any]] = [
            {"n": 1, "by": "b"},
            {"n": 2, "by": Reference("users/ada")},
            {"n": 4, "by": "a"},
            {"n": 8, "by": "b"},
            {"n": "none", "by": True},
            {"by": 2},
            {"n": 16},
            {"n": 32, "by": None},
            {"n": 64, "by": 2.0},
        ]
        database.commit([Put(f"goals/g{number}", fields) for number, fields in enumerate(stored)])
        count = database.aggregate(Aggregation(GOALS, "count", by="by"))
        ada = Reference("users/ada")
        assert count.value == ((None, 1), (True, 1), (2, 2), ("a", 1), ("b", 2), (ada, 1))
        assert (count.rpcs, count.reads) == (13, 13)
        added = database.aggregate(Aggregation(GOALS, "sum", "n", by="by")).value
        assert added == ((None, 32), (True, 0), (2, 64), ("a", 4), ("b", 9), (ada, 2))
        means = database.aggregate(Aggregation(GOALS, "average", "n", by="by")).value
        assert means == ((None, 32.0), (True, None), (2, 64.0), ("a", 4.0), ("b", 4.5), (ada, 2.0))
        few = Query("goals", filters=(Filter("n", ">", 2), Filter("by", "!=", "a")))
        assert database.aggregate(Aggregation(few, "count", by="by")).value == ((2, 1), ("b", 1))

    def test_a_total_by_value_of_nothing_is_empty(self, database: Database) -> None:
        nothing = database.aggregate(Aggregation(GOALS, "count", by="by"))
        assert (nothing.value, nothing.rpcs, nothing.reads) == ((), 1, 1)

    def test_a_total_by_value_is_as_of_one_time(self, database: Database) -> None:
        goals(database, 1, 2, 1)
        before = database.aggregate(Aggregation(GOALS, "count", by="n"))
        goals(database, 3, 3, 3)
        assert before.value == ((1, 2), (2, 1))
        assert database.aggregate(Aggregation(GOALS, "count", by="n"), at=before.read_time) == before

    def test_a_total_takes_at_most_a_hundred_values(self, database: Database) -> None:
        goals(database, *range(100))
        assert database.aggregate(Aggregation(GOALS, "count", by="n")).value == tuple((n, 1) for n in range(100))
        put(database, "goals/more", n=100)
        with pytest.raises(TooLarge, match="n has more than 100 values in the goals"):
            database.aggregate(Aggregation(GOALS, "count", by="n"))

    def test_a_commit_verifies_totals_by_value(self, database: Database) -> None:
        goals(database, 1, 2, 1)
        asked = database.aggregate(Aggregation(GOALS, "count", by="n"))
        database.commit([Put("users/ada", {"n": 1})], verify=[asked, found(database, GOALS)])
        goals(database, 1, 2, 2)
        with pytest.raises(Conflict, match="count over goals"):
            database.commit([Put("users/ada", {"n": 2})], verify=[asked])
        assert get(database).fields == {"n": 1}

    def test_a_commit_verifies_totals(self, database: Database) -> None:
        goals(database, 1, 2)
        asked = [
            database.aggregate(each)
            for each in (Aggregation(Query("goals"), "count"), Aggregation(Query("goals"), "sum", "n"))
        ]
        database.commit([Put("users/ada", {"n": 1})], verify=asked)
        goals(database, 1, 3)
        with pytest.raises(Conflict, match="sum over goals"):
            database.commit([Put("users/ada", {"n": 2})], verify=asked)
        assert get(database).fields == {"n": 1}
        database.commit([Put("users/ada", {"n": 2})], verify=[*asked[:1], found(database, Query("goals"))])

    def test_a_total_that_cannot_be_answered_is_refused(self, database: Database) -> None:
        for refused in (
            Aggregation(Query("goals", group=True, pattern=Pattern("clubs/{club}/goals/{doc_id}")), "count"),
            Aggregation(Query("goals"), "sum"),
            Aggregation(Query("goals"), "count", "n"),
            Aggregation(Query("goals"), "sum", "a..b"),
            Aggregation(Query("goals", limit=-1), "count"),
            Aggregation(Query("goals", limit=2), "count", by="n"),
            Aggregation(Query("goals"), "count", by="a..b"),
        ):
            with pytest.raises(InvalidRequest):
                database.aggregate(refused)
