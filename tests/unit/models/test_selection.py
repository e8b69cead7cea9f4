"""Selections of stored models: conditions, orders, limits, cursors, and reading page by page."""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest

from boiler_functions import DomainModel, attrs, use
from boiler_functions.database import Cursor, Filter, Order, Put, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import DeclarationError, InvalidCondition, InvalidValue
from boiler_functions.models.selection import PAGE, Selection


class Size(Enum):
    LARGE = "l"
    SMALL = "s"


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string()


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string()
    population = attrs.integer()
    capital = attrs.boolean()
    size = attrs.enum(Size)
    regions = attrs.list(str)
    country = attrs.relation(Country)


class Municipality(City):
    mayor = attrs.string()


class Ward(Municipality): ...


class Form(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/forms"

    name = attrs.string()


CITIES: list[dict[str, Any]] = [
    {"doc_id": "a", "city_name": "Aichi", "population": 10, "capital": False, "size": Size.SMALL, "regions": ["x"]},
    {"doc_id": "b", "city_name": "Bonn", "population": 20, "capital": True, "size": Size.SMALL, "regions": ["x", "y"]},
    {"doc_id": "c", "city_name": "Cairo", "population": 20, "capital": True, "size": Size.LARGE, "country": "EG"},
    {"doc_id": "d", "city_name": "Delhi", "population": None, "capital": False, "regions": ["z"], "country": "IN"},
    {"doc_id": "e", "city_name": "Essen"},
]


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    memory = MemoryDatabase()
    with use(memory):
        for values in CITIES:
            City.new(**values).save()
        yield memory


@pytest.fixture
def empty() -> Iterator[MemoryDatabase]:
    memory = MemoryDatabase()
    with use(memory):
        yield memory


def ids(selection: Selection[Any]) -> str:
    return "".join(model.doc_id for model in selection)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (City.where(City.population == 20), "bc"),
        (City.where(City.population == None), "d"),  # noqa: E711
        (City.where(City.population != 20), "a"),
        (City.where(City.population < 20), "a"),
        (City.where(City.population <= 20), "abc"),
        (City.where(City.population > 10), "bc"),
        (City.where(City.population >= 10), "abc"),
        (City.where(City.population.in_([10, 30])), "a"),
        (City.where(City.population.not_in([10])), "bc"),
        (City.where(City.regions.contains("x")), "ab"),
        (City.where(City.regions.contains_any(["y", "z"])), "bd"),
        (City.where(City.capital == True, City.population == 20), "bc"),  # noqa: E712
        (City.where(City.capital == True, size=Size.LARGE), "c"),  # noqa: E712
        (City.where(capital=True), "bc"),
        (City.where(capital=True, population=20), "bc"),
        (City.where(size=Size.SMALL), "ab"),
        (City.where(country="EG"), "c"),
        (City.where(country=Country.new("IN")), "d"),
        (City.where(City.country == "EG"), "c"),
        (City.where(population=None), "d"),
        (City.where(regions=["x"]), "a"),
        (City.where(population=99), ""),
        (City.all(), "abcde"),
        (City.where(), "abcde"),
    ],
)
def test_every_operator_finds_the_models_that_match(
    database: MemoryDatabase, selection: Selection[City], expected: str
) -> None:
    assert ids(selection) == expected


def test_a_missing_field_matches_no_condition(database: MemoryDatabase) -> None:
    """Firestore's own rule: `!=` and `not_in` find only documents that have the field, and not null."""
    assert "e" not in ids(City.where(City.population != 1)) + ids(City.where(City.population.not_in([1])))


def test_both_spellings_are_one_query() -> None:
    assert City.where(capital=True).query == City.where(City.capital == True).query  # noqa: E712


def test_a_selection_reads_nothing_until_it_is_iterated() -> None:
    metered = Metered(MemoryDatabase())
    with use(metered):
        selection = City.where(capital=True).order_by(City.population).limit(3)
        assert metered.usage.rpcs == 0
        assert list(selection) == []
    assert metered.usage.rpcs == 1


def test_a_selection_can_be_iterated_again_and_sees_what_is_new(database: MemoryDatabase) -> None:
    selection = City.where(capital=True)
    assert ids(selection) == "bc"
    City.new(doc_id="f", capital=True).save()
    assert ids(selection) == "bcf"


