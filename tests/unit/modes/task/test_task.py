"""Query+Task mode: each version of an input document takes effect at most once, and the last one exactly once."""

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random
from threading import Barrier
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference
from boiler_functions.database import Delete, Put
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes.forms.task import Completion, Isolation
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.testing import Delivery, MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises

FORM = "users/ann/deposits/one"


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    balance = attrs.integer(default=0)


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    most = attrs.integer(default=1000)


class Booking(DomainModel):
    class Meta:
        collection_name = "bookings"

    room = attrs.string(required=True)


class Duty(DomainModel):
    class Meta:
        collection_name = "duties"

    on_call = attrs.boolean(default=True)


class SettingsStore(Store):
    settings = reference(Settings, doc_id="main")


class UnverifiedStore(Store):
    settings = reference(Settings, doc_id="main", verify=False)


def deposits(
    *,
    on_completion: Completion = "stamp",
    isolation: Isolation = "serializable",
    store: type[Store] = SettingsStore,
    max_retries: int = 5,
    body: Callable[[Any], None] | None = None,
) -> Boiler:
    """An app with one task, which adds an amount to the user's account: an effect that shows when it is doubled."""
    app = Boiler("bank", max_event_age=timedelta(hours=23))

    class Deposit(ViewModel[store]):  # type: ignore[valid-type]
        amount = attrs.integer(required=True)

        def propagate_change(self) -> None:
            (body or deposit)(self)

    app.task(
        "users/{user_id}/deposits/{deposit_id}",
        writes=[Account],
        on_completion=on_completion,
        isolation=isolation,
        max_retries=max_retries,
    )(Deposit)
    return app


def deposit(form: Any) -> None:
    settings = form.store.settings
    if settings and form.amount > settings.most:
        raise Rejected("too much", {"amount": [f"at most {settings.most}"]})
    account = Account.get(form.params["user_id"]) or Account.new(doc_id=form.params["user_id"])
    account.balance += form.amount
    account.save()


def balance(testing: MemoryApp) -> object:
    return (testing.fields("accounts/ann") or {}).get("balance")


def sent(testing: MemoryApp, amount: object = 10, path: str = FORM) -> Delivery:
    """The event of a form that a client writes."""
    put(testing, path, amount=amount)
    return only(testing)


def only(testing: MemoryApp) -> Delivery:
    (delivery,) = testing.take()
    return delivery


def outcome(testing: MemoryApp, path: str = FORM) -> dict[str, Any]:
    found: dict[str, Any] = (testing.fields(path) or {})["outcome"]
    return found


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


COMPLETIONS: list[Completion] = ["stamp", "keep", "delete"]


# Outcomes


def test_a_form_takes_effect_and_is_stamped_done_with_the_time_and_what_it_said() -> None:
    with memory_app(deposits()) as testing:
        report = testing.handle(sent(testing))
        assert report.outcomes == {"done": 1}
        assert balance(testing) == 10
        stamp = outcome(testing)
        assert (stamp["status"], sorted(stamp)) == ("done", ["input", "status", "time"])
        assert (testing.fields(FORM) or {})["amount"] == 10


def test_a_kept_form_stays_as_it_was_and_a_deleted_one_goes() -> None:
    with memory_app(deposits(on_completion="keep")) as testing:
        testing.handle(sent(testing))
        assert testing.fields(FORM) == {"amount": 10}
    with memory_app(deposits(on_completion="delete")) as testing:
        testing.handle(sent(testing))
        assert testing.fields(FORM) is None
        assert balance(testing) == 10


def test_a_rejected_form_writes_nothing_and_is_stamped_with_reason_and_errors() -> None:
    def write_and_reject(form: Any) -> None:
        deposit(form)
        raise Rejected("the bank is closed", {"amount": ["come back tomorrow"]})

    with memory_app(deposits(body=write_and_reject)) as testing:
        assert testing.handle(sent(testing)).outcomes == {"rejected": 1}
        assert balance(testing) is None
        stamp = outcome(testing)
        assert (stamp["status"], stamp["reason"]) == ("rejected", "the bank is closed")
        assert stamp["errors"] == {"amount": ["come back tomorrow"]}


