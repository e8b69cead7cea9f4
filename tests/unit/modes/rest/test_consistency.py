"""What a mutation sees, and what it answers, is what the database holds."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from werkzeug.test import Client

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, matching, reference
from boiler_functions.testing import MemoryApp, http_client, memory_app


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    most = attrs.integer(default=2)


class Song(DomainModel):
    class Meta:
        collection_name = "songs"

    rank = attrs.integer(default=0)
    since = attrs.timestamp()
    remark = attrs.bproperty()


class SongStore(Store):
    song = reference(Song)
    settings = reference(Settings, doc_id="main")
    songs = matching(Song.all().order_by(Song.rank.desc()).limit(3))


app = Boiler("songs")


@app.rest("/songs", create=True)
class SongView(ViewModel[SongStore]):
    class Meta:
        read = access.public
        write = access.public

    def on_create(self) -> None:
        assert self.store.settings is not None
        if len(self.store.songs) >= self.store.settings.most:
            raise Rejected("there are enough")

    @attrs.computed
    def best(self) -> list[str]:
        return [song.doc_id for song in self.store.songs]

    @attrs.computed
    def rank(self) -> int:
        return self.store.song.rank

    @rank.setter
    def set_rank(self, value: int) -> None:
        self.store.song.rank = value

    @attrs.computed
    def since(self) -> datetime | None:
        return self.store.song.since

    @since.setter
    def set_since(self, value: datetime | None) -> None:
        self.store.song.since = value
        self.store.song.remark = {"since": value, "of": ("a", "b")}

    @attrs.computed
    def day(self) -> str:
        return self.store.song.since.date().isoformat() if self.store.song.since else ""

    @attrs.computed
    def remark(self) -> object:
        return self.store.song.remark


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(app) as opened:
        Settings.new(doc_id="main").save()
        yield opened


@pytest.fixture
def client(testing: MemoryApp) -> Client:
    return http_client(testing)


def test_what_is_created_sees_what_does_not_start_from_its_root(client: Client) -> None:
    assert [client.post("/songs", json={"id": each}).status_code for each in "abc"] == [201, 201, 422]
    assert client.put("/songs/d", json={}).status_code == 422


def test_what_a_creation_rests_on_is_verified_by_its_commit(testing: MemoryApp, client: Client) -> None:
    commit, others = testing.database.commit, iter("bc")

    def meanwhile(*arguments: object, **verified: object) -> object:
        for other in others:
            Song.new(doc_id=other).save()
        return commit(*arguments, **verified)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing.database, "commit", meanwhile)
        assert client.post("/songs", json={"id": "a"}).status_code == 422
    assert testing.fields("songs/a") is None


def test_the_answer_has_the_successor_of_what_leaves_a_limited_query(client: Client) -> None:
    for number in range(5):
        Song.new(doc_id=f"s{number}", rank=number).save()
    answer = client.patch("/songs/s4", json={"rank": -1})
    assert answer.json is not None
    assert answer.json["best"] == ["s3", "s2", "s1"]
    assert answer.json == client.get("/songs/s4").json
    assert client.patch("/songs/s4", json={"rank": 9}, headers={"If-Match": answer.headers["ETag"]}).status_code == 200


def test_the_answer_has_times_and_lists_as_they_are_stored(client: Client) -> None:
    answer = client.post("/songs", json={"id": "a", "since": "2024-01-01T00:00:00+05:00"})
    assert answer.json is not None
    assert (answer.json["day"], answer.json["since"]) == ("2023-12-31", "2023-12-31T19:00:00+00:00")
    assert answer.json["remark"] == {"since": "2023-12-31T19:00:00+00:00", "of": ["a", "b"]}
    assert answer.json == client.get("/songs/a").json
    assert client.get("/songs/a", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_get_whose_if_match_does_not_hold_is_answered_with_an_error_instead_of_the_view(client: Client) -> None:
    answer = client.post("/songs", json={"id": "a"})
    assert client.get("/songs/a", headers={"If-Match": answer.headers["ETag"]}).json == answer.json
    refused = client.get("/songs/a", headers={"If-Match": '"x"'})
    assert refused.json is not None
    assert (refused.status_code, set(refused.json)) == (412, {"code", "status", "message", "errors"})
