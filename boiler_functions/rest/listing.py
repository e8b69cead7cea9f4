"""What a list asks for: a query of the stored copies, or of the roots of views that are not stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from boiler_functions.access import Caller, Owner
from boiler_functions.build import Instance
from boiler_functions.conditions import Condition
from boiler_functions.database import NAME, Document, Filter, Order, Query
from boiler_functions.exceptions import InvalidPath
from boiler_functions.models import DomainModel
from boiler_functions.rest.arguments import conditions
from boiler_functions.rest.copies import Copies
from boiler_functions.selection import select
from boiler_functions.types import Reference
from boiler_functions.view_models import ViewModel

_NOTHING = "boilerNothing"
"""A collection that is always empty: the list of a caller who can own no copy."""


@dataclass(frozen=True)
class Listing:
    """The list of a view: filters and orders are on its own attributes where copies are listed, else on its root's."""

    copies: Copies
    is_stored: bool

    @cached_property
    def is_of_copies(self) -> bool:
        return self.is_stored and self.copies.are_listed

    @property
    def model(self) -> type[DomainModel] | type[ViewModel[Any]]:
        """The model whose attributes filters and orders name."""
        return self.copies.view if self.is_of_copies else self.copies.root

    def query(
        self, parents: Mapping[str, str], filters: Mapping[str, Any], order: Order | None, caller: Caller | None
    ) -> Query:
        """The query of the whole list, in its order; raises InvalidPath for parents that no path can hold."""
        for name, value in parents.items():
            self.copies.root.pattern().fill({**dict.fromkeys(self.copies.root.pattern().names, "x"), name: value})
        found = conditions(self.model, filters)
        query = self._of_copies(parents, found, caller) if self.is_of_copies else self._of_roots(parents, found)
        own = () if order is None else (order,)
        return replace(query, orders=(*own, Order(NAME, descending=order is not None and order.descending)))

    def instance(self, document: Document) -> Instance | None:
        """The view that a document of the result stands for; None where no route could name it."""
        pattern = self.copies.root.pattern()
        try:
            key = self.copies.key_of(document.path) if self.is_of_copies else pattern.match(document.path) or {}
            return Instance(self.copies.view, pattern.fill(key))
        except InvalidPath:
            return None

    def _of_roots(self, parents: Mapping[str, str], found: Sequence[Condition[Any]]) -> Query:
        return select(self.copies.root, found, parents).query

    def _of_copies(self, parents: Mapping[str, str], found: Sequence[Condition[Any]], caller: Caller | None) -> Query:
        collection = self.copies.collection(parents, caller)
        if collection is None:
            return Query(_NOTHING)
        filters = tuple(condition.filter for condition in found)
        if caller is not None and self._owns_one(caller):
            filters = (Filter(NAME, "==", Reference(f"{collection}/{caller.uid}")), *filters)
        return Query(collection, filters=filters)

    def _owns_one(self, caller: Caller) -> bool:
        """Whether all that the caller may see is the copy that bears their id."""
        admitting = [part for part in self.copies.readers.parts() if part.may_admit(caller)]
        return admitting == [Owner(self.copies.keys["doc_id"])]
