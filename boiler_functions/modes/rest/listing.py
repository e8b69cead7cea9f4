"""The query of a list: of the stored copies, or of the roots of views that are not stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from boiler_functions.access import Caller, Owner
from boiler_functions.database import NAME, Document, Filter, Order, Query
from boiler_functions.exceptions import InvalidPath, Rejected
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Condition
from boiler_functions.models.selection import select
from boiler_functions.modes.rest.arguments import conditions, filterable, order_of, orderable
from boiler_functions.modes.rest.columns import Column, columns_of
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.paths import document_id
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance

_NOTHING = "boilerNothing"
"""A collection that is always empty, for the list of a caller who cannot own a copy."""


@dataclass(frozen=True)
class Listing:
    """The list of a view, filtered and ordered by what the view shows, in its copies or its roots.

    Equality filters can be combined, and any order used without a filter: Firestore answers these from its index of
    each field. `filtered_orders` can be used with filters; each needs a composite index with every attribute.
    """

    copies: CopyPaths
    is_stored: bool
    filtered_orders: tuple[str, ...] = ()
    is_of_all: bool = False
    """Whether it is the list of a caller whose claim admits to all views, each of which has a copy for its owner."""

    def seen_by(self, caller: Caller | None) -> Listing:
        """Returns the list that holds all that the caller may read.

        For a holder of a claim it is of the roots, not of a collection group of copies: that would hold a view once
        for each owner, and a view without an owner never.
        """
        return replace(self, is_of_all=True) if self.is_of_copies and self.copies.are_only_own(caller) else self

    @cached_property
    def is_of_copies(self) -> bool:
        """Whether the list is a query of stored copies."""
        return self.is_stored and self.copies.are_listed and not self.is_of_all

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The attributes that filters and orders can name."""
        return columns_of(self.copies.view, is_stored=self.is_of_copies)

    def query(
        self, parents: Mapping[str, str], filters: Mapping[str, Any], order_by: str | None, caller: Caller | None
    ) -> Query:
        """Returns the query of the whole list, in its order.

        Raises InvalidPath for parents that are no ids, Rejected for a combination without an index.
        """
        self._check(filters, order_by)
        for name, value in parents.items():
            self.copies.root.pattern().fill({**dict.fromkeys(self.copies.root.pattern().names, "x"), name: value})
        found = conditions(self.columns, filters)
        query = self._of_copies(parents, found, caller) if self.is_of_copies else self._of_roots(parents, found)
        return _ordered(query, order_of(self.columns, order_by))

    def kinds(self) -> Iterator[Query]:
        """Yields one query of each kind, to derive indexes from; one filter is enough, as Firestore merges indexes."""
        yield from self._own_kinds()
        if self.is_of_copies and self.copies.may_be_only_own:
            yield from replace(self, is_of_all=True)._own_kinds()

    def _own_kinds(self) -> Iterator[Query]:
        collection = Query(self.copies.pattern.segments[-2]) if self.is_of_copies else self._of_any_roots()
        filters = (None, *(_any_value(each.declared()) for each in filterable(self.columns).values()))
        orders = (None, *(f"{sign}{name}" for name in orderable(self.columns) for sign in ("", "-")))
        for condition in filters:
            for order_by in orders:
                if condition is None or order_by is None or order_by in self.filtered_orders:
                    own = () if condition is None else (condition,)
                    query = collection._replace(filters=(*collection.filters, *own))
                    yield _ordered(query, order_of(self.columns, order_by))

    def instance(self, document: Document) -> Instance | None:
        """Returns the view of a document in the result; None if no route can name it."""
        pattern = self.copies.root.pattern()
        try:
            key = self.copies.key_of(document.path) if self.is_of_copies else pattern.match(document.path) or {}
            return Instance(self.copies.view, pattern.fill(key))
        except InvalidPath:
            return None

    def _check(self, filters: Mapping[str, Any], order_by: str | None) -> None:
        by_name = filterable(self.columns)
        self._check_columns(filters, order_by)
        lists = [by_name[name].key for name in filters if by_name[name].declared().is_list]
        if lists and len(filters) > 1:
            raise _not_together({lists[-1]: ["Not together with another filter."]})
        own = None if order_by is None else order_by.removeprefix("-")
        filtered = [by_name[name].key for name in filters]
        if own is None or not filters or own in filtered or order_by in self.filtered_orders:
            return
        possible = f"; only {', '.join(self.filtered_orders)}" if self.filtered_orders else ""
        raise _not_together({"orderBy": [f"Not together with a filter{possible}."]})

    def _check_columns(self, filters: Mapping[str, Any], order_by: str | None) -> None:
        """Raises Rejected for what the list of owners can be filtered or ordered by, and this one of roots cannot."""
        shown = {*filterable(self.columns)}
        unknown = {name: self.copies.view.attributes[name].data_key for name in filters if name not in shown}
        reason = (
            "Not in the list of all, which is of the documents themselves: these are filtered and ordered by what the "
            "view shows of them unchanged."
        )
        if unknown:
            raise _not_together({key: [reason] for key in unknown.values()})
        if order_by is not None and order_by.removeprefix("-") not in orderable(self.columns):
            raise _not_together({"orderBy": [reason]})

    def _of_any_roots(self) -> Query:
        return select(self.copies.root, (), dict.fromkeys(self.copies.root.pattern().names[:-1], "any")).query

    def _of_roots(self, parents: Mapping[str, str], found: Sequence[Condition[Any]]) -> Query:
        return select(self.copies.root, found, parents).query

    def _of_copies(self, parents: Mapping[str, str], found: Sequence[Condition[Any]], caller: Caller | None) -> Query:
        collection = self.copies.collection(parents, caller)
        if collection is None:
            return Query(_NOTHING)
        filters = tuple(condition.filter for condition in found)
        if caller is not None and self._owns_one(caller):
            try:
                own = Reference(f"{collection}/{document_id(caller.uid)}")
            except InvalidPath:
                return Query(_NOTHING)
            filters = (Filter(NAME, "==", own), *filters)
        return Query(collection, filters=filters)

    def _owns_one(self, caller: Caller) -> bool:
        """Returns whether the caller may see only the copy whose id is their own."""
        admitting = [part for part in self.copies.readers.parts() if part.may_admit(caller)]
        return admitting == [Owner(self.copies.keys["doc_id"])]


def _ordered(query: Query, order: Order | None) -> Query:
    """Returns the query in this order, then by name; without the order if a filter fixes its field to one value."""
    alike = {each.field for each in query.filters if each.op == "=="}
    if order is None or order.field in alike or NAME in alike:
        return query._replace(orders=(Order(NAME),))
    return query._replace(orders=(order, Order(NAME, descending=order.descending)))


def _any_value(attribute: Attribute[Any]) -> Filter:
    """Returns a filter on the attribute, with any value, as an index does not depend on it."""
    return Filter(attribute.queried_path, "array-contains" if attribute.is_list else "==", None)


def _not_together(errors: dict[str, list[str]]) -> Rejected:
    return Rejected("The query does not fit.", errors)
