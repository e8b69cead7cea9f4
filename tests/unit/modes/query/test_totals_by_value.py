"""Totals by value: a number for each value of an attribute, or for each document that a relation leads to."""

import math
from collections.abc import Callable
from enum import Enum
from random import Random, SystemRandom
from typing import Any, assert_type

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    operation,
    reference,
)
from boiler_functions.database import Delete, Query
from boiler_functions.database.faults import Faults
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import InvalidReference
from boiler_functions.modes import dead_letter
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.query.costs import cost_of
from boiler_functions.plan.indexes import Indexes
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.references import referrers
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.rest.meeting_api import Api, Faulty


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Shop(DomainModel):
    class Meta:
        collection_name = "shops"


class Thing(DomainModel):
    class Meta:
        collection_name = "things"

    number = attrs.integer()


class Sale(DomainModel):
    class Meta:
        collection_name = "sales"

    shop = attrs.relation(Shop)
    thing = attrs.relation(Thing)
    size = attrs.enum(Size)
    paid = attrs.boolean()
    pieces = attrs.integer()
    price = attrs.float()
    tags = attrs.list(str)


class ShopStore(Store):
    shop = reference(Shop)
    things = referrers(Sale.shop).count(by=Sale.thing)
    sizes = referrers(Sale.shop).sum(Sale.pieces, by=Sale.size)
    prices = referrers(Sale.shop).average(Sale.price, by=Sale.paid)
    pieces = matching(Sale.paid == True).count(by=Sale.pieces)  # noqa: E712


class ShopView(ViewModel[ShopStore]):
    class Meta:
        path = "shopViews/{shop.doc_id}"
        read = access.public

    @attrs.computed
    def things(self) -> dict[str, int]:
        return {path.rpartition("/")[2]: number for path, number in self.store.things.items()}

    @attrs.computed
    def sizes(self) -> dict[str, int]:
        return {size.name: number for size, number in self.store.sizes.items()}

    @attrs.computed
    def prices(self) -> list[float | None]:
        return [self.store.prices.get(paid) for paid in (False, True)]

    @attrs.computed
    def pieces(self) -> dict[str, int]:
        return {str(pieces): number for pieces, number in self.store.pieces.items()}


def shop() -> Boiler:
    app = Boiler("shop")
    app.query(ShopView)
    return app


def sell(testing: MemoryApp, number: int, shop: str = "a", thing: str = "cup", **values: Any) -> None:
    put(testing, f"sales/s{number}", shop=Reference(f"shops/{shop}"), thing=Reference(f"things/{thing}"), **values)


def shown(testing: MemoryApp, shop: str = "a") -> tuple[Any, ...]:
    fields = testing.fields(f"shopViews/{shop}") or {}
    return tuple(fields.get(name) for name in ("things", "sizes", "prices", "pieces"))


def test_the_dicts_of_a_store_have_types() -> None:
    def read(store: ShopStore) -> None:
        assert_type(store.things, dict[str, int])
        assert_type(store.sizes, dict[Size, int])
        assert_type(store.prices, dict[bool, float | None])
        assert_type(store.pieces, dict[int, int])

    assert callable(read)