def test_a_selection_is_immutable(database: MemoryDatabase) -> None:
    selection = City.all()
    assert ids(selection.limit(1)) == "a"
    assert ids(selection) == "abcde"


# Orders and limits.


def test_orders_sort_up_and_down_and_then_by_path(database: MemoryDatabase) -> None:
    assert ids(City.all().order_by(City.population)) == "dabc"
    assert ids(City.all().order_by(City.population.asc())) == "dabc"
    assert ids(City.all().order_by(City.population.desc(), City.city_name)) == "bcad"
    assert ids(City.all().order_by(City.population.desc()).order_by(City.city_name.desc())) == "cbad"


def test_a_limit_ends_the_selection(database: MemoryDatabase) -> None:
    assert ids(City.all().limit(2)) == "ab"
    assert ids(City.all().limit(99)) == "abcde"


@pytest.mark.parametrize("count", [0, -1, "3", 2.5, True])
def test_a_limit_is_a_whole_number_from_one(count: Any) -> None:
    with pytest.raises(InvalidValue, match=f"City refuses limit: takes a whole number from 1; found {count!r}"):
        City.all().limit(count)


def test_a_condition_on_the_id_is_refused_with_what_reads_that_document() -> None:
    with pytest.raises(InvalidCondition, match=r"City\.where\(doc_id=…\): an id is not an attribute.*`City\.get\(…\)`"):
        City.where(doc_id="TOK")


def test_first_gives_one_model_or_none(database: MemoryDatabase) -> None:
    first = City.all().order_by(City.city_name.desc()).first()
    assert first is not None
    assert first.doc_id == "e"
    assert City.where(population=99).first() is None


def test_first_reads_one_document(database: MemoryDatabase) -> None:
    metered = Metered(database)
    with use(metered):
        City.all().first()
    assert (metered.usage.rpcs, metered.usage.reads) == (1, 1)


def test_first_of_a_group_reads_one_document() -> None:
    memory = MemoryDatabase()
    memory.commit([Put(f"users/u/forms/{number:02}", {}) for number in range(20)])
    metered = Metered(memory)
    with use(metered):
        assert Form.all().first() is not None
    assert metered.usage.reads == 1


# Cursors.


def test_cursors_cut_the_order_at_a_value(database: MemoryDatabase) -> None:
    ordered = City.all().order_by(City.city_name)
    assert ids(ordered.start_at("Bonn")) == "bcde"
    assert ids(ordered.start_after("Bonn")) == "cde"
    assert ids(ordered.end_at("Bonn")) == "ab"
    assert ids(ordered.end_before("Bonn")) == "a"
    assert ids(ordered.start_at("Bonn").end_before("Delhi")) == "bc"
    assert ids(ordered.start_after("Bonn").limit(1)) == "c"


def test_a_cursor_of_several_values_stands_between_equal_first_ones(database: MemoryDatabase) -> None:
    ordered = City.all().order_by(City.population, City.city_name)
    assert ids(ordered.start_after(20, "Bonn")) == "c"
    assert ids(ordered.start_after(20)) == ""
    assert ids(ordered.start_at(20)) == "bc"


def test_a_model_is_a_cursor(database: MemoryDatabase) -> None:
    bonn = City.get("b")
    assert ids(City.all().start_at(bonn)) == "bcde"
    assert ids(City.all().start_after(bonn)) == "cde"
    assert ids(City.all().order_by(City.population).start_after(bonn)) == "c"
    assert ids(City.all().order_by(City.population.desc()).start_at(bonn)) == "bad"
    assert ids(City.all().end_before(bonn)) == "a"


@pytest.mark.parametrize(("order", "value", "expected"), [(City.size, Size.SMALL, "ab"), (City.country, "IN", "d")])
def test_a_cursor_value_is_given_as_the_attribute_has_it(
    database: MemoryDatabase, order: Any, value: Any, expected: str
) -> None:
    assert ids(City.all().order_by(order).start_at(value)) == expected


@pytest.mark.parametrize("values", [(), ("Bonn", 1)])
def test_a_cursor_with_another_number_of_values_than_orders_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidValue, match=r"City refuses cursor: takes 1 to 1 values.*found"):
        City.all().order_by(City.city_name).start_at(*values)


