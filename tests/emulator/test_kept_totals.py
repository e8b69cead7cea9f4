"""Kept totals on the emulator: handlers race on real threads, some end halfway, and builds fill meanwhile."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random, SystemRandom
from typing import Any

from boiler_functions import Store, ViewModel, attrs, reference, referrers
from boiler_functions.database import Committed, Delete, Document, Put, Query, Verified, Write
from boiler_functions.database.change import Change
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.exceptions import Transient
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.types import Reference
from boiler_functions.views.keeping import HEADS
from tests.unit.modes.query.test_kept_totals import CountView, Like, Post, counted

LIKES = 12
CHANGES = 120


class StarsStore(Store):
    post = reference(Post)
    stars = referrers(Like.post).count(by=Like.stars, kept=True, shards=2)


class StarsView(ViewModel[StarsStore]):
    class Meta:
        path = "starsViews/{post.doc_id}"

    @attrs.computed
    def stars(self) -> dict[str, int]:
        return {str(stars): number for stars, number in self.store.stars.items()}


class Killed(Exception):
    """Ends a handler before or after a commit, as the end of its process does."""


class Deadly(FirestoreDatabase):
    """A database whose commits end their handler now and then, before or after they are made."""

    chance = Random()

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        fate = self.chance.random()
        if fate < 0.05:
            raise Killed
        committed = super().commit(writes, verify=verify)
        if fate > 0.95:
            raise Killed
        return committed


def test_numbers_are_exact_after_races_kills_and_duplicates_while_a_build_fills(
    firestore_emulator: FirestoreEmulator, project: str
) -> None:
    seed = SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = Random(seed)
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    deadly = Deadly(project, emulator=firestore_emulator.host)
    deadly.chance = Random(seed)
    app = counted()
    app.query(StarsView)
    functions = app.compiled.functions

    def handle(change: Change, view: str) -> None:
        function = functions[f"{view}_on_{change.path.partition('/')[0]}"]
        for attempt in range(20):
            try:
                function.handle(change, deadly if attempt < 10 else database)
                return
            except (Killed, Transient):
                continue
        raise AssertionError(f"{change} was never handled")

    def change(path: str, fields: dict[str, Any] | None) -> Change:
        (before,) = database.read([path]).documents
        committed = database.commit([Delete(path) if fields is None else Put(path, fields)])
        after = Document(path, fields, committed.versions[0])
        return Change(f"{chance.random()}", project, path, before, after, committed.commit_time)

    def build() -> None:
        for view in (CountView, StarsView):
            list(RebuildAll("counts", view, database).run())

    for number in range(LIKES // 2):  # These were there before: nothing followed them.
        change(f"likes/l{number}", {"post": Reference("posts/a"), "stars": 1})
    views = ("count_view", "stars_view")
    with ThreadPoolExecutor(6) as pool:
        posts = [change(f"posts/{post}", {}) for post in "ab"]
        done = [pool.submit(handle, event, view) for event in posts for view in views]
        for number in range(CHANGES):
            gone = chance.random() < 0.25
            post = Reference(f"posts/{chance.choice('ab')}")
            fields = {"post": post, "stars": chance.choice([1, 2, 3, None])}
            event = change(f"likes/l{chance.randrange(LIKES)}", None if gone else fields)
            done += [pool.submit(handle, event, view) for view in views for _ in range(1 + (chance.random() < 0.3))]
            if number in (CHANGES // 4, CHANGES // 2):
                done.append(pool.submit(build))
        for each in done:
            each.result()
    assert len(database.query(Query(HEADS)).documents) == 2
    likes = [each.fields or {} for each in database.query(Query("likes")).documents]
    for doc_id in "ab":
        count, stars = database.read([f"countViews/{doc_id}", f"starsViews/{doc_id}"]).documents
        liked = [each for each in likes if each["post"].path == f"posts/{doc_id}"]
        assert (count.fields or {})["likes"] == len(liked)
        given = (each["stars"] for each in liked)
        assert (stars.fields or {})["stars"] == Counter(str(each) for each in given if each is not None)
