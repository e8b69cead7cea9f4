"""A client never receives a copy of other code: the view is built now until this code has stored it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.database import firestore
from boiler_functions.modes.release import VARIABLE, Release
from boiler_functions.testing import MemoryApp, memory_app
from boiler_functions.views.build import Instance
from tests.unit.modes.websocket.rooms import Card, Copy, Room, Stage, app, other_code, staged, stored_by_other_code

COPIES = {Card: "cards/blue", Copy: "guests/ada/copies/blue"}
NEWER = 99
"""The number of a deployment after the one that is served, and of its schema and format."""


@pytest.mark.parametrize("view", [Card, Copy])
@pytest.mark.parametrize("field", ["code", "plan"])
def test_a_client_receives_what_this_code_builds_until_it_has_stored_the_view(view: Any, field: str) -> None:
    @staged()
    async def run(stage: Stage) -> None:
        stage.room(title="Blue", guests=["ada"])
        stored_by_other_code(stage.testing, view, "blue", COPIES[view], **{field: other_code(view)})
        client = await stage.client(f"/{'cards' if view is Card else 'copies'}")
        assert (await client.subscribe("blue"))["code"] == 200
        assert (await client.view())["title"] == "Blue"
        stage.change(title="Azure")
        while (shown := await client.view())["title"] != "Azure":
            assert shown["title"] == "Blue"
        await stage.until(lambda: stage.listeners == 1)
        stage.testing.write(COPIES[view], {**(stage.testing.fields(COPIES[view]) or {}), "title": "As stored"})
        while (shown := await client.view())["title"] != "As stored":
            assert shown["title"] == "Azure"

    run()


@staged()
async def test_what_newer_code_keeps_is_followed_by_its_documents_alone(stage: Stage) -> None:
    stage.room(title="Blue", guests=["ada"])
    client = await stage.client("/copies")
    await client.subscribe("blue")
    assert (await client.view())["title"] == "Blue"
    newer = {"code": other_code(Copy), "deployment": NEWER, "schema_version": NEWER, "format": NEWER}
    stored_by_other_code(stage.testing, Copy, "blue", COPIES[Copy], **newer)
    await stage.until(lambda: stage.listeners > 1)
    # No event is delivered: neither the copy nor its ledger changes.
    Room.new(doc_id="blue", title="Azure", guests=["ada"]).save()
    while (shown := await client.view())["title"] != "Azure":
        assert shown["title"] == "Blue"
    assert (stage.testing.fields(COPIES[Copy]) or {})["title"] == "OTHER"


@staged()
async def test_this_code_decides_who_may_see_a_copy_of_other_code(stage: Stage) -> None:
    stage.room(guests=["grace"])
    elsewhere = {"code": other_code(Copy), "destinations": [COPIES[Copy]]}
    stored_by_other_code(stage.testing, Copy, "blue", COPIES[Copy], **elsewhere)
    ada, grace = await stage.client("/copies", "ada"), await stage.client("/copies", "grace")
    assert (await ada.subscribe("blue"))["code"] == 404
    assert (await grace.subscribe("blue"))["code"] == 200
    await grace.socket.disconnect()
    await stage.until(lambda: not stage.listeners)
    assert len(stage.sockets.hub) == 0


class Subscriber:
    """Takes states, and remembers nothing."""

    def changed(self, instance: Instance) -> None:
        pass

    def failed(self, instance: Instance) -> None:
        pass


@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_service_takes_for_its_own_what_the_code_of_its_release_stored(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release(7, {"Card": "ours"})
    if source == "file":
        release.write(tmp_path)
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, release.to_json())
    monkeypatch.chdir(tmp_path)

    async def told(testing: MemoryApp) -> str:
        sockets, blue = app.asgi(), Instance(Card, "rooms/blue")
        try:
            state = await sockets.hub.subscribe(blue, Subscriber())
            assert state.content is not None
            return str(state.content["title"])
        finally:
            await sockets.close()
            assert testing.database.listeners == 0

    with memory_app(app) as testing:
        monkeypatch.setattr(firestore, "connect", lambda **_: testing.database)
        Room.new(doc_id="blue", title="Blue", guests=[]).save()
        testing.deliver()
        stored_by_other_code(testing, Card, "blue", COPIES[Card], code="rooms/Card/ours")
        assert asyncio.run(told(testing)) == "OTHER"
        stored_by_other_code(testing, Card, "blue", COPIES[Card], code="rooms/Card/theirs")
        assert asyncio.run(told(testing)) == "Blue"
