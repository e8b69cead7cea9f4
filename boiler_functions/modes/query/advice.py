"""Advice about stored views that will be slow or costly with many documents, views or changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from boiler_functions.modes.advice import Advice, is_one_for_all
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.views.followed import Single
from boiler_functions.views.found import Matching
from boiler_functions.views.view_model import View


def advice_on(view: View) -> Iterator[Advice]:
    """Yields warnings about a stored view."""
    root = view.store_class.root()
    if root is None:
        yield Advice(
            "hot-document",
            view.__name__,
            "One document holds it all, and every change of its sources writes it: about one write a second is what "
            "Firestore sustains. That is enough for what changes rarely; `@app.query(at_most_every=…)` writes it less "
            "often.",
        )
    for source in view.store_class.sources:
        about = f"{view.__name__}.store.{source.name}"
        pattern = source.model.pattern().text
        if root is not None and is_one_for_all(source):
            yield Advice(
                "hot-document",
                about,
                f"Every {view.__name__} reads it, so that one change of it rebuilds all of them. Keep what changes "
                f"often out of it.",
            )
        elif root is not None and isinstance(source, Matching):
            yield Advice(
                "hot-document",
                about,
                f"Every {view.__name__} reads the same query, so that each change of what it finds rebuilds all of "
                f"them. Follow a relation of {root.name} instead, or keep what it finds out of this view.",
            )
        elif root is not None and isinstance(source, Single):
            yield Advice(
                "unbounded-fan-out",
                about,
                f"Nothing limits how many {view.__name__} name one {pattern}; a change of it rebuilds them all, about "
                f"100 in a commit, and what does not fit into one invocation goes to the queue.",
            )


def advice_on_time(view: View) -> Iterator[Advice]:
    """Warns that a view whose getters ask for the time is not woken, in an app without upkeep."""
    for name, attribute in view.attributes.items():
        # The names that its own code uses; a getter that asks through a function elsewhere is not seen.
        if attribute.fget is not None and {"store", "now"} <= {*attribute.fget.__code__.co_names}:
            yield Advice(
                "never-woken",
                f"{view.__name__}.{name}",
                "It asks `self.store.now`, and the app has no upkeep, so it changes only when a document does. "
                "Leave out `upkeep=False`.",
            )


def advice_on_grouping(functions: Iterable[EventFunction]) -> Iterator[Advice]:
    """Advises one function for each source where several serve the same."""
    shared: dict[str, set[str]] = {}
    for function in functions:
        shared.setdefault(function.source.text, set()).update(view.__name__ for view in function.views)
    if common := [source for source, views in shared.items() if len(views) > 1]:
        most = max(len(views) for views in shared.values())
        yield Advice(
            "group-by-source",
            ", ".join(common),
            f"Up to {most} views each have a function for a change of it: as many invocations and look-ups. "
            f'`Boiler(…, group_by="source")` makes it one.',
        )
