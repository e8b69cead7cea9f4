"""Warnings of `boiler plan`: declarations that work, and cause trouble with many documents, views or changes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from marshmallow import fields

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Document, Filter, Query
from boiler_functions.database.matching import matches
from boiler_functions.manifest import EventTrigger
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.mode import Declarations
from boiler_functions.plan.indexes import Indexes, merged
from boiler_functions.settings.options import MULTI_REGIONS
from boiler_functions.types import subclasses
from boiler_functions.views.choice import Choosing
from boiler_functions.views.fetching import Assumed, cost_of_asking, size_of
from boiler_functions.views.found import Found, Matching
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Source
from boiler_functions.views.totals import Total
from boiler_functions.views.view_model import View, ViewModel

KEPT_PAYS = 20_000
"""The documents from which asking for a total costs more than keeping it, by the prices of reads and writes."""

_ASSUMED = Assumed()


def advice_on(compiled: Compiled, indexes_file: Mapping[str, Any], assumed: Assumed = _ASSUMED) -> list[Advice]:
    """Returns all warnings; `indexes_file` is the content of firestore.indexes.json."""
    declared = compiled.declarations
    forms = (each.view for mode, each in declared.all if each.view and mode.form(each))
    return [
        *(each for mode in declared.modes for each in mode.advice(declared)),
        *(each for view in dict.fromkeys([*declared.stored, *forms]) for each in _of_any(view)),
        *surprises(declared),
        *_totals(declared, assumed),
        *_missing_indexes(compiled, indexes_file),
        *_options(compiled),
    ]


def surprises(declared: Declarations) -> Iterator[Advice]:
    """Yields the warnings about what works otherwise than it seems to, which `boiler check` prints, too."""
    yield from leaks(declared)
    yield from misses(declared)
    yield from _drawn(declared)
    yield from _properties(declared)
    yield from _unsent(declared)
    yield from _named_by_the_form(declared)


def leaks(declared: Declarations) -> Iterator[Advice]:
    """Yields a warning for each view of a root that takes the documents below all others, too."""
    for view in declared.views:
        root = view.store_class.root()
        for source in view.store_class.sources:
            if root is None or not isinstance(source, Matching) or not source.selection.query.group:
                continue
            model = source.model.__name__
            yield Advice(
                "takes-from-everybody",
                f"{view.__name__}.store.{source.name}",
                f"Every {view.__name__} holds what it finds in all of {source.model.pattern().text}, whoever may read "
                f"the view. For the documents below one of the Store, write `children({model})`.",
            )


def misses(declared: Declarations) -> Iterator[Advice]:
    """Yields a warning for each query of a Store that leaves out documents which a getter would choose.

    A document without a field reads as the default, or None, and no filter and no order finds it.
    """
    for view in declared.views:
        for source in view.store_class.sources:
            if not isinstance(source, Queried | Choosing):
                continue
            query = source.example() if isinstance(source, Queried) else source.choice
            attributes = _attributes(source.model)
            filters = [each for each in query.filters if each.field in attributes]
            for each in filters:
                # A null is stored where it is meant to be found: `Ticket.new(agent=None)`.
                if each.value is not None and _would_meet(attributes[each.field], each, query):
                    yield _missed(view, source, attributes[each.field], "the condition accepts that")
            if isinstance(source, Total):
                yield from _uncounted(view, source)
                continue
            for order in query.orders:
                if order.field in attributes and order.field not in {each.field for each in filters}:
                    yield _missed(view, source, attributes[order.field], "the order leaves it out")


def _uncounted(view: View, total: Total[Any]) -> Iterator[Advice]:
    """Yields a warning if documents without a field are in no number, though their default would be."""
    by, added = total.by, total.attribute
    if by is not None and not by.required and by.fget is None and by.has_default:
        yield _missed(view, total, by, "is counted under no value")
    if added is not None and not added.required and added.fget is None and added.has_default and added.initial():
        yield _missed(view, total, added, "is not added")


def _drawn(declared: Declarations) -> Iterator[Advice]:
    """Yields a warning for each default that old documents do not get, as it would differ at each read."""
    for model in dict.fromkeys(source.model for view in declared.views for source in view.store_class.sources):
        for name, attribute in model.attributes.items():
            if attribute.fget is None and attribute.is_drawn and not attribute.required:
                yield Advice(
                    "default-of-new-ones",
                    f"{model.__name__}.{name}",
                    f"Its default differs from call to call, so only a new {model.__name__} gets it: a document "
                    f"without {attribute.data_key!r} reads as None. Declare it as `required=True` beside the default "
                    f"if every document has it, or without the default.",
                )


def _properties(declared: Declarations) -> Iterator[Advice]:
    for view in declared.views:
        for name, each in inspect.getmembers_static(view):
            is_own = not hasattr(ViewModel, name) and not name.startswith("_")
            if is_own and isinstance(each, property | cached_property):
                yield Advice(
                    "not-in-the-view",
                    f"{view.__name__}.{name}",
                    f"A {type(each).__name__} is not an attribute of the view, so no copy has it. Decorate it "
                    f"with `@attrs.computed` to show it; a helper is named `_{name}`.",
                )


def _unsent(declared: Declarations) -> Iterator[Advice]:
    for mode, each in declared.all:
        form = mode.form(each) if each.view else None
        if form is not None and each.view is not None and each.view.meta("write") is None:
            yield Advice(
                "nobody-may-send",
                each.view.__name__,
                f"It has no `Meta.write`, so the security rules let no client send its forms ({form.text}). Name who "
                f"may, as `write = access.signed_in`, or `write = access.Nobody()` if only a server does.",
            )


def _named_by_the_form(declared: Declarations) -> Iterator[Advice]:
    """Yields a warning for each form below a document of its root's collection whose own id names the root."""
    for mode, each in declared.all:
        view = each.view
        form, root = (mode.form(each), view.store_class.root()) if view else (None, None)
        if view is None or form is None or root is None or "doc_id" in form.names:
            continue
        own = root.model.pattern().segments
        above = form.segments[: len(own)]
        if above[:-1] == own[:-1] and len(above) < len(form.segments) and above[-1][1:-1].isidentifier():
            model = root.model.__name__
            yield Advice(
                "named-by-the-form",
                f"{view.__name__}.store.{root.name}",
                f"The id of the form names this {model}, not {above[-1]}, as no placeholder of its path "
                f"{form.text!r} is called {{doc_id}}. Call the one that names the {model} {{doc_id}}.",
            )


