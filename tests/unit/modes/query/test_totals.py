"""Totals: numbers over documents that a view does not read, kept equal to a fresh build as all else."""

import math
from collections import Counter
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any, assert_type

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    matching,
    operation,
    reference,
    referrers,
)
from boiler_functions.database import Aggregated, Aggregation, Delete
from boiler_functions.database.faults import Faults
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import InvalidPattern, InvalidReference
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import SETTLING
from boiler_functions.modes.query.costs import cost_of
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.plan.indexes import Indexes
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Instant, Reference
from boiler_functions.views.fetching import Assumed
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.rest.meeting_api import Api, Faulty


class Post(DomainModel):
    class Meta:
        collection_name = "posts"

    title = attrs.string(required=True)


class Review(DomainModel):
    class Meta:
        collection_name = "reviews"

    post = attrs.relation(Post)
    stars = attrs.integer()
    weight = attrs.float()
    text = attrs.string()


class PostStore(Store):
    post = reference(Post)
    reviews = referrers(Review.post).count()
    stars = referrers(Review.post).sum(Review.stars)
    average = referrers(Review.post).average(Review.stars)
    weight = referrers(Review.post).sum(Review.weight)
    perfect = matching(Review.stars == 5).count()


class PostView(ViewModel[PostStore]):
    class Meta:
        path = "postViews/{post.doc_id}"
        read = access.public

    @attrs.computed
    def reviews(self) -> int:
        return self.store.reviews

    @attrs.computed
    def stars(self) -> int:
        return self.store.stars

    @attrs.computed
    def average(self) -> float | None:
        return self.store.average

    @attrs.computed
    def weight(self) -> float:
        return self.store.weight

    @attrs.computed
    def perfect(self) -> int:
        return self.store.perfect


def blog() -> Boiler:
    app = Boiler("blog")
    app.query(PostView)
    return app


def review(testing: MemoryApp, number: int | str, post: str = "a", **values: Any) -> None:
    put(testing, f"reviews/r{number}", post=Reference(f"posts/{post}"), **values)


def shown(testing: MemoryApp, post: str = "a") -> tuple[Any, ...]:
    fields = testing.fields(f"postViews/{post}") or {}
    return tuple(fields.get(name) for name in ("reviews", "stars", "average", "weight", "perfect"))


def test_the_numbers_of_a_store_have_types() -> None:
    def read(store: PostStore) -> None:
        assert_type(store.reviews, int)
        assert_type(store.stars, int)
        assert_type(store.average, float | None)
        assert_type(store.weight, float)

    assert callable(read)


