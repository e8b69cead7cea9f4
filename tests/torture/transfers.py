"""Money that moves between two accounts while tasks add both up: of one it knows the name, both a query finds.

However reads are torn, no task may find a sum that never was.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from time import sleep, time_ns

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference
from boiler_functions.database import Database, Document, Put
from boiler_functions.database.change import Change
from boiler_functions.database.faults import Faults
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.exceptions import Transient
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.testing import memory_app
from tests.torture.figures import Figure
from tests.torture.unlogged import unlogged

SUM = 1_000
SEEDS = 300
SHORT_SEEDS = 20
AUDITS = 200
SHORT_AUDITS = 20
AT_ONCE = 4

PAUSE = 0.05
"""Seconds between two transfers on the emulator, so that an audit between them has a chance."""


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    owner = attrs.string(required=True)
    balance = attrs.integer(required=True)


class Statement(DomainModel):
    class Meta:
        collection_name = "statements"

    total = attrs.integer(required=True)


class AccountStore(Store):
    account = reference(Account, doc_id="a")
    accounts = matching(Account.owner == "ann")


app = Boiler("transfers", max_retries=20)


@app.task("audits/{audit_id}", writes=[Statement])
class Audit(ViewModel[AccountStore]):
    def propagate_change(self) -> None:
        accounts = {each.path: each for each in (self.store.account, *self.store.accounts) if each}
        total = sum(each.balance for each in accounts.values())
        Statement.new(doc_id=self.params["audit_id"], total=total).save()


def transfer(database: Database, first: int) -> None:
    """Gives the first account this much, and the other the rest, in one commit."""
    balances = {"a": first, "b": SUM - first}
    database.commit([Put(f"accounts/{name}", {"owner": "ann", "balance": each}) for name, each in balances.items()])


@unlogged()
def in_memory(seed: int) -> Counter[str]:
    """Returns how many statements one seed makes, how many are wrong, and how many reads were torn."""
    random = Random(seed)
    with memory_app(app) as testing:
        transfer(testing.database, SUM)
        for number in range(6):
            testing.write(f"audits/{number}", {})
        testing.deliver(
            shuffle=seed,
            at_once=AT_ONCE,
            faults=Faults(torn=0.5),
            meanwhile=[lambda: transfer(testing.database, random.randint(0, SUM)) for _ in range(20)],
        )
        totals = [(testing.fields(f"statements/{number}") or {}).get("total") for number in range(6)]
    return Counter(
        statements=len(totals), torn=testing.injected["read torn"], wrong=sum(total != SUM for total in totals)
    )


def on_emulator(audits: int, seed: int) -> Counter[str]:
    """Returns the same for the emulator, whose batched reads are torn by nature."""
    random = Random(seed)
    with FirestoreEmulator() as emulator, ThreadPoolExecutor(AT_ONCE + 1) as threads:
        database = FirestoreDatabase("demo-transfers", emulator=emulator.host)
        transfer(database, SUM)
        under_way = [threads.submit(_audited, database, f"audits/{number}") for number in range(audits)]
        while not all(each.done() for each in under_way):
            transfer(database, random.randint(0, SUM))
            sleep(PAUSE)
        for each in under_way:
            each.result()
        statements = database.read([f"statements/{number}" for number in range(audits)]).documents
    wrong = sum((each.fields or {}).get("total") != SUM for each in statements)
    return Counter(statements=len(statements), wrong=wrong)


def _audited(database: Database, path: str) -> None:
    (function,) = app.compiled.functions.values()
    database.commit([Put(path, {})])
    (form,) = database.read([path]).documents
    change = Change(path, "//transfers", path, Document(path), form, time_ns())
    while True:
        try:
            function.handle(change, database)
            return
        except Transient:
            continue


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of both databases."""
    total: Counter[str] = Counter()
    for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS)):
        total.update(in_memory(each))
    yield Figure("statements_in_memory", total["statements"], "≥", 6 * (SHORT_SEEDS if short else SEEDS))
    yield Figure("reads_torn", total["torn"], "≥", 1)
    yield Figure("sums_that_never_were", total["wrong"], "=", 0)
    with unlogged():
        found = on_emulator(SHORT_AUDITS if short else AUDITS, seed)
    yield Figure("statements_on_emulator", found["statements"], "≥", SHORT_AUDITS if short else AUDITS)
    yield Figure("sums_that_never_were_on_emulator", found["wrong"], "=", 0)
