"""Tickets with one copy each, below the customer that they name, over HTTP."""

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    customer = attrs.string(required=True)
    title = attrs.string(required=True)


class TicketStore(Store):
    ticket = reference(Ticket)


class TicketView(ViewModel[TicketStore]):
    """Has one copy, below the customer that the ticket itself names."""

    class Meta:
        path = "customers/{ticket.customer}/tickets/{ticket.doc_id}"
        read = access.owner("ticket.customer") | access.claim("agent")

    @attrs.computed
    def title(self) -> str:
        return self.store.ticket.title

    @attrs.computed
    def words(self) -> int:
        return len(self.store.ticket.title.split())


class AuditedView(TicketView):
    """A function admits an auditor, whom no path names."""

    class Meta:
        path = "accounts/{ticket.customer}/audited/{ticket.doc_id}"
        read = access.owner("ticket.customer") | (lambda caller, view: caller is not None and caller.uid == "audit")


class ShownView(TicketView):
    class Meta:
        path = "accounts/{ticket.customer}/shown/{ticket.doc_id}"
        read = access.public


def desk() -> Boiler:
    app = Boiler("desk")
    for rule, view in {"/tickets": TicketView, "/audited": AuditedView, "/shown": ShownView}.items():
        app.query(view)
        app.rest(rule, filtered_orders=["-title"])(view)
    return app


def some_tickets() -> None:
    for doc_id, customer, title in (
        ("t1", "ada", "one"),
        ("t2", "bob", "two words"),
        ("t3", "ada", "three long words"),
    ):
        Ticket.new(doc_id=doc_id, customer=customer, title=title).save()
