"""The commit verifies what the task has read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs, reference
from boiler_functions.modes.forms.task import Isolation
from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.forms.scene import Account, Settings, balance, bookings, deposits, letters, outcome, sent


class Duty(DomainModel):
    class Meta:
        collection_name = "duties"

    on_call = attrs.boolean(default=True)


class UnverifiedStore(Store):
    settings = reference(Settings, doc_id="main", verify=False)


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
