"""What the lists of an app's REST rules need and risk, without the REST stack: their queries, and advice on them."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database import Query
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.modes.rest.listing import Listing
from boiler_functions.modes.rest.mode import REST
from boiler_functions.paths import Pattern


def list_queries(declarations: Declarations) -> Iterator[Query]:
    """Yields one query of each kind that the lists of an app's REST rules run, to derive indexes from."""
    for rule in declarations.of(REST):
        if rule.view.store_class.root() is None:
            continue
        yield from Listing(CopyPaths(rule.view), rule.view in declarations.stored, rule.filtered_orders).kinds()


def list_advice(declarations: Declarations) -> Iterator[Advice]:
    """Yields a warning for each list of all copies in whose collections, by their name, other documents lie."""
    for rule in declarations.of(REST):
        if rule.view not in declarations.stored or rule.view.store_class.root() is None:
            continue
        copies = CopyPaths(rule.view)
        kinds = Listing(copies, is_stored=True).kinds()
        name = copies.pattern.segments[-2]
        others = [each for each in _patterns(declarations) if each.segments[-2] == name and each != copies.pattern]
        if others and any(each.group for each in kinds):
            paths = ", ".join(dict.fromkeys(each.text for each in others))
            yield Advice(
                "lists-read-others",
                f"{rule.view.__name__} ({rule.rule})",
                f"The list of all copies is a query of all collections with the name {name}, so it also reads, and "
                f"drops, the documents of {paths}. Store the copies in collections of a name of their own.",
            )


def _patterns(declarations: Declarations) -> Iterator[Pattern]:
    """Yields the paths of the documents that the app declares: of models that it reads, and of stored views."""
    for view in declarations.views:
        yield from (source.model.pattern() for source in view.store_class.sources)
    yield from (view.pattern() for view in declarations.stored)
