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
from boiler_functions.modes.rest.arguments import conditions, filterable, named_by, orderable, ordering, orders_of
from boiler_functions.modes.rest.columns import Column, columns_of
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.paths import document_id
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance

_NOTHING = "boilerNothing"
"""A collection that is always empty, for the list of a caller who cannot own a copy."""

_NOT_OF_ALL = (
    "Not in the list of all, which is of the documents themselves: these are filtered and ordered by what the view "
    "shows of them unchanged."
)


@dataclass(frozen=True)
class Listing:
    """The list of a view, filtered and ordered by what the view shows, in its copies or its roots.

    Equality filters can be combined, and any order, or a range in its own order, used without a filter: Firestore
    answers these from its index of each field. `filtered_orders` can be used with filters; each needs a composite index
    with every attribute. One of several attributes also takes ranges of its first ones.
    """

    copies: CopyPaths
    is_stored: bool
    filtered_orders: tuple[str, ...] = ()
    is_of_all: bool = False
    """Whether it is the list of a caller whose claim admits to all views, each of which has a copy for its owner."""

    def seen_by(self, caller: Caller | None) -> Listing:
        """Returns the list that holds all that the caller may read.

        For a holder of a claim it is of the collection group of all copies, if that holds each view once. Where a view
        has a copy for each owner, and without an owner none, it is of the roots.
        """
        return replace(self, is_of_all=True) if self.is_of_copies and self.copies.are_only_own(caller) else self

    @cached_property
    def is_of_copies(self) -> bool:
        """Whether the list is a query of stored copies."""
        return self.is_stored and (self.is_of_group or self._is_of_one_collection)

    @cached_property
    def is_of_group(self) -> bool:
        """Whether the list is a query of the copies in all collections of one name."""
        return self.is_stored and self.copies.are_each_once and not self._is_of_one_collection

    @property
    def _is_of_one_collection(self) -> bool:
        return self.copies.are_listed and not self.is_of_all

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
        ranges = self._ranges(filters)
        # Firestore takes no range beside the name of a document.
        if ranges and self.is_of_copies and caller is not None and self._owns_one(caller):
            raise _not_together({self._key(ranges[0]): ["Not in this list: your own view is the only one in it."]})
        order_by = order_by or self._order_of(ranges)
        for name, value in parents.items():
            self.copies.root.pattern().fill({**dict.fromkeys(self.copies.root.pattern().names, "x"), name: value})
        found = conditions(self.columns, filters)
        query = self._of_copies(parents, found, caller) if self.is_of_copies else self._of_roots(parents, found)
        return _ordered(query, orders_of(self.columns, order_by))

    def kinds(self) -> Iterator[Query]:
        """Yields one query of each kind, to derive indexes from; one filter is enough, as Firestore merges indexes."""
        yield from self._own_kinds()
        if self.is_of_copies and not self.is_of_group and self.copies.may_be_only_own:
            yield from replace(self, is_of_all=True)._own_kinds()

    def _own_kinds(self) -> Iterator[Query]:
        collection = self._of_any_copies() if self.is_of_copies else self._of_any_roots()
        filters = (None, *(_any_value(each.declared()) for each in filterable(self.columns).values()))
        known = orderable(self.columns)
        own_orders = (f"{sign}{name}" for name in known for sign in ("", "-"))
        orders = (None, *own_orders, *(each for each in self.filtered_orders if {*ordering(each)} <= known.keys()))
        for condition in filters:
            for order_by in orders:
                if condition is None or order_by is None or order_by in self.filtered_orders:
                    own = () if condition is None else (condition,)
                    query = collection._replace(filters=(*collection.filters, *own))
                    yield _ordered(query, orders_of(self.columns, order_by))

    def instance(self, document: Document) -> Instance | None:
        """Returns the view of a document in the result; None if no route can name it."""
        pattern = self.copies.root.pattern()
        try:
            key = self.copies.key_of(document.path) if self.is_of_copies else pattern.match(document.path) or {}
            return Instance(self.copies.view, pattern.fill(key))
        except InvalidPath:
            return None

    def _ranges(self, filters: Mapping[str, Any]) -> list[str]:
        return sorted(filters.keys() - self.columns.keys())

    def _order_of(self, ranges: Sequence[str]) -> str | None:
        """Returns what orders a list by itself: a range does, as Firestore orders by its attribute first."""
        keys = {self._key(named_by(each)) for each in ranges}
        if len(keys) < 2:
            return next(iter(keys), None)
        return next((each for each in self.filtered_orders if {*ordering(each)[: len(keys)]} == keys), None)

    def _check(self, filters: Mapping[str, Any], order_by: str | None) -> None:
        ranges, equal = self._ranges(filters), [name for name in filters if name in self.columns]
        self._check_filters(filters)
        order = order_by or self._order_of(ranges)
        self._check_order(order)
        fixed = {self._key(name) for name in equal}
        own = ordering(order)
        free = [key for key in own if key not in fixed]
        if len(own) > 1 and len(free) < len(own):
            raise _not_together({"orderBy": ["Not together with a value of one of its attributes."]})
        if ranges:
            self._check_ranges(ranges, equal, free)
        lists = [self._key(name) for name in equal if self.columns[name].declared().is_list]
        if lists and len(filters) > 1:
            raise _not_together({lists[-1]: ["Not together with another filter."]})
        if not free or not equal or order in self.filtered_orders:
            return
        possible = f"; only {', '.join(self.filtered_orders)}" if self.filtered_orders else ""
        refused = "orderBy" if order_by else self._key(ranges[0])
        raise _not_together({refused: [f"Not together with a filter{possible}."]})

    def _check_ranges(self, ranges: Sequence[str], equal: Sequence[str], order: Sequence[str]) -> None:
        """Raises Rejected for ranges that no index answers: they must be of the attributes that come first in it."""
        names, last = sorted({named_by(each) for each in ranges}), self._key(ranges[-1])
        if both := [each for each in ranges if named_by(each) in equal]:
            raise _not_together({self._key(both[-1]): ["Not together with a value of the same attribute."]})
        keys = [self._key(each) for each in names]
        if {*order[: len(keys)]} == {*keys}:
            return
        if len(keys) == 1:
            possible = ", ".join((keys[0], f"-{keys[0]}", *self._orders_from(keys)))
            raise _not_together({"orderBy": [f"Only one of {possible}, together with a range of {keys[0]}."]})
        possible = f"; only in the order {' or '.join(found)}" if (found := self._orders_from(keys)) else ""
        raise _not_together({last: [f"Not together with a range of another attribute{possible}."]})

    def _orders_from(self, keys: Sequence[str]) -> list[str]:
        """Returns the declared orders of several attributes that begin with these ones."""
        several = (each for each in self.filtered_orders if "," in each)
        return [each for each in several if {*ordering(each)[: len(keys)]} == {*keys}]

    def _check_filters(self, filters: Mapping[str, Any]) -> None:
        """Raises Rejected for what the list of owners can be filtered by, and this one of roots cannot."""
        if unknown := [self._key(name) for name in filters if named_by(name) not in filterable(self.columns)]:
            raise _not_together({key: [_NOT_OF_ALL] for key in unknown})

    def _check_order(self, order: str | None) -> None:
        """Raises Rejected for what the list of owners can be ordered by, and this one of roots cannot."""
        if not {*ordering(order)} <= orderable(self.columns).keys():
            raise _not_together({"orderBy": [_NOT_OF_ALL]})

    def _key(self, name: str) -> str:
        """Returns the parameter of a filter: of `start_time>` it is `startTime>`."""
        own = named_by(name)
        return self.copies.view.attributes[own].data_key + name.removeprefix(own)

    def _of_any_copies(self) -> Query:
        return Query(self.copies.pattern.segments[-2], group=self.is_of_group)

    def _of_any_roots(self) -> Query:
        return select(self.copies.root, (), dict.fromkeys(self.copies.root.pattern().names[:-1], "any")).query

    def _of_roots(self, parents: Mapping[str, str], found: Sequence[Condition[Any]]) -> Query:
        return select(self.copies.root, found, parents).query

    def _of_copies(self, parents: Mapping[str, str], found: Sequence[Condition[Any]], caller: Caller | None) -> Query:
        filters = tuple(condition.filter for condition in found)
        if self.is_of_group:
            # Without a pattern: the documents of others in collections of this name count towards the most that are
            # read.
            return self._of_any_copies()._replace(filters=filters)
        collection = self.copies.collection(parents, caller)
        if collection is None:
            return Query(_NOTHING)
        if caller is not None and self._owns_one(caller):
            try:
                own = Reference(f"{collection}/{document_id(caller.uid)}")
            except InvalidPath:
                return Query(_NOTHING)
            filters = (Filter(NAME, "==", own), *filters)
        return Query(collection, filters=filters)

    def _owns_one(self, caller: Caller) -> bool:
        """Returns whether the caller may see only the copy whose id is their own."""
        if self.is_of_group:
            return False
        admitting = [part for part in self.copies.readers.parts() if part.may_admit(caller)]
        return admitting == [Owner(self.copies.keys["doc_id"])]


def _ordered(query: Query, orders: Sequence[Order]) -> Query:
    """Returns the query in these orders, then by name; without those that a filter fixes to one value."""
    alike = {each.field for each in query.filters if each.op == "=="}
    kept = () if NAME in alike else tuple(each for each in orders if each.field not in alike)
    return query._replace(orders=(*kept, Order(NAME, descending=bool(kept) and kept[-1].descending)))


def _any_value(attribute: Attribute[Any]) -> Filter:
    """Returns a filter on the attribute, with any value, as an index does not depend on it."""
    return Filter(attribute.queried_path, "array-contains" if attribute.is_list else "==", None)


def _not_together(errors: dict[str, list[str]]) -> Rejected:
    return Rejected("The query does not fit.", errors)
