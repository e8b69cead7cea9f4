"""What views have together: kept totals beside the documents that they count, quiet views that move, fail or race."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random, SystemRandom

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference, references, referrers
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from tests.unit.modes.hooked import Hooked

HOUR = timedelta(hours=1)


class Post(DomainModel):
    class Meta:
        collection_name = "posts"


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)


class PostStore(Store):
    post = reference(Post)
    latest = referrers(Like.post).limit(10)
    likes = referrers(Like.post).count(kept=True)


class LikeStore(Store):
    like = reference(Like)
    post = reference(Like.post)
    likes = referrers(Like.post).count(kept=True)


class PostCard(ViewModel[PostStore]):
    class Meta:
        path = "postCards/{post.doc_id}"

    @attrs.computed
    def likes(self) -> list[int]:
        return [self.store.likes, len(self.store.latest)]


class LikeCard(ViewModel[LikeStore]):
    class Meta:
        path = "likeCards/{like.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return self.store.likes


def liked() -> Boiler:
    app = Boiler("liked")
    app.query(PostCard)
    app.query(LikeCard)
    return app


def test_a_kept_total_beside_the_documents_that_it_counts_has_each_of_them() -> None:
    with memory_app(liked()) as testing:
        Post.new(doc_id="p").save()
        testing.deliver()
        for number in range(3):
            Like.new(doc_id=str(number), post="p").save()
        testing.deliver()
        assert (testing.fields("postCards/p") or {})["likes"] == [3, 3]
        assert_views_equal_rebuild(testing)


def test_a_kept_total_beside_the_documents_that_it_counts_is_right_whatever_goes_wrong() -> None:
    for _ in range(20):
        seed = SystemRandom().randrange(10**6)
        print(f"seed {seed}")
        chance = Random(seed)

        def act(chance: Random = chance) -> None:
            path = f"likes/{chance.randrange(4)}"
            if chance.random() < 0.2:
                testing.write(path, None)
            else:
                Like.new(doc_id=path.partition("/")[2], post=chance.choice("pq")).save()

        with memory_app(liked()) as testing:
            for each in "pq":
                Post.new(doc_id=each).save()
            testing.deliver(shuffle=seed, at_once=4, crashes=0.05, duplicates=1, drops=0.1, meanwhile=[act] * 20)
            testing.upkeep()
            assert_views_equal_rebuild(testing)


class User(DomainModel):
    class Meta:
        collection_name = "users"


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    users = attrs.relation(User, many=True)
    number = attrs.integer(default=0)


class RoomStore(Store):
    room = reference(Room)
    users = references(Room.users)


class RoomView(ViewModel[RoomStore]):
    class Meta:
        path = "users/{users.doc_id}/roomViews/{room.doc_id}"
        read = access.owner("users.doc_id")

    @attrs.computed
    def number(self) -> int:
        return self.store.room.number


class Moved(RoomView):
    class Meta:
        path = "users/{users.doc_id}/moved/{room.doc_id}"


Moved.__name__ = Moved.__qualname__ = "RoomView"


def quiet(view: type[ViewModel[RoomStore]] = RoomView) -> Boiler:
    app = Boiler("quiet")
    app.query(at_most_every=HOUR)(view)
    return app


@contextmanager
def room() -> Iterator[tuple[MemoryApp, VirtualClock]]:
    """A room that ada uses, and whose view was just written and is postponed."""
    clock = VirtualClock()
    with memory_app(quiet(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        for each in ("ada", "eve"):
            User.new(doc_id=each).save()
        for number in range(2):
            Room.new(doc_id="r", users=["ada"], number=number).save()
            testing.deliver()
            clock.sleep(10)
        yield testing, clock


def copies(testing: MemoryApp) -> list[str]:
    return sorted(path for path in testing.documents() if path.count("/") == 3)


def test_a_build_by_hand_gives_no_copy_to_somebody_who_lost_the_right_meanwhile() -> None:
    with room() as (testing, clock):
        Room.new(doc_id="r", users=["ada", "eve"]).save()
        testing.deliver()
        hooked = Hooked(testing.database)

        def revoke() -> None:
            clock.sleep(10)
            Room.new(doc_id="r", users=["ada"]).save()
            testing.deliver()

        hooked.before("commit", 1, revoke)
        list(RebuildAll("quiet", RoomView, hooked, testing.surroundings).run())
        testing.deliver()
        assert copies(testing) == ["users/ada/roomViews/r"]


def test_a_quiet_view_whose_path_moves_has_its_new_copies_at_once() -> None:
    with room() as (testing, _):
        testing.deploy(quiet(Moved))
        testing.upkeep()
        assert copies(testing) == ["users/ada/moved/r"]


def test_a_quiet_view_that_fails_while_it_is_postponed_is_tried_with_growing_pauses() -> None:
    logging.disable()
    try:
        with room() as (testing, _):
            testing.write("rooms/r", {"users": [], "number": "many"})
            testing.deliver()
            for _minute in range(120):
                testing.advance(minutes=1)
            letters = [each for path, each in testing.documents().items() if path.startswith("boilerDeadLetters/")]
    finally:
        logging.disable(logging.NOTSET)
    assert all((each.fields or {})["attempts"] < 10 for each in letters)


@pytest.mark.parametrize("fields", [{"owner": "ada"}, {"chief": "ada"}])
def test_a_right_that_a_subclass_stores_under_another_name_is_taken_away_at_once(fields: dict[str, str]) -> None:
    class Desk(DomainModel):
        class Meta:
            collection_name = "desks"

        owner = attrs.string()
        number = attrs.integer(default=0)

    class Office(Desk):
        owner = attrs.string(data_key="chief")

    class DeskStore(Store):
        desk = reference(Desk)

    app = Boiler("desks")

    @app.query(at_most_every=HOUR)
    class DeskView(ViewModel[DeskStore]):
        class Meta:
            path = "people/{desk.owner}/desks/{desk.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return self.store.desk.number

    kind = {"obj_type": "Office"} if "chief" in fields else {"obj_type": "Desk"}
    with memory_app(app) as testing:
        for number in range(2):
            testing.write("desks/d", {**fields, **kind, "number": number})
            testing.deliver()
        testing.write("desks/d", {**dict.fromkeys(fields, "eve"), **kind, "number": 2})
        testing.deliver()
        assert testing.fields("people/ada/desks/d") is None
