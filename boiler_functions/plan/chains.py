"""Estimates what a change of a document costs to the end of a chain: views that read the copies of other views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database.metered import Usage
from boiler_functions.plan.prices import Prices
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.stored_copy import copy_model, views_read
from boiler_functions.views.view_model import View


class Chain(NamedTuple):
    """The views that follow a change one after the other, and what all of them cost; nothing stops in between."""

    source: str
    steps: int = 0
    """How many functions run one after the other, each by the events of the copies that the one before wrote."""
    views: tuple[str, ...] = ()
    """Each after those whose copies it reads."""
    usage: Usage = Usage()
    million: float = 0.0

    def plus(self, other: Chain, times: int) -> Chain:
        """Returns the chain with so many others behind it or beside it."""
        usage = Usage(*(mine + times * theirs for mine, theirs in zip(self.usage, other.usage, strict=True)))
        views = tuple(dict.fromkeys((*self.views, *other.views)))
        million = self.million + times * other.million
        return self._replace(steps=max(self.steps, other.steps), views=views, usage=usage, million=million)

    def to_json(self) -> dict[str, Any]:
        usage = {"rpcs": self.usage.rpcs, "reads": self.usage.reads, "writes": self.usage.writes}
        named = {"source": self.source, "views": list(self.views), "steps": self.steps}
        return {**named, **usage, "million": round(self.million, 2)}


class Chains(NamedTuple):
    """Works out the chains of an app."""

    compiled: Compiled
    assumed: Assumed
    prices: Prices

    def all(self) -> Iterator[Chain]:
        """Yields the chain of each source, other than a copy, whose change more than one view follows in turn."""
        copies = {copy_model(view).pattern().text for view in self._read}
        sources = dict.fromkeys(each.source.text for each in self.compiled.functions.values())
        order = [view.__name__ for view in self.compiled.declarations.stored]
        found = (self._from(source) for source in sources if source not in copies)
        return (each._replace(views=tuple(sorted(each.views, key=order.index))) for each in found if each.steps > 1)

    def _from(self, source: str) -> Chain:
        chain = Chain(source)
        for function in self.compiled.functions.values():
            for view in function.views if function.source.text == source else ():
                usage = function.cost(view, self.assumed)
                options = self._options[function.entry_point]
                million = self.prices.of_million(usage, options, self.compiled.declarations.options.trigger_location)
                chain = chain.plus(Chain(source, 1, (view.__name__,), usage, million), 1)
                if view in self._read:
                    behind = self._from(copy_model(view).pattern().text)
                    chain = chain.plus(behind._replace(steps=behind.steps + 1), function.copies(view, self.assumed))
        return chain

    @property
    def _options(self) -> dict[str, Any]:
        return {each.entry_point: each.options for each in self.compiled.manifest.functions}

    @property
    def _read(self) -> frozenset[View]:
        """The views whose copies others read."""
        stored = self.compiled.declarations.stored
        return frozenset(read for view in stored for read in views_read(view.store_class).values())
