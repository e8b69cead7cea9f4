"""A repair shop whose documents are older than its models: ids as strings, sub-collections, three generations.

The first documents have `name`, `customer` and a price as text; later ones `title` and `customerId`; those of today a
status and a moment, too. Comments lie below their ticket. docs/adopt.md adopts them step by step, beside two functions
that the shop has already.
"""

from collections.abc import Mapping
from typing import Any

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, children, reference

app = Boiler("legacy")


class Customer(DomainModel):
    class Meta:
        collection_name = "customers"

    full_name = attrs.string(required=True, aliases=["name"])
    phone = attrs.string(coerce=True)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    title = attrs.string(required=True, aliases=["name"])
    customer = attrs.relation(Customer, by="id", required=True, data_key="customerId", aliases=["customer"])
    price = attrs.float(coerce=True)
    status = attrs.string(default="open")
    created_at = attrs.timestamp(coerce=True)


class Comment(DomainModel):
    class Meta:
        collection_name = "tickets/{ticket_id}/comments"

    text = attrs.string(required=True, aliases=["body"])


class TicketStore(Store):
    ticket = reference(Ticket)
    customer = reference(Ticket.customer)
    comments = children(Comment, on_invalid="skip")


@app.query
class TicketDetail(ViewModel[TicketStore]):
    class Meta:
        path = "ticketDetails/{ticket.doc_id}"
        read = access.claim("staff")

    @attrs.computed
    def title(self) -> str:
        return self.store.ticket.title

    @attrs.computed
    def customer(self) -> str | None:
        return self.store.customer.full_name if self.store.customer else None

    @attrs.computed
    def price(self) -> float | None:
        return self.store.ticket.price

    @attrs.computed
    def comments(self) -> list[str]:
        return [each.text for each in self.store.comments]


@app.migration(Customer)
def customers_of_today(customer: Customer) -> None:
    """Present names and types: the declaration says it all."""


@app.migration(Comment)
def comments_of_today(comment: Comment) -> None:
    """Present names."""


@app.migration(Ticket)
def tickets_of_today(ticket: Ticket, stored: Mapping[str, Any]) -> None:
    """Says in words what the first documents said by a flag that no model declares."""
    if stored.get("closed") is True:
        ticket.status = "done"
