"""Documents that a Store names: one by its id, those that a relation refers to, and those above sub-documents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from boiler_functions.database import Document, Query
from boiler_functions.database.matching import matches
from boiler_functions.exceptions import InvalidReference
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.models.relation import NamingRelation, Relation
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.views.choice import ALL, Choosing
from boiler_functions.views.store import Documents, Resolution, Results, Source, Store

M = TypeVar("M", bound=Model)


class Single(Source, Generic[M]):
    """One document; on an instance of the Store, its model or None."""

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Single[M]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> M | None: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        return self if instance is None else next(iter(instance.models(self)), None)


class One(Single[M]):
    """One document, found by a fixed id or through a relation."""

    def __init__(
        self, model: type[DomainModel] | NamingRelation[Any], *, doc_id: str | None, via: Source | None, verify: bool
    ) -> None:
        self._of = model
        self._doc_id = doc_id
        self.via = via
        self.verify = verify

    @property
    def model(self) -> type[DomainModel]:
        return self._of.target if isinstance(self._of, NamingRelation) else self._of

    def followed(self) -> NamingRelation[Any] | None:
        """Returns the relation that leads to the document; None for a document with a fixed id."""
        return self._of if isinstance(self._of, NamingRelation) else None

    @property
    def doc_id(self) -> str | None:
        return self._doc_id

    def _leads_by(self) -> Iterable[Any]:
        return (self._doc_id, *led_by(self.followed()))

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        if isinstance(self._of, NamingRelation):
            self.via = start_of_one(self, self._of, self.via, earlier, store)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        if isinstance(self._of, NamingRelation):
            follow(self, self._of, self.via, resolution, documents)
        else:
            pattern = self.model.pattern()
            self._add_named(resolution, [pattern.fill({**key, "doc_id": self._filled(key)})], documents)

    def key_names(self) -> set[str]:
        if self._doc_id is None:
            return set()
        return {*Pattern(self._doc_id).names, *(name for name in self.model.pattern().names if name != "doc_id")}

    def _models(self, store: Store) -> list[Any]:
        check_followed(self.followed(), self.via, store)
        return super()._models(store)

    def _filled(self, key: Mapping[str, str]) -> str:
        assert self._doc_id is not None
        return Pattern(self._doc_id).fill(key)


class Many(Source, Generic[M]):
    """Many documents; on an instance of the Store, a sequence of the existing models, ordered by path."""

    many = True

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Many[M]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> Sequence[M]: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        return self if instance is None else instance.models(self)


class Targets(Choosing[M], Many[M]):
    """The documents that a relation leads to; all are read, and then the conditions and the order choose."""

    @abstractmethod
    def followed(self) -> Relation[Any]:
        """Returns the relation that leads to its documents."""

    @property
    def model(self) -> type[DomainModel]:
        found: type[DomainModel] = self.followed().target
        return found

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = starting_point(self, self.followed().owner, self.via, earlier, store)
        if not self.via.many and not self.followed().many:
            raise InvalidReference(f"{store}.{self.name} leads to one document; declare it with `reference(…)`.")

    def _leads_by(self) -> Iterable[Any]:
        return (*led_by(self.followed()), *self._chosen_by())

    def _models(self, store: Store) -> list[Any]:
        check_followed(self.followed(), self.via, store)
        return super()._models(store)

    def _chosen_of(self, paths: Iterable[str], documents: Documents) -> tuple[str, ...]:
        """Returns the paths that the conditions choose of documents that are read."""
        choice = self.choice._replace(collection=self.model.pattern().segments[-2], group=True)
        held = {path: documents[path] for path in paths if self.model.holds(documents[path])}
        chosen = {path: each for path, each in held.items() if matches(choice, each)}
        return tuple(self._in_order(chosen))


class RelatedMany(Targets[M]):
    """The documents that a relation names."""

    def __init__(self, relation: NamingRelation[Any], *, via: Source | None, verify: bool) -> None:
        self.relation = relation
        self.via = via
        self.verify = verify

    def followed(self) -> NamingRelation[Any]:
        return self.relation

    def decided_by(self) -> Iterable[Query]:
        return (self.choice,)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        follow(self, self.relation, self.via, resolution, documents)
        if self.choice == ALL or (paths := resolution.paths.pop(self.name, None)) is None:
            return
        # What starts from the chosen ones waits until it is known which these are.
        if all(path in documents for path in paths):
            resolution.paths[self.name] = self._chosen_of(paths, documents)


class Beside(Source, Generic[M]):
    """What documents whose paths follow from those of another reference have in common: none of it need be read."""

    def __init__(self, model: type[DomainModel], *, via: Source | None, verify: bool) -> None:
        self._model = model
        self.via = via
        self.verify = verify

    @property
    def model(self) -> type[DomainModel]:
        return self._model

    @abstractmethod
    def _starts_in(self, earlier: Sequence[Source]) -> tuple[list[Source], str]:
        """Returns the references from which it may start, and what to declare where it has none."""

    @abstractmethod
    def path_from(self, start: str, key: Mapping[str, str]) -> str | None:
        """Returns the path that follows from one, and from the key of the view; None if none does."""

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = place_of(self, *self._starts_in(earlier), store)
        if self.via.many != self.many:
            one, many = self._how
            leads, how = ("many documents", many) if self.via.many else ("one document", one)
            raise InvalidReference(f"{store}.{self.name} leads to {leads}; declare it with `{how}`.")

    _how: tuple[str, str]
    """How one, and how many, are declared."""

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        via = self.via
        assert via is not None
        if (starts := resolution.paths.get(via.name)) is None:
            return
        # A document that is not read yet leads on, so that both are read in one level; a later round knows its class.
        leading = [each for each in starts if each not in documents or leads_on(via, via.model, documents[each])]
        paths = {path for each in leading if (path := self.path_from(each, key)) is not None}
        self._add_named(resolution, sorted(paths), documents)


class Above(Beside[M]):
    """What documents above those of another reference have in common."""

    _how = "parent(…)", "parents(…)"

    def _starts_in(self, earlier: Sequence[Source]) -> tuple[list[Source], str]:
        below = f"a document below {self.model.pattern().text}"
        found = [each for each in earlier if lies_below(each.model, self.model)]
        return found, f"it is the document above others; declare a reference to {below}"

    def path_from(self, start: str, key: Mapping[str, str]) -> str | None:
        above = collection_of(collection_of(start))
        return above if self.model.pattern().match(above) else None


class Parent(Above[M], Single[M]):
    """The document above that of another reference."""


class Parents(Above[M], Many[M]):
    """The documents above those of another reference."""


def lies_below(model: type[DomainModel], above: type[DomainModel]) -> bool:
    """Returns whether the model's documents are in a sub-collection of documents of the other model."""
    segments = model.pattern().segments
    return len(segments) >= 4 and Pattern("/".join(segments[:-2])).overlaps(above.pattern())


