"""Advice about stored views that will be slow or costly with many documents, views or changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from types import CodeType, FunctionType
from typing import Any

from boiler_functions.models.domain_model import DomainModel
from boiler_functions.modes.advice import Advice, is_one_for_all
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.types import subclasses
from boiler_functions.views.followed import Single
from boiler_functions.views.found import Matching
from boiler_functions.views.store import Source
from boiler_functions.views.view_model import View, ViewModel

MANY = 8
"""The attributes from which a model has many; a view names few of them if it names a third at most."""

_SUSTAINED = timedelta(seconds=1)
"""Between two writes of one document, as Firestore sustains them for long."""

_READ_ALL = frozenset({"to_view_dict", "stored_fields", "values", "getattr", "vars", "attributes", "documents"})
"""Names with which code reads attributes that it does not name."""


def advice_on(view: View, at_most_every: timedelta | None = None) -> Iterator[Advice]:
    """Yields warnings about a stored view, which may be written once in a time only."""
    root = view.store_class.root()
    if root is None and (at_most_every is None or at_most_every < _SUSTAINED):
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


def advice_on_fields(view: View) -> Iterator[Advice]:
    """Names the references of which getters read few of many attributes, as far as their code names them."""
    own = (each for base in view.__mro__ if base is not ViewModel and issubclass(base, ViewModel) for each in _of(base))
    used = {name for code in own for name in _names(code)}
    for source in view.store_class.sources:
        if not source.leads or source.fields is not None or len(source.model.attributes) < MANY:
            continue
        of_model = used | {name for code in _called(source, used) for name in _names(code)}
        read = [each for each in source.model.attributes.values() if each.fget is None and each.name in of_model]
        if not read or 3 * len(read) > len(source.model.attributes) or of_model & _READ_ALL:
            continue
        model = source.model.__name__
        listed = ", ".join(f"{model}.{each.name}" for each in read)
        yield Advice(
            "few-fields-read",
            f"{view.__name__}.store.{source.name}",
            f"Its getters name {len(read)} of the {len(source.model.attributes)} attributes of {model}. With "
            f"`fields=[{listed}]` a change of the others is acknowledged without an RPC.",
        )


def _called(source: Source, used: set[str]) -> Iterator[CodeType]:
    """Yields the code of a model's own getters and methods that have one of the names."""
    for model in (source.model, *subclasses(source.model)):
        for base in model.__mro__:
            if base is not DomainModel and issubclass(base, DomainModel):
                yield from (code for name, each in vars(base).items() if name in used for code in _codes(each))


def _of(model: type[Any]) -> Iterator[CodeType]:
    return (code for each in vars(model).values() for code in _codes(each))


def _codes(member: Any) -> Iterator[CodeType]:
    """Yields the code of a function, a property or a computed attribute."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    if isinstance(function, FunctionType):
        yield function.__code__


def _names(code: CodeType) -> Iterator[str]:
    """Yields the names in a function's code, and in the functions within it."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


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
