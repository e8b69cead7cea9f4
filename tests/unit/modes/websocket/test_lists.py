"""Clients list views through a socket, with the parameters and the answers of the list over HTTP."""

from typing import Any

import pytest

from tests.unit.modes.websocket.rooms import Client, Stage, staged


def ids(answer: dict[str, Any]) -> list[str]:
    assert answer["code"] == 200, answer
    return [each["id"] for each in answer["results"]]


async def listed(client: Client, **asked: Any) -> list[str]:
    return ids(await client.call("list", asked))


@staged()
async def test_a_list_is_of_what_the_caller_may_see_page_by_page(stage: Stage) -> None:
    for name, guests in (("blue", ["ada"]), ("green", ["grace"]), ("red", ["ada", "grace"])):
        stage.room(name, guests=guests, host="ada" if name != "red" else "grace")
    for namespace, wanted in (
        ("/boards", ["blue", "green", "red"]),
        ("/cards", ["blue", "green", "red"]),
        ("/copies", ["blue", "red"]),
        ("/hosted", ["blue", "green"]),
    ):
        client = await stage.client(namespace, "ada")
        assert await listed(client) == wanted
        first = await client.call("list", {"limit": 1})
        assert ids(first) == wanted[:1]
        assert await listed(client, limit=5, pageToken=first["nextPageToken"]) == wanted[1:]


@staged()
async def test_a_list_is_filtered_and_ordered_by_what_the_view_shows(stage: Stage) -> None:
    for name in ("blue", "green", "red"):
        stage.room(name)
    client = await stage.client("/cards")
    assert await listed(client, title="green") == ["green"]
    assert await listed(client, orderBy="-title", limit=2) == ["red", "green"]
    assert await listed(client, **{"title>": "c"}) == ["green", "red"]
    answer = await client.call("list", {"title": "blue"})
    assert answer["results"] == [{"id": "blue", "title": "blue", "guests": []}]


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"title": 5}, {"title"}),
        ({"host": "ada"}, {"host"}),
        ({"limit": 0}, {"limit"}),
        ({"limit": None}, {"limit"}),
        ({"orderBy": "host"}, {"orderBy"}),
        ({"pageToken": "x"}, {"pageToken"}),
        ({"title>": "a", "orderBy": "-guests"}, {"orderBy"}),
    ],
)
def test_a_list_that_cannot_be_is_answered_by_field(asked: dict[str, Any], fields: set[str]) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        client = await stage.client("/cards")
        answer = await client.call("list", asked)
        assert (answer["code"], set(answer["errors"])) == (422, fields)

    refused()


@staged()
async def test_a_caller_whom_no_view_could_admit_is_refused_as_over_http(stage: Stage) -> None:
    stage.room()
    nobody = await stage.client("/copies", None)
    assert (await nobody.call("list", {}))["code"] == 401
