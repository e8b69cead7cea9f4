"""What a form does, and what its sender reads."""

import logging
from typing import Any

import pytest

from boiler_functions import Boiler, Rejected, Store, ViewModel, access, attrs, reference
from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import Delivery, MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.task.forms.scene import (
    FORM,
    Account,
    Booking,
    balance,
    deposit,
    deposits,
    letters,
    outcome,
    sent,
)


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
