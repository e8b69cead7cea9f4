"""`on_invalid="skip"`: a document that does not fit is left out, counted, named, and back once it is mended."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    reference,
    references,
)
from boiler_functions.exceptions import InvalidReference
from boiler_functions.modes.query.explained import explained
from boiler_functions.modes.query.standing import standing_of
from boiler_functions.modes.registry import Registration
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import Asked, State
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Reference
from tests.unit.modes.cities import put


class Player(DomainModel):
    class Meta:
        collection_name = "players"

    name = attrs.string(required=True)
    club = attrs.string()
    score = attrs.integer(default=0)


class Team(DomainModel):
    class Meta:
        collection_name = "teams"

    title = attrs.string(required=True)
    captain = attrs.relation(Player)
    players = attrs.relation(Player, many=True)


class TeamStore(Store):
    team = reference(Team)
    captain = reference(Team.captain)
    players = references(Team.players, on_invalid="skip")
    best = matching(Player.all().order_by(Player.score.desc()).limit(3), on_invalid="skip")


class TeamView(ViewModel[TeamStore]):
    class Meta:
        path = "teamViews/{team.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def players(self) -> list[str]:
        return [each.name for each in self.store.team.players]

    @attrs.computed
    def captain(self) -> str | None:
        return self.store.captain.name if self.store.captain else None

    @attrs.computed
    def title(self) -> str:
        return self.store.team.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.team.title = value


class ClubView(ViewModel[TeamStore]):
    class Meta:
        path = "clubs/{players.club}/teams/{team.doc_id}"
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.team.title


def app() -> Boiler:
    made = Boiler("demo", http=HttpSettings(rate=None))
    made.query(TeamView)
    made.query(ClubView)
    made.rest("/teams")(TeamView)
    return made


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(app()) as memory:
        put(memory, "players/ann", name="Ann", club="red")
        put(memory, "players/bob", name=7, club="blue")
        put(memory, "players/cy", name="Cy", score="high")
        put(memory, "teams/t", title="T", players=[Reference(f"players/{name}") for name in ("ann", "bob", "cy")])
        memory.deliver()
        yield memory


def shown(testing: MemoryApp, name: str = "players") -> Any:
    return (testing.fields("teamViews/t") or {})[name]


def letters(testing: MemoryApp) -> list[str]:
    found = testing.documents().values()
    return [(each.fields or {})["message"] for each in found if each.collection == "boilerDeadLetters"]


def ledger(testing: MemoryApp, view: type[ViewModel[Any]]) -> dict[str, Any]:
    found = (each.fields or {} for each in testing.documents().values() if each.collection == "boilerLedgers")
    return dict(next(each for each in found if each["view"] == view.__name__))


def test_a_document_with_a_value_that_a_getter_reads_and_that_does_not_fit_is_left_out(testing: MemoryApp) -> None:
    assert shown(testing) == ["Ann", "Cy"]  # Nobody reads the score of Cy.
    assert not letters(testing)
    assert ledger(testing, TeamView)["skipped"] == [{"path": "players/bob", "why": "name: Not a valid string."}]
    assert_views_equal_rebuild(testing)


def test_a_document_that_is_mended_is_back_with_its_own_event_alone(testing: MemoryApp) -> None:
    put(testing, "players/bob", name="Bob", club="blue")
    testing.deliver()
    assert shown(testing) == ["Ann", "Bob", "Cy"]
    assert not {"skips", "skipped", "number_skipped"} & ledger(testing, TeamView).keys()
    put(testing, "players/ann", name=[])
    testing.deliver()
    assert shown(testing) == ["Bob", "Cy"]
    assert_views_equal_rebuild(testing)


def test_a_document_that_another_reference_needs_is_not_left_out(testing: MemoryApp) -> None:
    put(testing, "teams/t", title="T", players=[Reference("players/bob")], captain=Reference("players/bob"))
    testing.deliver()
    assert "players/bob does not fit Player: name" in letters(testing)[0]
    assert shown(testing) == ["Ann", "Cy"]
    assert_views_equal_rebuild(testing)


def test_a_document_whose_placeholder_does_not_fit_gives_no_copy_and_no_letter(testing: MemoryApp) -> None:
    put(testing, "players/ann", name="Ann", club=5)
    testing.deliver()
    copies = {path for path in testing.documents() if path.startswith("clubs/")}
    assert copies == {"clubs/blue/teams/t"}
    assert not letters(testing)
    assert_views_equal_rebuild(testing)


def test_what_is_left_out_is_logged_once(testing: MemoryApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "boiler_functions")
    put(testing, "players/ann", name=8)
    for title in "abc":
        put(testing, "teams/t", title=title, players=[Reference(f"players/{name}") for name in ("ann", "bob", "cy")])
        testing.deliver()
    told = [each.getMessage() for each in caplog.records if "leaves out" in each.getMessage()]
    assert told == ["TeamView of teams/t leaves out players/ann, which does not fit its model"]


def test_status_counts_and_names_what_is_left_out_and_explain_tells_why(testing: MemoryApp) -> None:
    asked = Asked(
        testing.database, Registration("demo"), {}, Release(), testing.surroundings.clock(), timedelta(hours=1)
    )
    standing = standing_of("demo", TeamView, "query", asked)
    assert (standing.state, standing.figures["skipped"]) == (State.OK, 1)
    assert standing.figures["skipped_documents"] == ["players/bob (name: Not a valid string.)"]
    assert standing_of("demo", ClubView, "query", asked).figures["skipped"] == 0
    found = explained("demo", TeamView, "teamViews/t", testing.database, Release()) or {}
    assert (found["skipped"], found["number_skipped"]) == (["players/bob (name: Not a valid string.)"], 1)


def test_a_request_reads_and_changes_a_view_that_leaves_out_documents(testing: MemoryApp) -> None:
    client = http_client(testing)
    fresh = client.get("/teams/t", headers={"Cache-Control": "no-cache"})
    assert (fresh.json or {})["players"] == ["Ann", "Cy"]
    changed = client.patch("/teams/t", json={"title": "U"})
    assert (changed.status_code, (changed.json or {})["players"]) == (200, ["Ann", "Cy"])


def test_an_audience_that_reads_what_does_not_fit_admits_nobody() -> None:
    class Named(ClubView):
        class Meta:
            path = "named/{team.doc_id}"
            read = access.any_of(lambda caller, view: all(each.name for each in view.store.players))
            write = access.public

        @attrs.computed
        def names(self) -> list[str]:
            return [each.name for each in self.store.players]

        @names.setter
        def set_names(self, value: list[str]) -> None: ...

    made = Boiler("demo", http=HttpSettings(rate=None))
    made.rest("/named")(Named)
    with memory_app(made) as testing:
        put(testing, "players/bob", name=7)
        put(testing, "teams/t", title="T", players=[Reference("players/bob")])
        assert http_client(testing).get("/named/t").status_code == 404
        assert http_client(testing).patch("/named/t", json={"names": []}).status_code == 204
        put(testing, "players/bob", name="Bob")
        assert (http_client(testing).get("/named/t").json or {})["names"] == ["Bob"]


def test_hundreds_of_documents_that_do_not_fit_are_left_out_in_one_build() -> None:
    with memory_app(app()) as testing:
        for number in range(300):
            put(testing, f"players/p{number}", name=number if number % 2 else str(number))
        put(testing, "teams/t", title="T", players=[Reference(f"players/p{number}") for number in range(300)])
        testing.deliver()
        assert len(shown(testing)) == 150
        found = ledger(testing, TeamView)
        assert (found["number_skipped"], len(found["skipped"])) == (150, 20)


def test_what_cannot_leave_out_a_document_refuses_by_name() -> None:
    with pytest.raises(InvalidReference, match=r"reference\(Team, on_invalid='skip'\): the root cannot be left out"):
        reference(Team, on_invalid="skip")  # type: ignore[call-overload]

    class Note(DomainModel):
        class Meta:
            collection_name = "teams/{team_id}/notes"

    with pytest.raises(InvalidReference, match="A count over Note with on_invalid='skip': a total reads no documents"):
        children(Note, on_invalid="skip").count()
    with pytest.raises(InvalidReference, match="on_invalid='ignore': give one of letter, skip"):
        references(Team.players, on_invalid="ignore")  # type: ignore[call-overload]

    class Form(ViewModel[TeamStore]):
        def propagate_change(self) -> None: ...

    with pytest.raises(InvalidReference, match=r"@app\.task of Form: TeamStore\.players has on_invalid='skip'"):
        Boiler("demo").task("teams/{doc_id}/forms/{form_id}", writes=[Team])(Form)
