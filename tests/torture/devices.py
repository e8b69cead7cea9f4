"""Tests the tests: removes each safety device in turn, after which the test of that device must fail.

The source stays as it is: a device is taken out by patching, while its test runs. First each test must hold with
everything in place.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest

from boiler_functions.compile import compiler as compile_module
from boiler_functions.database import Committed, Document, FoundVersions, Precondition, Query, Write
from boiler_functions.database import memory as memory_module
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict
from boiler_functions.models.session import UnitOfWork
from boiler_functions.modes import run as run_module
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.forms.effect import Run
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.ledger import COLLECTION, Ledger, Wake
from boiler_functions.modes.marker import Marker
from boiler_functions.modes.query import commits as query_module
from boiler_functions.modes.query import fill as fill_module
from boiler_functions.modes.query import mode as mode_module
from boiler_functions.modes.query import quiet as quiet_module
from boiler_functions.modes.query import rebuild as rebuild_module
from boiler_functions.modes.query.commits import Prepared
from boiler_functions.modes.query.composition import Composition
from boiler_functions.modes.query.debts import Debts
from boiler_functions.modes.query.keep import Keep
from boiler_functions.modes.query.quiet import QuietViews
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.types import MISSING
from boiler_functions.views import build as build_module
from boiler_functions.views import dependencies as dependencies_module
from boiler_functions.views import narrowed as narrowed_module
from boiler_functions.views.build import Built, Reader
from boiler_functions.views.dependencies import _document_token
from boiler_functions.views.keeping import Contribution, Keeping, Recorded
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Store
from boiler_functions.views.totals import Total
from tests.faults import test_bad_data, test_failures, test_races, test_torn_views
from tests.torture.figures import Figure
from tests.torture.simulator import torture
from tests.torture.unlogged import unlogged
from tests.unit.modes.query import (
    test_debts,
    test_deployments,
    test_fields,
    test_kept_by_value,
    test_kept_totals,
    test_own_copies,
    test_quiet,
    test_recorded_fields,
    test_time,
    test_totals,
)

SEEDS = 40
"""The seeds in which the simulator may find what goes wrong without a device."""

Removal = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Device:
    """A safety device: how it is removed, and the test that then fails, with its arguments."""

    name: str
    remove: Removal
    test: Callable[..., object]
    arguments: tuple[Any, ...] = ()

    @property
    def test_name(self) -> str:
        """The node id of the test."""
        said = [getattr(each, "__name__", str(each)) for each in self.arguments]
        arguments = f"[{'-'.join(said)}]" if said else ""
        return f"{self.test.__module__.rpartition('.')[2]}::{self.test.__name__}{arguments}"

    def falls(self) -> bool:
        """Returns whether the test fails now."""
        try:
            self.test(*self.arguments)
        except (Exception, pytest.fail.Exception):
            return True
        return False


def _marker_create(patch: pytest.MonkeyPatch) -> None:
    """Lets neither the marker of the event nor the record of a kept form prevent a second effect."""
    create, remember = Marker.create, Marker.remember

    def unguarded(write: Callable[..., Write]) -> Callable[..., Write]:
        return lambda *arguments: write(*arguments)._replace(precondition=None)

    patch.setattr(Marker, "create", unguarded(create))
    patch.setattr(Marker, "remember", unguarded(remember))


def _task_read_verification(patch: pytest.MonkeyPatch) -> None:
    commit_writes = UnitOfWork.commit_writes
    patch.setattr(UnitOfWork, "commit_writes", lambda self, *, verify=True: commit_writes(self, verify=False))


def _superseded_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Change, "superseded_by", lambda self, current: False)


def _seen_version(patch: pytest.MonkeyPatch) -> None:
    """Shows user code the first of two versions of a document, while the commit verifies the second."""

    def choosing(self: UnitOfWork, query: Query, documents: Sequence[Document]) -> None:
        self.found.append(FoundVersions(query, {document.path: document.version for document in documents}))
        for document in documents:
            self.documents.setdefault(document.path, document)

    patch.setattr(UnitOfWork, "add_found", choosing)


def _ledger_precondition(patch: pytest.MonkeyPatch) -> None:
    put, delete = Ledger.put, Ledger.delete
    patch.setattr(Ledger, "put", lambda self, instance: put(self, instance)._replace(precondition=None))
    patch.setattr(Ledger, "delete", lambda self: delete(self)._replace(precondition=None))


def _restart_at_the_look_up(patch: pytest.MonkeyPatch) -> None:
    """Commits the same writes again after a conflict, with the ledger as it is now."""
    commit = Metered.commit

    def stubborn(self: Metered, writes: Any, *, verify: Any = ()) -> Committed:
        try:
            return commit(self, writes, verify=verify)
        except Conflict:
            ledgers = [each.path for each in writes if each.path.startswith(COLLECTION)]
            if len(ledgers) != 1:
                raise
            (now,) = self.read(ledgers).documents
            return commit(self, [_on(each, now) if each.path == now.path else each for each in writes], verify=verify)

    patch.setattr(Metered, "commit", stubborn)


def _on(write: Write, now: Document) -> Write:
    return write._replace(precondition=Precondition(version=now.version) if now.exists else None)


def _always_written_ledger(patch: pytest.MonkeyPatch) -> None:
    writes = Composition._writes

    def thrifty(self: Composition, *arguments: Any) -> tuple[list[Write], Outcome]:
        found, outcome = writes(self, *arguments)
        return ([], outcome) if outcome is Outcome.UNCHANGED else (found, outcome)

    patch.setattr(Composition, "_writes", thrifty)


def _per_source_versions(patch: pytest.MonkeyPatch) -> None:
    """Keeps one time for the whole view instead of a version for each document; older changes count as seen."""
    is_concerned = Rebuild._is_concerned

    def by_time(self: Rebuild, instance: Any, ledger: Ledger) -> bool:
        if self.change is not None and self.change.after.exists and ledger.as_of >= self.change.after.version:
            return False
        return is_concerned(self, instance, ledger)

    patch.setattr(Rebuild, "_is_concerned", by_time)


def _registration(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rebuild, "_must_register", lambda self, instance, ledger, resolution: False)


def _second_reading(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rebuild, "_is_still_so", lambda self, reader, former, resolved: True)


def _before_image_tokens(patch: pytest.MonkeyPatch) -> None:
    after_alone = property(lambda self: (self.after,) if self.after.exists else ())
    patch.setattr(Change, "images", after_alone)


def _miss_tokens(patch: pytest.MonkeyPatch) -> None:
    put = Ledger.put

    def found_alone(self: Ledger, instance: Any) -> Write:
        missing = {
            _document_token(f"{app}/{instance.view.__name__}", path)
            for path, version in self.versions.items()
            for app in ("torture", "demo")
            if version == MISSING
        }
        return put(self._replace(depends_on=self.depends_on - missing), instance)

    patch.setattr(Ledger, "put", found_alone)


def _reread_after_an_unknown_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "_committed", lambda self, marker: None)


def _dead_letter(patch: pytest.MonkeyPatch) -> None:
    """Acknowledges events that will fail again, and leaves no dead letter."""
    for module in (query_module, run_module):
        patch.setattr(module, "write_dead_letter", lambda *arguments, **named: None)


def _size_check(patch: pytest.MonkeyPatch) -> None:
    for module in (memory_module, build_module):
        patch.setattr(module, "check_document", lambda path, fields: None)


def _loop_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compile_module, "check_cycles", lambda functions: None)


def _debt_before_the_first_build(patch: pytest.MonkeyPatch) -> None:
    """Ignores debts: a handler decides by its event alone."""
    patch.setattr(Ledger, "is_owed_to", lambda self, edition: False)


def _debt_of_a_failure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Debts, "_owe", lambda self, *arguments: None)


def _rereading_of_what_is_owed(patch: pytest.MonkeyPatch) -> None:
    is_behind = Rebuild._is_behind

    def trusting(self: Rebuild, ledger: Ledger, reader: Any) -> bool:
        return is_behind(self, ledger._replace(debt=None, is_registered=False), reader)

    patch.setattr(Rebuild, "_is_behind", trusting)


def _later_edition_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Edition, "is_later_than", lambda self, other: False)


def _debt_to_a_later_edition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Debts, "left", lambda self, instance, ledger: Prepared(instance, [], Outcome.LEFT))


def _once_more_after_a_roll_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Composition, "_once_more", lambda self: None)


def _other_plan(patch: pytest.MonkeyPatch) -> None:
    """Treats all fetch plans as equal."""
    of = Edition.of.__func__  # type: ignore[attr-defined]
    alike = classmethod(lambda cls, *arguments: of(cls, *arguments)._replace(plan="demo/PlaceView/plan"))
    patch.setattr(Edition, "of", alike)


def _wake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Wake, "of", lambda app, at: None)


def _read_time(patch: pytest.MonkeyPatch) -> None:
    """Answers by the clock of the process."""
    patch.setattr(Reader, "time", lambda self: time.time_ns())


def _rereading_of_an_older_answer(patch: pytest.MonkeyPatch) -> None:
    is_behind = Rebuild._is_behind
    patch.setattr(
        Rebuild,
        "_is_behind",
        lambda self, ledger, reader: is_behind(self, ledger._replace(as_of=0), reader),
    )


def _quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QuietViews, "is_too_early", lambda self, instance, ledger, read_at: False)


def _promise_of_a_postponed_change(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QuietViews, "postponing", lambda self, instance, ledger, read_at: ledger)


def _promise_that_is_still_to_be_kept(patch: pytest.MonkeyPatch) -> None:
    """Takes a change for postponed although the build that was promised may have read already."""
    is_postponed = QuietViews.is_postponed
    patch.setattr(QuietViews, "is_postponed", lambda self, instance, ledger, change: is_postponed(
        self, instance, ledger._replace(read_at=0), change
    ))  # fmt: skip


def _promise_until_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    """Lets every build end a promise, whenever it read."""
    built = QuietViews.built
    patch.setattr(QuietViews, "built", lambda self, instance, ledger, read_at, *, is_written: built(
        self, instance, ledger._replace(postponed=None), read_at, is_written=is_written
    ))  # fmt: skip


def _rereading_of_what_is_postponed(patch: pytest.MonkeyPatch) -> None:
    is_behind = Rebuild._is_behind
    patch.setattr(
        Rebuild,
        "_is_behind",
        lambda self, ledger, reader: is_behind(self, ledger._replace(postponed=None), reader),
    )


def _withdrawal_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quiet_module, "may_withdraw", lambda view, change: False)


def _digest_of_each_copy(patch: pytest.MonkeyPatch) -> None:
    """Knows the copies of a view by the digest of the first."""

    def first(digests: Mapping[str, str], other: str | None) -> str | None:
        return next(iter(digests.values()), other)

    patch.setattr(Built, "digest_at", lambda self, path: first(self.digests, self.content_hash))
    known = property(lambda self: dict.fromkeys(self.destinations, first(self.digests, self.content_hash)))
    patch.setattr(Ledger, "copies", known)


def _digests_of_parts(patch: pytest.MonkeyPatch) -> None:
    """Keeps the digests of before a commit in parts, until its last part."""
    unfinished = Composition._unfinished
    patch.setattr(
        Composition,
        "_unfinished",
        lambda self, instance, ledger, built: unfinished(self, instance, ledger, built)._replace(
            digests=ledger.digests
        ),
    )


def _images_that_agree(patch: pytest.MonkeyPatch) -> None:
    """Takes an event without images for one that matters to no view."""
    original = narrowed_module.matters

    def trusting(store: Any, change: Change) -> bool:
        return change.has_images and original(store, change)

    patch.setattr(mode_module, "matters", trusting)


def _relations_that_are_followed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "read_by", classmethod(lambda cls, source: (each.name for each in source.fields or ())))


def _conditions_that_compare(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Queried, "decided_by", lambda self: ())


def _all_references_that_reach_it(patch: pytest.MonkeyPatch) -> None:
    """Compares only what the first reference reads."""
    reaching = Store.reaching.__func__  # type: ignore[attr-defined]
    patch.setattr(Store, "reaching", classmethod(lambda cls, path: list(reaching(cls, path))[:1]))


def _registration_of_fields(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rebuild_module, "adds_to", lambda known, read: frozenset())


def _second_reading_of_fields(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reader, "has_versions", lambda self, versions: True)


def _recorded_relations_and_conditions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dependencies_module, "_decided", lambda store, source: frozenset())


def _fields_of_the_same_code(patch: pytest.MonkeyPatch) -> None:
    """Takes what other code read for what this code reads."""
    leaves = Ledger.leaves
    patch.setattr(
        Ledger, "leaves", lambda self, instance, edition, *change: leaves(self, instance, self.edition, *change)
    )


def _margin_of_a_total(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rebuild_module, "SETTLING", 0)


def _contribution_precondition(patch: pytest.MonkeyPatch) -> None:
    put = Recorded.put
    patch.setattr(Recorded, "put", lambda self, *seen: put(self, *seen)._replace(precondition=None))


def _contribution_reread(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Recorded, "may_be_after", lambda self, member: False)


def _tombstone(patch: pytest.MonkeyPatch) -> None:
    """Records nothing of a document that is gone and was not recorded before."""
    has = Recorded.has

    def is_nothing(self: Recorded, member: Document, contribution: Contribution) -> bool:
        return has(self, member, contribution) or not (self.document.exists or member.exists)

    patch.setattr(Recorded, "has", is_nothing)


def _always_written_contribution(patch: pytest.MonkeyPatch) -> None:
    """Records nothing of a document that adds what it added before."""
    patch.setattr(Recorded, "has", lambda self, member, contribution: self.contribution == contribution)


def _build_of_what_was_kept_before(patch: pytest.MonkeyPatch) -> None:
    """Acknowledges an event whose change a contribution has, as if its views had it, too."""
    follow, run = Keep.follow, Rebuild._run

    def kept_now(self: Keep, change: Change) -> Any:
        before = self.invocation.database.usage.writes
        shards = follow(self, change)
        return None if before == self.invocation.database.usage.writes else shards

    patch.setattr(Keep, "follow", kept_now)
    patch.setattr(Rebuild, "_run", lambda self: None if self.kept is None else run(self))


def _whole_first(patch: pytest.MonkeyPatch) -> None:
    """Reads kept numbers that do not have all documents yet."""
    read = Total._read_kept

    def read_early(self: Total[Any], keeping: Keeping, query: Query, resolution: Any, documents: Any) -> bool:
        head = Document(keeping.head, {}, version=1)
        return read(self, keeping, query, resolution, {**documents, keeping.head: head})

    patch.setattr(Total, "_read_kept", read_early)


def _recorded_value(patch: pytest.MonkeyPatch) -> None:
    """Takes what a document added from no value, as if the contribution did not say to which it was."""
    read = Recorded.of

    def read_without(document: Document) -> Recorded:
        recorded = read(document)
        return recorded._replace(contribution=recorded.contribution._replace(value=None))

    patch.setattr(Recorded, "of", read_without)


def _values_that_are_told(patch: pytest.MonkeyPatch) -> None:
    """Takes a change that moves a document from one value to another for one that changes no number."""
    told = Total._told_by

    def without_value(self: Total[Any], image: Document) -> str:
        by, self.by = self.by, None
        try:
            return told(self, image)
        finally:
            self.by = by

    patch.setattr(Total, "_told_by", without_value)


def _sweep_of_what_is_as_read(patch: pytest.MonkeyPatch) -> None:
    """Removes values from a shard that were empty when it was read, whatever it holds now."""
    patch.setattr(fill_module, "unchanged", lambda document: None)


DEVICES = (
    Device(
        "marker create", _marker_create,
        test_races.test_an_effect_without_any_precondition_of_its_own_is_not_doubled_by_a_copy_at_the_same_instant,
    ),
    Device(
        "task read verification", _task_read_verification,
        test_races.test_two_tasks_that_read_what_the_other_writes_end_as_if_one_came_first_and_both_finish,
    ),
    Device(
        "superseded check", _superseded_check,
        test_races.test_a_form_that_is_written_again_before_its_event_is_superseded_and_its_last_version_counts,
        ("kept",),
    ),
    Device(
        "seen version", _seen_version,
        test_torn_views.test_a_task_that_names_and_finds_a_document_never_takes_it_in_two_versions,
        ("a", test_torn_views.Named, "serializable"),
    ),
    Device(
        "ledger precondition", _ledger_precondition,
        test_races.test_a_slow_builder_with_an_old_snapshot_does_not_overwrite_a_newer_view,
    ),
    Device(
        "restart at the look-up", _restart_at_the_look_up,
        test_races.test_a_builder_that_meets_a_conflict_reads_again_before_it_writes,
    ),
    Device(
        "always-written ledger", _always_written_ledger,
        test_races.test_a_slow_builder_does_not_overwrite_a_newer_one_that_found_no_change,
    ),
    Device(
        "per-source versions", _per_source_versions,
        test_races.test_a_view_that_a_torn_read_left_old_is_mended_by_the_event_of_what_it_missed,
    ),
    Device(
        "registration", _registration,
        test_races.test_a_source_that_changes_between_the_reads_and_the_first_commit_is_in_the_view,
    ),
    Device(
        "second reading", _second_reading,
        test_races.test_a_source_that_changes_between_the_reads_and_the_first_commit_is_in_the_view,
    ),
    Device(
        "before-image tokens", _before_image_tokens,
        test_races.test_a_document_that_leaves_a_query_is_found_by_its_before_image,
    ),
    Device(
        "miss tokens", _miss_tokens,
        test_races.test_a_document_that_was_missing_when_the_view_was_built_wakes_it_when_it_appears,
    ),
    Device(
        "re-read after an unknown commit", _reread_after_an_unknown_commit,
        test_failures.test_a_commit_that_was_applied_and_whose_answer_was_lost_is_reported_as_done,
    ),
    Device(
        "dead letter", _dead_letter,
        test_bad_data.test_a_task_with_bad_data_is_one_dead_letter_and_has_no_effect,
    ),
    Device(
        "size check", _size_check,
        test_bad_data.test_a_view_of_one_mebibyte_is_stored_and_one_of_a_byte_more_is_refused_before_a_write,
        (1,),
    ),
    Device(
        "loop check", _loop_check,
        test_bad_data.test_two_functions_that_would_trigger_each_other_for_ever_are_refused,
    ),
    Device(
        "debt before the first build", _debt_before_the_first_build,
        test_debts.test_a_view_without_root_that_an_event_of_no_concern_registered_is_built_when_the_event_comes_again,
    ),
    Device(
        "debt of a failure", _debt_of_a_failure,
        test_debts.test_a_view_whose_index_was_missing_is_found_by_the_next_change_of_what_the_query_would_find,
    ),
    Device(
        "re-reading of what is owed", _rereading_of_what_is_owed,
        test_debts.test_a_torn_read_from_before_a_debt_does_not_pay_it,
    ),
    Device(
        "later edition stays", _later_edition_stays,
        test_deployments.test_the_debt_that_old_code_leaves_stops_a_newer_builder_that_had_read_before_the_event,
    ),
    Device(
        "debt to a later edition", _debt_to_a_later_edition,
        test_deployments.test_the_debt_that_old_code_leaves_stops_a_newer_builder_that_had_read_before_the_event,
    ),
    Device(
        "once more after a roll-out", _once_more_after_a_roll_out,
        test_deployments.test_what_old_code_could_not_find_during_the_roll_out_is_built_once_it_is_over,
    ),
    Device(
        "another fetch plan", _other_plan,
        test_deployments.test_a_source_that_new_code_adds_reaches_the_views_of_old_code_by_upkeep,
    ),
    Device(
        "wake at a moment", _wake,
        test_time.test_a_view_changes_when_its_moment_comes_and_not_before,
    ),
    Device(
        "answers at the read time", _read_time,
        test_time.test_a_process_whose_clock_is_ahead_or_behind_changes_no_answer,
    ),
    Device(
        "re-reading of an older answer", _rereading_of_an_older_answer,
        test_time.test_a_torn_read_from_before_the_moment_turns_no_answer_back,
    ),
    Device(
        "margin of a total", _margin_of_a_total,
        test_totals.test_a_change_that_shows_after_its_own_time_is_counted_though_the_last_count_is_later,
    ),
    Device(
        "images that agree", _images_that_agree,
        test_fields.test_a_document_that_comes_or_goes_matters_and_so_does_an_event_without_images,
    ),
    Device(
        "relations that are followed", _relations_that_are_followed,
        test_fields.test_a_relation_that_another_reference_follows_matters_too,
    ),
    Device(
        "conditions that compare", _conditions_that_compare,
        test_fields.test_what_a_condition_compares_matters_too,
    ),
    Device(
        "registration of fields", _registration_of_fields,
        test_recorded_fields.test_a_change_that_was_left_alone_before_its_field_is_registered_is_in_the_view,
    ),
    Device(
        "second reading of fields", _second_reading_of_fields,
        test_recorded_fields.test_a_change_that_was_left_alone_before_its_field_is_registered_is_in_the_view,
    ),
    Device(
        "recorded relations and conditions", _recorded_relations_and_conditions,
        test_recorded_fields.test_what_is_followed_or_compared_is_recorded_although_no_getter_reads_it,
    ),
    Device(
        "fields of the same code", _fields_of_the_same_code,
        test_recorded_fields.test_what_new_code_reads_is_not_known_from_the_ledger_of_old_code,
    ),
    Device(
        "all references that reach a document", _all_references_that_reach_it,
        test_fields.test_a_document_that_two_references_reach_is_read_as_far_as_either_says,
    ),
    Device(
        "quiet period", _quiet,
        test_quiet.test_a_change_within_the_period_waits_for_its_end_and_is_written_then,
    ),
    Device(
        "promise of a postponed change", _promise_of_a_postponed_change,
        test_quiet.test_a_change_within_the_period_waits_for_its_end_and_is_written_then,
    ),
    Device(
        "promise that is still to be kept", _promise_that_is_still_to_be_kept,
        test_quiet.test_an_event_that_comes_while_the_postponed_build_runs_is_in_a_later_one,
    ),
    Device(
        "promise until it is kept", _promise_until_it_is_kept,
        test_quiet.test_a_build_by_hand_is_written_at_once_and_leaves_the_promise_to_events_after_its_reading,
    ),
    Device(
        "re-reading of what is postponed", _rereading_of_what_is_postponed,
        test_quiet.test_a_torn_read_from_before_a_postponement_deletes_nothing_that_is_there_again,
    ),
    Device(
        "withdrawal at once", _withdrawal_at_once,
        test_quiet.test_a_removal_after_a_postponed_change_takes_effect_at_once,
    ),
    Device(
        "digest of each copy", _digest_of_each_copy,
        test_own_copies.test_a_change_that_one_copy_shows_writes_that_copy_and_the_ledger,
    ),
    Device(
        "digests of parts", _digests_of_parts,
        test_own_copies.test_a_commit_in_parts_that_ends_early_leaves_no_digest_of_a_copy_that_it_wrote,
    ),
    Device(
        "contribution precondition", _contribution_precondition,
        test_kept_totals.test_a_document_that_is_gone_leaves_a_tombstone_that_expires,
    ),
    Device(
        "contribution re-read", _contribution_reread,
        test_kept_totals.test_a_torn_read_of_a_document_that_went_and_came_back_takes_nothing_away,
    ),
    Device(
        "tombstone", _tombstone,
        test_kept_totals.test_a_document_that_is_gone_leaves_a_tombstone_that_expires,
    ),
    Device(
        "always-written contribution", _always_written_contribution,
        test_kept_totals.test_a_handler_that_saw_a_document_in_between_and_is_slow_adds_nothing,
    ),
    Device(
        "build of what was kept before", _build_of_what_was_kept_before,
        test_kept_totals.test_an_event_that_comes_again_after_a_crash_builds_what_was_kept_before,
    ),
    Device(
        "whole before it is read", _whole_first,
        test_kept_totals.test_numbers_are_asked_for_until_a_build_has_filled_the_totals,
    ),
    Device(
        "value of a contribution", _recorded_value,
        test_kept_by_value.test_a_view_shows_a_kept_number_for_each_value_as_documents_come_change_move_and_go,
    ),
    Device(
        "values that images tell", _values_that_are_told,
        test_kept_by_value.test_a_view_shows_a_kept_number_for_each_value_as_documents_come_change_move_and_go,
    ),
    Device(
        "sweep of what is as read", _sweep_of_what_is_as_read,
        test_kept_by_value.test_a_value_that_comes_back_while_a_build_frees_its_room_is_counted_though_the_build_ends_then,
    ),
)  # fmt: skip


def proven(device: Device) -> bool:
    """Returns whether the device's test passes with the device, and fails without it."""
    with redirect_stdout(StringIO()):
        if device.falls():
            return False
        with pytest.MonkeyPatch.context() as patch:
            device.remove(patch)
            return device.falls()


def found_by_search(device: Device, seeds: range) -> str:
    """Returns what the simulator finds wrong without the device, and at which seed; None if it finds nothing."""
    for seed in seeds:
        with pytest.MonkeyPatch.context() as patch:
            device.remove(patch)
            wrong = torture(seed).wrong
        if wrong:
            return f"seed {seed}: {', '.join(wrong)}"
    return ""


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields a row for each device, with the test that fails without it; the long form adds the simulator's finds."""
    shown = 0
    for device in DEVICES:
        with unlogged():
            holds = proven(device)
        shown += holds
        searched = "" if short else found_by_search(device, range(seed, seed + SEEDS))
        note = f" {device.test_name}" + (f"; simulator, {searched}" if searched else "")
        yield Figure(f"without {device.name}", int(holds), "=", 1, note)
    yield Figure("safety_devices_proven", shown, "=", len(DEVICES), f" {shown}/{len(DEVICES)}")