def test_a_cursor_value_without_an_order_is_refused() -> None:
    with pytest.raises(InvalidValue, match="City refuses cursor"):
        City.all().start_at("Bonn")


def test_a_model_without_the_ordered_field_is_refused_as_a_cursor(database: MemoryDatabase) -> None:
    with pytest.raises(InvalidValue, match="City refuses cursor"):
        City.all().order_by(City.population).start_at(City.get("e"))


def test_ordering_after_a_cursor_is_refused(database: MemoryDatabase) -> None:
    """The cursor's values would belong to other orders, and the result would be silently wrong."""
    with pytest.raises((DeclarationError, InvalidValue), match="City: order_by is called after a cursor"):
        City.all().start_at(City.get("b")).order_by(City.city_name)


# Paging.


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    "selection",
    [
        City.all(),
        City.all().order_by(City.city_name.desc()),
        City.all().order_by(City.population.desc(), City.city_name.desc()),
        City.where(City.population >= 10),
        City.where(City.population > 1).order_by(City.population),
        City.where(capital=True),
        City.all().limit(3),
        City.all().order_by(City.city_name).start_after("Aichi").end_at("Delhi"),
    ],
)
def test_pages_of_any_size_give_the_same_documents(
    database: MemoryDatabase, selection: Selection[City], size: int
) -> None:
    pages = list(selection.pages(size))
    paged = "".join(document.id for page in pages for document in page)
    assert paged == ids(selection)
    assert all(len(page) <= size for page in pages)


def test_iterating_reads_more_than_one_page() -> None:
    count = 2 * PAGE + 1
    memory = MemoryDatabase()
    memory.commit([Put(f"cities/{number:04}", {"population": number % 7}) for number in range(count)])
    metered = Metered(memory)
    with use(metered):
        assert len({city.doc_id for city in City.all().order_by(City.population)}) == count
    assert metered.usage.rpcs == 3


def test_a_limit_over_several_pages_reads_no_more_than_it_gives() -> None:
    memory = MemoryDatabase()
    memory.commit([Put(f"cities/{number:04}", {}) for number in range(PAGE + 20)])
    metered = Metered(memory)
    with use(metered):
        assert sum(1 for _ in City.all().limit(PAGE + 10)) == PAGE + 10
    assert metered.usage.reads == PAGE + 10


def test_stopping_early_reads_one_page_only() -> None:
    memory = MemoryDatabase()
    memory.commit([Put(f"cities/{number:04}", {}) for number in range(PAGE + 20)])
    metered = Metered(memory)
    with use(metered):
        next(iter(City.all()))
    assert metered.usage.rpcs == 1


# Subclasses.


def test_a_subclass_is_selected_by_its_kind_and_those_below_it(empty: MemoryDatabase) -> None:
    assert City.all().query.filters == ()
    assert Ward.all().query.filters == (Filter("obj_type", "==", "Ward"),)
    assert Municipality.all().query.filters == (Filter("obj_type", "in", ("Municipality", "Ward")),)


def test_conditions_on_the_attributes_of_a_base_and_of_a_subclass_are_taken(empty: MemoryDatabase) -> None:
    Municipality.new(doc_id="m", city_name="M", mayor="x").save()
    City.new(doc_id="c", city_name="C").save()
    assert ids(Municipality.where(City.city_name >= "A")) == "m"
    assert ids(City.where(Municipality.mayor == "x")) == "m"
    assert ids(City.where(mayor="x")) == "m"


def test_conditions_on_another_model_are_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"City\.where takes conditions on the model itself, not o[fn] Country"):
        City.where(Country.name == "x")


def test_an_order_by_another_model_is_refused_by_name() -> None:
    with pytest.raises((DeclarationError, InvalidValue), match=r"City.*Country"):
        City.all().order_by(Country.name)


def test_an_undeclared_attribute_is_refused_with_those_that_are_declared() -> None:
    with pytest.raises(InvalidValue, match=r"Country refuses nmae: Undeclared; the declared attributes are name\."):
        Country.where(nmae="x")


# Sub-collections.


