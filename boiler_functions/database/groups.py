"""Aggregations by value, in parts that Firestore can answer: which value comes next, and which number belongs to it.

The cost grows with the number of values, not with that of the documents.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from boiler_functions.database import Aggregated, Aggregation, Cursor, Document, Number, Query, Reading, Result
from boiler_functions.database.matching import aggregated, field_of, result_of
from boiler_functions.exceptions import TooLarge
from boiler_functions.types import Instant

MAX_VALUES: Final = 100
"""The values that one question may have; each takes two calls, one after the other."""


def by_value(
    aggregation: Aggregation,
    run: Callable[[Query, Instant | None], Reading],
    ask: Callable[[Aggregation, Instant | None], Aggregated],
    at: Instant | None = None,
) -> Aggregated:
    """Returns a number for each value of the field `by`, all as of one time."""
    assert aggregation.by is not None
    groups: list[tuple[Any, Number]] = []
    reads = 1  # That of the last query, which finds nothing and is billed all the same.
    query = aggregation.first_value
    while (reading := run(query, at)).documents:
        value = field_of(reading.documents[0], aggregation.by)
        check_values(aggregation, (*groups, (value, None)))
        at = at or reading.read_time
        answer = ask(aggregation.of(value), at)
        groups.append((value, cast(Number, answer.value)))
        reads += 1 + answer.reads
        query = query._replace(start=Cursor((value,), before=False))
    return Aggregated(aggregation, tuple(groups), at or reading.read_time, reads, 2 * len(groups) + 1)


def check_values(aggregation: Aggregation, found: Result) -> None:
    """Raises TooLarge for a total by more values than one may have."""
    if isinstance(found, tuple) and len(found) > MAX_VALUES:
        raise TooLarge(
            f"{aggregation.by} has more than {MAX_VALUES} values in the {aggregation.query.collection} that are "
            f"counted; a total by value takes at most {MAX_VALUES}. Count by something with fewer values, or keep a "
            f"view of each value with a total of its own."
        )


def from_documents(aggregation: Aggregation, documents: Iterable[Document], at: Instant) -> Aggregated:
    """Returns the number, or the numbers by value, that the documents give which the query found."""
    known = list(documents)

    def ask(question: Aggregation, _: Instant | None) -> Aggregated:
        return Aggregated(question, aggregated(question, result_of(question.asked, known)), at)

    def run(query: Query, _: Instant | None) -> Reading:
        return Reading(tuple(result_of(query, known)), at)

    return ask(aggregation, at) if aggregation.by is None else by_value(aggregation, run, ask, at)
