"""Hypothesis chooses what clients, the platform and faults do, and shrinks a failure to the shortest story."""

from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from boiler_functions.database import Delete, Put
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes import marker
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import Delivery, VirtualClock, assert_views_equal_rebuild
from boiler_functions.testing.steps import Crashed
from boiler_functions.types import Reference, to_datetime
from tests.faults.scenes import Raced, effects, world
from tests.torture import oracle
from tests.torture.world import FORMS, POISON

CITIES = st.sampled_from(["cities/a", "cities/b"])
COUNTRIES = st.sampled_from(["countries/x", "countries/y"])
FORM_PATHS = st.sampled_from([f"users/ann/{collection}/one" for collection in FORMS])
NTH = st.integers(1, 6)
HOUR = 3600


class Story(RuleBasedStateMachine):
    """Sources change, events come in any order and again, handlers crash, data is bad and healed, time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.testing = self.stack.enter_context(world())
        self.clock = VirtualClock()
        self.testing.surroundings = Surroundings(self.clock.now, self.clock.sleep, Random(0))
        self.waiting: list[Delivery] = []
        self.handled: list[Delivery] = []
        self.poisoned: set[str] = set()
        self.last: dict[str, int | None] = {}
        self.too_old: set[str] = set()
        self.amount = 0

    @initialize()
    def quiet(self) -> None:
        """Silences the log, as the bad data is intended."""
        patch = pytest.MonkeyPatch()
        patch.setattr("boiler_functions.modes.dead_letter.log.disabled", True)
        self.stack.callback(patch.undo)

    def write(self, path: str, **fields: object) -> None:
        self.testing.database.commit([Put(path, fields)])
        self.waiting += self.testing.take()

    # Clients

    @rule(
        path=CITIES,
        name=st.sampled_from(["A", "B", "C"]),
        country=st.none() | COUNTRIES.map(Reference),
        twin=st.none() | CITIES.map(Reference),
        capital=st.booleans(),
    )
    def create_or_update_a_city(self, path: str, name: str, **fields: object) -> None:
        self.poisoned.discard(path)
        self.write(path, name=name, population=2_000_000, **fields)

    @rule(path=COUNTRIES, name=st.sampled_from(["X", "Y"]))
    def create_or_update_a_country(self, path: str, name: str) -> None:
        self.poisoned.discard(path)
        self.write(path, name=name)

    @rule(path=CITIES | COUNTRIES)
    def poison(self, path: str) -> None:
        self.poisoned.add(path)
        self.write(path, name=POISON)

    @rule(path=CITIES | COUNTRIES)
    def delete(self, path: str) -> None:
        self.poisoned.discard(path)
        self.testing.database.commit([Delete(path)])
        self.waiting += self.testing.take()

    @rule(path=FORM_PATHS)
    def send(self, path: str) -> None:
        self.amount += 1
        self.last[path] = self.amount
        self.too_old.discard(path)
        self.write(path, amount=self.amount)

    # The platform

    def handle(self, delivery: Delivery) -> None:
        self.testing.handle(delivery)
        self.handled.append(delivery)
        self.waiting += self.testing.take()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def deliver_in_any_order(self, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(self.waiting) - 1), "position")
        self.handle(self.waiting.pop(position))

    @rule()
    def deliver_all(self) -> None:
        while self.waiting:
            self.handle(self.waiting.pop(0))

    @precondition(lambda self: self.waiting)
    @rule()
    def deliver_without_images(self) -> None:
        self.handle(self.waiting.pop(0).without_images())

    @precondition(lambda self: self.handled)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        self.handle(data.draw(st.sampled_from(self.handled[-10:]), "delivery"))

    # Fate

    @precondition(lambda self: self.waiting)
    @rule(nth=NTH, error=st.sampled_from([Crashed(), Unavailable("down")]))
    def fail_before_a_call(self, nth: int, error: BaseException) -> None:
        def happen() -> None:
            raise error

        delivery = self.waiting.pop(0)
        try:
            self.testing.handle(delivery, Raced(self.testing.database, nth, happen))
        except (Crashed, Unavailable):
            self.waiting.append(delivery)
        else:
            self.handled.append(delivery)
        self.waiting += self.testing.take()

    @precondition(lambda self: len(self.waiting) > 1)
    @rule(nth=NTH)
    def handle_one_while_all_others_overtake_it(self, nth: int) -> None:
        slow, *others = self.waiting
        self.waiting = []

        def overtake() -> None:
            for each in others:
                self.testing.handle(each, self.testing.database)

        raced = Raced(self.testing.database, nth, overtake)
        self.testing.handle(slow, raced)
        if raced.calls < nth:
            overtake()
        self.handled += [slow, *others]
        self.waiting += self.testing.take()

    @rule()
    def expire(self) -> None:
        """Lets a day and a half pass: markers expire, and waiting events become too old for a task."""
        waiting = {each.change.path for each in self.waiting if each.function.mode == "task"}
        self.too_old |= waiting
        self.clock.sleep(36 * HOUR)
        documents = self.testing.documents().values()
        markers = [each for each in documents if each.collection == marker.COLLECTION]
        gone = [each for each in markers if (each.fields or {})["expire_at"].timestamp() <= self.clock.now() / 1e9]
        self.testing.database.commit([Delete(each.path) for each in gone])
        self.waiting += self.testing.take()

    @rule()
    def heal(self) -> None:
        for path in sorted(self.poisoned):
            self.write(path, name="Healed")
        self.poisoned.clear()

    # What always holds, and what holds in the end

    @invariant()
    def no_version_takes_effect_twice(self) -> None:
        paid = effects(self.testing)
        assert len(paid) == len(set(paid)), paid

    def teardown(self) -> None:
        self.heal()
        self.deliver_all()
        documents = {path: dict(each.fields or {}) for path, each in self.testing.documents().items()}
        expected = oracle.views(documents, to_datetime(self.testing.surroundings.clock()))
        stored = {path: fields for path, fields in documents.items() if oracle.is_view(path)}
        # Nobody asks for a dashboard before there is something to show.
        asked = {path: fields for path, fields in expected.items() if path in stored or fields.get("names") != []}
        assert stored == asked
        assert_views_equal_rebuild(self.testing)
        paid = effects(self.testing)
        for path, amount in self.last.items():
            assert amount in paid or path in self.too_old, f"{path} {amount} had no effect"
        self.stack.close()


TestStory = Story.TestCase
TestStory.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
