"""What a client receives about the views that it follows."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.modes.websocket.rooms import Guest, Room, Stage, staged


@staged()
async def test_a_subscriber_receives_the_state_at_once_and_then_every_change(stage: Stage) -> None:
    for namespace in ("/boards", "/cards", "/copies"):
        stage.room(title="Blue", guests=["ada"])
        client = await stage.client(namespace)
        assert (await client.subscribe("blue"))["code"] == 200, namespace
        shown = {"id": "blue", "title": "Blue", "guests": ["Ada"]}
        assert await client.told() == ("view", {"id": "blue", "view": shown})
        stage.change(title="Azure")
        assert (await client.view())["title"] == "Azure"
        stage.change(guests=["ada", "grace"])
        assert (await client.view())["guests"] == ["Ada", "Grace"]
        Guest.new(doc_id="grace", name="Grace Hopper").save()
        stage.testing.deliver()
        assert (await client.view())["guests"] == ["Ada", "Grace Hopper"]
        assert await client.is_told_nothing()
        Guest.new(doc_id="grace", name="Grace").save()
        stage.testing.deliver()


@staged()
async def test_a_write_that_does_not_change_the_view_is_not_sent(stage: Stage) -> None:
    stage.room()
    for namespace in ("/boards", "/cards"):
        client = await stage.client(namespace)
        await client.subscribe("blue")
        await client.view()
        stage.change(host=namespace)
        assert await client.is_told_nothing()


@staged(ping_interval=0.5)
async def test_one_listener_serves_all_clients_of_a_view_and_goes_with_the_last(stage: Stage) -> None:
    stage.room(guests=["ada"])
    stage.room("red", guests=["ada"])
    # Engine.IO starts a task of its own with the first client, and one for each until its next ping.
    await (await stage.client("/copies")).socket.disconnect()
    await stage.until(lambda: not tasks_of_clients())
    clients = [await stage.client("/copies") for _ in range(20)]
    for client in clients:
        await client.subscribe("blue")
        await client.view()
    assert (len(stage.sockets.hub), stage.listeners) == (1, 1)
    await clients[0].subscribe("red")
    assert (len(stage.sockets.hub), stage.listeners) == (2, 2)
    stage.change(title="Azure")
    assert {(await client.view())["title"] for client in clients[1:]} == {"Azure"}
    for client in clients:
        await client.socket.disconnect()
    await stage.until(lambda: not stage.listeners)
    assert len(stage.sockets.hub) == 0
    await stage.until(lambda: not tasks_of_clients())


def tasks_of_clients() -> list[str]:
    """Returns the tasks that a client keeps alive: its socket's, its pings, its messages."""
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    kept = ("run_asgi", "_send_ping", "_tell_all", "_websocket_handler", "writer", "_build", "receive")
    return [name for name in names if name.endswith(kept)]


@staged()
async def test_a_view_that_is_not_there_and_one_that_is_not_the_callers_are_answered_alike(stage: Stage) -> None:
    stage.room(guests=["grace"], host="grace")
    for namespace in ("/copies", "/hosted"):
        client = await stage.client(namespace, "ada")
        foreign, missing = await client.subscribe("blue"), await client.subscribe("none")
        assert foreign == missing
        assert (foreign["code"], foreign["message"]) == (404, "There is no view with this id.")
        assert stage.listeners == 0
        owner = await stage.client(namespace, "grace")
        assert (await owner.subscribe("blue"))["code"] == 200
        await owner.socket.disconnect()
        await stage.until(lambda: not stage.listeners)


