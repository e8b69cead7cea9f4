"""Encodes writes and queries as Firestore's request messages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from boiler_functions.database import NAME, Aggregation, Cursor, Delete, Filter, Precondition, Put, Query, Write
from boiler_functions.database.codec import Codec, Message
from boiler_functions.database.matching import orders_of, segments_of
from boiler_functions.database.messages import (
    CommitRequest,
    RunAggregationQueryRequest,
    RunQueryRequest,
    StructuredQuery,
)
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, check_document
from boiler_functions.database.values import check_fields, check_path
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.paths import collection_of, field_path, id_of

COUNT: Final = "entries"
RESULT: Final = "result"
"""The names of the numbers in the answer to an aggregation."""

# The size that Firestore counts is at most four times that of the message (a geo point: 16 bytes, and 4), so that
# smaller messages need not be measured.
_SURELY_SMALL_BYTES: Final = MAX_DOCUMENT_BYTES // 4

_OPERATORS: Final[Mapping[str, int]] = {
    "==": StructuredQuery.FieldFilter.EQUAL,
    "!=": StructuredQuery.FieldFilter.NOT_EQUAL,
    "<": StructuredQuery.FieldFilter.LESS_THAN,
    "<=": StructuredQuery.FieldFilter.LESS_THAN_OR_EQUAL,
    ">": StructuredQuery.FieldFilter.GREATER_THAN,
    ">=": StructuredQuery.FieldFilter.GREATER_THAN_OR_EQUAL,
    "in": StructuredQuery.FieldFilter.IN,
    "not-in": StructuredQuery.FieldFilter.NOT_IN,
    "array-contains": StructuredQuery.FieldFilter.ARRAY_CONTAINS,
    "array-contains-any": StructuredQuery.FieldFilter.ARRAY_CONTAINS_ANY,
}
_IS_NULL: Final[Mapping[str, int]] = {
    "==": StructuredQuery.UnaryFilter.IS_NULL,
    "!=": StructuredQuery.UnaryFilter.IS_NOT_NULL,
}
_IS_NAN: Final[Mapping[str, int]] = {
    "==": StructuredQuery.UnaryFilter.IS_NAN,
    "!=": StructuredQuery.UnaryFilter.IS_NOT_NAN,
}

_ASCENDING: Final = StructuredQuery.ASCENDING
_DESCENDING: Final = StructuredQuery.DESCENDING


def _encode_precondition(precondition: Precondition, message: Message) -> None:
    if precondition.version is not None:
        message.update_time.seconds, message.update_time.nanos = divmod(precondition.version, 1_000_000_000)
    elif precondition.exists is not None:
        message.exists = precondition.exists


def _encode_write(write: Write, message: Message, codec: Codec) -> None:
    if write.precondition is not None:
        _encode_precondition(write.precondition, message.current_document)
    if isinstance(write, Delete):
        message.delete = codec.name(write.path)
        return
    message.update.name = codec.name(write.path)
    codec.encode_fields(write.fields, message.update.fields)
    if write.mask is not None:
        message.update_mask.SetInParent()
        message.update_mask.field_paths.extend(write.mask)
    for field, number in write.adds:
        codec.encode(number, message.update_transforms.add(field_path=field).increment)


def _check_sizes(writes: Sequence[Write], request: Message) -> None:
    for write, message in zip(writes, request.writes, strict=True):
        if isinstance(write, Put) and message.ByteSize() > _SURELY_SMALL_BYTES:
            check_document(write.path, write.fields)


def encode_writes(writes: Sequence[Write], database: str, codec: Codec) -> Message:
    request = CommitRequest(database=database)
    for write in writes:
        # The server checks this too, but its error does not name the field. The database in memory does the same.
        check_path(write.path)
        if isinstance(write, Put):
            check_fields(write.path, write.fields)
        _encode_write(write, request.writes.add(), codec)
    _check_sizes(writes, request)
    return request


def _unary_operator(condition: Filter) -> int | None:
    if condition.value is None:
        return _IS_NULL.get(condition.op)
    if isinstance(condition.value, float) and math.isnan(condition.value):
        return _IS_NAN.get(condition.op)
    return None


def _encode_filter(condition: Filter, message: Message, codec: Codec) -> None:
    if (operator := _unary_operator(condition)) is not None:
        message.unary_filter.op = operator
        message.unary_filter.field.field_path = condition.field
        return
    message.field_filter.op = _OPERATORS[condition.op]
    message.field_filter.field.field_path = condition.field
    codec.encode(condition.value, message.field_filter.value)


def _encode_cursor(cursor: Cursor, message: Message, codec: Codec) -> None:
    message.before = cursor.before
    for value in cursor.values:
        codec.encode(value, message.values.add())


def _selected(query: Query) -> Iterable[str]:
    """Returns the field paths that are to be sent; none for whole documents."""
    if query.select is None:
        return ()
    # A query with a pattern also needs the fields of its orders: the next page starts after their values.
    orders = [order.field for order in orders_of(query) if query.pattern]
    ordered = (field for field in orders if segments_of(field)[0] not in query.select)
    return dict.fromkeys((*(map(field_path, query.select) if query.select else (NAME,)), *ordered))


def _encode_structure(query: Query, message: Message, codec: Codec) -> None:
    message.from_.add(collection_id=id_of(query.collection), all_descendants=query.group)
    if query.filters:
        message.where.composite_filter.op = StructuredQuery.CompositeFilter.AND
    for condition in query.filters:
        _encode_filter(condition, message.where.composite_filter.filters.add(), codec)
    for order in orders_of(query):
        added = message.order_by.add(direction=_DESCENDING if order.descending else _ASCENDING)
        added.field.field_path = order.field
    if query.start is not None:
        _encode_cursor(query.start, message.start_at, codec)
    if query.end is not None:
        _encode_cursor(query.end, message.end_at, codec)
    if query.limit is not None:
        message.limit.value = query.limit
    for field in _selected(query):
        message.select.fields.add(field_path=field)


def encode_query(query: Query, codec: Codec) -> Message:
    parent = "" if query.group else collection_of(query.collection)
    request = RunQueryRequest(parent=codec.name(parent).rstrip("/"))
    try:
        _encode_structure(query, request.structured_query, codec)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The query on {query.collection} has a value that Firestore refuses: {error}") from error
    return request


def encode_aggregation(aggregation: Aggregation, codec: Codec) -> Message:
    asked = encode_query(aggregation.asked, codec)
    request = RunAggregationQueryRequest(parent=asked.parent)
    structured = request.structured_aggregation_query
    structured.structured_query.CopyFrom(asked.structured_query)
    # The count tells what the others cost: the number of index entries.
    structured.aggregations.add(alias=COUNT).count.SetInParent()
    if aggregation.field is not None:
        asked_for = structured.aggregations.add(alias=RESULT)
        operator = asked_for.sum if aggregation.function == "sum" else asked_for.avg
        operator.field.field_path = aggregation.field
    return request