def test_a_form_that_does_not_fit_is_rejected_with_marshmallows_errors() -> None:
    with memory_app(deposits()) as testing:
        assert testing.handle(sent(testing, amount="ten")).outcomes == {"rejected": 1}
        assert outcome(testing)["errors"] == {"amount": ["Not a valid integer."]}
        put(testing, "users/ann/deposits/two", other=1)
        testing.handle(only_form(testing))
        assert outcome(testing, "users/ann/deposits/two")["errors"] == {"amount": ["Missing data for required field."]}
        assert letters(testing) == []


def only_form(testing: MemoryApp) -> Delivery:
    """The pending event of a form that was written last; those of stamps are dropped."""
    return testing.take()[-1]


@pytest.mark.parametrize("on_completion", ["keep", "delete"])
def test_a_form_without_a_stamp_that_does_not_fit_is_rejected_and_the_log_names_its_fields(
    on_completion: Completion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "boiler_functions")
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing, amount="ten")
        assert testing.handle(delivery).outcomes == {"rejected": 1}
        assert f"{FORM} is rejected: The form does not fit. (amount)" in caplog.messages
        assert testing.handle(delivery).outcomes == {"duplicate": 1}
        assert testing.fields(FORM) == ({"amount": "ten"} if on_completion == "keep" else None)
        assert letters(testing) == []


def test_a_bug_in_a_task_is_a_dead_letter_and_nothing_is_written() -> None:
    def fail(form: Any) -> None:
        deposit(form)
        raise KeyError("bug")

    with memory_app(deposits(body=fail)) as testing:
        assert testing.handle(sent(testing)).outcomes == {"dead letter": 1}
        (letter,) = letters(testing)
        assert (letter["code"], letter["view"], letter["subject"]) == ("BF511", "Deposit", FORM)
        assert "KeyError" in letter["message"]
        assert balance(testing) is None
        assert outcome(testing)["status"] == "failed"
        assert "KeyError" not in str(outcome(testing))


def test_a_write_that_is_not_declared_is_a_dead_letter_and_nothing_is_written() -> None:
    def stray(form: Any) -> None:
        deposit(form)
        Booking.new(doc_id="b", room="1").save()

    with memory_app(deposits(body=stray)) as testing:
        testing.handle(sent(testing))
        (letter,) = letters(testing)
        assert letter["code"] == "BF507"
        assert "writes bookings/b, but declares writes=[Account]" in letter["message"]
        assert balance(testing) is None


def test_a_stored_document_that_does_not_fit_is_a_dead_letter_and_no_rejection() -> None:
    with memory_app(deposits()) as testing:
        put(testing, "accounts/ann", balance="much")
        assert testing.handle(sent(testing)).outcomes == {"dead letter": 1}
        assert letters(testing)[0]["code"] == "BF501"
        assert outcome(testing)["status"] == "failed"


def test_a_new_model_that_is_saved_twice_takes_effect() -> None:
    def twice(form: Any) -> None:
        account = Account.new(doc_id="ann", balance=1)
        account.save()
        account.balance = 2
        account.save()

    with memory_app(deposits(body=twice)) as testing:
        assert testing.handle(sent(testing)).outcomes == {"done": 1}
        assert balance(testing) == 2


def test_a_task_reads_what_it_wrote() -> None:
    def write_then_read(form: Any) -> None:
        Account.new(doc_id="ann", balance=5).save()
        account = Account.get("ann")
        assert account is not None
        account.balance += form.amount
        account.save()

    with memory_app(deposits(body=write_then_read)) as testing:
        testing.handle(sent(testing))
        assert balance(testing) == 15


def test_setters_over_a_store_take_effect_without_propagate_change() -> None:
    app = Boiler("bank")

    class AccountStore(Store):
        account = reference(Account, doc_id="{user_id}")

    @app.task("users/{user_id}/balances/{doc}", writes=[Account])
    class Correction(ViewModel[AccountStore]):
        @attrs.computed
        def balance(self) -> int:
            return self.store.account.balance if self.store.account else 0

        @balance.setter
        def set_balance(self, value: int) -> None:
            assert self.store.account
            self.store.account.balance = value

    with memory_app(app) as testing:
        Account.new(doc_id="ann", balance=1).save()
        put(testing, "users/ann/balances/x", balance=7)
        testing.deliver()
        assert balance(testing) == 7


