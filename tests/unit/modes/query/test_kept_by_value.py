"""Kept totals by value: the numbers of all values of a group in its shards, exact as documents move between values."""

import math
from functools import partial
from random import Random, SystemRandom
from typing import Any, assert_type

import pytest

from boiler_functions import Boiler, Store, ViewModel, attrs, children, matching, reference, referrers
from boiler_functions.database import Delete, Put, Query
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Conflict, InvalidReference, UnknownOutcome
from boiler_functions.modes import dead_letter
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.query.costs import cost_of
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.keeping import MAX_NAME_BYTES, SHARDS, VALUES, name_of, value_of
from boiler_functions.views.totals import kept_totals
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises
from tests.unit.modes.query.test_kept_totals import WORST, assert_exact, build_by_hand, forget
from tests.unit.modes.query.test_totals_by_value import Poll, Sale, Shop, Size, Vote, changes, sell


class ShopStore(Store):
    shop = reference(Shop)
    things = referrers(Sale.shop).count(by=Sale.thing, kept=True)
    sizes = referrers(Sale.shop).sum(Sale.pieces, by=Sale.size, kept=True, shards=2)
    mean = referrers(Sale.shop).average(Sale.pieces, by=Sale.paid, kept=True, shards=3)
    pieces = matching(Sale.paid == True).count(by=Sale.pieces, kept=True, shards=1)  # noqa: E712


class ShopView(ViewModel[ShopStore]):
    class Meta:
        path = "shopViews/{shop.doc_id}"

    @attrs.computed
    def things(self) -> dict[str, int]:
        return {path.rpartition("/")[2]: number for path, number in self.store.things.items()}

    @attrs.computed
    def sizes(self) -> dict[str, int]:
        return {size.name: number for size, number in self.store.sizes.items()}

    @attrs.computed
    def mean(self) -> list[float | None]:
        return [self.store.mean.get(paid) for paid in (False, True)]

    @attrs.computed
    def pieces(self) -> dict[str, int]:
        return {str(pieces): number for pieces, number in self.store.pieces.items()}


def shop() -> Boiler:
    app = Boiler("shop")
    app.query(ShopView)
    return app


def shown(testing: MemoryApp, shop: str = "a") -> tuple[Any, ...]:
    fields = testing.fields(f"shopViews/{shop}") or {}
    return tuple(fields.get(name) for name in ("things", "sizes", "mean", "pieces"))


def test_the_dicts_of_a_store_have_types() -> None:
    def read(store: ShopStore) -> None:
        assert_type(store.things, dict[str, int])
        assert_type(store.sizes, dict[Size, int])
        assert_type(store.mean, dict[bool, float | None])
        assert_type(store.pieces, dict[int, int])

    assert callable(read)


def test_a_view_shows_a_kept_number_for_each_value_as_documents_come_change_move_and_go() -> None:
    with memory_app(shop()) as testing:
        put(testing, "shops/a")
        put(testing, "shops/b")
        testing.deliver()
        assert shown(testing) == ({}, {}, [None, None], {})
        sell(testing, 1, size="s", pieces=2, paid=True)
        sell(testing, 2, size="s", pieces=3, paid=False)
        sell(testing, 3, thing="pan", size="l", pieces=2, paid=True)
        testing.deliver()
        assert shown(testing) == ({"cup": 2, "pan": 1}, {"SMALL": 5, "LARGE": 2}, [3.0, 2.0], {"2": 2})
        sell(testing, 2, thing="pan", size="l", pieces=3, paid=True)
        testing.deliver()
        assert shown(testing) == ({"cup": 1, "pan": 2}, {"SMALL": 2, "LARGE": 5}, [None, 7 / 3], {"2": 2, "3": 1})
        sell(testing, 3, "b", thing="pan", size="l", pieces=2, paid=True)
        testing.database.commit([Delete("sales/s1")])
        testing.deliver()
        assert shown(testing)[:2] == ({"pan": 1}, {"LARGE": 3})
        assert shown(testing, "b")[:2] == ({"pan": 1}, {"LARGE": 2})
        assert_views_equal_rebuild(testing)
        assert_exact(testing, ShopStore)


@pytest.mark.parametrize("odd", [None, "x", math.nan, 2.0, 2.5, True, [2], {"n": 2}, Reference("elsewhere/x")])
def test_a_value_that_the_attribute_cannot_have_is_no_key(odd: Any) -> None:
    with memory_app(shop()) as testing:
        put(testing, "shops/a")
        sell(testing, 1, size="s", pieces=2, paid=True)
        put(testing, "sales/s2", shop=Reference("shops/a"), thing=odd, size=odd, pieces=odd, paid=True)
        put(testing, "sales/s3", shop=Reference("shops/a"))
        testing.deliver()
        assert shown(testing)[0] == {"cup": 1}
        assert shown(testing)[3] == {"2": 2 if odd == 2.0 else 1}
        assert_views_equal_rebuild(testing)