def place_of(source: Source, found: Sequence[Source], missing: str, store: str) -> Source:
    """Returns the one of the references in `found` that `via` chooses, or the only one.

    Raises InvalidReference if there is none, which `missing` explains, or `via` does not choose among several.
    """
    chosen = [each for each in found if source.via in (None, each)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(each.name for each in found)
    how = f"choose where it starts with `via=`: {names}" if found else f"{missing} before it"
    raise InvalidReference(f"{store}.{source.name}: {how}.")


def led_by(relation: Relation[Any] | None) -> Iterable[Any]:
    if relation is None:
        return ()
    target = [(each.field, each.op, each.value) for each in relation.target.discriminator()]
    collection = relation.target.pattern().text
    return (relation.field_path, relation.many, collection, target, *relation.spelled(), *relation.aliases)


def starting_point(
    source: Source, model: type[DomainModel] | type[Any], via: Source | None, earlier: Sequence[Source], store: str
) -> Source:
    """Returns the earlier reference that a relation of `model` starts from.

    Raises InvalidReference if none fits, or several do and `via` chooses none.
    """
    found = [each for each in earlier if issubclass(each.model, model) or issubclass(model, each.model)]
    if via is not None:
        if via not in found:
            reachable = ", ".join(each.name for each in found) or "none"
            raise InvalidReference(
                f"{store}.{source.name} goes via {via!r}, which is not a {model.__name__} "
                f"declared before it; these are: {reachable}."
            )
        return via
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidReference(
            f"{store}.{source.name} starts from {model.__name__}, which no reference before it reaches; "
            f"declare one, for example `{model.__name__.lower()} = reference({model.__name__})`."
        )
    raise InvalidReference(
        f"{store}.{source.name} could start from {', '.join(each.name for each in found)}; choose with `via=`."
    )


def start_of_one(
    source: Source, relation: Relation[Any], via: Source | None, earlier: Sequence[Source], store: str
) -> Source:
    """Returns the earlier reference that the relation starts from; raises InvalidReference if it leads to many."""
    start = starting_point(source, relation.owner, via, earlier, store)
    if start.many or relation.many:
        raise InvalidReference(f"{store}.{source.name} leads to many documents; declare it with `references(…)`.")
    return start


def follow(
    source: Source, relation: NamingRelation[Any], via: Source | None, resolution: Resolution, documents: Documents
) -> None:
    """Adds to the resolution the documents that the relation names in those of the reference `via`."""
    found = starts_of(relation, via, resolution, documents)
    if found is None:
        return
    paths = [path for document in found for path in relation.paths(document.fields)]
    source._add_named(resolution, sorted(set(paths)) if source.many else paths, documents)


def starts_of(
    relation: Relation[Any], via: Source | None, resolution: Resolution, documents: Documents
) -> list[Document] | None:
    """Returns the documents of `via` that the relation can be followed from; None before they are read."""
    assert via is not None
    starts = resolution.paths.get(via.name)
    if starts is None or any(path not in documents for path in starts):
        return None
    return [documents[start] for start in starts if leads_on(via, relation.owner, documents[start])]


def check_followed(relation: Relation[Any] | None, via: Source | None, store: Store) -> None:
    """Raises InvalidDocument if a relation that was followed does not fit, so that its documents would be missing."""
    if relation is None or via is None:
        return
    for start in store.models(via):
        if isinstance(start, relation.owner):
            relation.check_followed(start)


def leads_on(source: Source, model: type[Any], document: Document) -> bool:
    """Returns whether a relation of `model` can be followed from this document of the reference.

    It can if the document belongs to `model` and to the model of the reference. A missing document belongs to every
    class that holds a whole collection, so that documents which refer to it are found; it belongs to no subclass, as
    only the field `obj_type` says that.
    """
    models = [each for each in {source.model, model} if issubclass(each, DomainModel)]
    if not document.exists:
        return not any(each.discriminator() for each in models)
    return all(each.holds(document) for each in models)
