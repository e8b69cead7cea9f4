"""Writes a TypeScript module for Firestore's web SDK: the paths and types of what clients read, and may create."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from marshmallow import Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.models import fields
from boiler_functions.models.attributes import camel_case
from boiler_functions.modes.clients import Exposed
from boiler_functions.paths import Pattern, collection_of

_HEADER = """\
// Written by `boiler types --firestore` from what the app declares.
import { collection, doc } from "firebase/firestore";
import type {
  Bytes,
  CollectionReference,
  DocumentData,
  DocumentReference,
  Firestore,
  FirestoreDataConverter,
  GeoPoint,
  Timestamp,
} from "firebase/firestore";

export type { Bytes, DocumentReference, GeoPoint, Timestamp };

/** What a function stamps on a document that a client created. */
export type Outcome = {
  readonly status: string;
  readonly time: Timestamp;
  readonly reason?: string;
  readonly errors?: { readonly [field: string]: readonly string[] };
};

function converter<T extends DocumentData>(): FirestoreDataConverter<T, T> {
  return { toFirestore: (value: unknown) => value as T, fromFirestore: (found, options) => found.data(options) as T };
}
"""

# A subclass comes before its base.
_TYPES: tuple[tuple[type[marshmallow_fields.Field[Any]], str], ...] = (
    (marshmallow_fields.Boolean, "boolean"),
    (marshmallow_fields.Number, "number"),
    (fields.Timestamp, "Timestamp"),
    (marshmallow_fields.Date, "string"),
    (fields.Bytes, "Bytes"),
    (fields.Place, "GeoPoint"),
    (fields.RelatedText, "string"),
    (fields.Related, "DocumentReference"),
    (marshmallow_fields.String, "string"),
)

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def web_client(documents: Iterable[Exposed]) -> str:
    """Returns the text of a .ts file with a type and two functions for each kind of document.

    export const meetingSession = (db: Firestore, usersDocId: string, meetingDocId: string): …
    export const meetingSessionCollection = (db: Firestore, usersDocId: string): …
    """
    return "\n".join([_HEADER, *map(_module, documents)])


def _module(each: Exposed) -> str:
    pattern = each.pattern
    collection = Pattern(collection_of(pattern.text))
    name = each.name[0].lower() + each.name[1:]
    if each.is_sent:
        who, content = "Clients create it", _object(each.schema, "", "", ["readonly outcome?: Outcome"])
    else:
        who, content = "Only functions write it", _object(each.schema, "readonly ", "")
    return "\n".join(
        [
            f"/** {each.title}, at `{pattern.text}`. {who}. */",
            f"export type {each.name} = {content};",
            "",
            _function(name, pattern, "doc", "DocumentReference", each.name),
            "",
            _function(f"{name}Collection", collection, "collection", "CollectionReference", each.name),
            "",
        ]
    )


def _function(name: str, pattern: Pattern, makes: str, result: str, of: str) -> str:
    parameters = {each: camel_case(re.sub(r"\W", "_", each)) for each in pattern.names}
    segments = [parameters[each[1:-1]] if each.startswith("{") else json.dumps(each) for each in pattern.segments]
    arguments = ", ".join(["db: Firestore", *(f"{each}: string" for each in parameters.values())])
    return (
        f"export const {name} = ({arguments}): {result}<{of}, {of}> =>\n"
        f"  {makes}(db, {', '.join(segments)}).withConverter(converter<{of}>());"
    )


def _object(schema: Schema, mark: str, indent: str, extra: Iterable[str] = ()) -> str:
    """Returns the type of a map; `mark` stands before each of its members."""
    inner = f"{indent}  "
    lines = [f"{inner}{line};\n" for line in (*_members(schema, mark, inner), *extra)]
    return f"{{\n{''.join(lines)}{indent}}}" if lines else "{}"


def _members(schema: Schema, mark: str, indent: str) -> Iterator[str]:
    for name, each in schema.fields.items():
        key = each.data_key or name
        shown = key if _NAME.fullmatch(key) else json.dumps(key)
        is_optional = schema.partial or not each.required
        yield f"{mark}{shown}{'?' if is_optional else ''}: {_type(each, mark, indent)}"


def _type(field: marshmallow_fields.Field[Any], mark: str, indent: str) -> str:
    found = _type_of_value(field, mark, indent)
    return f"{found} | null" if field.allow_none and found != "unknown" else found


def _type_of_value(field: marshmallow_fields.Field[Any], mark: str, indent: str) -> str:
    match field:
        case marshmallow_fields.Enum():
            return " | ".join(json.dumps(each.value) for each in cast(Any, field.enum))
        case marshmallow_fields.List():
            return f"{'ReadonlyArray' if mark else 'Array'}<{_type(field.inner, mark, indent)}>"
        case marshmallow_fields.Dict():
            values = _type(field.value_field, mark, indent) if field.value_field else "unknown"
            return f"{{ {mark}[key: string]: {values} }}"
        case marshmallow_fields.Nested():
            return _object(field.schema, mark, indent)
        case _:
            return next((name for kind, name in _TYPES if isinstance(field, kind)), "unknown")
