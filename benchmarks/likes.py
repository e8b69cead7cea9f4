"""A like on a post that has few or many likes, and many likes at once: kept, asked for, and counted by hand."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil

from google.cloud import firestore
from google.cloud.firestore import Client, Transaction

from benchmarks.counted import cost_of
from benchmarks.results import Row, at_least, at_most, ratio_at_least
from benchmarks.single_view import A
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, referrers
from boiler_functions.database import Put, Write
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Transient
from boiler_functions.paths import id_of
from boiler_functions.types import Reference
from boiler_functions.views.build import chunks
from boiler_functions.views.keeping import COUNT, group_of
from boiler_functions.views.totals import kept_totals

SIZES = (10, 1_000, 100_000)
AT_ONCE = 200
AT_ONCE_BY_HAND = 40
"""Fewer, as they take seconds each: a transaction waits for the locks of the others."""
THREADS = 8
ROUNDS = 2


class Post(DomainModel):
    class Meta:
        collection_name = "posts"


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)


class KeptLikes(Store):
    post = reference(Post)
    likes = referrers(Like.post).count(kept=True)


class AskedLikes(Store):
    post = reference(Post)
    likes = referrers(Like.post).count()


kept, asked = Boiler("kept"), Boiler("asked")


@kept.query
class KeptCard(ViewModel[KeptLikes]):
    class Meta:
        path = "keptCards/{post.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return self.store.likes


@asked.query
class AskedCard(ViewModel[AskedLikes]):
    class Meta:
        path = "askedCards/{post.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return self.store.likes


def likes(stage: Stage) -> Iterator[Row]:
    """Likes posts that have 10, 1,000 and 100,000 likes, then one post 200 times at once."""
    for _, keeping in kept_totals([KeptLikes]):
        stage.change(keeping.head, {"total": "likes"})
    for size in SIZES:
        post = f"posts/p{size}"
        set_up(stage, post, size)
        ours = stage.handle(kept, "kept_card_on_likes", like(stage, post)).usage
        other = stage.handle(asked, "asked_card_on_likes", like(stage, post)).usage
        change = like(stage, post)
        by_hand = cost_of(stage.counted, partial(add, change=change))
        name = f"a like on a post with {size:,}"
        yield Row(f"{name}, kept", ours.rpcs, by_hand.rpcs, A, "RPCs", at_most(5))
        yield Row(f"{name}, kept", ours.reads, by_hand.reads, A, "reads", at_most(15))
        yield Row(f"{name}, kept", ours.writes, by_hand.writes, A, "writes", at_most(4))
        yield Row(f"{name}, asked for", other.rpcs, by_hand.rpcs, A, "RPCs", at_most(4))
        yield Row(f"{name}, asked for", other.reads, size, "reading all", "reads", at_most(3 + ceil(size / 1_000)))
        yield Row(
            f"{name}, kept", shown(stage, f"keptCards/{id_of(post)}"), size + 1, "likes", "shown", at_least(size + 1)
        )
    yield from _at_once(stage)


def set_up(stage: Stage, post: str, size: int) -> None:
    """A post with so many likes, which are counted already, and its two views."""
    numbers = (Put(f"likes/{id_of(post)}-{number}", {"post": Reference(post)}) for number in range(size))
    for page in chunks(numbers, 500):
        stage.database.commit(page)
    writes: list[Write] = []
    for total, keeping in kept_totals([KeptLikes]):
        (shard, *_) = keeping.shards_of(group_of(total.queries_of(stage.read(f"likes/{id_of(post)}-0"))[0]))
        writes += keeping.increments([(shard, {COUNT: size})])
    stage.database.commit([*writes, Put(f"counters/{id_of(post)}", {"likes": size})])
    change = stage.change(post, {"title": "A post"})
    stage.handle(kept, "kept_card_on_posts", change)
    stage.handle(asked, "asked_card_on_posts", change)


def like(stage: Stage, post: str) -> Change:
    """Likes the post, and returns the event."""
    return stage.change(f"likes/{secrets.token_hex(8)}", {"post": Reference(post)})


def shown(stage: Stage, path: str) -> int:
    """Returns the number that a view shows."""
    return int((stage.read(path).fields or {})["likes"])


def add(client: Client, change: Change) -> bool:
    """Adds one to the post's counter, once, as the documentation of Firestore's transactions does."""
    marker = client.collection("peerMarkers").document(change.id)
    counter = client.document(f"counters/{id_of((change.after.fields or {})['post'].path)}")

    @firestore.transactional
    def take_effect(transaction: Transaction) -> bool:
        if marker.get(transaction=transaction).exists:
            return False
        number = counter.get(transaction=transaction).get("likes")
        transaction.set(counter, {"likes": number + 1})
        transaction.create(marker, {"time": firestore.SERVER_TIMESTAMP})
        return True

    return bool(take_effect(client.transaction()))


def _at_once(stage: Stage) -> Iterator[Row]:
    rates: dict[str, list[float]] = {"ours": [], "by hand": []}
    errors: Counter[str] = Counter()
    post = "posts/hot"
    set_up(stage, post, 1)
    for _ in range(ROUNDS):
        changes = [like(stage, post) for _ in range(AT_ONCE)]
        rates["ours"].append(_rate(changes, partial(_kept, stage, errors)))
        changes = [like(stage, post) for _ in range(AT_ONCE_BY_HAND)]
        rates["by hand"].append(_rate(changes, partial(_by_hand, stage, errors)))
        for each in changes:
            _kept(stage, Counter(), each)
    total = 1 + ROUNDS * (AT_ONCE + AT_ONCE_BY_HAND)
    name = f"{AT_ONCE} likes at once on one post, kept"
    yield Row(name, max(rates["ours"]), max(rates["by hand"]), A, "likes/s", ratio_at_least(5))
    yield Row(name, shown(stage, "keptCards/hot"), total, "likes", "shown", at_least(total))
    yield Row(name, errors["ours"], errors["by hand"], A, "errors, to be delivered again")


def _rate(changes: list[Change], handle: Callable[[Change], bool]) -> float:
    """Returns how many likes a second are done, by threads that deliver again what failed, at most three times."""
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        done = sum(pool.map(lambda change: any(handle(change) for _ in range(3)), changes))
    return done / (time.perf_counter() - started)


def _kept(stage: Stage, errors: Counter[str], change: Change) -> bool:
    try:
        stage.handle(kept, "kept_card_on_likes", change)
    except Transient:
        errors["ours"] += 1
        return False
    return True


def _by_hand(stage: Stage, errors: Counter[str], change: Change) -> bool:
    try:
        return add(stage.client, change)
    except Exception:  # A ValueError after five tries, or an error of Google's client.
        errors["by hand"] += 1
        return False
