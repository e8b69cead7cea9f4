"""What the tests of this folder share."""

from collections.abc import Callable
from typing import Any

from marshmallow import validate

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference
from boiler_functions.database import Put
from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import MemoryApp

FORM = "orders/one"


COMPLETIONS: tuple[Completion, ...] = ("stamp", "keep", "delete")


class Stock(DomainModel):
    class Meta:
        collection_name = "stock"

    count = attrs.integer(default=0, validate=validate.Range(max=100))
    note = attrs.string(default="")


class Shelf(DomainModel):
    class Meta:
        collection_name = "shelves"

    stock = attrs.relation(Stock)


def orders(
    body: Callable[[Any], None], on_completion: Completion = "stamp", *, name: str = "Order", late: bool = False
) -> Boiler:
    """An app with one task; `late` declares one attribute more."""
    app = Boiler("shop")
    attributes: dict[str, Any] = {"count": attrs.integer(required=True), "stock": attrs.string(default="main")}
    if late:
        attributes["remark"] = attrs.string(default="")
    view = type(name, (ViewModel,), {**attributes, "propagate_change": body, "__module__": __name__})
    app.task("orders/{order_id}", writes=[Stock, Shelf], on_completion=on_completion)(view)
    return app


def add(form: Any) -> None:
    stock = Stock.get(form.stock) or Stock.new(doc_id=form.stock)
    stock.count += form.count
    stock.save()


def count(testing: MemoryApp) -> object:
    return (testing.fields("stock/main") or {}).get("count", 0)


def outcome(testing: MemoryApp, path: str = FORM) -> dict[str, Any]:
    return dict((testing.fields(path) or {}).get("outcome", {}))


def touch(testing: MemoryApp, **fields: object) -> None:
    """What a migration, or an extension, does: fields beside those of the form."""
    testing.database.commit([Put(FORM, fields, mask=tuple(fields))])


class StockStore(Store):
    stock = reference(Stock)


changed = Boiler("stocks")


@changed.query
@changed.document()
class StockView(ViewModel[StockStore]):
    class Meta:
        path = "stockViews/{stock.doc_id}"
        write = access.public

    @attrs.computed
    def add(self) -> int:
        return 0

    @add.setter
    def set_add(self, value: int) -> None:
        self.store.stock.count += value

    @attrs.computed
    def count(self) -> int:
        return self.store.stock.count
