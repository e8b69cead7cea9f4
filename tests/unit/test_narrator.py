"""The demo says only what it has checked."""

import pytest

from emulator.narrator import ClaimFailed, Claims, differences


def test_a_claim_that_holds_is_said_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    claims = Claims()
    claims.check("two and two are four", 2 + 2, 4)
    assert (claims.held, capsys.readouterr().out) == (1, "  ✓ two and two are four\n")


def test_a_claim_that_does_not_hold_is_never_said_and_tells_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClaimFailed, match=r"'two and two are five' does not hold: expected 5, found 4\."):
        Claims().check("two and two are five", 2 + 2, 5)
    assert capsys.readouterr().out == ""


def test_differences_name_what_changed_and_what_came_and_went_in_a_list() -> None:
    before = {"name": "Ada", "age": 36, "guests": ["Bo", "Cy"]}
    after = {"name": "Ada", "age": 37, "guests": ["Cy", "Di"], "in": "UK"}
    assert list(differences(before, after)) == [
        "age: 36 → 37",
        'guests: - "Bo"',
        'guests: + "Di"',
        'in: null → "UK"',
    ]


def test_a_document_that_was_made_or_deleted_differs_in_all_its_attributes() -> None:
    assert list(differences(None, {"name": "Ada"})) == ['name: null → "Ada"']
    assert list(differences({"name": "Ada"}, None)) == ['name: "Ada" → null']
