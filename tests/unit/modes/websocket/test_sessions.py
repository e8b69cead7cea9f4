"""Admission of clients, its end, and sockets that misbehave without affecting others."""

import asyncio
import secrets
import time
from contextlib import closing as closing_of
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any

import pytest
from socketio.exceptions import ConnectionError as Refused
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from boiler_functions import Boiler
from boiler_functions.exceptions import DeclarationError
from boiler_functions.settings.http import HttpSettings
from boiler_functions.settings.sockets import SocketSettings
from tests.unit.modes.websocket.rooms import Board, Client, Stage, staged


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Reads all messages, and returns the code and reason with which the server closes the socket."""
    with pytest.raises(ConnectionClosed) as closed:
        await read_all(socket)
    assert closed.value.rcvd
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def read_all(socket: ClientConnection) -> None:
    while True:
        await asyncio.wait_for(socket.recv(), 10)


class Bystander:
    """Runs a client that must notice nothing."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self._stage = stage
        self._client = client

    @classmethod
    async def on(cls, stage: Stage) -> "Bystander":
        stage.room(title="Blue")
        client = await stage.client("/boards", "bystander")
        await client.subscribe("blue")
        await client.view()
        return cls(stage, client)

    async def is_well(self) -> None:
        self._stage.change(title=str(time.monotonic()))
        async with asyncio.timeout(10):
            await self._client.view()
        assert await self._client.is_told_nothing()


@pytest.mark.parametrize("token", ["forged", "ada:-5"], ids=["forged", "expired"])
def test_a_token_that_proves_nothing_is_refused_and_its_socket_closed(token: str) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        bystander = await Bystander.on(stage)
        with pytest.raises(Refused):
            await stage.client("/boards", token)
        async with stage.raw() as socket:
            await socket.send(f'40/boards,{{"token":"{token}"}}')
            assert await socket.recv() == '44/boards,{"message":"The token is invalid or expired."}'
            assert await closing(socket) == (1008, "not admitted")
        await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
        await bystander.is_well()

    refused()


@pytest.mark.parametrize("auth", ['{"token":7}', '{"token":"x"', '{"tok":"x"}'])
def test_an_invalid_token_is_refused(auth: str) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        async with stage.raw() as socket:
            await socket.send(f"40/boards,{auth}")
            assert str(await socket.recv()).startswith("44/boards,")
            assert await closing(socket) == (1008, "not admitted")

    refused()


