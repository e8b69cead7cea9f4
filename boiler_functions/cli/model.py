"""`boiler model`: writes a first model of a collection from the documents that are there. It reads only."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from boiler_functions.cli.context import Context
from boiler_functions.cli.existing import documents_of
from boiler_functions.cli.fit import models_of
from boiler_functions.cli.output import Output
from boiler_functions.database import Database, Query
from boiler_functions.models.attributes import camel_case
from boiler_functions.models.coercion import Coercion, to_boolean, to_float, to_integer, to_string, to_timestamp
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.embedded import Embedded
from boiler_functions.models.model import RESERVED_KEYS
from boiler_functions.paths import Pattern, collection_of, fault_of_id, id_of
from boiler_functions.types import GeoPoint, Reference

_ATTRIBUTES: Mapping[type, tuple[str, str]] = {
    str: ("string", "str"),
    bool: ("boolean", "bool"),
    int: ("integer", "int"),
    float: ("float", "float"),
    datetime: ("timestamp", "datetime"),
    bytes: ("bytes", "bytes"),
    GeoPoint: ("geopoint", "GeoPoint"),
}

_COERCIONS: Mapping[type, Coercion] = {
    float: to_float,
    int: to_integer,
    bool: to_boolean,
    datetime: to_timestamp,
    str: to_string,
}

MOST_KEYS = 20
"""A map with more keys than this in all documents has keys that are data, so it is no Embedded."""

MOSTLY = 0.8
"""The share of values that must fit a type, or name documents; the others are noted as ones that do not fit."""

TRIED = 20
"""The number of values that are looked up to tell whether a string names a document."""


@dataclass
class Draft:
    """The classes that are written, by name, and what must be imported for them."""

    database: Database
    known: Mapping[str, str]
    """The models of the app, by their collections."""
    classes: dict[str, list[str]] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def model(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> str:
        name = self._free(_class_name(collection))
        lines = [f"class {name}(DomainModel):", "    class Meta:", f'        collection_name = "{collection}"', ""]
        lines += self._attributes(documents, name)
        self.imports.add("DomainModel")
        self.classes[name] = lines
        return name

    def _attributes(self, found: Sequence[Mapping[str, Any]], owner: str, base: type = DomainModel) -> list[str]:
        keys = list(dict.fromkeys(key for each in found for key in each if key not in RESERVED_KEYS))
        lines: list[str] = []
        taken: set[str] = set()
        for key in keys:
            values = [each[key] for each in found if key in each]
            name = _attribute_name(key, base, taken)
            taken.add(name)
            lines.append(f"    {name} = {self._attribute(key, name, values, len(found), owner)}")
        if lines:
            self.imports.add("attrs")
        return lines or ["    pass"]

    def _attribute(self, key: str, name: str, values: Sequence[Any], documents: int, owner: str) -> str:
        present = [each for each in values if each is not None]
        named = [] if camel_case(name) == key else [f"data_key={key!r}".replace("'", '"')]
        required = ["required=True"] if len(present) == documents else []
        types = Counter(map(type, present))
        if relation := self._relation(key, present):
            self._note(owner, name, _strays(present))
            many = any(isinstance(each, list | dict) for each in present)
            options = [*relation, *(["many=True"] if many else required), *named]
            return f"attrs.relation({', '.join(options)})"
        if types.keys() == {list}:
            items = [item for each in present for item in each]
            return f"attrs.list({', '.join([self._item(key, items, owner), *named])})"
        if types.keys() == {dict}:
            return self._mapping(key, present, [*required, *named], owner)
        if scalar := _scalar(present):
            kind, coerce, strays = scalar
            self._note(owner, name, strays)
            options = [*required, *named, *(["coerce=True"] if coerce else [])]
            return f"attrs.{_ATTRIBUTES[kind][0]}({', '.join(options)})"
        seen = ", ".join(f"{each.__name__} {number} times" for each, number in types.most_common()) or "only null"
        self.notes.append(f"{owner}.{name} could not be told: {seen}.")
        return f"attrs.bproperty({', '.join(named)})  # {seen}"

    def _note(self, owner: str, name: str, strays: Sequence[Any]) -> None:
        if strays:
            self.notes.append(f"{owner}.{name} does not fit {len(strays)} values, such as {strays[0]!r}.")

    def _mapping(self, key: str, values: Sequence[dict[str, Any]], options: list[str], owner: str) -> str:
        keys = {each for value in values for each in value}
        if keys and len(keys) <= MOST_KEYS and all(each.isidentifier() for each in keys):
            return f"attrs.embedded({', '.join([self._embedded(key, values, owner), *options])})"
        items = [item for value in values for item in value.values()]
        named = [each for each in options if each.startswith("data_key")]
        return f"attrs.mapping({', '.join([self._item(key, items, owner), *named])})"

    def _embedded(self, key: str, values: Sequence[dict[str, Any]], owner: str) -> str:
        name = self._free(f"{owner}{_words(key)}")
        self.classes[name] = []  # Takes the name.
        lines = self._attributes(values, name, Embedded)
        del self.classes[name]
        self.classes[name] = [f"class {name}(Embedded):", *lines]
        self.imports.add("Embedded")
        return name

    def _item(self, key: str, items: Sequence[Any], owner: str) -> str:
        present = [each for each in items if each is not None]
        if present and all(isinstance(each, dict) for each in present):
            keys = {each for value in present for each in value}
            if len(keys) <= MOST_KEYS and all(each.isidentifier() for each in keys):
                return self._embedded(key, present, owner)
            return "dict"
        scalar = _scalar(present)
        if scalar is None or scalar[1] or scalar[2]:
            return "object"
        if scalar[0] in (datetime, GeoPoint):
            self.imports.add(_ATTRIBUTES[scalar[0]][1])
        return _ATTRIBUTES[scalar[0]][1]

    def _relation(self, key: str, values: Sequence[Any]) -> list[str] | None:
        """Returns the target and the spelling of a relation, if the values name documents."""
        if values and all(isinstance(each, dict) for each in values):
            return self._by_keys(key, values)
        items = [item for each in values for item in (each if isinstance(each, list) else [each])]
        if not any(isinstance(each, list) for each in values):
            items = [each for each in items if each not in _strays(items)]
        if items and all(isinstance(each, Reference) for each in items):
            collections = {collection_of(each.path) for each in items}
            return (
                [self._target(_pattern_of(collections))] if len(set(map(_pattern_of_one, collections))) == 1 else None
            )
        if not items or not all(isinstance(each, str) and each for each in items):
            return None
        tried = list(dict.fromkeys(items))[:TRIED]
        if all(each.count("/") % 2 == 1 and not fault_of_id(id_of(each)) for each in tried):
            collections = {collection_of(each) for each in tried}
            is_one = len(set(map(_pattern_of_one, collections))) == 1
            return [self._target(_pattern_of(collections)), 'by="path"'] if is_one and self._exist(tried) else None
        return self._by_ids(tried, _candidates(key, self.known), "id")

    def _by_keys(self, key: str, values: Sequence[dict[str, Any]]) -> list[str] | None:
        """Returns the same of maps that have a flag or a word beside each key, as `{"uid1": true}` has."""
        if not all(isinstance(each, bool | str | None) for value in values for each in value.values()):
            return None
        tried = list(dict.fromkeys(each for value in values for each in value))[:TRIED]
        # The field is mostly named for a part that people play, as `members`.
        collections = [*_candidates(key, self.known), "users", *(each for each in self.known if "/" not in each)]
        return self._by_ids(tried, collections, "keys") if tried else None

    def _by_ids(self, ids: Sequence[str], collections: Iterable[str], by: str) -> list[str] | None:
        if any(fault_of_id(each) for each in ids):
            return None
        for collection in dict.fromkeys(collections):
            if self._exist([f"{collection}/{each}" for each in ids]):
                return [self._target(collection), f'by="{by}"']
        return None

    def _exist(self, paths: Sequence[str]) -> bool:
        """Returns whether most of the documents exist."""
        found = [each.exists for each in self.database.read(paths).documents]
        return sum(found) * 2 > len(found)

    def _target(self, collection: str) -> str:
        if collection in self.known:
            return f'"{self.known[collection]}"'
        name = _class_name(collection)
        if name not in self.classes:
            self.classes[name] = [
                f"class {name}(DomainModel):",
                "    class Meta:",
                f'        collection_name = "{collection}"',
            ]
            self.notes.append(f"{name} is only named; `boiler model {collection}` writes its attributes.")
        return f'"{name}"'

    def _free(self, name: str) -> str:
        while name in self.classes:
            name += "_"
        return name


def model(context: Context, collection: str, number: int) -> Output:
    """Returns the code of a model; not fine if the collection has no documents."""
    pattern = Pattern(f"{collection}/{{doc_id}}")
    is_group = len(pattern.segments) > 2
    query = Query(pattern.segments[-2], group=True, pattern=pattern) if is_group else Query(collection)
    documents = [each.fields or {} for each in documents_of(context.database, query, number)]
    known = {str(each.meta("collection_name")): each.__name__ for each in models_of(context.app)}
    known.pop(collection, None)
    draft = Draft(context.database, known)
    name = draft.model(collection, documents) if documents else ""
    code = list(_code(draft)) if documents else []
    notes = [f"{len(documents)} documents of {collection} were read.", *draft.notes]
    lines = [*code, *(["", ""] if code else []), *(f"# {each}" for each in notes)]
    result = {"collection": collection, "read": len(documents), "model": name, "code": "\n".join(code), "notes": notes}
    return Output("model", result, lines, bool(documents))


def _code(draft: Draft) -> Iterator[str]:
    if "datetime" in draft.imports:
        yield from ("from datetime import datetime", "")
    own = draft.imports - {"datetime", "GeoPoint"}
    yield f"from boiler_functions import {', '.join(sorted(own, key=lambda each: (each.islower(), each)))}"
    if "GeoPoint" in draft.imports:
        yield "from boiler_functions.types import GeoPoint"
    for lines in draft.classes.values():
        yield from ("", "", *lines)


def _scalar(values: Sequence[Any]) -> tuple[type, bool, list[Any]] | None:
    """Returns the type of most values, whether some are of another type that can be coerced, and those that cannot."""
    types = set(map(type, values))
    if len(types) == 1 and types <= _ATTRIBUTES.keys():
        return types.pop(), False, []
    if types == {int, float}:
        return float, False, []
    for kind, coercion in _COERCIONS.items():
        taken = (int, float) if kind is float else kind
        strays = [each for each in values if not isinstance(coercion(each), taken) or _is_flag(each, kind)]
        is_seen = kind in types or (kind is float and int in types)
        if is_seen and len(strays) <= len(values) * (1 - MOSTLY):
            return kind, True, strays
    return None


def _is_flag(value: object, kind: type) -> bool:
    """Whether a truth value, which Python counts among the integers, is taken for another type."""
    return isinstance(value, bool) and kind in (int, float)


def _strays(values: Sequence[Any]) -> list[Any]:
    """Returns the values of other types than most have; nothing if no type has most."""
    for kind in (str, Reference):
        others = [each for each in values if not isinstance(each, kind)]
        if len(others) <= len(values) * (1 - MOSTLY):
            return others
    return []


def _candidates(key: str, known: Mapping[str, str]) -> list[str]:
    """Returns the collections that a field of this name may lead to: `customerId` to `customers`."""
    stem = re.sub(r"(_?ids?|Ids?|IDs?|_?refs?|Refs?|_?uids?|Uids?)$", "", key) or key
    singular = stem[:-1] if stem.endswith("s") else stem
    names = [singular + "s", singular + "es", singular[:-1] + "ies" if singular.endswith("y") else "", stem, singular]
    own = [each for each in known if "/" not in each and each.lower() in [name.lower() for name in names]]
    return list(dict.fromkeys([*own, *(each for each in names if each)]))


def _pattern_of_one(collection: str) -> str:
    """Returns the collection with placeholders for the ids in it: `users/{user_id}/notes`."""
    segments = collection.split("/")
    above = zip(segments[::2], segments[1::2], strict=False)
    names = (f"{{{each[:-1] if each.endswith('s') else each}_id}}" for each, _ in above)
    return "/".join(each for pair in zip(segments[::2], [*names, ""], strict=False) for each in pair if each)


def _pattern_of(collections: set[str]) -> str:
    return _pattern_of_one(min(collections))


def _words(name: str) -> str:
    return "".join(each[:1].upper() + each[1:] for each in re.split(r"[^0-9A-Za-z]+", name) if each)


def _class_name(collection: str) -> str:
    name = _words(collection.rpartition("/")[2])
    singular = re.sub(r"ies$", "y", name) if name.endswith("ies") else name.removesuffix("s")
    singular = singular if singular.isidentifier() and not keyword.iskeyword(singular) else f"Model{name}"
    return f"{singular}_" if hasattr(builtins, singular) else singular


def _attribute_name(key: str, base: type, taken: set[str]) -> str:
    name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
    name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "field"
    name = f"field_{name}" if name[:1].isdigit() else name
    members = {*dir(base), *(each for cls in base.__mro__ for each in vars(cls).get("__annotations__", ()))}
    while name in taken or name in members or keyword.iskeyword(name):
        name += "_"
    return name