def test_a_placeholder_picks_one_collection_and_none_asks_all_of_that_name(empty: MemoryDatabase) -> None:
    Form.new(doc_id="f", user_id="u", name="a").save()
    Form.new(doc_id="g", user_id="v", name="b").save()
    assert Form.where(user_id="u").query == Query("users/u/forms")
    assert Form.all().query == Query("forms", group=True, pattern=Form.pattern())
    assert ids(Form.where(user_id="u")) == "f"
    assert ids(Form.where(user_id="u", name="b")) == ""
    assert ids(Form.where(name="b")) == "g"
    assert ids(Form.all()) == "fg"


def test_some_placeholders_and_not_all_are_refused() -> None:
    class Deep(DomainModel):
        class Meta:
            collection_name = "a/{x}/b/{y}/c"

    with pytest.raises(InvalidValue, match=r"Deep refuses y: needed to find a/\{x\}/b/\{y\}/c"):
        Deep.where(x="1")


def test_foreign_collections_of_the_same_name_are_left_out(empty: MemoryDatabase) -> None:
    empty.commit([Put("aaa/x/forms/y", {"name": "foreign"})])
    Form.new(doc_id="f", user_id="u", name="a").save()
    assert ids(Form.all()) == "f"


def test_foreign_collections_of_the_same_name_do_not_use_up_the_limit(empty: MemoryDatabase) -> None:
    empty.commit([Put(f"aaa/x/forms/{each}", {"name": "foreign"}) for each in "yz"])
    for each in "fgh":
        Form.new(doc_id=each, user_id="u", name=each).save()
    first = Form.all().first()
    assert first is not None
    assert first.doc_id == "f"
    assert ids(Form.all().limit(2)) == "fg"
    assert [document.id for page in Form.all().limit(2).pages(1) for document in page] == ["f", "g"]


def test_ordering_by_anything_but_an_attribute_is_refused_at_once() -> None:
    name: Any = "population"
    for selection in (City.all(), City.where(capital=True)):
        with pytest.raises(DeclarationError, match=r"City: order_by takes attributes, .*found 'population'"):
            selection.order_by(name)


def test_an_argument_that_is_not_a_condition_is_refused_by_value() -> None:
    condition: Any = True
    for conditions in ((condition,), (City.capital == True, condition)):  # noqa: E712
        with pytest.raises(DeclarationError, match=r"City: where takes conditions, .*found True"):
            City.where(*conditions)


def test_a_selection_shows_its_query() -> None:
    selection = City.where(City.population > 1).order_by(City.population.desc()).start_at(5).limit(2)
    assert selection.query == Query(
        "cities",
        filters=(Filter("population", ">", 1),),
        orders=(Order("population", descending=True),),
        start=Cursor((5,), before=True),
        limit=2,
    )


def test_a_group_is_ordered_and_paged_by_path(empty: MemoryDatabase) -> None:
    for user in "vu":
        for each in "ba":
            Form.new(doc_id=each, user_id=user).save()
    paths = [document.path for page in Form.all().pages(1) for document in page]
    assert paths == ["users/u/forms/a", "users/u/forms/b", "users/v/forms/a", "users/v/forms/b"]


def test_a_limit_is_not_used_up_by_collections_of_the_same_name_elsewhere(empty: MemoryDatabase) -> None:
    foreign = [Put(f"aaa/x/forms/{n}", {"name": "a"}) for n in range(9)]
    empty.commit([*foreign, Put("users/u/deep/x/forms/d", {"name": "a"})])
    Form.new(doc_id="f", user_id="u", name="b").save()
    Form.new(doc_id="g", user_id="v", name="c").save()
    in_order = Form.all().order_by(Form.name)
    assert ids(in_order.limit(1)) == "f"
    assert ids(in_order.limit(2)) == "fg"
    assert (in_order.first() or Form.new()).doc_id == "f"
    assert [[each.id for each in page] for page in in_order.pages(1)] == [["f"], ["g"], []]
    assert ids(in_order.start_after("b").limit(1)) == "g"
    assert ids(in_order.end_at("b").limit(5)) == "f"


@pytest.mark.parametrize(
    "combined",
    [
        lambda: City.where(City.capital == True and City.population > 1),  # noqa: E712
        lambda: City.where(City.capital == True or City.population > 1),  # noqa: E712
        lambda: City.where(1 < City.population < 5),
    ],
)
def test_operators_of_python_that_would_drop_a_condition_are_refused(combined: Callable[[], object]) -> None:
    with pytest.raises(InvalidCondition, match=r"neither true nor false.*where\(a, b\)"):
        combined()
