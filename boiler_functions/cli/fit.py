"""`boiler fit`: how the documents that are there fit the models of the app. It reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from boiler_functions.app import Boiler
from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import Estimate
from boiler_functions.cli.existing import documents_of
from boiler_functions.cli.output import Output
from boiler_functions.database import Aggregation, Document
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import RESERVED_KEYS
from boiler_functions.models.selection import collection_query
from boiler_functions.views.stored_copy import StoredCopy

_TOLD = {
    "misfit": "does not fit in {count}: {why}",
    "former": "has the former name {why!r} in {count}",
    "coerced": "has another type that is coerced in {count}: {why}",
    "lacking": "is missing in {count}, which a query over it does not find",
    "undeclared": "is not declared, in {count}",
}


@dataclass
class Fitted:
    """What was found in the documents of one collection."""

    model: type[DomainModel]
    read: int = 0
    unfit: int = 0
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """The number of documents for each kind of finding, field and reason."""
    examples: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """The path of the first document of each."""

    def add(self, document: Document) -> None:
        self.read += 1
        findings = list(dict.fromkeys(_findings(self.model._class_of(document), document)))
        self.unfit += any(kind == "misfit" for kind, _, _ in findings)
        for each in findings:
            self.found[each] += 1
            self.examples.setdefault(each, document.path)

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.model.meta("collection_name"),
            "read": self.read,
            "unfit": self.unfit,
            "findings": [
                {"kind": kind, "field": name, "why": why, "count": count, "example": self.examples[kind, name, why]}
                for (kind, name, why), count in self._sorted()
            ],
        }

    def lines(self) -> Iterator[str]:
        fits = "all fit" if not self.unfit else f"{self.unfit} do not fit"
        yield f"{self.model.__name__}: {self.read} of {self.model.meta('collection_name')} read, {fits}"
        for (kind, name, why), count in self._sorted():
            told = _TOLD[kind].format(count=count, why=why)
            yield f"  {name} {told}; for example {self.examples[kind, name, why]}"

    def _sorted(self) -> list[tuple[tuple[str, str, str], int]]:
        return sorted(self.found.items(), key=lambda each: (list(_TOLD).index(each[0][0]), each[0][1], -each[1]))


def fit(context: Context, name: str | None, number: int | None, *, yes: bool = False) -> Output:
    """Returns how documents fit the model of that name, or all models of the app; fine if all that were read do."""
    models = models_of(context.app)
    chosen = [each for each in models if name in (None, each.__name__)]
    if not chosen:
        known = ", ".join(each.__name__ for each in models) or "none"
        raise ConfigurationError(f"{name!r} is not a model that the app reads or writes; there are: {known}.")
    if not (context.emulator or yes):
        read = sum(min(found, number or found) for each in chosen if (found := _number(context, each)))
        Estimate.of(context, f"Reading {read:,} documents", Usage(reads=read)).confirm(context, yes=yes)
    results = [_fitted(context, each, number) for each in chosen]
    lines = [line for each in results for line in each.lines()]
    told = {each.model.__name__: each.to_json() for each in results}
    return Output("fit", {"models": told, "all": number is None}, lines, not any(each.unfit for each in results))


def _number(context: Context, model: type[DomainModel]) -> int:
    """Returns how many documents the model has, for a read of every thousandth."""
    query = collection_query(model, {})._replace(pattern=None)
    found = context.database.aggregate(Aggregation(query, "count")).value
    assert isinstance(found, int)
    return found


def models_of(app: Boiler) -> list[type[DomainModel]]:
    """Returns the models that the app reads, writes or migrates, one for each collection, by name."""
    declarations = app.declarations
    reached = [source.model for view in declarations.views for source in view.store_class.sources]
    written = [model for mode in declarations.modes for each in declarations.of(mode) for model in _writes(each)]
    migrated = [each.model for each in app.migrations]
    # The engine writes the copies of views, which others may read; they are nobody's data.
    kept = {each._root() for each in (*reached, *written, *migrated) if not issubclass(each, StoredCopy)}
    return sorted(kept, key=lambda each: each.__name__)


def _writes(declaration: Any) -> tuple[type[DomainModel], ...]:
    return tuple(getattr(declaration, "writes", ()))


def _fitted(context: Context, model: type[DomainModel], number: int | None) -> Fitted:
    fitted = Fitted(model)
    for document in documents_of(context.database, collection_query(model, {}), number):
        fitted.add(document)
    return fitted


def _findings(model: type[DomainModel], document: Document) -> Iterator[tuple[str, str, str]]:
    fields = document.fields or {}
    for name, messages in model.__misfits__(document).items():
        yield "misfit", name, " ".join(map(str, messages))
    declared = {*RESERVED_KEYS}
    for attribute in model.attributes.values():
        key = attribute.data_key
        declared.update((key, *attribute.aliases))
        held = next((each for each in (key, *attribute.aliases) if each in fields), None)
        if held is None:
            if attribute.fget is None and not attribute.required:
                yield "lacking", key, ""
            continue
        if held != key:
            yield "former", key, held
        if attribute.coercion and type(coerced := attribute.coercion(fields[held])) is not type(fields[held]):
            yield "coerced", key, f"{type(fields[held]).__name__} as {type(coerced).__name__}"
    yield from (("undeclared", key, "") for key in sorted(fields.keys() - declared))
