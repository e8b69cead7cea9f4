"""Shared steps of the tests of the query mode: writing cities, and reading what is stored for them."""

from collections.abc import Callable
from typing import Any

from boiler_functions import DomainModel, ViewModel
from boiler_functions.database.metered import Metered
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import ledger_path
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.testing import Delivery, MemoryApp
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import City, Country, Meeting, Ticket, User

Writes = tuple[Callable[[], object], ...]


def saved(model: Any) -> Any:
    model.save()
    return model


def changed(model: type[DomainModel], doc_id: str, **values: object) -> None:
    stored = model.get(doc_id)
    assert stored is not None
    for name, value in values.items():
        setattr(stored, name, value)
    stored.save()


def deleted(model: type[DomainModel], doc_id: str) -> None:
    stored = model.get(doc_id)
    assert stored is not None
    stored.delete()


def tokyo(testing: MemoryApp, *, stored: bool = True) -> None:
    """Writes Tokyo in Japan; delivers the events, so that its views are stored, unless the test says otherwise."""
    Country.new(doc_id="JP", name="Japan").save()
    City.new(doc_id="TOK", name="Tokyo", country="JP").save()
    if stored:
        testing.deliver()


def place(testing: MemoryApp, city: str = "TOK") -> object:
    return (testing.fields(f"placeViews/{city}") or {}).get("place")


def only(testing: MemoryApp) -> Delivery:
    """The one pending event, taken."""
    (delivery,) = testing.take()
    return delivery


def ledger_of(testing: MemoryApp, view: type[ViewModel[Any]], root: str) -> dict[str, Any]:
    return dict(testing.fields(ledger_path(f"demo/{view.__name__}", Instance(view, root))) or {})


def rebuild(testing: MemoryApp, view: type[ViewModel[Any]], root: str, *, force: bool) -> Invocation:
    invocation = Invocation("demo", "by_hand", Metered(testing.database), testing.surroundings)
    Rebuild(invocation, (view,), force=force).rebuild([Instance(view, root)])
    return invocation


def meeting(testing: MemoryApp, users: str = "ab") -> None:
    for user in "abc":
        User.new(doc_id=user, name=user.upper()).save()
        Ticket.new(doc_id=f"t{user}", user=user).save()
    Meeting.new(doc_id="m", title="Monday", tickets=[f"t{user}" for user in users]).save()
    testing.deliver()
