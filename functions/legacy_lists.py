"""The lists of the repair shop, by what every document has since the steps of legacy.py are done."""

from legacy import Customer, Ticket, app

from boiler_functions import Store, ViewModel, access, attrs, reference, referrers


class CustomerStore(Store):
    customer = reference(Customer)
    tickets = referrers(Ticket.customer).where(status="open").order_by(Ticket.title)


@app.query
class OpenTickets(ViewModel[CustomerStore]):
    class Meta:
        path = "customers/{customer.doc_id}/views/openTickets"
        read = access.owner("customer.doc_id")

    @attrs.computed
    def titles(self) -> list[str]:
        return [each.title for each in self.store.tickets]
