"""What the tests of this folder share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs, reference
from boiler_functions.modes.forms.task import Completion, Isolation
from boiler_functions.testing import Delivery, MemoryApp
from tests.unit.modes.cities import put

FORM = "users/ann/deposits/one"


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    balance = attrs.integer(default=0)


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    most = attrs.integer(default=1000)


class Booking(DomainModel):
    class Meta:
        collection_name = "bookings"

    room = attrs.string(required=True)


class SettingsStore(Store):
    settings = reference(Settings, doc_id="main")


def deposits(
    *,
    on_completion: Completion = "stamp",
    isolation: Isolation = "serializable",
    store: type[Store] = SettingsStore,
    max_retries: int = 5,
    body: Callable[[Any], None] | None = None,
) -> Boiler:
    """An app with one task, which adds an amount to the user's account: an effect that shows when it is doubled."""
    app = Boiler("bank", max_event_age=timedelta(hours=23))

    class Deposit(ViewModel[store]):  # type: ignore[valid-type]
        amount = attrs.integer(required=True)

        def propagate_change(self) -> None:
            (body or deposit)(self)

    app.task(
        "users/{user_id}/deposits/{deposit_id}",
        writes=[Account],
        on_completion=on_completion,
        isolation=isolation,
        max_retries=max_retries,
    )(Deposit)
    return app


def deposit(form: Any) -> None:
    settings = form.store.settings
    if settings and form.amount > settings.most:
        raise Rejected("too much", {"amount": [f"at most {settings.most}"]})
    account = Account.get(form.params["user_id"]) or Account.new(doc_id=form.params["user_id"])
    account.balance += form.amount
    account.save()


def balance(testing: MemoryApp) -> object:
    return (testing.fields("accounts/ann") or {}).get("balance")


def sent(testing: MemoryApp, amount: object = 10, path: str = FORM) -> Delivery:
    """The event of a form that a client writes."""
    put(testing, path, amount=amount)
    return only(testing)


def only(testing: MemoryApp) -> Delivery:
    (delivery,) = testing.take()
    return delivery


def outcome(testing: MemoryApp, path: str = FORM) -> dict[str, Any]:
    found: dict[str, Any] = (testing.fields(path) or {})["outcome"]
    return found


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]


COMPLETIONS: list[Completion] = ["stamp", "keep", "delete"]


def bookings(isolation: Isolation = "serializable") -> Boiler:
    app = Boiler("hotel")

    @app.task("wishes/{wish}", writes=[Booking], isolation=isolation)
    class Wish(ViewModel[Store]):
        room = attrs.string(required=True)

        def propagate_change(self) -> None:
            if Booking.where(room=self.room).first():
                raise Rejected("the room is taken")
            Booking.new(doc_id=self.params["wish"], room=self.room).save()

    return app
