"""Text is added to a JSON file with comments, and nothing else in it changes."""

import pytest

from boiler_functions.cli.jsonc import appended, loads

ADDED = {"source": "views", "ignore": ["a,]", "//b"]}

TEXTS = [
    "{}",
    '{"a": 1}',
    '{"a": 1,}',
    '{"a": "functions", // "functions": []\n}',
    '{"functions": []}',
    '{"functions": [/* none */]}',
    '{"functions": [{"source": "x"}]}',
    '{\n  "functions": [\n    {"source": "x"}, // the last\n  ],\n  "b": {"functions": [7]}\n}\n',
    '{\n\t"functions": [\n\t\t{"source": "}"} // the last\n\t]\n}\n',
    '{"functions": {"source": "x", "deep": {"y": [1, 2,]}}, "b": 1}',
    '{"functions": "x" /* alone */}',
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_is_added_to_a_list_and_all_other_text_stays(text: str) -> None:
    before = loads(text)
    present = before.get("functions", [])
    result = appended(text, "functions", ADDED)
    listed = present if isinstance(present, list) else [present]
    assert loads(result) == {**before, "functions": [*listed, ADDED]}
    # What was there is there in the same order; only text was put between.
    rest = iter(result)
    assert all(letter in rest for letter in text)
    assert loads(appended(result, "functions", ADDED))["functions"] == [*listed, ADDED, ADDED]
