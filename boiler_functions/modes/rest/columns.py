"""What a list of a view can be filtered and ordered by: attributes that the view shows, and nothing else.

Whoever can filter or order by a value can find it out, by bisection.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from marshmallow import fields

from boiler_functions.exceptions import InvalidRule
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.modes.rest.copies import Copies
from boiler_functions.views.view_model import ViewModel

View = type[ViewModel[Any]]


class Column(NamedTuple):
    """An attribute of a view as JSON calls it, and what a query compares: its copies' own, or its root's."""

    key: str
    bound: Bound[Any, Any]

    def declared(self) -> Attribute[Any]:
        """The attribute that is compared."""
        attribute: Any = self.bound.attribute
        return cast(Attribute[Any], attribute)


def columns_of(view: View, *, is_stored: bool) -> dict[str, Column]:
    """The columns of the view's list, by the name of the attribute.

    The list of stored copies has each attribute. That of a view which is built now is a query of its roots, and has
    those of their attributes that the view shows as they are: `return self.store.note.text`.
    """
    if is_stored and Copies(view).are_listed:
        return {name: Column(each.data_key, getattr(view, name)) for name, each in view.exported().items()}
    return dict(_of_roots(view))


def check_orders(view: View, columns: Mapping[str, Column], orders: tuple[str, ...]) -> None:
    """Raises InvalidRule when `filtered_orders` names what the list has no column of."""
    known = [each.key for each in columns.values() if each.declared().is_comparable]
    for order in orders:
        if order.removeprefix("-") not in known:
            raise InvalidRule(
                f"@app.rest of {view.__name__} has filtered_orders {order!r}, by which its list cannot be ordered; "
                f"there are {', '.join(known) or 'none'}, each with or without a '-' before it. A list of copies is "
                f"ordered by the view's attributes; another one by those whose getter returns an attribute of the root."
            )


def _of_roots(view: View) -> Iterator[tuple[str, Column]]:
    root = view.store_class.root()
    if root is None:
        return
    own = {name: each for name, each in root.model.exported().items() if each.fget is None}
    for name, attribute in view.exported().items():
        shown = own.get(_returned(attribute.fget, root.name) or "")
        if shown is not None and _kind(shown.field()) == _kind(attribute.field()):
            yield name, Column(attribute.data_key, getattr(root.model, shown.name))


def _returned(getter: Callable[..., Any] | None, root: str) -> str | None:
    """The attribute of the root that the getter returns; None when it does anything else.

    Its code says so, not its results: a getter may hide a value of some views, and return it of others.
    """
    code = getattr(getter, "__code__", None)
    if code is None or code.co_argcount != 1:
        return None
    steps = [each for each in dis.get_instructions(code) if each.opname not in ("RESUME", "CACHE")]
    match [(each.opname.removesuffix("_BORROW"), each.argval) for each in steps]:
        case [("LOAD_FAST", self), ("LOAD_ATTR", "store"), ("LOAD_ATTR", found), ("LOAD_ATTR", name), (
            "RETURN_VALUE", _
        )] if self == code.co_varnames[0] and found == root:  # fmt: skip
            return str(name)
        case _:
            return None


def _kind(field: fields.Field[Any]) -> tuple[type, ...]:
    """What a value of the field is; of a list, its items too."""
    return (type(field), type(field.inner)) if isinstance(field, fields.List) else (type(field),)
