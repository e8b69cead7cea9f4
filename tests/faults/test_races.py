"""Handlers that meet each other and the writes of clients: a race at every call of the database."""

from collections import Counter
from collections.abc import Callable

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs
from boiler_functions.database import Delete, Put
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.testing import Delivery, Faults, MemoryApp, assert_views_equal_rebuild, memory_app
from tests.faults.scenes import (
    FORM,
    JAPAN,
    KOREA,
    TOKYO,
    content,
    effects,
    fresh_seeds,
    place,
    raced_at_every_call,
    send,
    stored_tokyo,
    the_one,
    tokyo,
    world,
)
from tests.torture.oracle import is_view
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked


def tokyo_changed(testing: MemoryApp) -> Delivery:
    stored_tokyo(testing)
    tokyo(testing, "Edo")
    return the_one(testing, TOKYO.path, "place_view")


def tokyo_created(testing: MemoryApp) -> Delivery:
    put(testing, JAPAN.path, name="Japan")
    tokyo(testing)
    return the_one(testing, TOKYO.path, "place_view")


def japan_created(testing: MemoryApp) -> Delivery:
    put(testing, JAPAN.path, name="Japan")
    return the_one(testing, JAPAN.path, "country_view")


def test_a_slow_builder_with_an_old_snapshot_does_not_overwrite_a_newer_view() -> None:
    for testing, _ in raced_at_every_call(tokyo_changed, lambda testing: tokyo(testing, "Tokio")):
        assert place(testing) == "Tokio, Japan"
        assert_views_equal_rebuild(testing)


def test_a_slow_builder_does_not_overwrite_a_newer_one_that_found_no_change() -> None:
    """The newer builder finds the content as it is stored, writes no view, and must leave a trace all the same."""
    for testing, _ in raced_at_every_call(tokyo_changed, tokyo):
        assert place(testing) == "Tokyo, Japan"
        assert_views_equal_rebuild(testing)


def test_a_builder_that_meets_a_conflict_reads_again_before_it_writes() -> None:
    with world() as testing:
        delivery = tokyo_changed(testing)

        def newer() -> None:
            tokyo(testing, "Tokio")
            for each in testing.take():
                testing.handle(each, testing.database)

        testing.handle(delivery, Hooked(testing.database).before("commit", 1, newer))
        assert place(testing) == "Tokio, Japan"


def test_a_source_that_changes_between_the_reads_and_the_first_commit_is_in_the_view() -> None:
    for testing, _ in raced_at_every_call(tokyo_created, lambda testing: put(testing, JAPAN.path, name="Nippon")):
        assert place(testing) == "Tokyo, Nippon"
        assert_views_equal_rebuild(testing)


def test_a_new_dependency_that_changes_while_it_is_taken_up_is_in_the_view() -> None:
    def moved(testing: MemoryApp) -> Delivery:
        stored_tokyo(testing)
        put(testing, KOREA.path, name="Korea")
        testing.deliver()
        put(testing, TOKYO.path, name="Tokyo", country=KOREA)
        return the_one(testing, TOKYO.path, "place_view")

    for testing, _ in raced_at_every_call(moved, lambda testing: put(testing, KOREA.path, name="Corea")):
        assert place(testing) == "Tokyo, Corea"
        assert_views_equal_rebuild(testing)


def test_a_document_that_enters_a_query_before_the_first_commit_is_in_the_view() -> None:
    for testing, _ in raced_at_every_call(japan_created, tokyo):
        assert content(testing, "countryViews/JP", "cities") == ["Tokyo"]
        assert_views_equal_rebuild(testing)


def test_a_document_that_leaves_a_query_is_found_by_its_before_image() -> None:
    with world() as testing:
        stored_tokyo(testing)
        put(testing, TOKYO.path, name="Tokyo", country=KOREA)
        testing.deliver()
        assert content(testing, "countryViews/JP", "cities") == []
        testing.database.commit([Delete(TOKYO.path)])
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_document_that_was_missing_when_the_view_was_built_wakes_it_when_it_appears() -> None:
    with world() as testing:
        tokyo(testing)
        testing.deliver()
        assert place(testing) == "Tokyo"
        put(testing, JAPAN.path, name="Japan")
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


@pytest.mark.parametrize("prepare", [tokyo_created, tokyo_changed])
@pytest.mark.parametrize("recreated", [True, False])
def test_a_root_that_is_deleted_and_perhaps_recreated_while_a_builder_runs_converges(
    prepare: Callable[[MemoryApp], Delivery], recreated: bool
) -> None:
    def race(testing: MemoryApp) -> None:
        testing.database.commit([Delete(TOKYO.path)])
        if recreated:
            tokyo(testing, "Kyoto")

    for testing, _ in raced_at_every_call(prepare, race):
        assert place(testing) == ("Kyoto, Japan" if recreated else None)
        assert_views_equal_rebuild(testing)


def test_events_of_two_roots_at_once_converge() -> None:
    for seed in fresh_seeds(20):
        with world() as testing:
            put(testing, JAPAN.path, name="Japan")
            for name in "ab":
                put(testing, f"cities/{name}", name=name, country=JAPAN, twin=TOKYO)
            tokyo(testing, twin=TOKYO)
            put(testing, JAPAN.path, name="Nippon")
            testing.deliver(shuffle=seed, at_once=8)
            assert_views_equal_rebuild(testing)