def _missed(view: View, source: Source, attribute: Attribute[Any], why: str) -> Advice:
    default = attribute.initial() if attribute.has_default and not attribute.is_drawn else None
    return Advice(
        "misses-documents",
        f"{view.__name__}.store.{source.name}",
        f"A document without {attribute.data_key!r} reads as {default!r}, and {why}, but Firestore finds no document "
        f"by a field that it lacks. `boiler fit` counts such documents, and `boiler migrate` writes defaults into "
        f"them. If every document has the field, declare {attribute!r} as `required=True`, beside its default if it "
        f"has one.",
    )


def _would_meet(attribute: Attribute[Any], condition: Filter, query: Query) -> bool:
    """Whether the condition accepts what a document without the field reads as."""
    read = attribute.stored(attribute.initial()) if attribute.has_default and not attribute.is_drawn else None
    document = Document("any/document", {attribute.data_key: read})
    return matches(Query("any", filters=(condition,)), document)


def _attributes(model: type[DomainModel]) -> dict[str, Attribute[Any]]:
    """Returns the attributes of a model and its subclasses that a document may lack, by the path of their field."""
    found = (each for one in (model, *subclasses(model)) for each in one.attributes.values())
    return {each.field_path: each for each in found if each.fget is None and not each.required}


def _totals(declared: Declarations, assumed: Assumed) -> Iterator[Advice]:
    for view in declared.stored:
        asked = (each for each in view.store_class.sources if isinstance(each, Total) and not each.shards)
        for total in asked:
            # Totals with a limit, or of fractions, cannot be kept.
            can_be_kept = not total.example().limit and not total.is_of_fractions
            if can_be_kept and (documents := size_of(total.of, assumed)) >= KEPT_PAYS:
                reads = cost_of_asking(total, assumed).reads
                yield Advice(
                    "kept-pays",
                    f"{view.__name__}.store.{total.name}",
                    f"Over {documents:,} documents, each change of one asks again: {reads:,} reads. With "
                    f"`kept=True` a change costs the same at any number, and less from about {KEPT_PAYS:,} on.",
                )


def _of_any(view: View) -> Iterator[Advice]:
    unbounded = [each for each in view.store_class.sources if isinstance(each, Found) and not each.example().limit]
    if unbounded and (lists := _collections_of(view)):
        names = ", ".join(each.name for each in unbounded)
        yield Advice(
            "may-outgrow-1-mib",
            f"{view.__name__}.{', '.join(lists)}",
            f"Nothing limits how many {names} there are, and a document has at most 1 MiB; a view that is larger stays "
            f"as it was, with a dead letter. Limit the query (`.limit(100)`), or keep a view for each.",
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


def _collections_of(view: View) -> list[str]:
    """Returns the attributes of a view that grow with the number of documents."""
    return [name for name, each in view.exported().items() if _is_collection(each.field())]


def _is_collection(field: fields.Field[Any]) -> bool:
    if isinstance(field, fields.Dict):
        # A mapping to numbers or flags usually has a few fixed keys, so it does not grow.
        return not isinstance(field.value_field, fields.Number | fields.Boolean)
    return isinstance(field, fields.List | fields.Tuple)
