"""A choice among the documents of a reference: conditions and an order, declared by `where` and `order_by`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, Generic, Self, TypeVar

from boiler_functions.database import Document, Order, Query
from boiler_functions.database.matching import in_order, orders_of
from boiler_functions.exceptions import InvalidCondition
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.models.selection import Selection, filters_of
from boiler_functions.views.store import Source

M = TypeVar("M", bound=Model)

ALL = Query("")
"""The choice of every document."""

_PLACEHOLDER = re.compile(r"\{\w+(\.\w+)?\}")


class Choosing(Source, Generic[M]):
    """A reference to many documents, among which conditions and an order choose."""

    choice: Query = ALL
    """The conditions and orders, as the part of a query that names no collection."""

    def where(self, *conditions: Condition[Any], **equal: Any) -> Self:
        """Keeps the documents that meet every condition: `referrers(Ticket.customer).where(status="open")`."""
        filters = filters_of(self.model, conditions, equal)
        check_no_placeholder(self.model, (each.value for each in filters))
        return self._choosing(self.choice._replace(filters=(*self.choice.filters, *filters)))

    def order_by(self, *orders: Order | Bound[Any, Any]) -> Self:
        """Orders by these attributes, and documents with equal ones by path; one that lacks any of them is left out."""
        return self._choosing(Selection(self.model, self.choice).order_by(*orders).query)

    def _choosing(self, choice: Query) -> Self:
        changed = copy.copy(self)
        changed.choice = choice
        return changed

    def _in_order(self, found: Mapping[str, Document]) -> Iterable[str]:
        """Returns the paths in the order of the choice, or by themselves."""
        if not self.choice.orders:
            return sorted(found)
        return (document.path for document in in_order(found.values(), orders_of(self.choice)))

    def _chosen_by(self) -> Iterable[Any]:
        """Returns the choice for a fingerprint."""
        # Without a choice nothing, so that upgrading this package leaves every fingerprint as it was.
        return () if self.choice == ALL else (self.choice.key,)


def check_no_placeholder(model: type[DomainModel], values: Iterable[Any]) -> None:
    """Raises InvalidCondition for text like "{ticket_id}", which would be compared as it is and find nothing."""
    if found := next((each for each in values if isinstance(each, str) and _PLACEHOLDER.fullmatch(each)), None):
        raise InvalidCondition(
            f"{model.__name__}.where(…) has the value {found!r}, and the conditions of a Store are the same for every "
            f"view, so they have no placeholders. Use `children({model.__name__})` for the documents below one of the "
            f"Store, or `referrers(…)` for those that refer to it."
        )
