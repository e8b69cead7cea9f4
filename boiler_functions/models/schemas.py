"""Makes the marshmallow schemas of models from their attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, pre_load

from boiler_functions.models.attributes import Attribute
from boiler_functions.models.spelling import AnswerSchema
from boiler_functions.types import cached


@cached
def schema_of(model: Any, base: type[Schema], computed: bool) -> Schema:
    """Returns the schema of a model's input; with `computed`, that of what the model shows."""

    class Meta:
        unknown = model.meta("unknown") or EXCLUDE

    chosen = {
        name: each.field(always_present=_is_always_present(each, base, computed))
        for name, each in model.exported().items()
        if computed or each.fget is None or (each.fset is not None and model.takes_computed)
    }
    hooks = {"without_hidden": _without_hidden(model, chosen)} if model.meta("unknown") else {}
    members = {**chosen, **hooks, "Meta": Meta, "__module__": model.__module__}
    schema: type[Schema] = type(model.__name__, (base,), members)
    return schema()


def _without_hidden(model: Any, chosen: Iterable[str]) -> Any:
    """Returns a hook that drops input keys that name an attribute which the schema does not load.

    Such keys are `city_name` beside `cityName`, and read-only computed attributes. With `Meta.unknown = INCLUDE` they
    would be kept unvalidated under the attribute's name. With RAISE, a client gets them reported as unknown fields; a
    document of a domain model may hold them.
    """
    keys = {name: attribute.data_key for name, attribute in model.attributes.items()}
    hidden = {*keys, *keys.values()} - {keys[name] for name in chosen}

    def without_hidden(schema: Schema, data: Any, *, unknown: str | None, **_: Any) -> Any:
        hides = isinstance(data, Mapping) and (unknown == INCLUDE or model.is_document)
        return {key: each for key, each in data.items() if key not in hidden} if hides else data

    return pre_load(without_hidden)


def _is_always_present(attribute: Attribute[Any], base: type[Schema], computed: bool) -> bool:
    if attribute.fget is None:
        return issubclass(base, AnswerSchema) and attribute.has_default
    return computed
