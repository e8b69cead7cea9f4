"""Ten thousand views become due in one minute, as a getter of each asked for the time, and upkeep builds them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from random import Random

from benchmarks.results import Row, at_least, at_most, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import Filter, Query
from boiler_functions.database.metered import Usage
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.query.rebuild import PAGE

VIEWS = 10_000
FIRST_BUILD = timedelta(seconds=120)
"""Longer than the first build of all views takes, after which the minute begins."""

MINUTE = timedelta(minutes=1)
MOST_RUNS = 10
FAN_OUT = "a change of their source"
NAME = f"{VIEWS:,} views become due in one minute"


class Team(DomainModel):
    """Those who do all the errands."""

    class Meta:
        collection_name = "teams"

    name = attrs.string(required=True)


class Errand(DomainModel):
    """Something to be done by its time."""

    class Meta:
        collection_name = "errands"

    team = attrs.relation(Team, required=True)
    due_at = attrs.timestamp(required=True)


class ErrandStore(Store):
    """The errand and its team."""

    errand = reference(Errand)
    team = reference(Errand.team)


# Without spot checks, which would read more than the work does.
app = Boiler("errands", spot_checks=0)


@app.query
class ErrandView(ViewModel[ErrandStore]):
    """The errand as clients see it."""

    class Meta:
        path = "errandViews/{errand.doc_id}"

    @attrs.computed
    def team(self) -> str | None:
        return self.store.team.name if self.store.team else None

    @attrs.computed
    def overdue(self) -> bool:
        return self.store.now.has_passed(self.store.errand.due_at)


def due(stage: Stage) -> Iterator[Row]:
    """Builds all, waits until all are due, and counts what upkeep does, beside a fan-out to the same views."""
    begins = datetime.now(UTC) + FIRST_BUILD
    chance = Random(0)
    stage.save([Team.new(doc_id="all", name="All")])
    stage.save(
        Errand.new(doc_id=str(number), team="all", due_at=begins + chance.random() * MINUTE) for number in range(VIEWS)
    )
    stage.build_all(app, ErrandView)
    assert datetime.now(UTC) < begins, "views became due before all were built"
    time.sleep((begins + MINUTE - datetime.now(UTC)).total_seconds() + 1)
    built, usage, runs = 0, Usage(), 0
    while built < VIEWS and runs < MOST_RUNS:
        ran = app.compiled.scheduled["upkeep"].attempt(stage.database)
        built, runs = built + ran.outcomes.get(Outcome.BUILT, 0), runs + 1
        usage += ran.usage
    copies = stage.database.query(Query("errandViews", filters=(Filter("overdue", "==", True),), select=()))
    fan_out = stage.handle(app, "errand_view_on_teams", stage.change("teams/all", {"name": "Everybody"})).usage
    yield Row(NAME, len(copies.documents), None, None, "views show it after upkeep", at_least(VIEWS))
    yield Row(NAME, runs, None, None, "runs of upkeep")
    yield Row(NAME, usage.rpcs / ceil(VIEWS / PAGE), None, None, "RPCs per page", at_most(2.5))
    yield Row(NAME, usage.rpcs, fan_out.rpcs, FAN_OUT, "RPCs", ratio_at_most(1.1))
    yield Row(NAME, usage.reads, fan_out.reads, FAN_OUT, "reads", ratio_at_most(1.1))
    yield Row(NAME, usage.writes, fan_out.writes, FAN_OUT, "writes", ratio_at_most(1.1))