@staged()
async def test_a_session_ends_with_its_token_and_says_so(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards", "ada:1")
    await client.subscribe("blue")
    await client.view()
    assert await client.told() == ("ended", {"reason": "The token has expired. Connect again with a new one."})
    assert (await client.told())[0] == "disconnect"
    assert stage.listeners == 0
    again = await stage.client("/boards", "ada")
    await again.subscribe("blue")
    assert (await again.view())["title"] == "blue"


@staged()
async def test_a_namespace_that_no_view_has_is_refused(stage: Stage) -> None:
    with pytest.raises(Refused):
        await stage.client("/nothing")


@staged()
async def test_a_killed_connection_releases_what_it_held(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    stage.room("red")
    async with stage.raw() as socket:
        await socket.send("40/boards,")
        await socket.recv()
        await socket.send('42/boards,1["subscribe",{"id":"red"}]')
        await stage.until(lambda: stage.listeners == 2)
        socket.transport.abort()
        await stage.until(lambda: stage.listeners == 1)
    await bystander.is_well()


@staged(send_seconds=0.5)
async def test_a_client_that_takes_no_messages_is_cut_off(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    stage.room("red")
    async with stage.raw() as socket:
        await socket.send("40/boards,")
        await socket.recv()
        await socket.send('42/boards,1["subscribe",{"id":"red"}]')
        await stage.until(lambda: stage.listeners == 2)
        socket.transport.pause_reading()
        # More than the buffers between the two hold; then the next message waits for longer than it may.
        for _ in range(300):
            if stage.listeners == 1:
                break
            stage.change("red", title=secrets.token_hex(100_000))
            await asyncio.sleep(0.01)
        await stage.until(lambda: stage.listeners == 1)
        await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
    await bystander.is_well()


@staged(ping_interval=1, ping_timeout=1)
async def test_a_half_open_socket_is_closed_after_a_ping_without_an_answer(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    stage.room("red")
    async with stage.raw() as socket:
        await socket.send("40/boards,")
        await socket.recv()
        await socket.send('42/boards,1["subscribe",{"id":"red"}]')
        await stage.until(lambda: stage.listeners == 2)
        # It reads no more, and so answers nothing.
        socket.transport.pause_reading()
        await stage.until(lambda: stage.listeners == 1)
        await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
    await bystander.is_well()


@staged(admission_seconds=0.3)
async def test_a_socket_that_never_connects_to_a_namespace_is_closed(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    async with stage.raw() as socket:
        assert await closing(socket) == (1008, "not connected in time")
    await bystander.is_well()


@staged(admission_seconds=0.4)
async def test_a_socket_without_a_token_stays_only_while_it_follows_a_view(stage: Stage) -> None:
    stage.room()
    async with stage.raw() as socket, stage.raw() as follower:
        for each in (socket, follower):
            await each.send("40/boards,")
            await each.recv()
        await follower.send('42/boards,["subscribe",{"id":"blue"}]')
        await socket.send('42/boards,["subscribe",{"id":"none"}]')
        assert await closing(socket) == (1008, "not connected in time")
        assert len(stage.sockets.guard.connections) == 1
        await follower.send('42/boards,["unsubscribe",{"id":"blue"}]')
        assert await closing(follower) == (1008, "not connected in time")
    assert stage.listeners == 0


@staged(admission_seconds=0.4)
async def test_a_socket_that_leaves_its_namespace_does_not_stay(stage: Stage) -> None:
    async with stage.raw() as socket:
        await socket.send('40/boards,{"token":"ada"}')
        await socket.recv()
        await socket.send("41/boards,")
        assert await closing(socket) == (1008, "not connected in time")


@staged()
async def test_a_socket_that_is_not_admitted_sends_no_large_message(stage: Stage) -> None:
    text = f'42/boards,1["subscribe",{{"id":"blue","x":"{"x" * 20_000}"}}]'
    async with stage.raw() as stranger, stage.raw() as known:
        await stranger.send("40/boards,")
        await known.send('40/boards,{"token":"ada"}')
        for socket in (stranger, known):
            await socket.recv()
            await socket.send(text)
        assert (await closing(stranger))[0] == 1009
        assert str(await known.recv()).startswith('43/boards,1[{"code":422')


@pytest.mark.parametrize("name", ["connect", "disconnect", "sent", "message", "error", "__init__", "trigger_event", ""])
def test_an_event_of_any_name_is_handled_as_the_clients(name: str) -> None:
    @staged()
    async def answered(stage: Stage) -> None:
        stage.room()
        client = await stage.client("/boards")
        await client.subscribe("blue")
        await client.view()
        assert (await client.call(name, {"id": "blue"}))["code"] == 404
        assert (stage.listeners, len(stage.sockets.namespaces[0].clients)) == (1, 1)

    answered()


def asked(host: str, method: str, path: str) -> tuple[int, set[str]]:
    """Returns the status that a page of another origin gets, and the names of the headers."""
    connection = HTTPConnection(host, timeout=10)
    with closing_of(connection):
        connection.request(method, path, headers={"Origin": "https://evil.example"})
        answer = connection.getresponse()
        return answer.status, {name.lower() for name in answer.headers}


@pytest.mark.parametrize("path", ["", "socket.io/", "socket.io/?EIO=4&transport=polling", "socket.io/?sid=x", "health"])
def test_http_is_answered_in_one_way_that_no_page_of_another_origin_may_read(path: str) -> None:
    @staged()
    async def refused(stage: Stage) -> None:
        host = stage.url.partition("//")[2]
        for method in ("GET", "POST", "OPTIONS"):
            status, headers = await asyncio.to_thread(asked, host, method, f"/{path}")
            assert status == 426
            assert not [name for name in headers if name.startswith("access-control-")]

    refused()


@staged()
async def test_a_socket_elsewhere_is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(f"{stage.url.replace('http', 'ws')}/other?EIO=4&transport=websocket", proxy=None):
            pass


@pytest.mark.parametrize(
    "limits", [{"app_check": True}, {"http": HttpSettings(app_check=True)}], ids=["of sockets", "of HTTP"]
)
def test_a_client_without_an_app_check_token_is_refused(limits: dict[str, Any]) -> None:
    @staged(**limits)
    async def refused(stage: Stage) -> None:
        for auth in ("", '{"token":"ada"}', '{"token":"ada","appCheck":"theirs"}', '{"token":"ada","appCheck":7}'):
            async with stage.raw() as socket:
                await socket.send(f"40/boards,{auth}")
                told = str(await socket.recv())
                assert told == '44/boards,{"message":"Send a valid App Check token as appCheck, next to the token."}'
                assert await closing(socket) == (1008, "not admitted")
        for auth in ('{"appCheck":"our app"}', '{"token":"ada","appCheck":"our app"}'):
            async with stage.raw() as socket:
                await socket.send(f"40/boards,{auth}")
                assert str(await socket.recv()).startswith('40/boards,{"sid"')

    refused()


def test_an_app_admits_the_users_of_one_tenant() -> None:
    with pytest.raises(DeclarationError, match="admits the users of one tenant, over HTTP and sockets alike"):
        Boiler("x", http=HttpSettings(tenant="a"), sockets=SocketSettings(tenant="b"))
    assert Boiler("x", sockets=SocketSettings(tenant="b"))._declarations.tenant == "b"
    assert Boiler("x", http=HttpSettings(tenant="a"))._declarations.tenant == "a"


@staged(rate=10, burst=20)
async def test_a_flood_is_cut_off(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    async with stage.raw() as socket:
        await socket.send("40/boards,")
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await socket.send('42/boards,["subscribe",{"id":"red"}]')
        assert await closing(socket) == (1008, "too many messages")
    await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
    await bystander.is_well()


MALFORMED: dict[str, str | bytes] = {
    "empty": "",
    "no packet": "zzz",
    "an unknown packet": "9",
    "bytes": b"\x00\x01",
    "parts announced": '45999-/boards,["subscribe",{"_placeholder":true,"num":0}]',
    "an acknowledgement": "43/boards,1[]",
    "an event without name": "42/boards,[{}]",
    "an event that is no list": '42/boards,{"a":1}',
    "an endless number": f'42/boards,{"9" * 500}["subscribe",{{}}]',
    "an upgrade": "5",
    "a token that is a list": '40/cards,["a"]',
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_closes_its_socket(message: str | bytes) -> None:
    @staged()
    async def closed_by(stage: Stage) -> None:
        bystander = await Bystander.on(stage)
        async with stage.raw() as socket:
            await socket.send("40/boards,")
            await socket.recv()
            await socket.send(message)
            assert await closing(socket) == (1007, "malformed message")
        await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
        await bystander.is_well()

    closed_by()


@pytest.mark.parametrize(
    "data",
    ['{"id":NaN}', '{"id":"a","id":"b"}', '{"id":', "{" * 30, '{"a":' * 40 + "1" + "}" * 40, '{"id":1e999}'],
)
def test_json_that_no_document_could_hold_is_answered_and_the_session_goes_on(data: str) -> None:
    @staged()
    async def answered(stage: Stage) -> None:
        stage.room()
        async with stage.raw() as socket:
            await socket.send("40/boards,")
            await socket.recv()
            await socket.send(f'42/boards,7["subscribe",{data}]')
            text = str(await asyncio.wait_for(socket.recv(), 10))
            assert text.startswith('43/boards,7[{"code":400'), text
            await socket.send('42/boards,8["subscribe",{"id":"blue"}]')
            await asyncio.wait_for(socket.recv(), 10)
            assert stage.listeners == 1

    answered()


@staged(max_message_bytes=2000)
async def test_a_message_that_is_too_large_closes_its_socket(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    async with stage.raw() as socket:
        await socket.send("40/boards,")
        await socket.recv()
        await socket.send(f'42/boards,["mutate",{{"id":"blue","values":{{"title":"{"x" * 3000}"}}}}]')
        assert (await closing(socket))[0] == 1009
    await stage.until(lambda: len(stage.sockets.guard.connections) == 1)
    await bystander.is_well()


@staged(max_connections=2)
async def test_a_process_that_is_full_takes_no_more_sockets(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    await stage.client("/boards")
    with pytest.raises(InvalidStatus):
        async with stage.raw():
            pass
    await bystander.is_well()


@staged(max_subscriptions=2)
async def test_a_connection_follows_no_more_views_than_it_may(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        stage.room(name)
    client = await stage.client("/boards")
    assert [(await client.subscribe(name))["code"] for name in ("a", "b", "c", "a")] == [200, 200, 429, 200]
    await client.call("unsubscribe", {"id": "a"})
    assert (await client.subscribe("c"))["code"] == 200


@staged(max_views=1)
async def test_a_process_follows_no_more_views_than_it_may(stage: Stage) -> None:
    bystander = await Bystander.on(stage)
    stage.room("red")
    client = await stage.client("/boards")
    assert (await client.subscribe("red"))["code"] == 503
    assert (await client.subscribe("blue"))["code"] == 200
    await bystander.is_well()


@staged()
async def test_a_server_that_stops_answers_what_was_sent_and_says_goodbye(stage: Stage) -> None:
    stage.room()
    client = await stage.client("/boards")
    await client.subscribe("blue")
    await client.view()
    waiting = asyncio.create_task(client.call("mutate", {"id": "blue", "values": {"title": "Azure"}}))
    await asyncio.sleep(0.01)
    stage.server.should_exit = True
    assert (await waiting)["code"] == 200
    told: list[tuple[str, Any]] = []
    while not told or told[-1][0] != "disconnect":
        told.append(await client.told())
    assert ("ended", {"reason": "The server stops. Connect again."}) in told
    await stage.until(lambda: not stage.listeners)


@pytest.mark.parametrize("namespace", ["", "meeting", "/", "/a b", "/meeting/", "/é"])
def test_a_namespace_is_a_path_of_names(namespace: str) -> None:
    with pytest.raises(DeclarationError, match="a namespace is a path"):
        Boiler("x").websocket(namespace)


def test_a_namespace_is_one_view() -> None:
    app = Boiler("x")
    app.websocket("/a")(Board)
    with pytest.raises(DeclarationError, match="one view"):
        app.websocket("/a")(Board)


@pytest.mark.parametrize(
    "limit", [{"max_connections": 0}, {"rate": None}, {"send_seconds": "60"}, {"burst": True}, {"tenant": 5}]
)
def test_a_limit_that_cannot_be_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=rf"SocketSettings\.{next(iter(limit))} must "):
        Boiler("small", sockets=SocketSettings(**limit))