def test_a_doc_id_that_the_path_names_is_the_roots_and_not_the_forms() -> None:
    app = Boiler("bank")

    class AccountStore(Store):
        account = reference(Account)

    @app.task("accounts/{doc_id}/corrections/{correction_id}", writes=[Account])
    class Correction(ViewModel[AccountStore]):
        class Meta:
            write = access.owner("doc_id")

        balance = attrs.integer(required=True)

        def propagate_change(self) -> None:
            self.store.account.balance = self.balance
            self.store.account.save()

    with memory_app(app) as testing:
        for doc_id in ("ann", "bob"):
            Account.new(doc_id=doc_id, balance=1).save()
        put(testing, "accounts/ann/corrections/bob", balance=7)
        testing.deliver()
        assert {each: (testing.fields(f"accounts/{each}") or {})["balance"] for each in ("ann", "bob")} == {
            "ann": 7,
            "bob": 1,
        }


# S1, S2: duplicates


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_an_event_delivered_five_times_takes_effect_once(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        testing.handle(delivery)
        repeats = [testing.handle(delivery) for _ in range(4)]
        assert balance(testing) == 10
        assert [dict(each.outcomes) for each in repeats] == [{"duplicate": 1}] * 4
        assert {(each.usage.rpcs, each.usage.writes) for each in repeats} == {(1, 0)}


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("copies", [2, 8, 32])
def test_copies_at_one_instant_take_effect_once_and_are_all_acknowledged(
    copies: int, on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        barrier = Barrier(copies)

        def handle(_: int) -> str:
            barrier.wait()
            return next(iter(testing.handle(delivery).outcomes))

        with ThreadPoolExecutor(copies) as threads:
            outcomes = list(threads.map(handle, range(copies)))
        assert balance(testing) == 10
        assert sorted(outcomes) == ["done"] + ["duplicate"] * (copies - 1)


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_second_copy_that_has_read_no_marker_yet_does_not_commit(on_completion: Completion) -> None:
    """The blind write of a new document has no precondition of its own: the marker alone stands in the way."""

    def blind(form: Any) -> None:
        Account.new(doc_id=f"new{next(numbers)}", balance=1).save()

    numbers = itertools.count()
    with memory_app(deposits(on_completion=on_completion, body=blind)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database).before("commit", 1, lambda: testing.handle(delivery, testing.database))
        assert testing.handle(delivery, hooked).outcomes == {"duplicate": 1}
        assert len([path for path in testing.documents() if path.startswith("accounts/")]) == 1


def test_the_stamps_own_event_is_ignored_without_an_rpc() -> None:
    with memory_app(deposits()) as testing:
        testing.handle(sent(testing))
        report = testing.handle(only(testing))
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_the_event_of_a_deleted_form_is_ignored_without_an_rpc(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        sent(testing)
        testing.database.commit([Delete(FORM)])
        report = testing.handle(only(testing))
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_write_that_changes_nothing_is_ignored_without_an_rpc(on_completion: Completion) -> None:
    """The emulator tells of equal writes, and a task's check of a kept form is one."""
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        equal = replace(delivery, change=delivery.change._replace(before=delivery.change.after))
        report = testing.handle(equal)
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


def test_a_task_costs_one_read_and_one_commit() -> None:
    with memory_app(deposits(body=lambda form: Account.new(doc_id="ann", balance=1).save())) as testing:
        report = testing.handle(sent(testing))
        # Reads: marker, form, settings. Writes: marker, stamp, account, and the check of the settings.
        assert report.usage == Usage(rpcs=2, reads=3, writes=4)


# S5, S6, S8: failing commits


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_whose_answer_is_lost_is_resolved_by_reading_the_marker(
    moment: Any, on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)
        getattr(hooked, moment)("commit", 1, raises(UnknownOutcome("the connection was lost")))
        report = testing.handle(delivery, hooked)
        assert report.outcomes == {"done": 1}
        assert report.attempts == (2 if moment == "before" else 1)
        assert hooked.calls["commit"] == report.attempts
        assert balance(testing) == 10


def test_a_lost_answer_of_a_rejection_is_reported_as_a_rejection() -> None:
    with memory_app(deposits()) as testing:
        Settings.new(doc_id="main", most=5).save()
        hooked = Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost")))
        assert testing.handle(sent(testing), hooked).outcomes == {"rejected": 1}


def test_a_lost_answer_behind_which_another_copy_was_faster_is_a_duplicate() -> None:
    with memory_app(deposits()) as testing:
        delivery = sent(testing)

        def faster() -> None:
            testing.handle(delivery, testing.database)
            raise UnknownOutcome("lost")

        hooked = Hooked(testing.database).before("commit", 1, faster)
        assert testing.handle(delivery, hooked).outcomes == {"duplicate": 1}
        assert balance(testing) == 10


def test_a_lost_answer_whose_marker_cannot_be_read_is_not_acknowledged_and_takes_effect_once() -> None:
    with memory_app(deposits()) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)

        def lose_the_answer_and_go_down() -> None:
            hooked.before("read", hooked.calls["read"] + 1, raises(Unavailable("down")))
            raise UnknownOutcome("lost")

        hooked.after("commit", 1, lose_the_answer_and_go_down)
        with pytest.raises(Unavailable, match="down"):
            testing.handle(delivery, hooked)
        assert testing.handle(delivery).outcomes == {"duplicate": 1}
        assert balance(testing) == 10


def test_conflicts_are_tried_again_up_to_max_retries() -> None:
    with memory_app(deposits(max_retries=3)) as testing:
        hooked = Hooked(testing.database)
        for nth in (1, 2, 3):
            hooked.before("commit", nth, raises(Conflict("contended")))
        report = testing.handle(sent(testing), hooked)
        assert (report.outcomes, report.attempts) == ({"done": 1}, 4)


def test_more_conflicts_than_max_retries_are_not_acknowledged_and_a_redelivery_takes_effect() -> None:
    with memory_app(deposits(max_retries=3)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)
        for nth in (1, 2, 3, 4):
            hooked.before("commit", nth, raises(Conflict("contended")))
        with pytest.raises(Conflict, match="contended"):
            testing.handle(delivery, hooked)
        assert hooked.calls["commit"] == 4
        assert balance(testing) is None
        testing.handle(delivery)
        assert balance(testing) == 10


def test_retries_pause_with_full_jitter_under_a_bound_that_doubles() -> None:
    pauses: list[float] = []
    surroundings = Surroundings(sleep=pauses.append, random=Random(1))
    with memory_app(deposits(max_retries=5), surroundings) as testing:
        hooked = Hooked(testing.database)
        for nth in range(1, 6):
            hooked.before("commit", nth, raises(Conflict("contended")))
        testing.handle(sent(testing), hooked)
    assert len(pauses) == 5
    assert all(0 <= pause <= 0.01 * 2**attempt for attempt, pause in enumerate(pauses))
    assert len(set(pauses)) == 5


def test_a_blind_create_over_an_existing_document_is_an_effect_and_no_duplicate() -> None:
    with memory_app(deposits(body=lambda form: Account.new(doc_id="ann", balance=3).save())) as testing:
        Account.new(doc_id="ann", balance=1).save()
        assert testing.handle(sent(testing)).outcomes == {"done": 1}
        assert balance(testing) == 3


# S17: age


def aged(clock: list[int]) -> Surroundings:
    return Surroundings(lambda: clock[0], lambda seconds: None, Random(0))


HOUR = 3_600_000_000_000


def test_an_event_older_than_max_event_age_is_a_dead_letter_and_has_no_effect() -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(), aged(clock)) as testing:
        delivery = sent(testing)
        clock[0] += 23 * HOUR + 1_000_000
        assert testing.handle(delivery).outcomes == {"dead letter": 1}
        assert letters(testing)[0]["code"] == "BF508"
        assert balance(testing) is None


def test_an_event_as_old_as_max_event_age_takes_effect() -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(), aged(clock)) as testing:
        delivery = sent(testing)
        clock[0] += 23 * HOUR
        assert testing.handle(delivery).outcomes == {"done": 1}


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_no_effect_is_doubled_once_the_marker_has_expired(on_completion: Completion) -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(on_completion=on_completion), aged(clock)) as testing:
        delivery = sent(testing)
        testing.handle(delivery)
        markers = [each for each in testing.documents().values() if each.collection == MARKERS]
        first = min((marker.fields or {})["expire_at"].timestamp() for marker in markers)
        assert first * 1e9 >= delivery.change.time + 24 * HOUR
        clock[0] += 25 * HOUR
        testing.database.commit([Delete(marker.path) for marker in markers])
        testing.handle(delivery)
        assert balance(testing) == 10


