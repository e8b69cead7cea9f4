"""Requests ask the server for no more than is selected; what a query then drops would have been sent."""

from typing import Any

import pytest

from boiler_functions.database import Order, Query
from boiler_functions.database.codec import Codec
from boiler_functions.database.requests import encode_query
from boiler_functions.paths import Pattern

NOTES = Query("notes", group=True, pattern=Pattern("users/{user_id}/notes/{doc_id}"), limit=2)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (Query("users"), []),
        (Query("users", select=()), ["__name__"]),
        (Query("users", select=("name", "a b", "a.b", "`")), ["name", "`a b`", "`a.b`", "`\\``"]),
        (Query("users", select=("name",), orders=(Order("n"),)), ["name"]),
        (NOTES._replace(select=("name",)), ["name", "__name__"]),
        (NOTES._replace(select=("name",), orders=(Order("n"), Order("name"))), ["name", "n", "__name__"]),
        (NOTES._replace(select=("m",), orders=(Order("m.n"),)), ["m", "__name__"]),
        (NOTES._replace(select=(), orders=(Order("n"),)), ["__name__", "n"]),
    ],
)
def test_a_query_asks_for_the_selected_fields_and_those_after_which_a_page_starts(
    query: Query, fields: list[str]
) -> None:
    request: Any = encode_query(query, Codec("projects/demo/databases/(default)"))
    assert [each.field_path for each in request.structured_query.select.fields] == fields