def test_a_view_shows_a_number_for_each_value_as_documents_come_change_move_and_go() -> None:
    with memory_app(shop()) as testing:
        put(testing, "shops/a")
        put(testing, "shops/b")
        testing.deliver()
        assert shown(testing) == ({}, {}, [None, None], {})
        sell(testing, 1, size="s", pieces=2, paid=True, price=0.5)
        sell(testing, 2, size="s", pieces=3, paid=False, price=1.5)
        sell(testing, 3, thing="pan", size="l", pieces=2, paid=True, price=1.0)
        testing.deliver()
        assert shown(testing) == ({"cup": 2, "pan": 1}, {"SMALL": 5, "LARGE": 2}, [1.5, 0.75], {"2": 2})
        sell(testing, 2, thing="pan", size="l", pieces=3, paid=True, price=1.5)
        testing.deliver()
        assert shown(testing) == ({"cup": 1, "pan": 2}, {"SMALL": 2, "LARGE": 5}, [None, 1.0], {"2": 2, "3": 1})
        sell(testing, 3, "b", thing="pan", size="l", pieces=2, paid=True, price=1.0)
        testing.database.commit([Delete("sales/s1")])
        testing.deliver()
        assert shown(testing)[:2] == ({"pan": 1}, {"LARGE": 3})
        assert shown(testing, "b")[:2] == ({"pan": 1}, {"LARGE": 2})
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("odd", [None, "x", math.nan, 2.0, 2.5, True, [2], {"n": 2}, Reference("elsewhere/x")])
def test_a_value_that_the_attribute_cannot_have_is_no_key(odd: Any) -> None:
    with memory_app(shop()) as testing:
        put(testing, "shops/a")
        sell(testing, 1, size="s", pieces=2, paid=True, price=1.0)
        put(testing, "sales/s2", shop=Reference("shops/a"), thing=odd, size=odd, pieces=odd, paid=True, price=odd)
        put(testing, "sales/s3", shop=Reference("shops/a"))
        testing.deliver()
        assert shown(testing)[0] == {"cup": 1}
        assert shown(testing)[3] == {"2": 2 if odd == 2.0 else 1}
        assert_views_equal_rebuild(testing)


class Poll(DomainModel):
    class Meta:
        collection_name = "polls"


class Vote(DomainModel):
    class Meta:
        collection_name = "polls/{poll_id}/votes"

    answer = attrs.string()


class PollStore(Store):
    poll = reference(Poll)
    votes = children(Vote).count(by=Vote.answer)


class PollCard(ViewModel[PollStore]):
    class Meta:
        path = "pollCards/{poll.doc_id}"

    @attrs.computed
    def votes(self) -> dict[str, int]:
        return self.store.votes


def polled() -> Boiler:
    app = Boiler("poll")
    app.query(PollCard)
    return app


def test_children_are_counted_by_value() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number, answer in enumerate(("yes", "no", "yes")):
            put(testing, f"polls/p/votes/v{number}", answer=answer)
        put(testing, "polls/q/votes/v1", answer="yes")
        testing.deliver()
        assert (testing.fields("pollCards/p") or {})["votes"] == {"no": 1, "yes": 2}
        assert_views_equal_rebuild(testing)


def test_a_view_of_too_many_values_keeps_its_last_content_and_a_letter_says_why() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number in range(100):
            put(testing, f"polls/p/votes/v{number}", answer=str(number))
        testing.deliver()
        put(testing, "polls/p/votes/more", answer="more")
        testing.deliver()
        assert len((testing.fields("pollCards/p") or {})["votes"]) == 100
        (letter,) = testing.database.query(Query(dead_letter.COLLECTION)).documents
        assert "answer has more than 100 values in the polls/p/votes" in (letter.fields or {})["message"]


def test_a_change_costs_what_the_plan_says_two_calls_for_each_value() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number in range(9):
            put(testing, f"polls/p/votes/v{number}", answer=str(number))
        testing.deliver()
        put(testing, "polls/p/votes/v9", answer="9")
        (delivery,) = testing.take()
        planned = cost_of(PollCard, "polls/{poll_id}/votes/{doc_id}", Assumed(many=10), 0)
        assert testing.handle(delivery).usage == planned == Usage(rpcs=24, reads=23, writes=2)


def test_each_value_is_found_and_added_up_by_an_index() -> None:
    assert [str(each) for each in Indexes.of(shop().compiled.declarations).composite] == [
        "sales (paid asc, pieces asc)",
        "sales (paid asc, shop asc, price asc)",
        "sales (shop asc, paid asc)",
        "sales (shop asc, size asc)",
        "sales (shop asc, size asc, pieces asc)",
        "sales (shop asc, thing asc)",
    ]


WORST = Faults(before=0.02, after=0.02, delay=0.05, torn=0.2)