# S22: forms that are written again


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_a_form_that_is_written_again_before_its_event_the_last_version_takes_effect_once(
    order: tuple[int, ...], on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        deliveries = [sent(testing, amount) for amount in (1, 20, 300)]
        for position in (*order, *order):
            testing.handle(deliveries[position])
        testing.deliver()
        assert balance(testing) == 300


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_that_is_written_again_while_it_is_handled_takes_effect_as_the_last_version(
    on_completion: Completion,
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        first = sent(testing, 1)
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, FORM, amount=20))
        assert testing.handle(first, hooked).outcomes == {"superseded": 1}
        testing.deliver(duplicates=1)
        assert balance(testing) == 20


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_that_is_sent_again_after_it_was_done_takes_effect_again(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        put(testing, FORM, amount=1)
        testing.deliver()
        put(testing, FORM, amount=20)
        testing.deliver(duplicates=2)
        assert balance(testing) == 21


def test_a_field_that_a_client_changes_beside_the_stamp_sends_the_form_anew() -> None:
    with memory_app(deposits()) as testing:
        put(testing, FORM, amount=1)
        testing.deliver()
        testing.database.commit([Put(FORM, {"amount": 20}, mask=("amount",))])
        testing.deliver(duplicates=1)
        assert balance(testing) == 21
        assert outcome(testing)["status"] == "done"


def test_a_form_that_is_deleted_and_sent_again_with_the_same_words_takes_effect_once() -> None:
    with memory_app(deposits()) as testing:
        first = sent(testing, 1)
        testing.database.commit([Delete(FORM)])
        gone = only(testing)
        second = sent(testing, 1)
        for delivery in (second, first, gone, first, second):
            testing.handle(delivery)
        assert balance(testing) == 1


# S23: what a task read is verified


def test_an_account_that_changes_before_the_commit_is_read_again() -> None:
    with memory_app(deposits()) as testing:
        Account.new(doc_id="ann", balance=1).save()
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "accounts/ann", balance=100))
        report = testing.handle(sent(testing), hooked)
        assert report.attempts == 2
        assert balance(testing) == 110


