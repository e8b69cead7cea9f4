"""Totals: numbers over the documents that a query finds, which Firestore works out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Generic, TypeVar, overload

from marshmallow import ValidationError

from boiler_functions.database import AggregateFunction, Aggregation, Document, Groups, Number, Query, Result
from boiler_functions.database.change import Change
from boiler_functions.database.matching import ABSENT, field_of, matches
from boiler_functions.exceptions import InvalidCondition, InvalidReference
from boiler_functions.models import fields
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.types import Reference, digest
from boiler_functions.views.keeping import (
    DEFAULT_SHARDS,
    MOST_SHARDS,
    Contribution,
    Keeping,
    group_of,
    name_of,
    number_of_shards,
    numbers_by_value,
)
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Documents, Resolution, Results, Source, Store

N = TypeVar("N")

_KEYS = (fields.String, fields.Integer, fields.Boolean, fields.Member, fields.Related)


class Total(Queried, Generic[N]):
    """A number over the documents of a reference; on an instance of the Store, the number.

    It is asked for at the build's read time, costs a read for each 1,000 documents, and reads none of them. With `by`,
    it is a dict of such numbers by the values of an attribute. If it is kept, it is read from its shards instead, once
    these have all documents.
    """

    leads = False

    def __init__(
        self,
        of: Queried,
        function: AggregateFunction,
        attribute: Attribute[Any] | None,
        empty: Number,
        by: Any = None,
        shards: int = 0,
    ) -> None:
        if of.on_invalid != "letter":
            raise InvalidReference(
                f"A {function} over {of.model.__name__} with on_invalid={of.on_invalid!r}: a total reads no documents, "
                f"so that none can be left out. Leave `on_invalid` out."
            )
        self.of = of
        self.reads_start = of.reads_start
        self.function: AggregateFunction = function
        self.attribute = attribute
        self.empty = empty
        self.by = None if by is None else _grouping(of, by)
        self.is_kept = shards > 0
        self.shards = shards
        """In how many documents the number is kept; 0 for one that is asked for."""

    def __set_name__(self, owner: type[Store], name: str) -> None:
        super().__set_name__(owner, name)
        self.of.__set_name__(owner, name)

    @property
    def model(self) -> type[DomainModel]:
        return self.of.model

    @cached_property
    def keeping(self) -> Keeping | None:
        """How the total is kept; None for one that is asked for."""
        if not self.shards:
            return None
        what = digest(self.of.example().key, self.model.pattern().text, self._field)
        # Without `by` as before there was one, so that upgrading leaves every total as it was.
        by = (self.by.queried_path,) if self.by else ()
        return Keeping(digest(what, self.shards, *by), self.shards)

    @property
    def _field(self) -> str | None:
        return self.attribute.queried_path if self.attribute else None

    @property
    def is_of_fractions(self) -> bool:
        """Whether what is added up may have decimal places, so that a kept sum would drift."""
        return self.attribute is not None and isinstance(self.attribute.field(), fields.Float)

    def contribution_of(self, document: Document) -> Contribution:
        """Returns what a document adds to a kept total."""
        groups = self._groups_of(document)
        value = name_of(field_of(document, self.by.queried_path)) if groups and self.by else None
        if self.by and value is None:
            return Contribution()
        number = field_of(document, self._field) if groups and self._field else None
        return Contribution(groups, number if type(number) is int else None, value)

    def _groups_of(self, document: Document) -> tuple[str, ...]:
        return tuple(sorted(group_of(each) for each in self.queries_of(document) if matches(each, document)))

    def is_changed_by(self, change: Change) -> bool:
        """Whether the number may be another after the change, as far as its images tell."""
        if not change.has_images or self.of.example().limit is not None:
            return True
        return self._told_by(change.before) != self._told_by(change.after)

    def _told_by(self, image: Document) -> str:
        """Returns a digest of everything that decides what a document adds, and to which groups."""
        groups = self._groups_of(image)
        named = (self._field, self.by.queried_path if self.by else None)
        values = [field_of(image, each) for each in named if each] if groups else []
        return digest(groups, [[] if each is ABSENT else [each] for each in values])

    def asked_of(self, query: Query) -> Aggregation:
        """Returns the question for the number, or the numbers by value, of what the query finds."""
        return Aggregation(query, self.function, self._field, self.by.queried_path if self.by else None)

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.of.bind(earlier, store)
        self.via = self.of.via
        try:
            _ = self._field, self.by.queried_path if self.by else None
        except InvalidCondition as error:
            raise InvalidReference(f"{store}.{self.name}: {error}") from error
        if self.of.fields is not None:
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function}, which reads no attribute of a document; leave out `fields`."
            )
        if any(each.many for each in _ways(self.via)):
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} over the documents of many {self.via!r}; a total starts "
                f"from one document. Keep it in a view of each, or declare the documents themselves."
            )
        if self.of.example().pattern is not None:
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} over {self.model.pattern().text}, and Firestore would also "
                f"count documents of other collections named {self.of.example().collection!r}. Keep "
                f"{self.model.__name__} in a collection at the top, or declare the documents themselves."
            )
        self._check_choice(store)

    def _check_choice(self, store: str) -> None:
        """Raises InvalidReference for an order or a limit beside something that these would contradict."""
        if self.of.is_alone and (self.attribute is not None or self.by is not None):
            raise InvalidReference(
                f"{store}.{self.name} adds up what refers to a document by the key of a map, and Firestore would need "
                f"an index for each key. Count the documents, or keep the ids in a list as well."
            )
        example = self.of.example()
        if not example.orders and example.limit is None:
            return
        if self.by is not None:
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} by {self.by!r} of a selection in an order, or with a limit, "
                f"and Firestore asks for each value by itself. Leave out `order_by` and `limit`, or `by`."
            )
        if self.shards:
            raise InvalidReference(
                f"{store}.{self.name} is a kept {self.function} of a selection in an order, or with a limit, and a "
                f"document does not tell whether it is among the first. Leave out `order_by` and `limit`, or `kept`."
            )

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        for query in self.queries(resolution, documents) or ():
            if self.keeping is None or not self._read_kept(self.keeping, query, resolution, documents):
                resolution.totals[self.name] = (self, self.asked_of(query))

    def _read_kept(self, keeping: Keeping, query: Query, resolution: Resolution, documents: Documents) -> bool:
        """Adds the shards of a group to the resolution, and their number once they are read and have all documents.

        They are read by name, so that a view depends on them as on other documents.
        """
        shards = keeping.shards_of(group_of(query))
        paths = (keeping.head, *shards)
        resolution.named.update(dict.fromkeys(paths))
        missing = [path for path in paths if path not in documents]
        resolution.missing_documents.update(dict.fromkeys(missing))
        if missing or not documents[keeping.head].exists:
            return False
        of_shards = number_of_shards if self.by is None else numbers_by_value
        number = of_shards(self.function, [documents[path] for path in shards])
        resolution.kept[self.name] = (self, self.asked_of(query), number)
        return True

    def starts_by(self) -> Iterator[Attribute[Any]]:
        return self.of.starts_by()

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        return self.of.queries(resolution, documents)

    def queries_of(self, image: Document) -> list[Query]:
        return self.of.queries_of(image)

    def example(self) -> Query:
        return self.asked_of(self.of.example()).asked

    def examples(self) -> Iterable[Query]:
        question = self.asked_of(self.of.example())
        return (question.asked,) if self.by is None else (question.first_value, question.of("any").asked)

    def _leads_by(self) -> Iterable[Any]:
        # A total that is asked for without `by` has neither here, so that upgrading leaves every fingerprint as it was.
        by = (self.by.queried_path,) if self.by else ()
        kept = ("kept", self.shards) if self.shards else ()
        return (self.function, self._field, *self.of.described(), *by, *kept)

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Total[N]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> N: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        if instance is None:
            return self
        return self.shown(instance.totals.get(self.name, self.empty if self.by is None else ()))

    def shown(self, found: Result) -> Any:
        """Returns the number, or the numbers by value, as an instance of the Store has them."""
        return dict(self._keyed(found)) if isinstance(found, tuple) else found

    def _keyed(self, groups: Groups) -> Iterator[tuple[Any, Number]]:
        """Yields each number after the value as a model has it; without values that the attribute cannot have."""
        assert self.by is not None
        for value, number in groups:
            with suppress(ValidationError):
                yield _key_of(self.by, value), number


def kept_totals(stores: Iterable[type[Store]]) -> Iterable[tuple[Total[Any], Keeping]]:
    """Returns the kept totals of the Stores; those that equal declarations share once."""
    sources = (source for store in stores for source in store.sources if isinstance(source, Total))
    return {each.keeping.total: (each, each.keeping) for each in sources if each.keeping is not None}.values()


def _ways(via: Source | None) -> Iterator[Source]:
    """Yields the reference, and those that lead to it."""
    while via is not None:
        yield via
        via = via.via


def _grouping(of: Queried, bound: Any) -> Attribute[Any]:
    """Returns the attribute whose values have a number each; raises InvalidReference unless they can be keys."""
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if not isinstance(attribute, Attribute) or not isinstance(attribute.field(), _KEYS):
        raise InvalidReference(
            f"by={bound!r} has no values that could be the keys of a dict; a total by value takes an attribute "
            f"declared with `attrs.string()`, `integer()`, `boolean()`, `enum(…)`, or a relation to one document."
        )
    if not (issubclass(of.model, bound.owner) or issubclass(bound.owner, of.model)):
        raise InvalidReference(f"by={bound!r} is not an attribute of {of.model.__name__}, whose documents are counted.")
    return attribute


def _key_of(attribute: Attribute[Any], value: Any) -> Any:
    """Returns a stored value as the key of a dict; raises ValidationError if the attribute cannot have it."""
    if value is None:
        raise ValidationError("A missing value cannot be a key.")
    # Firestore holds 2 and 2.0 for equal, and returns one of them for both.
    is_whole = isinstance(value, float) and value.is_integer()
    key = attribute.field().deserialize(int(value) if is_whole else value)
    return key.path if isinstance(key, Reference) else key


def shards_of(what: str, kept: bool, shards: int) -> int:
    """Returns in how many documents a total is kept, 0 if it is asked for; raises InvalidReference for nonsense."""
    if not kept and shards != DEFAULT_SHARDS:
        raise InvalidReference(f"{what}(shards={shards!r}) is not kept, and so has no shards. Add `kept=True`.")
    if not kept:
        return 0
    if not 1 <= shards <= MOST_SHARDS:
        raise InvalidReference(f"{what}(shards={shards!r}): a total is kept in 1 to {MOST_SHARDS} shards.")
    return shards


def number_of(of: Queried, bound: Any, *, kept: bool = False) -> Attribute[Any]:
    """Returns the attribute that is added up; raises InvalidReference unless it is a number of the model."""
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if kept and isinstance(attribute, Attribute) and isinstance(attribute.field(), fields.Float):
        raise InvalidReference(
            f"{bound!r} is declared with `attrs.float()`, and a kept sum of fractions would drift with each change. "
            f"Keep a whole number, such as cents, with `attrs.integer()`; or leave out `kept`."
        )
    if not isinstance(attribute, Attribute) or not isinstance(attribute.field(), fields.Integer | fields.Float):
        raise InvalidReference(
            f"{bound!r} is not a number; a sum or an average takes an attribute declared with `attrs.integer()` or "
            f"`attrs.float()`, as `Review.stars`."
        )
    if not (issubclass(of.model, bound.owner) or issubclass(bound.owner, of.model)):
        raise InvalidReference(f"{bound!r} is not an attribute of {of.model.__name__}, whose documents are added up.")
    return attribute
