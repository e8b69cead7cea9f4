"""Warnings of `boiler plan`: what works, and will hurt once there are many documents, views or changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from marshmallow import fields

from boiler_functions.compile.compiler import Compiled, View
from boiler_functions.compile.manifest import EventTrigger
from boiler_functions.modes.task.task import Task
from boiler_functions.plan.indexes import Indexes, merged, query_of
from boiler_functions.settings.options import MULTI_REGIONS
from boiler_functions.views.dependencies import is_exact
from boiler_functions.views.store import Matching, One, Queried, Referrers, Source


@dataclass(frozen=True)
class Advice:
    """One warning: its stable name, what it is about, and what may happen with what to do."""

    name: str
    about: str
    text: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def advice_on(compiled: Compiled, indexes_file: Mapping[str, Any]) -> list[Advice]:
    """All warnings; `indexes_file` is what firestore.indexes.json holds."""
    declared = compiled.declarations
    views = dict.fromkeys([*declared.queries, *(task.view for task in declared.tasks)])
    return [
        *(each for view in declared.queries for each in _of_stored(view)),
        *(each for task in declared.tasks for each in _of_task(task)),
        *(each for view in views for each in _of_any(view)),
        *_missing_indexes(compiled, indexes_file),
        *_grouping(compiled),
        *_options(compiled),
    ]


def _of_stored(view: View) -> Iterator[Advice]:
    root = view.store_class.root()
    if root is None:
        yield Advice(
            "hot-document",
            view.__name__,
            "One document holds it all, and every change of its sources writes it: about one write a second is what "
            "Firestore sustains. Give its Store a root where there is one.",
        )
    for source in view.store_class.sources:
        about = f"{view.__name__}.store.{source.name}"
        pattern = source.model.pattern().text
        if root is not None and _is_one_for_all(source):
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
                f"them. Follow a relation of {root.name} instead, or give the view no root.",
            )
        elif root is not None and isinstance(source, One):
            yield Advice(
                "unbounded-fan-out",
                about,
                f"Nothing limits how many {view.__name__} name one {pattern}; a change of it rebuilds them all, about "
                f"100 in a commit, and what does not fit into one invocation goes to the queue.",
            )


def _of_task(task: Task) -> Iterator[Advice]:
    for source in task.view.store_class.sources:
        if task.isolation == "serializable" and source.verify and _is_one_for_all(source):
            yield Advice(
                "hot-document",
                f"{task.view.__name__}.store.{source.name}",
                "Every such task verifies it in its commit, which costs a write and meets those of all others. "
                "`reference(…, verify=False)` spares it.",
            )


def _of_any(view: View) -> Iterator[Advice]:
    unbounded = [each for each in view.store_class.sources if isinstance(each, Queried) and not _is_bounded(each)]
    for source in view.store_class.sources:
        if isinstance(source, Queried) and not is_exact(query_of(source)):
            yield Advice(
                "range-predicate",
                f"{view.__name__}.store.{source.name}",
                f"Its condition is no equality, so that every write in {source.model.pattern().text} wakes every "
                f"{view.__name__}. Compare a field that holds the answer: `==`.",
            )
    if unbounded and (lists := _collections_of(view)):
        names = ", ".join(each.name for each in unbounded)
        yield Advice(
            "may-outgrow-1-mib",
            f"{view.__name__}.{', '.join(lists)}",
            f"Nothing limits how many {names} there are, and a document has at most 1 MiB; a view that is larger stays "
            f"as it was, with a dead letter. Limit the query (`matching(….limit(100))`), or keep a view for each.",
        )


def _missing_indexes(compiled: Compiled, file: Mapping[str, Any]) -> Iterator[Advice]:
    needed = Indexes.of(compiled.declarations)
    whole = merged(file, needed)
    missing = [each for each in whole["indexes"] if each not in file.get("indexes", ())]
    overrides = [each for each in whole["fieldOverrides"] if each not in file.get("fieldOverrides", ())]
    named = [str(index) for index in needed.composite if index.to_wire() in missing]
    named += [f"{each['collectionGroup']}.{each['fieldPath']}" for each in overrides]
    if named:
        yield Advice(
            "index-missing",
            "firestore.indexes.json",
            f"It lacks {', '.join(named)}; a query without its index fails, and without its exemption or time to live "
            f"bookkeeping stays for ever. Run `boiler compile`, and deploy the file.",
        )


def _grouping(compiled: Compiled) -> Iterator[Advice]:
    if compiled.declarations.group_by == "source":
        return
    shared: dict[str, set[str]] = {}
    for function in compiled.functions.values():
        if function.task is None:
            shared.setdefault(function.source.text, set()).update(view.__name__ for view in function.views)
    if common := [source for source, views in shared.items() if len(views) > 1]:
        most = max(len(views) for views in shared.values())
        yield Advice(
            "group-by-source",
            ", ".join(common),
            f"Up to {most} views each have a function for a change of it: as many invocations and look-ups. "
            f'`Boiler(…, group_by="source")` makes it one.',
        )


def _options(compiled: Compiled) -> Iterator[Advice]:
    for function in compiled.manifest.functions:
        trigger = function.trigger
        if not isinstance(trigger, EventTrigger):
            continue
        if not trigger.retry:
            yield Advice(
                "retry-off",
                function.entry_point,
                "An event that fails once is lost, and the view stays stale until the next. Leave `retry` out.",
            )
        near = MULTI_REGIONS.get(trigger.location or "", trigger.location)
        region = function.options.region
        if near and region and near.partition("-")[0] != region.partition("-")[0]:
            yield Advice(
                "far-from-database",
                function.entry_point,
                f"It runs in {region}, and its database is in {trigger.location}: each RPC crosses an ocean. "
                f"Say region={near!r}.",
            )


def _is_one_for_all(source: Source) -> bool:
    """Whether it is one document whatever the root is: of a fixed id in a fixed collection."""
    return isinstance(source, One) and source.via is None and not source.key_names()


def _is_bounded(source: Queried[Any]) -> bool:
    return not isinstance(source, Referrers) and query_of(source).limit is not None


def _collections_of(view: View) -> list[str]:
    """The attributes of a view that grow with what they hold."""
    kinds = (fields.List, fields.Dict, fields.Tuple)
    return [name for name, each in view.exported().items() if isinstance(each.field(), kinds)]
