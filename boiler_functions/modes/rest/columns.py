"""The columns that a list can be filtered and ordered by: only attributes that the view shows.

A client that can filter or order by a value can find it out by bisection, so a hidden value must not be a column.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from marshmallow import fields

from boiler_functions.exceptions import InvalidRule
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.views.view_model import View


class Column(NamedTuple):
    """An attribute of a view, by its key in JSON; with the attribute that a query compares, a copy's or the root's."""

    key: str
    bound: Bound[Any, Any]

    def declared(self) -> Attribute[Any]:
        """Returns the attribute that is compared."""
        attribute: Any = self.bound.attribute
        return cast(Attribute[Any], attribute)


def columns_of(view: View, *, is_stored: bool) -> dict[str, Column]:
    """Returns the columns of the view's list, by the name of the attribute.

    A list of stored copies has all attributes. The list of a view that is built on request is a query of the roots; it
    has the attributes of the root that a getter returns unchanged: `return self.store.note.text`.
    """
    copies = CopyPaths(view)
    if is_stored and (copies.are_listed or copies.are_each_once):
        return {name: Column(each.data_key, getattr(view, name)) for name, each in view.exported().items()}
    return dict(_of_roots(view))


def check_orders(view: View, columns: Mapping[str, Column], orders: tuple[str, ...]) -> None:
    """Raises InvalidRule if `filtered_orders` names something that the list cannot be ordered by."""
    known = [each.key for each in columns.values() if each.declared().is_comparable]
    for order in orders:
        named = [each.removeprefix("-") for each in order.split(",")]
        if not {*named} <= {*known} or len({*named}) < len(named):
            raise InvalidRule(
                f"@app.rest of {view.__name__} has filtered_orders {order!r}, by which its list cannot be ordered; "
                f"it can be ordered by {', '.join(known) or 'nothing'}, with or without a leading '-', or by several, "
                f"each once, as 'one,-other'. A list of copies is ordered by the view's attributes; others only by "
                f"those whose getter just returns an attribute of the root."
            )


def _of_roots(view: View) -> Iterator[tuple[str, Column]]:
    root = view.store_class.root()
    if root is None:
        return
    own = {name: each for name, each in root.model.exported().items() if each.fget is None and each.is_queryable}
    for name, attribute in view.exported().items():
        shown = own.get(_returned(attribute.fget, root.name) or "")
        if shown is not None and _kind(shown.field()) == _kind(attribute.field()):
            yield name, Column(attribute.data_key, getattr(root.model, shown.name))


def _returned(getter: Callable[..., Any] | None, root: str) -> str | None:
    """Returns the name of the root's attribute that the getter returns; None if the getter does anything else.

    Reads the getter's bytecode, as calling it proves nothing: it may hide the value in some views only.
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
    """Returns the type of the field, and of a list also the type of its items."""
    return (type(field), type(field.inner)) if isinstance(field, fields.List) else (type(field),)