class PollStore(Store):
    poll = reference(Poll)
    votes = children(Vote).count(by=Vote.answer, kept=True, shards=2)


class PollCard(ViewModel[PollStore]):
    class Meta:
        path = "pollCards/{poll.doc_id}"

    @attrs.computed
    def votes(self) -> list[str]:
        # No map: its keys could not be all that values can be.
        return [f"{number} {answer}" for answer, number in self.store.votes.items()]


def polled() -> Boiler:
    app = Boiler("poll")
    app.query(PollCard)
    return app


def vote(testing: MemoryApp, number: int | str, answer: str) -> None:
    put(testing, f"polls/p/votes/v{number}", answer=answer)


def votes(testing: MemoryApp) -> dict[str, int]:
    parts = (each.partition(" ") for each in (testing.fields("pollCards/p") or {})["votes"])
    return {answer: int(number) for number, _, answer in parts}


def held(testing: MemoryApp) -> set[str]:
    """Returns the names of the values that take room in shards."""
    shards = testing.database.query(Query(SHARDS)).documents
    return {name for shard in shards for name in (shard.fields or {}).get(VALUES, {})}


ODD = ("", " ", "a.b", "`", "\\", "\\`", "__name__", "s:", "ä", "a/b", "\n", '"', "1", "*", "~[]", "🏳️‍🌈")


def test_whatever_a_value_contains_it_is_a_key() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number, answer in enumerate((*ODD, *ODD)):
            vote(testing, number, answer)
        testing.deliver()
        assert votes(testing) == dict.fromkeys(ODD, 2)
        assert list(votes(testing)) == sorted(ODD)
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("value", [*ODD, 0, -5, 2**63 - 1, -(2**63), True, False, Reference("a/b")])
def test_a_value_has_one_name_which_no_other_has(value: Any) -> None:
    name = name_of(value)
    assert name is not None
    assert (value_of(name), type(value_of(name))) == (value, type(value))


def test_what_no_attribute_could_have_as_a_key_has_no_name() -> None:
    assert name_of(2.0) == name_of(2)
    assert name_of("x" * (MAX_NAME_BYTES - 2)) is not None
    for value in (None, 2.5, math.nan, math.inf, [1], {"a": 1}, b"x", "x" * (MAX_NAME_BYTES - 1)):
        assert name_of(value) is None


@pytest.mark.parametrize("votes", [1, 1_100])
def test_a_vote_that_moves_between_values_costs_the_same_however_many_there_are(votes: int) -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number in range(votes):
            vote(testing, number, f"answer {number % 99}")
        testing.deliver()
        vote(testing, 0, "another")
        (delivery,) = testing.take()
        planned = cost_of(PollCard, "polls/{poll_id}/votes/{doc_id}", Assumed(many=votes), 0)
        assert testing.handle(delivery).usage == planned == Usage(rpcs=5, reads=7, writes=4)


def test_a_value_that_becomes_empty_is_gone_and_its_room_is_free_after_the_next_build() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for answer in ("yes", "no", "maybe"):
            vote(testing, 1, answer)
            vote(testing, 2, "no")
            testing.deliver()
        assert votes(testing) == {"maybe": 1, "no": 1}
        assert held(testing) == {"s:yes", "s:no", "s:maybe"}
        build_by_hand(testing, view=PollCard, app="poll")
        assert held(testing) == {"s:no", "s:maybe"}
        assert votes(testing) == {"maybe": 1, "no": 1}


def test_a_value_that_comes_back_while_a_build_frees_its_room_is_counted_though_the_build_ends_then() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        vote(testing, 1, "yes")
        testing.deliver()
        vote(testing, 1, "no")
        testing.deliver()

        def come_back() -> None:
            vote(testing, 1, "yes")
            testing.deliver()

        def end() -> None:
            raise KeyboardInterrupt

        ended = Hooked(testing.database).before("commit", 1, come_back).before("query", 2, end)
        with pytest.raises(KeyboardInterrupt):
            build_by_hand(testing, ended, PollCard, "poll")
        assert votes(testing) == {"yes": 1}
        assert_exact(testing, PollStore)


@pytest.mark.parametrize("error", [Conflict, UnknownOutcome])
def test_a_vote_whose_commit_fails_or_has_no_answer_moves_once(error: type[Exception]) -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        vote(testing, 1, "yes")
        testing.deliver()
        vote(testing, 1, "no")
        (delivery,) = testing.take()

        hooked = Hooked(testing.database)
        # Of an unknown outcome, all was done.
        fail = hooked.after if error is UnknownOutcome else hooked.before
        assert testing.handle(delivery, fail("commit", 1, raises(error("Injected.")))).outcomes == {"built": 1}
        assert votes(testing) == {"no": 1}


