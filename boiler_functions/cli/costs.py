"""Says what a command will cost at list prices, and asks before it costs more than a cent."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from boiler_functions.cli.context import Context
from boiler_functions.cli.errors import Unfinished
from boiler_functions.cli.output import place_of
from boiler_functions.database.metered import Usage
from boiler_functions.plan.prices import Prices
from boiler_functions.views.fetching import Assumed, cost_of_asking
from boiler_functions.views.totals import kept_totals
from boiler_functions.views.view_model import View

FREE = 0.01
"""The price below which nobody is asked."""

_ASSUMED = Assumed(many=10, dependents=1)


class Estimate(NamedTuple):
    """What a command will read and write, and its list price; nothing on an emulator."""

    what: str
    usage: Usage
    price: float
    prices: Prices

    @classmethod
    def of(cls, context: Context, what: str, usage: Usage) -> Estimate:
        prices = Prices.read()
        location = context.compiled.declarations.options.trigger_location
        return cls(what, usage, 0.0 if context.emulator else prices.of_documents(usage, location), prices)

    def __str__(self) -> str:
        cost = f"{self.prices.currency} {self.price:.2f} at list prices of {self.prices.date}"
        told = "nothing on an emulator" if not self.price else "less than a cent" if self.price < FREE else cost
        return f"{self.what}: about {self.usage.reads:,} reads and {self.usage.writes:,} writes; costs {told}"

    def to_json(self) -> dict[str, Any]:
        named = {"currency": self.prices.currency, "prices": self.prices.date}
        return {"reads": self.usage.reads, "writes": self.usage.writes, "price": round(self.price, 4), **named}

    def confirm(self, context: Context, *, yes: bool) -> None:
        """Asks whether to spend it; raises Unfinished if not. What costs less than a cent is not asked about."""
        if yes or self.price < FREE:
            return
        click.echo(f"{context.app.name}: {place_of(context)}\n{self}", err=True)
        if not click.confirm("Go on?", err=True):
            raise Unfinished("It was not begun. --yes goes on without a question.")


def times(usage: Usage, number: int) -> Usage:
    """Returns the usage of so many."""
    return Usage(usage.rpcs * number, usage.reads * number, usage.writes * number)


def of_builds(context: Context, numbers: dict[View, int], what: str, *, listed: int) -> Estimate:
    """Returns the estimate for builds of so many instances; each is named, or looked at, in `listed` more reads."""
    total = Usage()
    for view, number in numbers.items():
        total += times(of_one(context, view) + Usage(reads=listed), number)
    return Estimate.of(context, what, total)


def of_comparisons(context: Context, numbers: dict[View, int], what: str, *, listed: int) -> Estimate:
    """Returns the estimate for comparisons of so many instances: each reads what a build reads and what it writes.

    With kept totals, it reads once more what a build reads, and asks for each number.
    """
    total = Usage()
    for view, number in numbers.items():
        one = of_one(context, view)
        asked = sum(cost_of_asking(total, _ASSUMED).reads for total, _ in kept_totals([view.store_class]))
        again = one.reads + asked if asked else 0
        total += times(Usage(one.rpcs, one.reads + one.writes + listed + again), number)
    return Estimate.of(context, what, total)


def of_one(context: Context, view: View) -> Usage:
    """Returns the cost of the build of one instance by itself, as `boiler plan` assumes documents."""
    declared = context.app.compiled.declarations
    return declared.storing().cost_of_build(declared, view, _ASSUMED)
