"""One participant of 200 reads a message, so that only their unread count differs."""

from collections.abc import Iterator

from benchmarks.results import Row, at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, Copy, DomainModel, Store, ViewModel, attrs, children, one_of, reference
from boiler_functions.database.metered import Usage

PARTICIPANTS = 200
NAME = f"one of {PARTICIPANTS} participants reads a message"


class Chat(DomainModel):
    """A chat."""

    class Meta:
        collection_name = "chats"

    title = attrs.string(required=True)


class Participant(DomainModel):
    """Somebody in a chat, by the id of the user."""

    class Meta:
        collection_name = "chats/{chat_id}/participants"

    unread = attrs.integer(default=0)


class ChatStore(Store):
    """A chat with all who are in it."""

    chat = reference(Chat)
    participants = children(Participant)


class ChatCopy(Copy):
    """The copy of one participant."""

    participants = one_of(ChatStore.participants)


def _own() -> tuple[Boiler, type[ViewModel[ChatStore]]]:
    """Returns a view of which each participant sees their own count."""

    class ChatView(ViewModel[ChatStore, ChatCopy]):
        class Meta:
            path = "users/{participants.doc_id}/chats/{chat.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.chat.title

        @attrs.computed
        def unread(self) -> int:
            return self.copy.participants.unread

    app = Boiler("chats")
    return app, app.query(ChatView)


def _shared() -> tuple[Boiler, type[ViewModel[ChatStore]]]:
    """Returns a view of which everybody sees the counts of all."""

    class ChatView(ViewModel[ChatStore]):
        class Meta:
            path = "users/{participants.doc_id}/chats/{chat.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.chat.title

        @attrs.computed
        def unread(self) -> dict[str, int]:
            return {each.doc_id: each.unread for each in self.store.participants}

    app = Boiler("chats")
    return app, app.query(ChatView)


def unread(stage: Stage) -> Iterator[Row]:
    """Changes the count of one, with copies that differ and with copies that are the same."""
    stage.save([Chat.new(doc_id="standup", title="Standup")])
    everybody = range(PARTICIPANTS)
    stage.save(Participant.new(chat_id="standup", doc_id=str(each), unread=9) for each in everybody)
    cost: list[Usage] = []
    for app, view in (_own(), _shared()):
        stage.build_all(app, view)
        change = stage.change("chats/standup/participants/7", {"unread": len(cost)})
        cost.append(stage.handle(app, "chat_view_on_chats_participants", change).usage)
        assert stage.is_equal_to_rebuild(app, view, "chats/standup")
    own, shared = cost
    peer = "the counts of all in every copy"
    yield Row(NAME, own.writes, shared.writes, peer, "writes", at_most(2))
    yield Row(NAME, own.rpcs, shared.rpcs, peer, "RPCs")
    yield Row(NAME, own.reads, shared.reads, peer, "reads")