def changes(testing: MemoryApp, random: Random) -> list[Callable[[], object]]:
    """Sales that come, change, move and go, and a shop that goes and comes back."""

    def change() -> None:
        number = random.randrange(4)
        match random.randrange(6):
            case 0:
                testing.database.commit([Delete(f"sales/s{number}")])
            case 1:
                testing.database.commit([Delete("shops/a")])
            case 2:
                put(testing, "shops/a")
            case _:
                values = {"size": random.choice("sl"), "pieces": random.randrange(3), "paid": random.random() < 0.5}
                sell(testing, number, random.choice("ab"), random.choice(("cup", "pan")), **values)

    return [change] * 12


def test_whatever_goes_wrong_the_numbers_by_value_equal_a_rebuild_in_the_end() -> None:
    first = SystemRandom().randrange(2**32)
    for seed in range(first, first + 15):
        print(f"seed {seed}")
        clock = VirtualClock()
        with memory_app(shop(), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
            put(testing, "shops/a")
            put(testing, "shops/b")
            testing.deliver(
                duplicates=1,
                shuffle=seed,
                at_once=4,
                crashes=0.05,
                drops=0.05,
                faults=WORST,
                meanwhile=changes(testing, Random(seed)),
            )
            assert_views_equal_rebuild(testing)


def test_a_total_by_something_that_is_no_key_is_refused_by_name() -> None:
    with pytest.raises(InvalidReference, match=r"by=Sale.price has no values that could be the keys of a dict"):
        referrers(Sale.shop).count(by=Sale.price)
    with pytest.raises(InvalidReference, match=r"by=Sale.tags has no values"):
        referrers(Sale.shop).count(by=Sale.tags)
    with pytest.raises(InvalidReference, match=r"by=Vote.answer is not an attribute of Sale"):
        referrers(Sale.shop).count(by=Vote.answer)  # type: ignore[arg-type]


def test_a_total_by_value_of_a_selection_with_an_order_or_a_limit_is_refused_by_name() -> None:
    for selection in (Sale.all().order_by(Sale.price), Sale.all().limit(10)):
        with pytest.raises(InvalidReference, match=r"FirstStore.first is a count by Sale.paid of a selection"):
            type("FirstStore", (Store,), {"first": matching(selection).count(by=Sale.paid)})


class TalliedStore(Store):
    shop = reference(Shop)
    sizes = referrers(Sale.shop).count(by=Sale.size)


class Tallied(ViewModel[TalliedStore]):
    """Not stored, so that REST builds it itself; also the view of a task."""

    class Meta:
        read = access.public
        write = access.public

    @attrs.computed
    def sizes(self) -> dict[str, int]:
        return {size.value: number for size, number in self.store.sizes.items()}

    @operation
    def sell(self, size: str) -> None:
        Sale.new(shop=self.store.shop.doc_id, size=Size(size)).save()

    def propagate_change(self) -> None:
        Thing.new("tally", number=sum(self.store.sizes.values())).save()


def test_a_request_reads_changes_and_shows_numbers_by_value() -> None:
    app = Boiler("tallied", http=HttpSettings(rate=None))
    app.rest("/shops")(Tallied)
    with memory_app(app) as testing:
        put(testing, "shops/a")
        sell(testing, 1, size="s")
        api = Api(testing.database, Faulty(testing.database), app=app)
        assert api.get("/shops/a").json == {"id": "a", "sizes": {"s": 1}}
        assert api.ask("POST", "/shops/a:sell", body={"size": "l"}).json == {"id": "a", "sizes": {"l": 1, "s": 1}}
        assert api.get("/shops/a").json == {"id": "a", "sizes": {"l": 1, "s": 1}}


def test_a_task_commits_only_if_the_numbers_by_value_are_as_they_were() -> None:
    app = Boiler("tallying")
    app.task("shops/{doc_id}/orders/{order_id}", writes=[Thing])(Tallied)
    with memory_app(app) as testing:
        put(testing, "shops/a")
        sell(testing, 1, size="s")
        testing.take()
        put(testing, "shops/a/orders/one")
        (delivery,) = testing.take()
        hooked = Hooked(testing.database).before("commit", 1, lambda: sell(testing, 2, size="l"))
        assert testing.handle(delivery, hooked).outcomes == {"done": 1}
        assert (testing.fields("things/tally") or {})["number"] == 2
        assert hooked.calls["commit"] == 2
