"""Clients change views through a socket, and receive answers."""

from typing import Any

import pytest

from tests.unit.modes.websocket.rooms import Client, Room, Stage, staged


async def mutate(client: Client, **values: Any) -> dict[str, Any]:
    return await client.call("mutate", {"id": "blue", "values": values})


def title() -> str:
    room = Room.get("blue")
    assert room
    return room.title


@staged()
async def test_a_mutation_is_acknowledged_with_the_view_and_sent_to_all_subscribers(stage: Stage) -> None:
    stage.room(guests=["ada", "grace"])
    ada, grace = await stage.client("/copies", "ada"), await stage.client("/copies", "grace")
    for client in (ada, grace):
        await client.subscribe("blue")
        await client.view()
    answer = await mutate(ada, title="Azure")
    assert (answer["code"], answer["view"]) == (200, {"id": "blue", "title": "Azure", "guests": ["Ada", "Grace"]})
    stage.testing.deliver()
    for client in (ada, grace):
        assert (await client.view())["title"] == "Azure"


@staged()
async def test_what_a_setter_rejects_is_answered_with_the_reason_and_changes_nothing(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    answer = await mutate(client, title=" ")
    assert (answer["code"], answer["message"]) == (422, "a room has a title")
    assert title() == "blue"


@pytest.mark.parametrize(
    ("values", "fields"),
    [({"title": 7}, {"title"}), ({"guests": []}, {"guests"}), ({"nothing": 1}, {"nothing"}), ([], {"_schema"})],
)
def test_values_that_do_not_fit_are_answered_by_field(values: Any, fields: set[str]) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        stage.room()
        client = await stage.client("/boards")
        answer = await client.call("mutate", {"id": "blue", "values": values})
        assert (answer["code"], set(answer["errors"])) == (422, fields)

    refused()


@staged()
async def test_a_caller_who_may_not_write_is_refused_as_over_http(stage: Stage) -> None:
    stage.room(guests=["grace"])
    nobody, stranger = await stage.client("/boards", None), await stage.client("/copies", "ada")
    assert (await mutate(nobody, title="Mine"))["code"] == 401
    assert (await mutate(stranger, title="Mine"))["code"] == 404
    assert title() == "blue"


@staged()
async def test_a_view_without_an_audience_for_writes_takes_none(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/cards")
    assert (await mutate(client, title="Mine"))["code"] == 403


@staged()
async def test_a_view_without_setters_has_nothing_to_mutate(stage: Stage) -> None:
    stage.room(host="ada")
    client = await stage.client("/hosted")
    assert (await mutate(client, title="Mine"))["code"] == 405


@staged()
async def test_mutations_of_one_client_are_done_in_their_order(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    for number in range(10):
        await client.socket.emit("mutate", {"id": "blue", "values": {"title": str(number)}}, namespace="/boards")
    assert (await mutate(client, title="last"))["code"] == 200
    assert title() == "last"


@staged()
async def test_events_that_are_none_are_answered(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    assert (await client.call("dance", {}))["code"] == 404
    assert (await client.call("subscribe"))["code"] == 400
    assert (await client.call("subscribe", {"id": "blue"}, {"id": "blue"}))["code"] == 400
    assert (await client.call("subscribe", "blue"))["code"] == 400
