"""The rule, the database in memory and the emulator agree on which values can be stored."""

from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions.database import Database, Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.values import fault_of_name, faults_of
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.types import GeoPoint, Reference

VALUES = 400

# Without "____": the documentation reserves it, but the emulator accepts it.
NAMES = ["a", "b", "", "__a__", "___", "users/ada", "é", "x" * 490, "y" * 1500, "__a\n__", ".", "a.b", "`"]
PATHS = [
    *("users/ada", "users", "users/..", "users/__a__", "__cfg/main", "a/" + "x" * 1501),
    *("/projects/q/databases/d/documents/a/b", "projects/q/databases/d/documents/a"),
]
LEAVES: list[Callable[[Random], Any]] = [
    lambda random: random.choice([None, True, 1, 1.5, "text", b"bytes", "", float("inf")]),
    lambda random: random.choice([2**63 - 1, -(2**63), 2**63, -(2**63) - 1]),
    lambda random: Reference(random.choice(PATHS)),
    lambda random: GeoPoint(random.choice([0.0, 90.0, 90.1]), random.choice([0.0, -180.0, -180.1])),
    lambda random: random.choice([[], {}, [{}], [[]]]),
]


def value(random: Random) -> Any:
    """Returns a leaf in up to 22 maps and lists, whose names are mostly valid."""
    made = random.choice(LEAVES)(random) if random.random() < 0.4 else 1
    for _ in range(random.choice([0, 1, 2, 3, 19, 20, 21])):
        name = random.choice(NAMES) if random.random() < 0.06 else "m"
        made = [made] if random.random() < 0.2 and not isinstance(made, list) else {name: made}
    return made


def holds(database: Database, name: str, fields: Any) -> bool:
    try:
        database.commit([Put("values/one", {name: fields})])
    except InvalidRequest:
        return False
    return bool((database.read(["values/one"]).documents[0].fields or {})[name] == fields)


def test_random_values_are_held_or_refused_alike_by_the_rule_and_both_databases(
    firestore_emulator: FirestoreEmulator, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    random = Random(seed)
    memory, firestore = MemoryDatabase(), FirestoreDatabase(project, emulator=firestore_emulator.host)
    # The emulator itself must decide, so nothing is checked before it.
    monkeypatch.setattr("boiler_functions.database.requests.check_fields", lambda path, fields: None)
    held = 0
    for _ in range(VALUES):
        name = random.choice(NAMES) if random.random() < 0.2 else "value"
        made = value(random)
        expected = fault_of_name(name) is None and not faults_of(made, name)
        assert holds(memory, name, made) is expected, f"seed {seed}: memory, {name!r}: {made!r}"
        assert asked(firestore, name, made) is expected, f"seed {seed}: the emulator, {name!r}: {made!r}"
        held += expected
    assert 50 < held < VALUES - 50


def asked(firestore: Database, name: str, made: Any) -> bool:
    try:
        return holds(firestore, name, made)
    except ValueError:  # protobuf's own refusal of an integer that has over 64 bits
        return False