@pytest.mark.parametrize("existing", [True, False])
def test_a_document_that_was_only_read_and_changes_before_the_commit_is_read_again(existing: bool) -> None:
    with memory_app(deposits()) as testing:
        if existing:
            Settings.new(doc_id="main", most=1000).save()
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "settings/main", most=5))
        assert testing.handle(sent(testing), hooked).outcomes == {"rejected": 1}
        assert outcome(testing)["errors"] == {"amount": ["at most 5"]}
        assert balance(testing) is None


def test_a_rejection_rests_on_what_is_so_when_it_is_committed() -> None:
    with memory_app(deposits()) as testing:
        Settings.new(doc_id="main", most=1).save()
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "settings/main", most=1000))
        assert testing.handle(sent(testing), hooked).outcomes == {"done": 1}


def test_a_reference_with_verify_off_is_not_verified() -> None:
    with memory_app(deposits(store=UnverifiedStore)) as testing:
        Settings.new(doc_id="main", most=1000).save()
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "settings/main", most=5))
        report = testing.handle(sent(testing), hooked)
        assert (report.outcomes, report.attempts) == ({"done": 1}, 1)
        assert not any(write.path == "settings/main" for writes in hooked.written for write in writes)


def test_snapshot_isolation_verifies_what_it_writes_and_nothing_that_it_only_read() -> None:
    with memory_app(deposits(isolation="snapshot")) as testing:
        Settings.new(doc_id="main", most=1000).save()
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "settings/main", most=5))
        assert testing.handle(sent(testing), hooked).attempts == 1
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, "accounts/ann", balance=100))
        testing.take()
        assert testing.handle(sent(testing, 1, "users/ann/deposits/two"), hooked).attempts == 2
        assert balance(testing) == 101


def leaves(isolation: Isolation = "serializable") -> Boiler:
    """Two on call; each may leave while the other stays."""
    app = Boiler("hospital")

    @app.task("leaves/{doctor}", writes=[Duty], isolation=isolation)
    class Leave(ViewModel[Store]):
        def propagate_change(self) -> None:
            own, other = ("ann", "bob") if self.params["doctor"] == "ann" else ("bob", "ann")
            standing = Duty.get(other)
            if standing is None or not standing.on_call:
                raise Rejected("nobody would be left")
            duty = Duty.get(own)
            assert duty is not None
            duty.on_call = False
            duty.save()

    return app


