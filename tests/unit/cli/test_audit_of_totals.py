"""`boiler audit` finds every kept total that is wrong and no other, and `--repair` puts it right."""

import json
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions.database import Delete, Put, Query
from boiler_functions.testing import MemoryApp
from boiler_functions.types import Reference
from boiler_functions.views.keeping import CONTRIBUTIONS, HEADS, SHARDS, VALUES
from tests.unit.cli.conftest import Run, Start

APP = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, referrers

app = Boiler("likes")

class Post(DomainModel):
    class Meta:
        collection_name = "posts"

class Like(DomainModel):
    class Meta:
        collection_name = "likes"
    post = attrs.relation(Post)
    stars = attrs.integer()

class LikeStore(Store):
    post = reference(Post)
    likes = referrers(Like.post).count(kept=True, shards=2)
    mean = referrers(Like.post).average(Like.stars, kept=True, shards=2)

@app.query
class LikeView(ViewModel[LikeStore]):
    class Meta:
        path = "likeViews/{post.doc_id}"

    @attrs.computed
    def numbers(self) -> list[float | None]:
        return [self.store.likes, self.store.mean]
"""

SECOND = """
class CardStore(Store):
    post = reference(Post)
    likes = referrers(Like.post).count(kept=True, shards=2)

@app.query
class LikeCard(ViewModel[CardStore]):
    class Meta:
        path = "likeCards/{post.doc_id}"

    @attrs.computed
    def number(self) -> int:
        return self.store.likes
