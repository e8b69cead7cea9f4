"""Random programs of commits, reads and queries, and the answers of two databases to each step.

Versions differ from one database to another, and what matters is their relation: each is told by the number of the
step that made it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeAlias

from boiler_functions.database import (
    ABSENT,
    PRESENT,
    Database,
    Delete,
    Document,
    FoundVersions,
    Precondition,
    Put,
    Query,
    Write,
    check,
)
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, MAX_VALUE_BYTES
from boiler_functions.exceptions import BoilerError
from boiler_functions.paths import Pattern, field_path
from boiler_functions.types import MISSING, Instant, Version
from tests.contract.random_queries import COLLECTIONS, SCALARS, random_query, random_value

STEPS = 100

IDS = ("a", "b", "c", "d", "e", "1", "A", "é", "😀", "a b", "a.b", "~", "*", "`", "a\\b", "__a", "a__", ".a", "%2F")
WRONG_IDS = (".", "..", "__a__", "")
NAMES = ("v", "w", "m", "odd name", "1", "é", "a.b", "`", "\\", " ", "__a", "x" * 1490)
WRONG_NAMES = ("", "__a__", "x" * 1501)
WRONG_VALUES: tuple[Any, ...] = (2**63, -(2**63) - 1, [[1]], {"m": [[1]]}, object(), {1, 2})
WRONG_MASKS = ("", "a b", "a..b", ".a", "a.", "`a", "__a__")
PATTERNS = (None, None, Pattern("houses/{house}/rooms/{doc_id}"), Pattern("rooms/{doc_id}"))

Act: TypeAlias = Callable[["Run"], Any]
"""Runs one step, and returns the answer to compare."""


class Step(NamedTuple):
    """A step, and its text in a failing test."""

    act: Act
    told: str


@dataclass
class Run:
    """A program on one database."""

    database: Database
    times: dict[int, Instant] = field(default_factory=dict)
    """The commit time of each step that changed something."""
    numbers: dict[Version, int] = field(default_factory=lambda: {MISSING: 0})
    founds: dict[int, FoundVersions] = field(default_factory=dict)
    deletions: set[tuple[str, int]] = field(default_factory=set)
    """The path and the step of each deletion."""
    step: int = 0
    error: str = ""
    """The message of the last step that was refused."""

    def do(self, number: int, step: Step) -> Any:
        """Runs the step, and returns comparable values, or the class of the error."""
        self.step = number
        try:
            return step.act(self)
        except BoilerError as error:
            self.error = str(error)
            return type(error).__name__

    def at(self, number: int | None) -> Instant | None:
        return None if number is None else self.times.get(number)

    def version(self, number: int) -> Version:
        return self.times.get(number, MISSING + 1_000)

    def number(self, version: Version) -> int:
        return self.numbers.get(version, -1)

    def told(self, documents: tuple[Document, ...]) -> list[Any]:
        return [(each.path, comparable(each.fields), self.number(each.version)) for each in documents]

    def commit(self, writes: list[Write], verify: list[FoundVersions]) -> list[int]:
        committed = self.database.commit(writes, verify=verify)
        self.times[self.step] = committed.commit_time
        self.numbers.setdefault(committed.commit_time, self.step)
        self.deletions.update((write.path, self.step) for write in writes if isinstance(write, Delete))
        return [self.number(version) for version in committed.versions]


def comparable(value: Any) -> Any:
    """Returns the value so that NaN and the types of numbers compare exactly."""
    match value:
        case dict():
            return {name: comparable(each) for name, each in value.items()}
        case list():
            return [comparable(each) for each in value]
        case float():
            return f"{value!r}" if math.isfinite(value) else str(value)
        case bool():
            return f"bool {value}"
        case _:
            return value


def program(seed: int, steps: int = STEPS) -> Iterator[Step]:
    """Yields the steps of a seed."""
    random = Random(seed)
    drawn = _Drawn(random)
    for number in range(1, steps + 1):
        kinds = [drawn.commit] * 5 + [drawn.read] * 2 + [drawn.query] * 3 + [drawn.find, drawn.verified]
        yield random.choice(kinds)(number)


class _Drawn:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.founds: list[int] = []

        self.may_be_wrong = False

    def rarely(self, likelihood: float) -> bool:
        return self.random.random() < likelihood

    def wrongly(self, likelihood: float) -> bool:
        """Returns whether to draw something invalid; at most once in a step, so that there is one reason."""
        is_wrong = self.may_be_wrong and self.rarely(likelihood)
        self.may_be_wrong = self.may_be_wrong and not is_wrong
        return is_wrong

    def path(self) -> str:
        doc_id = self.random.choice(WRONG_IDS if self.wrongly(0.1) else IDS[:5] if self.rarely(0.8) else IDS)
        path = f"{self.random.choice(COLLECTIONS)}/{doc_id}"
        return path.replace("/", "//", 1) if self.wrongly(0.03) else path

    def past(self, number: int) -> int | None:
        return self.random.randrange(1, number + 1) if self.rarely(0.3) else None

    def value(self) -> Any:
        if self.wrongly(0.1):
            return self.random.choice(WRONG_VALUES)
        if self.wrongly(0.1):
            return _nested(self.random.choice((19, 20, 21)))
        return random_value(self.random) if self.rarely(0.6) else self.random.choice(SCALARS)

    def name(self) -> str:
        names = WRONG_NAMES if self.wrongly(0.05) else NAMES[:4] if self.rarely(0.7) else NAMES
        return self.random.choice(names)

    def fields(self) -> dict[str, Any]:
        fields = {self.name(): self.value() for _ in range(self.random.randrange(4))}
        if self.rarely(0.1):
            fields["m"] = {self.name(): self.value()}
        if self.wrongly(0.1):
            # Nothing that is stored is nearly full: the emulator does not measure what a mask leaves in the document.
            fields["w"] = "x" * self.random.choice((MAX_DOCUMENT_BYTES // 2, MAX_VALUE_BYTES + 1, MAX_DOCUMENT_BYTES))
        return fields

    def mask(self, fields: dict[str, Any]) -> tuple[str, ...] | None:
        if self.rarely(0.5):
            return None
        if self.wrongly(0.1):
            return (self.random.choice(WRONG_MASKS),)
        names = [
            *(each for each in fields if self.rarely(0.8)),
            *(self.name() for _ in range(self.random.randrange(2))),
        ]
        paths = [field_path(each) for each in dict.fromkeys(names) if each and not each.startswith("__a__")]
        deep = [f"m.{field_path(self.random.choice(NAMES))}"] if "m" not in names and self.rarely(0.3) else []
        return (*paths, *deep)

    def demand(self, number: int) -> Precondition | int | None:
        """Returns a precondition, or the number of a step whose version the document must have."""
        return self.random.choice((ABSENT, PRESENT, self.random.randrange(1, number + 1), None, None, None))

    def write(self) -> Write:
        """Returns a write without its precondition; one with an empty mask changes nothing."""
        path = self.path()
        if self.rarely(0.1):
            return Put(path, {}, ())
        if self.rarely(0.2):
            return Delete(path)
        could_be_wrong = self.may_be_wrong
        fields = self.fields()
        # Firestore ignores an invalid value in a field that the mask leaves out; the database in memory need not.
        return Put(path, fields, None if could_be_wrong and not self.may_be_wrong else self.mask(fields))

    def commit(self, number: int, verified: tuple[int, ...] = ()) -> Step:
        could_be_wrong = self.may_be_wrong = not verified and self.rarely(0.2)
        drawn = [self.write() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        # Each document once, and nothing invalid beside a precondition: which of several faults is reported first is
        # not part of the contract.
        is_wrong = could_be_wrong and not self.may_be_wrong
        parts = [
            (write, None if is_wrong else self.demand(number)) for write in {each.path: each for each in drawn}.values()
        ]
        writes = [partial(_guarded, *each) for each in parts]

        def act(run: Run) -> Any:
            found = [run.founds[each] for each in verified if each in run.founds]
            return run.commit([write(run) for write in writes], found)

        return Step(act, f"commit of {[f'{each!r:.200}' for each in parts]}, verifying {verified}")

    def verified(self, number: int) -> Step:
        return self.commit(number, tuple(self.random.sample(self.founds, min(len(self.founds), 2))))

    def read(self, number: int) -> Step:
        self.may_be_wrong = self.rarely(0.1)
        paths, past = [self.path() for _ in range(self.random.randrange(4))], self.past(number)
        return Step(
            lambda run: run.told(run.database.read(paths, at=run.at(past)).documents), f"read {paths} at {past}"
        )

    def asked(self) -> Query:
        query = random_query(self.random)
        chance = self.random.random()
        query = query._replace(select=() if chance < 0.1 else ("v", "odd name", "none") if chance < 0.2 else None)
        return query._replace(pattern=self.random.choice(PATTERNS)) if query.group else query

    def query(self, number: int) -> Step:
        query, past = self.asked(), self.past(number)
        return Step(lambda run: run.told(run.database.query(query, at=run.at(past)).documents), f"{query} at {past}")

    def find(self, number: int) -> Step:
        query = self.asked()
        self.founds.append(number)

        def act(run: Run) -> Any:
            documents = run.database.query(query).documents
            run.founds[number] = FoundVersions(query, {each.path: each.version for each in documents})
            return run.told(documents)

        return Step(act, f"find {query}")


def _guarded(write: Write, demand: Precondition | int | None, run: Run) -> Write:
    if isinstance(write, Put) and write.mask == ():
        return check(run.database.read([write.path]).documents[0])
    # The emulator takes the time of a deletion for the version of what it deleted, and lets a second deletion pass that
    # demands it. In Firestore, the document must exist.
    if isinstance(write, Delete) and (write.path, demand) in run.deletions:
        demand = None
    precondition = Precondition(version=run.version(demand)) if isinstance(demand, int) else demand
    return write._replace(precondition=precondition)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"m": value}
    return value


def differences(seed: int, one: Database, other: Database, steps: int = STEPS) -> Iterator[str]:
    """Yields what the databases answer differently; ends at the first difference, as later ones may follow from it."""
    left, right = Run(one), Run(other)
    for number, step in enumerate(program(seed, steps), 1):
        answers = left.do(number, step), right.do(number, step)
        if answers[0] != answers[1]:
            said = [
                f"{answer!r:.600}{f' ({run.error:.300})' if isinstance(answer, str) else ''}"
                for answer, run in zip(answers, (left, right), strict=True)
            ]
            yield f"seed {seed}, step {number}: {step.told:.1200}\n  {said[0]}\nagainst\n  {said[1]}"
            return