@staged()
async def test_a_caller_whom_no_view_admits_is_refused_without_a_listener(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/cards", None)
    assert (await client.subscribe("blue"))["code"] == 404
    assert stage.listeners == 0


@staged()
async def test_a_client_that_is_no_longer_admitted_receives_the_reason_and_nothing_else(stage: Stage) -> None:
    stage.room(guests=["ada", "grace"], host="ada")
    ada, grace = await stage.client("/copies", "ada"), await stage.client("/copies", "grace")
    host = await stage.client("/hosted", "ada")
    for client in (ada, grace, host):
        await client.subscribe("blue")
        await client.view()
    stage.change(guests=["grace"], host="grace")
    for client in (ada, host):
        assert await client.told() == ("ended", {"id": "blue", "reason": "You may no longer see this view."})
    assert (await grace.view())["guests"] == ["Grace"]
    stage.change(title="Secret")
    assert (await grace.view())["title"] == "Secret"
    assert await ada.is_told_nothing()
    assert await host.is_told_nothing()


@staged()
async def test_the_deletion_of_a_view_and_its_return_are_sent(stage: Stage) -> None:
    for namespace in ("/boards", "/cards"):
        stage.room(title="Blue")
        client = await stage.client(namespace)
        await client.subscribe("blue")
        await client.view()
        room = Room.get("blue")
        assert room is not None
        room.delete()
        stage.testing.deliver()
        assert await client.view() is None
        stage.room(title="Blue again")
        assert (await client.view())["title"] == "Blue again"


@staged()
async def test_a_view_is_sent_even_before_it_is_stored(stage: Stage) -> None:
    Room.new(doc_id="blue", title="Blue", guests=["ada"]).save()
    client = await stage.client("/copies")
    assert (await client.subscribe("blue"))["code"] == 200
    assert (await client.view())["title"] == "Blue"
    stage.testing.deliver()
    assert (await client.view())["title"] == "Blue"
    stage.change(title="Azure")
    assert (await client.view())["title"] == "Azure"


@staged()
async def test_a_client_that_unsubscribed_receives_nothing_more(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    await client.subscribe("blue")
    await client.view()
    assert (await client.call("unsubscribe", {"id": "blue"}))["code"] == 200
    stage.change(title="Azure")
    assert await client.is_told_nothing()
    assert stage.listeners == 0


@staged()
async def test_a_client_that_connects_again_receives_the_newest_state(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    await client.subscribe("blue")
    await client.view()
    await client.socket.disconnect()
    stage.change(title="Azure")
    again = await stage.client("/boards")
    await again.subscribe("blue")
    assert (await again.view())["title"] == "Azure"


@staged()
async def test_a_slow_client_receives_the_newest_state_and_no_queue_grows_for_it(stage: Stage) -> None:
    # Chance cannot be compressed.
    stage.room(title=secrets.token_hex(50_000))
    quick = await stage.client("/boards")
    await quick.subscribe("blue")
    await quick.view()
    async with stage.raw() as slow:
        await slow.send("40/boards,")
        await slow.recv()
        await slow.send('42/boards,1["subscribe",{"id":"blue"}]')
        for number in range(300):
            stage.change(title=f"{number}x{secrets.token_hex(50_000)}")
            assert (await quick.view())["title"].startswith(f"{number}x")
            assert all(socket.queue.qsize() <= 3 for socket in stage.sockets.server.eio.sockets.values())
        told: list[str] = []
        while not told or not told[-1].startswith("299x"):
            text = str(await asyncio.wait_for(slow.recv(), 10))
            if text.startswith('42/boards,["view"'):
                told.append(text.partition('"title":"')[2][:20])
        assert len(told) < 300


@staged()
async def test_a_view_that_cannot_be_built_is_an_error_for_its_subscriber_alone(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    await client.subscribe("blue")
    await client.view()
    stage.testing.write("rooms/blue", {"title": 7})
    assert (await client.told())[0] == "ended"
    stage.testing.write("rooms/blue", {"title": "Blue"})
    await client.subscribe("blue")
    assert (await client.view())["title"] == "Blue"


@pytest.mark.parametrize("key", [{}, {"id": ""}, {"id": "a/b"}, {"id": 1}, {"id": ".."}, {"id": "x", "y": "z"}])
def test_a_key_that_no_view_can_have_is_refused(key: dict[str, object]) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        client = await stage.client("/boards")
        assert (await client.call("subscribe", key))["code"] in (404, 422)
        assert stage.listeners == 0

    refused()


@staged()
async def test_an_owner_who_loses_the_copy_is_notified_at_once_even_while_the_view_cannot_be_built(
    stage: Stage,
) -> None:
    stage.room(guests=["ada", "grace"])
    ada, grace = await stage.client("/copies"), await stage.client("/copies", "grace")
    for client in (ada, grace):
        await client.subscribe("blue")
        await client.view()
    stage.testing.write("guests/broken", {"name": 5})
    stage.change(guests=["grace", "broken"])
    assert await ada.told() == ("ended", {"id": "blue", "reason": "You may no longer see this view."})
    assert (await ada.subscribe("blue"))["code"] == 404
    stage.change(guests=[])
    event, told = await grace.told()
    assert (event, told.get("view")) in (("ended", None), ("view", None))


@staged()
async def test_a_view_that_is_built_for_its_subscriber_changes_at_its_moment(stage: Stage) -> None:
    stage.room(closes_at=datetime.now(UTC) + timedelta(seconds=1))
    client = await stage.client("/doors")
    await client.subscribe("blue")
    assert (await client.view()) == {"id": "blue", "closed": False}
    assert (await client.view()) == {"id": "blue", "closed": True}
    assert await client.is_told_nothing()
    # A moment that is set again is awaited again, and no timer outlives its client.
    stage.change(closes_at=datetime.now(UTC) + timedelta(hours=1))
    assert (await client.view()) == {"id": "blue", "closed": False}
    await client.socket.disconnect()
    await stage.until(lambda: not stage.listeners)
