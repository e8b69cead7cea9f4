"""Poll: shows its votes by answer, closes by a document beside its copy or at its time, and tells a webhook of both."""

from datetime import datetime

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    Rejected,
    Store,
    ViewModel,
    Webhook,
    access,
    attrs,
    children,
    reference,
)


class Poll(DomainModel):
    class Meta:
        collection_name = "polls"

    question = attrs.string(required=True)
    open = attrs.boolean(default=True)
    closes_at = attrs.timestamp()
    owner = attrs.string(required=True)


class Vote(DomainModel):
    class Meta:
        collection_name = "polls/{poll_id}/votes"

    answer = attrs.string(required=True)


class PollStore(Store):
    poll = reference(Poll)
    votes = children(Vote).count(by=Vote.answer)


app = Boiler("poll")
hook = Webhook("https://example.com/polls", secret_env="POLLS_SECRET")


@app.query
@app.document()  # a client creates owners/ada/polls/lunch/_PATCH_PollView/{any id}: {"open": false}
class PollView(ViewModel[PollStore]):
    class Meta:
        path = "owners/{poll.owner}/polls/{poll.doc_id}"
        read = access.public
        write = access.owner("poll.owner")
        versioned = True

    @attrs.computed
    def question(self) -> str:
        return self.store.poll.question

    @attrs.computed
    def open(self) -> bool:
        poll = self.store.poll
        return poll.open and not (poll.closes_at and self.store.now.has_passed(poll.closes_at))

    @open.setter
    def set_open(self, value: bool) -> None:
        if value and not self.open:
            raise Rejected("a poll that is closed stays closed")
        self.store.poll.open = value

    @attrs.computed
    def closes_at(self) -> datetime | None:
        return self.store.poll.closes_at

    @attrs.computed
    def votes(self) -> dict[str, int]:
        return self.store.votes


@app.on_change(PollView, secrets=["POLLS_SECRET"])
def tell(change: Changed[PollView]) -> None:
    """Tells the webhook when the poll is closed."""
    if change.before and change.after and change.before.open and not change.after.open:
        hook.notify(change)
