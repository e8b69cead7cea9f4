"""Torn reads before user code decides: the commit verifies what the code saw, however it was read."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, matching, reference
from boiler_functions.database import Put
from boiler_functions.exceptions import Conflict
from boiler_functions.modes.forms.task import Isolation
from boiler_functions.testing import MemoryApp, http_client, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked

SUM = 150
"""The sum of the two accounts, before and after a transfer between them."""


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    owner = attrs.string(required=True)
    balance = attrs.integer(required=True)
    total = attrs.integer()


class Branch(DomainModel):
    class Meta:
        collection_name = "branches"

    account = attrs.relation(Account)


class Named(Store):
    """Names an account, and also finds it by a query."""

    account = reference(Account)
    accounts = matching(Account.owner == "ann")


class Unverified(Store):
    account = reference(Account, doc_id="{doc_id}", verify=False)
    accounts = matching(Account.owner == "ann")


class Twice(Store):
    """Finds each account by two queries."""

    accounts = matching(Account.owner == "ann")
    rich = matching(Account.balance >= 0)


def total_of(store: Store) -> int:
    """Returns the balance of the account that the Store names, plus those that it finds."""
    models = {model.path: model for source in type(store).sources for model in store.models(source)}
    return sum(model.balance for model in models.values())


def tasks(store: type[Store], isolation: Isolation = "serializable", body: Callable[[], int] | None = None) -> Boiler:
    app = Boiler("audit", max_retries=2)

    @app.task("audits/{doc_id}", writes=[Account], isolation=isolation)
    class Audit(ViewModel[store]):  # type: ignore[valid-type]
        def propagate_change(self) -> None:
            total = body() if body else total_of(self.store)
            Account.new(doc_id="sum", owner="bank", balance=0, total=total).save()

    return app


def transfer(testing: MemoryApp) -> int:
    """Moves 50 from a to b in one commit, and returns a time before it."""
    for name, balance in (("a", 100), ("b", 50)):
        put(testing, f"accounts/{name}", owner="ann", balance=balance)
    before = testing.database.read(["accounts/a"]).read_time
    testing.database.commit(
        [
            Put("accounts/a", {"owner": "ann", "balance": 50}),
            Put("accounts/b", {"owner": "ann", "balance": 100}),
        ]
    )
    return before


def total(testing: MemoryApp, path: str = "accounts/sum") -> object:
    return (testing.fields(path) or {}).get("total")


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
@pytest.mark.parametrize("store", [Named, Unverified])
@pytest.mark.parametrize("torn", ["a", "b"])
def test_a_task_that_names_and_finds_a_document_never_takes_it_in_two_versions(
    torn: str, store: type[Store], isolation: Isolation
) -> None:
    with memory_app(tasks(store, isolation)) as testing:
        before = transfer(testing)
        put(testing, f"audits/{torn}")
        (delivery,) = testing.take()
        report = testing.handle(delivery, Hooked(testing.database).tear(f"accounts/{torn}", before))
        assert (report.outcomes, report.attempts) == ({"done": 1}, 2)
        assert total(testing) == SUM


def test_a_task_that_reads_and_queries_by_itself_never_takes_a_document_in_two_versions() -> None:
    def read_then_query() -> int:
        read = Account.get("a")
        assert read is not None
        return sum({each.path: each.balance for each in (read, *Account.where(owner="ann"))}.values())

    with memory_app(tasks(Store, body=read_then_query)) as testing:
        before = transfer(testing)
        put(testing, "audits/a")
        (delivery,) = testing.take()
        report = testing.handle(delivery, Hooked(testing.database).tear("accounts/a", before))
        assert (report.attempts, total(testing)) == (2, SUM)


def test_a_task_whose_code_catches_the_conflict_of_a_torn_view_commits_nothing_of_it() -> None:
    def swallow() -> int:
        read = Account.get("a")
        assert read is not None
        with suppress(Conflict):
            return sum({each.path: each.balance for each in (read, *Account.where(owner="ann"))}.values())
        return 0

    with memory_app(tasks(Store, body=swallow)) as testing:
        before = transfer(testing)
        put(testing, "audits/a")
        (delivery,) = testing.take()
        report = testing.handle(delivery, Hooked(testing.database).tear("accounts/a", before))
        assert (report.attempts, total(testing)) == (2, SUM)


def test_a_document_that_two_queries_find_in_two_versions_is_read_again() -> None:
    with memory_app(tasks(Twice)) as testing:
        before = transfer(testing)
        put(testing, "audits/a")
        (delivery,) = testing.take()
        report = testing.handle(delivery, TornQuery(testing, before))
        assert (report.attempts, total(testing)) == (2, SUM)


class TornQuery(Hooked):
    """A database whose first query answers as of an earlier time."""

    def __init__(self, testing: MemoryApp, before: int) -> None:
        super().__init__(testing.database)
        self.times = iter([before])

    def query(self, query, *, at=None):  # type: ignore[no-untyped-def]
        return super().query(query, at=next(self.times, at))


mutated = Boiler("bank")


@mutated.query
@mutated.rest("/accounts", create=True, delete=True)
@mutated.document()
class AccountView(ViewModel[Named]):
    class Meta:
        path = "accountViews/{account.doc_id}"
        read = write = access.public

    @attrs.computed
    def total(self) -> int:
        return self.store.account.total or 0

    @total.setter
    def set_total(self, value: int) -> None:
        Account.new(doc_id="sum", owner="bank", balance=0, total=value + total_of(self.store)).save()


@pytest.fixture
def bank() -> Iterator[MemoryApp]:
    with memory_app(mutated) as testing:
        yield testing


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_request_that_names_and_finds_a_document_never_takes_it_in_two_versions(
    bank: MemoryApp, method: str, headers: dict[str, str]
) -> None:
    before = transfer(bank)
    bank.through = Hooked(bank.database).tear("accounts/a", before)
    answer = http_client(bank).open("/accounts/a", method=method, json={"total": 0}, headers=headers)
    assert (answer.status_code, total(bank)) == (200, SUM)


def test_a_mutation_beside_a_copy_never_takes_a_document_in_two_versions(bank: MemoryApp) -> None:
    before = transfer(bank)
    put(bank, "accountViews/a/_PATCH_AccountView/m1", total=0)
    (delivery,) = (each for each in bank.take() if "_PATCH_" in each.change.path)
    bank.handle(delivery, Hooked(bank.database).tear("accounts/a", before))
    assert total(bank) == SUM


owned = Boiler("branches")


class BranchStore(Store):
    branch = reference(Branch)
    account = reference(Branch.account)


@owned.rest("/branches", create=True)
class BranchView(ViewModel[BranchStore]):
    class Meta:
        read = access.public
        write = access.any_of(lambda caller, view: view.store.account is not None and view.store.account.owner == "ann")

    @attrs.computed
    def account(self) -> str:
        return self.store.account.doc_id if self.store.account else ""

    @account.setter
    def set_account(self, value: str) -> None:
        self.store.branch.account = value


def test_the_right_to_create_is_that_at_the_time_of_the_commit() -> None:
    """The account is read after the setters ran, to know whether the caller may make what names it."""
    with memory_app(owned) as testing:
        put(testing, "accounts/a", owner="ann", balance=0)
        testing.through = Hooked(testing.database).before(
            "commit", 1, lambda: put(testing, "accounts/a", owner="eve", balance=0)
        )
        answer = http_client(testing).post("/branches", json={"id": "x", "account": "a"})
        assert (answer.status_code, testing.fields("branches/x")) == (403, None)
