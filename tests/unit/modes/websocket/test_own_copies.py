"""Clients of a view whose copies differ: each follows, and changes, what is theirs."""

from tests.unit.modes.websocket.rooms import Guest, Stage, staged


@staged()
async def test_each_client_receives_their_own_copy_and_only_its_changes(stage: Stage) -> None:
    for namespace in ("/own", "/mine"):
        stage.room(title="Blue", guests=["ada", "grace"])
        ada, grace = await stage.client(namespace, "ada"), await stage.client(namespace, "grace")
        for client, name in ((ada, "Ada"), (grace, "Grace")):
            assert (await client.subscribe("blue"))["code"] == 200, namespace
            assert await client.view() == {"id": "blue", "title": "Blue", "me": name}
        Guest.new(doc_id="grace", name="Hopper").save()
        stage.testing.deliver()
        assert (await grace.view())["me"] == "Hopper"
        assert await ada.is_told_nothing()
        stage.change(title="Azure")
        assert (await grace.view())["title"] == "Azure"
        Guest.new(doc_id="grace", name="Grace").save()
        stage.testing.deliver()


@staged()
async def test_who_leaves_has_no_view_any_more_and_has_it_again_on_return(stage: Stage) -> None:
    for namespace in ("/own", "/mine"):
        stage.room(title="Blue", guests=["ada", "grace"])
        grace = await stage.client(namespace, "grace")
        await grace.subscribe("blue")
        await grace.view()
        stage.change(guests=["ada"])
        assert await grace.view() is None, namespace
        stage.change(guests=["ada", "grace"])
        assert (await grace.view())["me"] == "Grace"


@staged()
async def test_who_has_no_copy_finds_no_view(stage: Stage) -> None:
    stage.room(guests=["ada"])
    for namespace, token in (("/own", "grace"), ("/mine", "grace"), ("/mine", None)):
        client = await stage.client(namespace, token)
        assert (await client.subscribe("blue"))["code"] == 404, (namespace, token)
    assert len(stage.sockets.hub) == 0


@staged()
async def test_a_mutation_changes_what_is_the_clients(stage: Stage) -> None:
    stage.room(guests=["ada", "grace"])
    grace = await stage.client("/own", "grace")
    answer = await grace.call("mutate", {"id": "blue", "values": {"me": "Hopper"}})
    assert (answer["code"], answer["view"]["me"]) == (200, "Hopper")
    guest = Guest.get("grace")
    assert guest is not None
    assert guest.name == "Hopper"