def test_a_view_of_too_many_values_keeps_its_last_content_and_the_next_change_pays_its_debt() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        for number in range(100):
            vote(testing, number, str(number))
        testing.deliver()
        vote(testing, "more", "more")
        testing.deliver()
        assert len(votes(testing)) == 100
        (letter,) = testing.database.query(Query(dead_letter.COLLECTION)).documents
        assert "answer has more than 100 values in the polls/p/votes" in (letter.fields or {})["message"]
        testing.database.commit([Delete("polls/p/votes/v0")])
        testing.deliver()
        assert votes(testing) == {**{str(number): 1 for number in range(1, 100)}, "more": 1}


def test_a_shard_without_room_for_another_value_leaves_a_letter_and_a_build_makes_room() -> None:
    with memory_app(polled()) as testing:
        put(testing, "polls/p")
        vote(testing, 1, "yes")
        testing.deliver()
        (shard,) = [each for each in testing.database.query(Query(SHARDS)).documents if each.fields]
        former = {f"s:{number:04}{'x' * 1000}": {"count": 0} for number in range(995)}
        testing.database.commit([Put(shard.path, {**(shard.fields or {}), VALUES: former | {"s:yes": {"count": 1}}})])
        vote(testing, 1, "n" * 1_000)
        testing.deliver()
        (letter,) = testing.database.query(Query(dead_letter.COLLECTION)).documents
        assert SHARDS in (letter.fields or {})["message"]
        assert votes(testing) == {"yes": 1}
        build_by_hand(testing, view=PollCard, app="poll")
        assert votes(testing) == {"n" * 1_000: 1}
        assert_exact(testing, PollStore)


def test_numbers_by_value_are_asked_for_until_a_build_has_filled_them() -> None:
    with memory_app(shop()) as testing:
        forget(testing)
        put(testing, "shops/a")
        testing.deliver()
        for number in range(3):
            sell(testing, number, size="s", pieces=2, paid=True)
        testing.take()
        sell(testing, 3, thing="pan", size="l", pieces=1, paid=True)
        testing.deliver()
        expected = ({"cup": 3, "pan": 1}, {"SMALL": 6, "LARGE": 1}, [None, 1.75], {"1": 1, "2": 3})
        assert shown(testing) == expected
        build_by_hand(testing, view=ShopView, app="shop")
        assert_exact(testing, ShopStore)
        assert shown(testing) == expected
        testing.database.commit([Delete("sales/s3")])
        testing.deliver()
        assert shown(testing) == ({"cup": 3}, {"SMALL": 6}, [None, 2.0], {"2": 3})


def test_a_build_puts_right_the_numbers_of_values_that_were_edited_by_hand() -> None:
    with memory_app(shop()) as testing:
        put(testing, "shops/a")
        sell(testing, 1, size="s", pieces=2, paid=True)
        testing.deliver()
        for shard in testing.database.query(Query(SHARDS)).documents:
            (name,) = (shard.fields or {})[VALUES]
            adds = ((f"{VALUES}.`{name}`.count", 3), (f"{VALUES}.`s:none`.count", 2))
            testing.database.commit([Put(shard.path, {}, mask=(), adds=adds)])
        build_by_hand(testing, view=ShopView, app="shop")
        assert_exact(testing, ShopStore)
        assert shown(testing) == ({"cup": 1}, {"SMALL": 2}, [None, 2.0], {"2": 1})


@pytest.mark.parametrize("is_filled", [True, False])
def test_whatever_goes_wrong_kept_numbers_by_value_are_exact_and_equal_a_rebuild_in_the_end(is_filled: bool) -> None:
    first = SystemRandom().randrange(2**32)
    for seed in range(first, first + 15):
        print(f"seed {seed}")
        clock = VirtualClock()
        with memory_app(shop(), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
            put(testing, "shops/a")
            put(testing, "shops/b")
            for number in range(3):
                sell(testing, number, size="s", pieces=number, paid=True)
            if not is_filled:
                forget(testing)
                testing.take()  # Those before the total was declared: nothing followed them.
            testing.deliver(
                duplicates=1,
                shuffle=seed,
                at_once=4,
                crashes=0.05,
                drops=0.05,
                faults=WORST,
                meanwhile=[*changes(testing, Random(seed)), partial(build_by_hand, testing, view=ShopView, app="shop")],
            )
            assert_views_equal_rebuild(testing)
            assert_exact(testing, ShopStore)


def test_a_total_by_another_attribute_is_another_total() -> None:
    class Other(Store):
        shop = reference(Shop)
        plain = referrers(Sale.shop).count(kept=True)
        things = referrers(Sale.shop).count(by=Sale.thing, kept=True)
        sizes = referrers(Sale.shop).count(by=Sale.size, kept=True)

    assert len(list(kept_totals([Other]))) == 3
    assert len(list(kept_totals([Other, ShopStore]))) == 6


def test_kept_sums_by_value_of_fractions_are_refused() -> None:
    with pytest.raises(InvalidReference, match=r"Sale.price is declared with `attrs.float\(\)`"):
        referrers(Sale.shop).sum(Sale.price, by=Sale.size, kept=True)