def test_a_view_shows_numbers_over_documents_that_come_change_move_and_go() -> None:
    with memory_app(blog()) as testing:
        put(testing, "posts/a", title="A")
        put(testing, "posts/b", title="B")
        testing.deliver()
        assert shown(testing) == (0, 0, None, 0, 0)
        review(testing, 1, stars=5, weight=0.5)
        review(testing, 2, stars=2, weight=0.25)
        testing.deliver()
        assert shown(testing) == (2, 7, 3.5, 0.75, 1)
        review(testing, 2, stars=4)
        testing.deliver()
        assert shown(testing) == (2, 9, 4.5, 0.5, 1)
        review(testing, 1, "b", stars=5, weight=0.5)
        testing.deliver()
        assert (shown(testing), shown(testing, "b")) == ((1, 4, 4.0, 0, 1), (1, 5, 5.0, 0.5, 1))
        testing.database.commit([Delete("reviews/r1")])
        testing.deliver()
        assert (shown(testing), shown(testing, "b")) == ((1, 4, 4.0, 0, 0), (0, 0, None, 0, 0))
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("odd", [None, "five", math.nan, math.inf, 2**63 - 1, True, 0.5])
def test_whatever_a_document_holds_the_numbers_equal_a_rebuild(odd: Any) -> None:
    with memory_app(blog()) as testing:
        put(testing, "posts/a", title="A")
        review(testing, 1, stars=odd, weight=odd)
        review(testing, 2, stars=1, weight=1.5)
        review(testing, 3)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_change_counted_before_the_last_build_is_covered_and_a_later_one_is_not() -> None:
    clock = VirtualClock()
    with memory_app(liked(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        put(testing, "posts/a", title="A")
        testing.deliver()
        for number in range(20):
            review(testing, number)
        clock.sleep(2 * SETTLING / 1e9)
        assert outcomes(testing) == {"built": 1, "covered": 19}
        review(testing, 20)
        assert outcomes(testing) == {"built": 1}
        assert testing.fields("likeViews/a") == {"likes": 21, "obj_type": "LikeView", "doc_ref": "likeViews/a"}


def outcomes(testing: MemoryApp) -> Counter[str]:
    """Delivers what is pending, and returns how often each outcome came."""
    return sum((Counter(each.outcomes) for each in testing.deliver()), Counter())


class LikeStore(Store):
    post = reference(Post)
    likes = referrers(Review.post).count()


class LikeView(ViewModel[LikeStore]):
    class Meta:
        path = "likeViews/{post.doc_id}"

    bonus = 0

    @attrs.computed
    def likes(self) -> int:
        return self.store.likes + self.bonus


def liked() -> Boiler:
    app = Boiler("likes")
    app.query(LikeView)
    return app


class Late(Hooked):
    """A database whose totals lack what was written after a time, as the emulator's may at the very end."""

    def __init__(self, database: MemoryDatabase, shown: Instant) -> None:
        super().__init__(database)
        self.shown = shown

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        answer = super().aggregate(aggregation, at=self.shown)
        return answer._replace(read_time=at or answer.read_time)


def test_a_change_that_shows_after_its_own_time_is_counted_though_the_last_count_is_later() -> None:
    clock = VirtualClock()
    with memory_app(liked(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        put(testing, "posts/a", title="A")
        testing.deliver()
        review(testing, 1)
        (first,) = testing.take()
        review(testing, 2)
        (second,) = testing.take()
        testing.handle(first, Late(testing.database, first.change.after.version))
        assert (testing.fields("likeViews/a") or {})["likes"] == 1
        testing.handle(second)
        assert (testing.fields("likeViews/a") or {})["likes"] == 2


class Thread(DomainModel):
    class Meta:
        collection_name = "threads"

    best = attrs.relation(Review)


class ThreadStore(Store):
    thread = reference(Thread)
    best = reference(Thread.best)
    perfect = matching(Review.stars == 5).count()


class ThreadView(ViewModel[ThreadStore]):
    class Meta:
        path = "threadViews/{thread.doc_id}"

    @attrs.computed
    def best(self) -> int | None:
        return self.store.best.stars if self.store.best else None

    @attrs.computed
    def perfect(self) -> int:
        return self.store.perfect


def test_a_document_that_is_counted_and_read_is_covered_by_its_version_alone() -> None:
    clock = VirtualClock()
    app = Boiler("threads")
    app.query(ThreadView)
    with memory_app(app, Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        review(testing, 1, stars=1)
        put(testing, "threads/t", best=Reference("reviews/r1"))
        testing.deliver()
        before = clock.now()
        clock.sleep(1)
        review(testing, 1, stars=5)
        (late,) = testing.take()
        review(testing, 2, stars=5)
        (other,) = testing.take()
        clock.sleep(1)
        testing.handle(other, Hooked(testing.database).tear("reviews/r1", before))
        fields = testing.fields("threadViews/t") or {}
        assert (fields["best"], fields["perfect"]) == (1, 2)
        testing.handle(late)
        fields = testing.fields("threadViews/t") or {}
        assert (fields["best"], fields["perfect"]) == (5, 2)


@pytest.mark.parametrize("likes", [1, 1_000, 2_500])
def test_a_change_costs_what_the_plan_says_a_read_for_each_thousand_documents(likes: int) -> None:
    with memory_app(liked()) as testing:
        put(testing, "posts/a", title="A")
        for number in range(likes - 1):
            review(testing, number)
        testing.deliver()
        review(testing, "last")
        (delivery,) = testing.take()
        report = testing.handle(delivery)
        planned = cost_of(LikeView, "reviews/{doc_id}", Assumed(many=likes), 0)
        assert report.usage == planned == Usage(rpcs=4, reads=2 + math.ceil(likes / 1000), writes=2)


def test_a_sum_needs_an_index_of_its_condition_and_its_field_and_a_count_needs_none() -> None:
    indexes = Indexes.of(blog().compiled.declarations).composite
    assert [str(each) for each in indexes] == ["reviews (post asc, stars asc)", "reviews (post asc, weight asc)"]


WORST = Faults(before=0.05, after=0.05, delay=0.05, torn=0.2)


def changes(testing: MemoryApp, random: Random) -> list[Callable[[], object]]:
    """Reviews that come, change, move and go, and a post that goes and comes back."""

    def change() -> None:
        number = random.randrange(4)
        match random.randrange(6):
            case 0:
                testing.database.commit([Delete(f"reviews/r{number}")])
            case 1:
                testing.database.commit([Delete("posts/a")])
            case 2:
                put(testing, "posts/a", title="again")
            case _:
                review(testing, number, random.choice("ab"), stars=random.choice((1, 5, None)), weight=0.5)

    return [change] * 12


def test_whatever_goes_wrong_the_numbers_equal_a_rebuild_in_the_end() -> None:
    first = SystemRandom().randrange(2**32)
    for seed in range(first, first + 25):
        print(f"seed {seed}")
        clock = VirtualClock()
        with memory_app(blog(), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
            put(testing, "posts/a", title="A")
            put(testing, "posts/b", title="B")
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


def test_a_total_that_firestore_would_answer_wrongly_is_refused_by_name() -> None:
    class Comment(DomainModel):
        class Meta:
            collection_name = "posts/{post_id}/comments"

        post = attrs.relation(Post)

    class Like(DomainModel):
        class Meta:
            collection_name = "reviewLikes"

        review = attrs.relation(Review)

    with pytest.raises(InvalidReference, match=r"ReviewStore.comments is a count over posts/\{post_id\}/comments"):

        class ReviewStore(Store):
            post = reference(Post)
            comments = referrers(Comment.post).count()

    with pytest.raises(InvalidReference, match=r"ManyStore.likes is a count over the documents of many reviews"):

        class ManyStore(Store):
            post = reference(Post)
            reviews = referrers(Review.post)
            likes = referrers(Like.review).count()


def test_a_total_is_of_numbers_of_the_model_that_is_counted() -> None:
    with pytest.raises(InvalidReference, match=r"Review.text is not a number"):
        referrers(Review.post).sum(Review.text)  # type: ignore[arg-type]
    with pytest.raises(InvalidReference, match=r"Review.stars is not an attribute of Post"):
        matching(Post.title == "A").average(Review.stars)  # type: ignore[arg-type]


def test_a_total_has_no_documents_that_a_path_could_name() -> None:
    with pytest.raises(InvalidPattern, match=r"it could name \{post.doc_id\}\."):

        class View(ViewModel[LikeStore]):
            class Meta:
                path = "x/{likes.doc_id}/y/{post.doc_id}"


# Totals that a receiver follows, and in builds by hand


Told = list[tuple[str, int | None, int | None]]
"""The post, and the likes before and after, of each change that a receiver was told of."""


def told_of_likes() -> tuple[Boiler, Told]:
    """Returns an app with a receiver of its view's changes, and the changes as it receives them."""
    app, told = liked(), Told()

    @app.on_change(LikeView)
    def tell(change: Changed[LikeView]) -> None:
        before, after = (view.likes if view else None for view in (change.before, change.after))
        told.append((change.path, before, after))

    return app, told


def build_by_hand(testing: MemoryApp) -> Counter[str]:
    """Builds every view as `boiler build` does, and returns how often each outcome came."""
    declared = testing.compiled.declarations
    building = RebuildAll(declared.app, LikeView, testing.database, testing.surroundings, declared.recipients)
    return sum((Counter(map(str, step.outcomes.elements())) for step in building.run()), Counter())


def test_a_receiver_is_told_once_of_each_number() -> None:
    app, told = told_of_likes()
    with memory_app(app) as testing:
        put(testing, "posts/a", title="A")
        put(testing, "posts/b", title="B")
        testing.deliver()
        review(testing, 1)
        testing.deliver(duplicates=2)
        review(testing, 1, "b")
        testing.deliver(duplicates=2)
        testing.database.commit([Delete("reviews/r1")])
        testing.deliver(duplicates=2)
        review(testing, 2, "c")
        testing.deliver(duplicates=2)
    assert told[:2] == [("posts/a", None, 0), ("posts/b", None, 0)]
    assert told[2] == ("posts/a", 0, 1)
    assert sorted(told[3:5]) == [("posts/a", 1, 0), ("posts/b", 0, 1)]
    assert told[5:] == [("posts/b", 1, 0)]


@pytest.mark.parametrize("pause", [0, 1])
def test_a_number_that_a_build_by_hand_finds_before_its_event_comes_is_delivered_once(pause: int) -> None:
    app, told = told_of_likes()
    clock = VirtualClock()
    with memory_app(app, Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        put(testing, "posts/a", title="A")
        testing.deliver()
        review(testing, 1)
        late = testing.take()
        clock.sleep(pause)
        assert build_by_hand(testing) == {"built": 1}
        assert (testing.fields("likeViews/a") or {})["likes"] == 1
        testing.pending += late
        testing.deliver(duplicates=1)
        assert build_by_hand(testing)
        testing.deliver()
        assert told == [("posts/a", None, 0), ("posts/a", 0, 1)]
        assert_views_equal_rebuild(testing)


def test_a_build_by_hand_delivers_what_new_code_makes_of_numbers_as_it_may_be_a_change_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, told = told_of_likes()
    with memory_app(app) as testing:
        put(testing, "posts/a", title="A")
        testing.deliver()
        monkeypatch.setattr(LikeView, "bonus", 1)
        build_by_hand(testing)
        testing.deliver()
    assert told == [("posts/a", None, 0), ("posts/a", 0, 1)]


# Totals in requests, sockets and tasks


class TitledView(ViewModel[PostStore]):
    """Not stored, so that REST and sockets build it themselves."""

    class Meta:
        read = access.public
        write = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.post.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.post.title = f"{value} ({self.store.reviews})"

    @attrs.computed
    def average(self) -> float | None:
        return self.store.average

    @operation
    def praise(self) -> None:
        Review.new(post=self.store.post.doc_id, stars=5).save()

    @operation
    def forget(self, number: str) -> None:
        found = Review.get(number)
        assert found is not None
        found.delete()


def titled() -> Boiler:
    app = Boiler("titled", http=HttpSettings(rate=None))
    app.rest("/posts")(TitledView)
    return app


def test_a_request_reads_changes_and_shows_numbers() -> None:
    app = titled()
    with memory_app(app) as testing:
        put(testing, "posts/a", title="A")
        review(testing, 1, stars=4)
        api = Api(testing.database, Faulty(testing.database), app=app)
        assert api.get("/posts/a").json == {"id": "a", "title": "A", "average": 4.0}
        assert api.patch("/posts/a", {"title": "B"}).json == {"id": "a", "title": "B (1)", "average": 4.0}
        assert api.ask("POST", "/posts/a:praise", body={}).json["average"] == 4.5
        assert api.ask("POST", "/posts/a:forget", body={"number": "r1"}).json["average"] == 5.0
        assert api.get("/posts/a").json["average"] == 5.0


def test_a_request_commits_only_if_the_numbers_that_it_read_are_as_they_were() -> None:
    app = titled()
    with memory_app(app) as testing:
        put(testing, "posts/a", title="A")
        faulty = Faulty(testing.database)
        api = Api(testing.database, faulty, app=app)

        def race() -> None:
            faulty.before_commit = lambda: None
            review(testing, 1, stars=3)

        faulty.before_commit = race
        assert api.patch("/posts/a", {"title": "B"}).json == {"id": "a", "title": "B (1)", "average": 3.0}
        assert faulty.commits == 2


class Counted(ViewModel[LikeStore]):
    def propagate_change(self) -> None:
        self.store.post.title = f"{self.store.likes} likes"
        self.store.post.save()


def test_a_task_commits_only_if_the_numbers_that_it_read_are_as_they_were() -> None:
    app = Boiler("counting")
    app.task("posts/{doc_id}/orders/{order_id}", writes=[Post])(Counted)
    with memory_app(app) as testing:
        put(testing, "posts/a", title="A")
        review(testing, 1)
        testing.take()
        put(testing, "posts/a/orders/one")
        (delivery,) = testing.take()
        hooked = Hooked(testing.database).before("commit", 1, lambda: review(testing, 2))
        assert testing.handle(delivery, hooked).outcomes == {"done": 1}
        assert (testing.fields("posts/a") or {})["title"] == "2 likes"
        assert hooked.calls["commit"] == 2
