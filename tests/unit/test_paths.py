"""Document paths and path patterns: match, capture, fill, and the ids that are refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boiler_functions.database.matching import segments_of
from boiler_functions.exceptions import DeclarationError, InvalidPath
from boiler_functions.paths import Pattern, collection_of, document_id, field_path, id_of

NAMES = ["user_id", "city_id", "meeting.doc_id", "_x"]


def _is_id(text: str) -> bool:
    try:
        return document_id(text) == text
    except InvalidPath:
        return False


IDS = st.text(min_size=1, max_size=20).filter(_is_id) | st.sampled_from(["TOK", "a b", "東京", "{x}", "a.b", "-"])


@st.composite
def patterns_with_values(draw: st.DrawFn) -> tuple[Pattern, dict[str, str]]:
    names = draw(st.permutations(NAMES))
    count = draw(st.integers(0, len(names)))
    segments = [
        *(f"{{{name}}}" for name in names[:count]),
        *draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=4)),
    ]
    text = "/".join(draw(st.permutations(segments)))
    return Pattern(text), {name: draw(IDS) for name in names[:count]}


@settings(deadline=None)
@given(patterns_with_values())
def test_a_pattern_captures_what_it_was_filled_with(case: tuple[Pattern, dict[str, str]]) -> None:
    pattern, values = case
    assert pattern.match(pattern.fill(values)) == values


@settings(deadline=None)
@given(patterns_with_values(), patterns_with_values())
def test_two_patterns_that_match_one_path_overlap(
    one: tuple[Pattern, dict[str, str]], other: tuple[Pattern, dict[str, str]]
) -> None:
    pattern, values = one
    if other[0].match(pattern.fill(values)) is not None:
        assert pattern.overlaps(other[0])
        assert other[0].overlaps(pattern)


@settings(deadline=None)
@given(patterns_with_values())
def test_a_pattern_overlaps_itself(case: tuple[Pattern, dict[str, str]]) -> None:
    assert case[0].overlaps(case[0])


def test_a_pattern_matches_whole_paths_only() -> None:
    pattern = Pattern("users/{user_id}/cityForms/{city_id}")
    assert pattern.match("users/uid1/cityForms/LA") == {"user_id": "uid1", "city_id": "LA"}
    assert pattern.match("users/uid1/cityForms") is None
    assert pattern.match("users/uid1/cityForms/LA/more/x") is None
    assert pattern.match("people/uid1/cityForms/LA") is None


def test_a_pattern_without_placeholders_captures_nothing_from_its_own_path() -> None:
    assert Pattern("dashboards/main").match("dashboards/main") == {}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("cities/{a}", "cities/{b}", True),
        ("cities/{a}", "towns/{b}", False),
        ("cities/{a}", "cities/TOK", True),
        ("cities/TOK", "cities/LA", False),
        ("cities/{a}", "cities/{a}/forms/{b}", False),
        ("users/{a}/x/1", "users/1/x/{b}", True),
    ],
)
def test_patterns_overlap_when_some_path_matches_both(one: str, other: str, expected: bool) -> None:
    assert Pattern(one).overlaps(Pattern(other)) is expected


@pytest.mark.parametrize(("text", "expected"), [("cities", False), ("cities/{a}", True), ("a/{b}/c", False)])
def test_a_pattern_of_documents_has_an_even_number_of_segments(text: str, expected: bool) -> None:
    assert Pattern(text).is_document is expected


def test_the_names_of_a_pattern_come_in_order() -> None:
    assert Pattern("a/{x}/b/{y.z}").names == ("x", "y.z")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty segment"),
        ("/users", "empty segment"),
        ("users//{id}", "empty segment"),
        ("users/{id}/", "empty segment"),
        ("users/{}", "is not a placeholder"),
        ("users/{a}{b}", "is not a placeholder"),
        ("users/x{a}", "is not a placeholder"),
        ("users/{a", "is not a placeholder"),
        ("users/{a-b}", "is not a placeholder"),
        ("users/{1a}", "is not a placeholder"),
        ("users/{a.b.c}", "is not a placeholder"),
        ("users/{a=**}", "is not a placeholder"),
        ("users/{a}/x/{a}", r"has the placeholder \{a\} twice"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_its_text(text: str, told: str) -> None:
    with pytest.raises(DeclarationError, match=told) as raised:
        Pattern(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize("text", ["..", "users/..", "users/.", "__x__/{a}"])
def test_a_pattern_with_a_segment_that_firestore_refuses_is_refused(text: str) -> None:
    with pytest.raises((DeclarationError, InvalidPath)):
        Pattern(text)


def test_filling_a_placeholder_with_a_path_is_refused() -> None:
    """The client library would take it as further segments, and so reach another collection."""
    with pytest.raises(InvalidPath, match="'a/b'"):
        Pattern("cities/{id}").fill({"id": "a/b"})


def test_filling_without_a_value_for_each_placeholder_is_refused() -> None:
    with pytest.raises(InvalidPath, match="user_id"):
        Pattern("users/{user_id}").fill({})


@pytest.mark.parametrize("value", ["TOK", "a b", "東京", "a.b", "__x", "x__", "...", "a" * 1500, "é" * 750])
def test_an_id_that_firestore_and_triggers_accept_is_a_document_id(value: str) -> None:
    assert document_id(value) == value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "is a string; found None"),
        (5, "is a string; found 5"),
        (b"x", "is a string"),
        ("", "may not be empty"),
        (".", "may not be empty"),
        ("..", "may not be empty"),
        ("a/b", "may not be empty"),
        ("__x__", "double underscores"),
        ("____", "double underscores"),
        ("__\n__", "double underscores"),
        ("a\x00", "control characters"),
        ("a\n", "control characters"),
        ("a ", "outer spaces"),
        (" a", "outer spaces"),
        ("\ud800", "not valid Unicode"),
        ("a" * 1501, "at most 1500 bytes"),
        ("é" * 751, "has 1502"),
    ],
)
def test_an_id_that_firestore_or_a_trigger_refuses_is_not_a_document_id(value: Any, told: str) -> None:
    with pytest.raises(InvalidPath, match=told):
        document_id(value)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_a_document_id_never_reaches_another_document(text: str) -> None:
    if _is_id(text):
        assert id_of(f"cities/{text}") == text
        assert collection_of(f"cities/{text}") == "cities"


def test_a_path_is_its_collection_and_its_id() -> None:
    assert id_of("users/uid1/cityForms/LA") == "LA"
    assert collection_of("users/uid1/cityForms/LA") == "users/uid1/cityForms"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("city", "city"),
        ("_a1", "_a1"),
        ("postal code", "`postal code`"),
        ("a.b", "`a.b`"),
        ("1a", "`1a`"),
        ("`", "`\\``"),
    ],
)
def test_a_field_without_a_simple_name_is_put_in_backticks(name: str, expected: str) -> None:
    assert field_path(name) == expected


@settings(deadline=None)
@given(st.text(min_size=1, max_size=10))
def test_the_database_reads_a_field_path_as_the_name_that_it_was_made_from(name: str) -> None:
    assert segments_of(field_path(name)) == (name,)


@pytest.mark.parametrize("path", [5, None, ("users",)])
def test_a_path_that_is_not_a_string_is_refused(path: Any) -> None:
    with pytest.raises(DeclarationError, match=r"A path must be a string, as .*; found"):
        Pattern(path)
