"""Help desk: tickets with comments, a list for each agent, a detail for each customer, and a dashboard of numbers."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypedDict
from uuid import uuid4

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
    matching,
    operation,
    reference,
    references,
    referrers,
)


class Status(StrEnum):
    OPEN = "open"
    SOLVED = "solved"


class Customer(DomainModel):
    class Meta:
        collection_name = "customers"

    name = attrs.string(required=True)


class Agent(DomainModel):
    class Meta:
        collection_name = "agents"

    name = attrs.string(required=True)
    solved = attrs.integer(default=0, required=True)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    customer = attrs.relation(Customer, by="id", required=True)
    agent = attrs.relation(Agent, by="id")
    subject = attrs.string(required=True)
    status = attrs.enum(Status, default=Status.OPEN, required=True)
    priority = attrs.integer(default=3, required=True)
    created_at = attrs.timestamp(required=True)


class Comment(DomainModel):
    class Meta:
        collection_name = "tickets/{ticket_id}/comments"

    author = attrs.string(required=True)
    text = attrs.string(required=True)
    internal = attrs.boolean(default=False, required=True)
    created_at = attrs.timestamp(required=True)


app = Boiler("helpdesk")
hook = Webhook("https://example.com/tickets", secret_env="HELPDESK_SECRET")


class TicketStore(Store):
    ticket = reference(Ticket)
    customer = reference(Ticket.customer)
    agent = reference(Ticket.agent)
    comments = children(Comment).where(internal=False).order_by(Comment.created_at)


@app.query
@app.document()
@app.rest("/tickets", create=True, filtered_orders=["-createdAt"])
class TicketView(ViewModel[TicketStore]):
    """A ticket as its customer sees it: without what agents remark among themselves."""

    class Meta:
        path = "customers/{customer.doc_id}/tickets/{ticket.doc_id}"
        read = write = access.owner("customer.doc_id") | access.claim("agent")

    def on_create(self) -> None:
        assert self.caller
        ticket = self.store.ticket
        ticket.customer, ticket.created_at = self.caller.uid, datetime.now(UTC)
        ticket.agent, ticket.status = None, Status.OPEN  # null is stored, so that the unassigned are found

    @attrs.computed
    def subject(self) -> str:
        return self.store.ticket.subject

    @subject.setter
    def set_subject(self, value: str) -> None:
        self.store.ticket.subject = value

    @attrs.computed
    def status(self) -> Status:
        return self.store.ticket.status

    @attrs.computed
    def created_at(self) -> datetime:
        return self.store.ticket.created_at

    @attrs.computed
    def agent(self) -> str | None:
        return self.store.agent.name if self.store.agent else None

    @attrs.computed
    def comments(self) -> list[str]:
        return [f"{each.author}: {each.text}" for each in self.store.comments]

    @operation
    def comment(self, text: str, internal: bool = False) -> None:
        """Adds a comment; those of agents may be internal."""
        assert self.caller
        if internal and self.caller.claims.get("agent") is not True:
            raise Rejected("only agents make internal comments")
        Comment.new(
            doc_id=uuid4().hex,
            ticket_id=self.store.ticket.doc_id,
            author=self.caller.uid,
            text=text,
            internal=internal,
            created_at=datetime.now(UTC),
        ).save()


class QueueStore(Store):
    agent = reference(Agent)
    tickets = referrers(Ticket.agent).where(status=Status.OPEN).order_by(Ticket.priority, Ticket.created_at).limit(20)
    customers = references(Ticket.customer)


class Waiting(TypedDict):
    ticket: str
    subject: str
    customer: str


@app.query
@app.websocket("/queues")
class Queue(ViewModel[QueueStore]):
    """The open tickets of an agent, the most urgent first."""

    class Meta:
        path = "queues/{agent.doc_id}"
        read = access.owner("agent.doc_id") | access.claim("supervisor")

    @attrs.computed
    def waiting(self) -> list[Waiting]:
        return [
            {
                "ticket": each.doc_id,
                "subject": each.subject,
                "customer": each.customer.name if each.customer else "",
            }
            for each in self.store.tickets
        ]


class BoardStore(Store):
    tickets = matching(Ticket.all()).count(by=Ticket.status)
    unassigned = matching(Ticket.where(status=Status.OPEN, agent=None)).count()
    best = matching(Agent.all().order_by(Agent.solved.desc()).limit(5))


class Best(TypedDict):
    name: str
    solved: int


@app.query
@app.rest("/dashboard")
class Dashboard(ViewModel[BoardStore]):
    """How the desk does, for its agents."""

    class Meta:
        path = "dashboards/desk"
        read = access.claim("agent")

    @attrs.computed
    def open(self) -> int:
        return self.store.tickets.get(Status.OPEN, 0)

    @attrs.computed
    def solved(self) -> int:
        return self.store.tickets.get(Status.SOLVED, 0)

    @attrs.computed
    def unassigned(self) -> int:
        return self.store.unassigned

    @attrs.computed
    def best(self) -> list[Best]:
        return [{"name": each.name, "solved": each.solved} for each in self.store.best]


def claimed(form: ViewModel) -> tuple[Ticket, Agent]:
    """The ticket and the agent of a form's path."""
    ticket, agent = Ticket.get(form.params["ticket_id"]), Agent.get(form.params["agent_id"])
    if ticket is None or agent is None:
        raise Rejected("there is no such ticket or agent")
    return ticket, agent


@app.task("agents/{agent_id}/takes/{ticket_id}", writes=[Ticket])
class Take(ViewModel):
    """An agent takes a ticket that nobody has."""

    class Meta:
        write = access.owner("agent_id")

    def propagate_change(self) -> None:
        ticket, agent = claimed(self)
        if ticket.agent is not None:
            raise Rejected("somebody has it already")
        ticket.agent = agent
        ticket.save()


@app.task("agents/{agent_id}/solutions/{ticket_id}", writes=[Ticket, Agent])
class Solve(ViewModel):
    """An agent solves a ticket, which counts once."""

    class Meta:
        write = access.owner("agent_id")

    def propagate_change(self) -> None:
        ticket, agent = claimed(self)
        if ticket.agent is None or ticket.agent.doc_id != agent.doc_id or ticket.status == Status.SOLVED:
            raise Rejected("it is not yours to solve")
        ticket.status, agent.solved = Status.SOLVED, agent.solved + 1
        ticket.save()
        agent.save()


@app.on_change(TicketView, secrets=["HELPDESK_SECRET"])
def tell(change: Changed[TicketView]) -> None:
    """Tells the webhook when a ticket is solved."""
    if change.before and change.after and change.before.status != change.after.status == Status.SOLVED:
        hook.notify(change)