def both_leave(testing: MemoryApp) -> tuple[int, set[str]]:
    """How many are left on call, and how both forms ended, when the second is handled before the first commits."""
    for doctor in ("ann", "bob"):
        Duty.new(doc_id=doctor).save()
        put(testing, f"leaves/{doctor}")
    ann, bob = testing.take()
    testing.handle(ann, Hooked(testing.database).before("commit", 1, lambda: testing.handle(bob, testing.database)))
    left = sum((testing.fields(f"duties/{doctor}") or {})["onCall"] for doctor in ("ann", "bob"))
    return left, {outcome(testing, f"leaves/{doctor}")["status"] for doctor in ("ann", "bob")}


def test_two_tasks_that_read_what_the_other_writes_end_as_if_one_came_first() -> None:
    with memory_app(leaves()) as testing:
        assert both_leave(testing) == (1, {"done", "rejected"})


def test_snapshot_isolation_lets_two_tasks_that_read_what_the_other_writes_both_pass() -> None:
    with memory_app(leaves("snapshot")) as testing:
        assert both_leave(testing) == (0, {"done"})


def test_tasks_of_many_threads_on_one_account_lose_nothing() -> None:
    with memory_app(deposits(max_retries=100)) as testing:
        for number in range(20):
            put(testing, f"users/ann/deposits/d{number}", amount=1)
        deliveries = testing.take()
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(testing.handle, deliveries * 2))
        assert balance(testing) == 20


def bookings(isolation: Isolation = "serializable") -> Boiler:
    app = Boiler("hotel")

    @app.task("wishes/{wish}", writes=[Booking], isolation=isolation)
    class Wish(ViewModel[Store]):
        room = attrs.string(required=True)

        def propagate_change(self) -> None:
            if Booking.where(room=self.room).first():
                raise Rejected("the room is taken")
            Booking.new(doc_id=self.params["wish"], room=self.room).save()

    return app


def both_book(testing: MemoryApp) -> list[str]:
    put(testing, "wishes/a", room="1")
    put(testing, "wishes/b", room="1")
    one, other = testing.take()
    testing.handle(one, Hooked(testing.database).before("commit", 1, lambda: testing.handle(other, testing.database)))
    return sorted(path for path in testing.documents() if path.startswith("bookings/"))


def test_a_document_that_enters_the_query_of_a_task_before_its_commit_is_seen() -> None:
    with memory_app(bookings()) as testing:
        assert both_book(testing) == ["bookings/b"]
        assert outcome(testing, "wishes/a")["reason"] == "the room is taken"


def test_snapshot_isolation_does_not_verify_queries() -> None:
    with memory_app(bookings("snapshot")) as testing:
        assert both_book(testing) == ["bookings/a", "bookings/b"]


def test_a_query_after_a_write_is_refused() -> None:
    def write_then_query(form: Any) -> None:
        Account.new(doc_id="ann", balance=1).save()
        list(Account.where(balance=1))

    with memory_app(deposits(body=write_then_query)) as testing:
        assert testing.handle(sent(testing)).outcomes == {"dead letter": 1}
        (letter,) = letters(testing)
        assert letter["code"] == "BF511"
        assert "accounts is queried after accounts/ann was written" in letter["message"]
        assert balance(testing) is None


# S24: events without images


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_an_event_without_images_takes_effect_once(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing).without_images()
        for _ in range(3):
            testing.handle(delivery)
        testing.deliver()
        assert balance(testing) == 10


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("bare", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_events_of_two_versions_of_which_some_have_no_images_take_effect_once(
    order: tuple[int, int], bare: tuple[bool, bool], on_completion: Completion
) -> None:
    """The first, without an image, cannot know that the form was written again: it does the work of the second."""
    with memory_app(deposits(on_completion=on_completion)) as testing:
        events = [sent(testing, 1), sent(testing, 20)]
        events = [each.without_images() if without else each for each, without in zip(events, bare, strict=True)]
        for position in (*order, *order):
            testing.handle(events[position])
        testing.deliver()
        assert balance(testing) == 20


def test_two_events_without_images_that_are_handled_at_once_take_effect_once() -> None:
    with memory_app(deposits(on_completion="keep")) as testing:
        first, second = sent(testing, 1).without_images(), sent(testing, 20).without_images()
        hooked = Hooked(testing.database).before("commit", 1, lambda: testing.handle(second, testing.database))
        testing.handle(first, hooked)
        assert balance(testing) == 20