def test_a_view_that_a_torn_read_left_old_is_mended_by_the_event_of_what_it_missed() -> None:
    """Even if its ledger is new: the versions of the documents that were read decide."""
    with world() as testing:
        stored_tokyo(testing)
        old = testing.database.read([JAPAN.path]).read_time
        put(testing, JAPAN.path, name="Nippon")
        missed = the_one(testing, JAPAN.path, "place_view")
        tokyo(testing, "Edo")
        edo = the_one(testing, TOKYO.path, "place_view")
        testing.handle(edo, Hooked(testing.database).tear(JAPAN.path, old))
        assert place(testing) == "Edo, Japan"
        testing.handle(missed)
        assert place(testing) == "Edo, Nippon"


def test_documents_that_are_written_together_and_read_torn_converge() -> None:
    def together(testing: MemoryApp, number: int) -> Callable[[], object]:
        city = Put(TOKYO.path, {"name": f"City{number}", "country": JAPAN})
        country = Put(JAPAN.path, {"name": f"Land{number}"})
        return lambda: testing.database.commit([city, country])

    injected: Counter[str] = Counter()
    for seed in fresh_seeds(30):
        with world() as testing:
            stored_tokyo(testing)
            acts = [together(testing, number) for number in range(8)]
            testing.deliver(shuffle=seed, at_once=4, faults=Faults(torn=1.0), meanwhile=acts)
            assert place(testing) == "City7, Land7", f"seed {seed}"
            assert_views_equal_rebuild(testing)
            injected.update(testing.injected)
    assert injected["read torn"]


def test_builders_never_touch_the_documents_of_their_users() -> None:
    """So a hot source costs its writers nothing: no lock, no write, no precondition is ever on it."""
    with world() as testing:
        testing.through = hooked = Hooked(testing.database)
        stored_tokyo(testing)
        for number in range(20):
            put(testing, JAPAN.path, name=f"Land{number}")
        testing.deliver(shuffle=1, at_once=4)
        touched = {each.path for writes in hooked.written for each in writes}
        assert {path.split("/")[0] for path in touched if not is_view(path)} <= {*BOOKKEEPING}


@pytest.mark.parametrize("collection", ["stamped", "kept", "deleted"])
def test_a_form_that_is_written_again_before_its_event_is_superseded_and_its_last_version_counts(
    collection: str,
) -> None:
    path = f"users/ann/{collection}/one"
    with world() as testing:
        first, second = send(testing, 1, path), send(testing, 2, path)
        assert testing.handle(first).outcomes == {"superseded": 1}
        assert testing.handle(second).outcomes == {"done": 1}
        assert testing.handle(first).outcomes != {"done": 1}
        assert effects(testing) == [2]


def test_a_form_that_is_written_again_at_any_moment_takes_effect_once_for_its_last_version() -> None:
    """And at most once for the one before it."""
    for testing, _ in raced_at_every_call(send, lambda testing: put(testing, FORM, amount=2)):
        assert effects(testing) in ([2], [1, 2])


def test_a_task_event_that_another_copy_overtakes_at_any_moment_has_one_effect() -> None:
    for collection in ("stamped", "kept", "deleted"):
        copies: list[Delivery] = []

        def prepare(testing: MemoryApp, collection: str = collection, copies: list[Delivery] = copies) -> Delivery:
            copies[:] = [send(testing, 1, f"users/ann/{collection}/one")]
            return copies[0]

        def copied(testing: MemoryApp, copies: list[Delivery] = copies) -> None:
            testing.handle(copies[0], testing.database)

        for testing, _ in raced_at_every_call(prepare, copied):
            assert effects(testing) == [1]


class Duty(DomainModel):
    class Meta:
        collection_name = "duties"

    on_call = attrs.boolean(default=True)


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string()


def hospital() -> Boiler:
    """Two on call; each may leave while the other stays. And a task that only ever creates."""
    app = Boiler("hospital", max_retries=20)

    @app.task("leaves/{doctor}", writes=[Duty])
    class Leave(ViewModel[Store]):
        def propagate_change(self) -> None:
            own, other = ("ann", "bob") if self.params["doctor"] == "ann" else ("bob", "ann")
            standing, leaving = Duty.get(other), Duty.get(own)
            if standing is None or not standing.on_call:
                raise Rejected("nobody would be left")
            assert leaving is not None
            leaving.on_call = False
            leaving.save()

    @app.task("slips/{slip}", writes=[Note], on_completion="keep")
    class Slip(ViewModel[Store]):
        def propagate_change(self) -> None:
            Note.new(text="noted").save()

    return app


def test_two_tasks_that_read_what_the_other_writes_end_as_if_one_came_first_and_both_finish() -> None:
    for seed in fresh_seeds(30):
        with memory_app(hospital()) as testing:
            for doctor in ("ann", "bob"):
                put(testing, f"duties/{doctor}", onCall=True)
                put(testing, f"leaves/{doctor}")
            testing.deliver(shuffle=seed, at_once=2, duplicates=1)
            on_call = [content(testing, f"duties/{doctor}", "onCall") for doctor in ("ann", "bob")]
            ends = [content(testing, f"leaves/{doctor}", "outcome")["status"] for doctor in ("ann", "bob")]
            assert sorted(on_call) == [False, True], f"seed {seed}"
            assert sorted(ends) == ["done", "rejected"]


def test_an_effect_without_any_precondition_of_its_own_is_not_doubled_by_a_copy_at_the_same_instant() -> None:
    """The blind creation of a document of a new name: the marker alone stands in the way."""
    with memory_app(hospital()) as testing:
        put(testing, "slips/one")
        (delivery,) = testing.take()
        copy = Hooked(testing.database).before("commit", 1, lambda: testing.handle(delivery, testing.database))
        testing.handle(delivery, copy)
        assert len([path for path in testing.documents() if path.startswith("notes/")]) == 1