"""


BY_VALUE = (
    APP.replace("referrers(Like.post).count(", "referrers(Like.post).count(by=Like.stars, ")
    .replace("average(Like.stars, ", "sum(Like.stars, by=Like.stars, ")
    .replace("-> list[float | None]", "-> list[str]")
    .replace("[self.store.likes, self.store.mean]", "[str(self.store.likes), str(self.store.mean)]")
)


def like(testing: MemoryApp, number: int, post: str = "a", stars: Any = 3) -> None:
    fields = {"post": Reference(f"posts/{post}"), "stars": stars, "obj_type": "Like", "doc_id": f"l{number}"}
    testing.database.commit([Put(f"likes/l{number}", fields)])


def liked(testing: MemoryApp) -> None:
    """Posts a and b with two likes and one."""
    for post in ("a", "b"):
        testing.write(f"posts/{post}", {"obj_type": "Post", "doc_id": post})
    for number, post in enumerate("aab"):
        like(testing, number, post)
    testing.deliver()


def wrong(run: Run, *arguments: str, fine: bool = False, view: str = "LikeView") -> list[tuple[Any, ...]]:
    """Returns the totals that an audit finds wrong: root, name, kept and counted number."""
    result = run("audit", *arguments, "--json", "--project", "demo-likes")
    assert result.exit_code == (0 if fine else 1), result.output
    found = json.loads(result.stdout)["result"]["views"][view]["totals"]
    return [(each["root"], each["name"], each["kept"], each["counted"]) for each in found]


def counts(shard: Any) -> int | None:
    """Returns what a shard of the number of likes has; None for one of their stars."""
    return None if "sum" in shard else shard.get("count")


def edit_shard(testing: MemoryApp) -> None:
    """Adds five likes by hand to a shard of post a."""
    shards = testing.database.query(Query(SHARDS)).documents
    path = next(each.path for each in shards if counts(each.fields) == 2)
    testing.database.commit([Put(path, {"count": 7}, mask=("count",))])


def contribution(testing: MemoryApp, number: int) -> list[str]:
    found = testing.database.query(Query(CONTRIBUTIONS)).documents
    return [each.path for each in found if (each.fields or {})["path"] == f"likes/l{number}"]


def numbers(testing: MemoryApp, post: str = "a") -> Any:
    return (testing.fields(f"likeViews/{post}") or {})["numbers"]


def test_totals_that_are_right_are_fine(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    assert wrong(run, "--late", "0s", fine=True) == []


def test_a_shard_that_was_edited_by_hand_is_found_with_both_numbers_and_repaired(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    edit_shard(testing)
    assert wrong(run) == [("posts/a", "likes", 7, 2)]
    said = run("audit", "LikeView", "--project", "demo-likes").output
    assert "  wrong total  posts/a  likes: 7 is kept, 2 is counted\n" in said
    result = run("audit", "--repair", "--yes", "--project", "demo-likes")
    assert (result.exit_code, "LikeView: 1 of 1 kept totals are repaired" in result.output) == (0, True), result.output
    assert wrong(run, "--late", "0s", fine=True) == []
    assert numbers(testing) == [2, 3.0]


def test_a_contribution_that_was_deleted_by_hand_is_found_and_repaired(start: Start, run: Run) -> None:
    """Its next event adds the document a second time; until then the number is right."""
    testing = start(APP)
    liked(testing)
    testing.database.commit([Delete(each) for each in contribution(testing, 0)])
    like(testing, 0, stars=1)
    testing.deliver()
    assert wrong(run) == [("posts/a", "mean", 7 / 3, 2.0)]
    assert wrong(run, "--repair", "--yes", fine=True) == [("posts/a", "mean", 7 / 3, 2.0)]
    assert wrong(run, "--late", "0s", fine=True) == []
    assert numbers(testing) == [2, 2.0]


@pytest.mark.parametrize("change", ["came", "went", "moved", "came and went"])
def test_a_document_whose_event_may_still_come_is_late_and_its_total_wrong_after_that(
    change: str, start: Start, run: Run
) -> None:
    testing = start(APP)
    liked(testing)
    if change == "moved":
        like(testing, 0, "b")
    elif change == "came":
        like(testing, 3)
    elif change == "went":
        testing.database.commit([Delete("likes/l0")])
    else:
        like(testing, 3)
        testing.deliver()
        testing.database.commit([Delete("likes/l3")])
    assert wrong(run, fine=True) == []
    assert ("posts/a", "likes") in [each[:2] for each in wrong(run, "--late", "0s")]
    assert wrong(run, "--late", "0s", "--repair", "--yes", fine=True)
    assert wrong(run, "--late", "0s", fine=True) == []
    now = numbers(testing)
    testing.deliver()
    assert (wrong(run, "--late", "0s", fine=True), numbers(testing)) == ([], now)


def edit_value(testing: MemoryApp, name: str = "i:3") -> None:
    """Adds five likes by hand to a value of post a."""
    shards = testing.database.query(Query(SHARDS)).documents
    path = next(each.path for each in shards if (each.fields or {})[VALUES].get("i:3") == {"count": 2})
    testing.database.commit([Put(path, {}, mask=(), adds=((f"{VALUES}.`{name}`.count", 5),))])


@pytest.mark.parametrize(("name", "kept", "counted"), [("i:3", {"3": 7}, {"3": 2}), ("i:9", {"9": 5}, {"9": None})])
def test_of_a_total_by_value_that_was_edited_the_values_that_differ_are_found_and_repaired(
    start: Start, run: Run, name: str, kept: Any, counted: Any
) -> None:
    testing = start(BY_VALUE)
    liked(testing)
    assert wrong(run, "--late", "0s", fine=True) == []
    edit_value(testing, name)
    assert wrong(run) == [("posts/a", "likes", kept, counted)]
    said = run("audit", "LikeView", "--project", "demo-likes").output
    (value,) = kept
    assert f"likes: {value} {kept[value]} are kept, {value} {counted[value]} are counted\n" in said
    assert wrong(run, "--repair", "--yes", fine=True) == [("posts/a", "likes", kept, counted)]
    assert wrong(run, "--late", "0s", fine=True) == []
    assert numbers(testing) == ["{3: 2}", "{3: 6}"]


def test_a_document_that_has_moved_to_another_value_is_late_and_its_total_wrong_after_that(
    start: Start, run: Run
) -> None:
    testing = start(BY_VALUE)
    liked(testing)
    like(testing, 0, stars=5)
    assert wrong(run, fine=True) == []
    assert ("posts/a", "likes", {"3": 2, "5": None}, {"3": 1, "5": 1}) in wrong(run, "--late", "0s")
    assert wrong(run, "--late", "0s", "--repair", "--yes", fine=True)
    assert wrong(run, "--late", "0s", fine=True) == []
    assert numbers(testing) == ["{3: 1, 5: 1}", "{3: 3, 5: 5}"]


@pytest.mark.parametrize("odd", [None, 2.5, "five", True, [5]])
def test_a_value_that_is_no_key_makes_a_total_by_value_not_wrong(start: Start, run: Run, odd: Any) -> None:
    testing = start(BY_VALUE)
    liked(testing)
    like(testing, 3, stars=odd)
    testing.deliver()
    assert wrong(run, "--late", "0s", fine=True) == []


def test_a_view_with_a_total_by_too_many_values_is_owed_and_the_others_are_compared(start: Start, run: Run) -> None:
    testing = start(BY_VALUE)
    liked(testing)
    edit_value(testing, "i:3")
    for number in range(101):
        like(testing, 100 + number, "b", stars=number)
    testing.deliver()
    assert wrong(run, "--late", "0s") == [("posts/a", "likes", {"3": 7}, {"3": 2})]
    result = json.loads(run("audit", "LikeView", "--late", "0s", "--json", "--project", "demo-likes").output)["result"]
    assert result["views"]["LikeView"]["verdicts"] == {"lost": 1, "owed": 1}


def test_an_edit_is_found_while_events_are_on_their_way(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    edit_shard(testing)
    like(testing, 3)
    assert wrong(run) == [("posts/a", "likes", 7, 3)]


def test_a_value_that_adds_nothing_to_a_kept_number_makes_it_not_wrong(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    like(testing, 3, stars=2.5)
    testing.deliver()
    assert wrong(run, "--late", "0s", fine=True) == []


def test_a_total_that_is_not_filled_is_asked_for_and_so_not_compared(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    edit_shard(testing)
    testing.database.commit([Delete(each.path) for each in testing.database.query(Query(HEADS)).documents])
    assert wrong(run, "--root", "a", "LikeView", "--late", "10m", fine=True) == []


def test_an_audit_of_some_instances_finds_their_wrong_totals_and_repairs_none(start: Start, run: Run) -> None:
    testing = start(APP)
    liked(testing)
    edit_shard(testing)
    assert wrong(run, "LikeView", "--root", "b", fine=True) == []
    assert wrong(run, "LikeView", "--root", "a", "--repair", "--yes") == [("posts/a", "likes", 7, 2)]
    said = run("audit", "LikeView", "--root", "a", "--repair", "--yes", "--project", "demo-likes").output
    assert "only an audit of all repairs totals; run `boiler audit LikeView --repair`" in said


def test_a_total_that_two_views_share_is_right_in_both_after_one_repair(start: Start, run: Run) -> None:
    testing = start(APP + SECOND)
    liked(testing)
    edit_shard(testing)
    like(testing, 9, "b")
    testing.deliver()
    like(testing, 9, "a")
    testing.deliver()
    assert numbers(testing)[0] == 8
    wrong(run, "--repair", "--yes", fine=True)
    assert (wrong(run, "--late", "0s", fine=True), wrong(run, fine=True, view="LikeCard")) == ([], [])
    assert (numbers(testing)[0], (testing.fields("likeCards/a") or {})["number"]) == (3, 3)


def test_a_total_that_all_instances_show_is_right_in_each_after_a_repair(start: Start, run: Run) -> None:
    of_all = APP.replace("referrers(Like.post).count(", "matching(Like.stars >= 3).count(")
    testing = start(of_all.replace("import Boiler", "import matching, Boiler"))
    liked(testing)
    (path,) = [each.path for each in testing.database.query(Query(SHARDS)).documents if counts(each.fields) == 2]
    testing.database.commit([Put(path, {"count": 9}, mask=("count",))])
    found = wrong(run, "--repair", "--yes", fine=True)
    assert [each[:2] for each in found] == [("posts/a", "likes"), ("posts/b", "likes")]
    assert (numbers(testing)[0], numbers(testing, "b")[0]) == (3, 3)
    assert wrong(run, "--late", "0s", fine=True) == []


@pytest.mark.parametrize("app", [APP, BY_VALUE], ids=["of all", "by value"])
def test_an_audit_at_any_moment_finds_nothing_wrong_in_what_events_alone_have_changed(
    start: Start, run: Run, app: str
) -> None:
    testing = start(app)
    liked(testing)
    seed = SystemRandom().getrandbits(32)
    chance = Random(seed)
    for _ in range(12):
        for _ in range(chance.randint(1, 4)):
            number = chance.randrange(8)
            if chance.random() < 0.3:
                testing.database.commit([Delete(f"likes/l{number}")])
            else:
                like(testing, number, chance.choice("ab"), chance.choice([1, 2, None]))
        assert wrong(run, fine=True) == [], f"seed {seed}"
        testing.deliver(shuffle=chance.getrandbits(32), duplicates=chance.choice([0, 1]))
        assert wrong(run, "--late", "0s", fine=True) == [], f"seed {seed}"
