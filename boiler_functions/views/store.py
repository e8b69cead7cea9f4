"""Store: the fetch plan of a view, declared as references, which finds the documents that the view needs.

class MeetingStore(Store):
    meeting = reference(Meeting)              # the root: named by the view's key
    tickets = references(Meeting.tickets)     # the documents that a relation refers to
    users = references(Ticket.user)
    notes = referrers(Note.meeting)           # all documents whose relation refers to the meeting
    guests = children(Guest)                  # all documents of a sub-collection below the meeting
    capitals = matching(City.capital == True) # all documents that meet a condition
    likes = referrers(Like.meeting).count()   # a number over them, without reading them
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from boiler_functions.database import Aggregation, Document, Query, Result
from boiler_functions.exceptions import InvalidReference, Rejected
from boiler_functions.models import session
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.models.relation import Relation
from boiler_functions.models.session import Readable
from boiler_functions.types import Instant, cached
from boiler_functions.views.now import Now

M = TypeVar("M", bound=Model)
OnInvalid = Literal["letter", "skip"]
Documents = Mapping[str, Document]
Results = Mapping[str, tuple[Document, ...]]
"""The results of queries, by `Query.key`."""


@dataclass(eq=False, repr=False)
class Resolution:
    """The documents and queries that a fetch plan led to so far, and those to read next."""

    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The paths of the documents behind each resolved reference."""
    named: dict[str, None] = field(default_factory=dict)
    """The paths of documents that are read by name, including the root; a dict, as a set has no order."""
    queries: dict[str, tuple[Source, Query]] = field(default_factory=dict)
    """The queries, by `Query.key`, each with its reference."""
    totals: dict[str, tuple[Source, Aggregation]] = field(default_factory=dict)
    """The questions for numbers, by the name of the reference."""
    looked_up: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The paths of the documents that relations find by a value, by `Query.key`."""
    kept: dict[str, tuple[Source, Aggregation, Result]] = field(default_factory=dict)
    """The numbers that were read rather than asked for, by the name of the reference, each with its question."""
    missing_documents: dict[str, None] = field(default_factory=dict)
    missing_queries: dict[str, Query] = field(default_factory=dict)
    missing_look_ups: dict[str, Query] = field(default_factory=dict)
    """The queries for the one document that has a value, which are not asked yet."""

    @property
    def asked(self) -> Iterator[tuple[Source, Query]]:
        """The queries whose result matters, whether documents or a number were asked for."""
        yield from self.queries.values()
        yield from ((source, aggregation.query) for source, aggregation in self.totals.values())
        yield from ((source, aggregation.query) for source, aggregation, _ in self.kept.values())

    @property
    def is_complete(self) -> bool:
        return not self.missing_documents and not self.missing_queries and not self.missing_look_ups


class Source(ABC):
    """One reference of a Store, which knows how to find its documents."""

    name: str
    many: bool = False
    leads: bool = True
    """Whether it has documents, from which other references may start."""
    verify: bool = True
    on_invalid: OnInvalid = "letter"
    """What happens when a document does not fit: the build fails with a dead letter, or the document is left out."""
    is_kept: bool = False
    """Whether it is a number that is kept up to date in documents of its own."""
    fields: tuple[Attribute[Any], ...] | None = None
    """The attributes of its documents that getters read; a change of others matters to no view. None for all."""
    via: Source | None = None
    """The reference that this one starts from; None for a root, a fixed `doc_id`, and a selection."""

    def __set_name__(self, owner: type[Store], name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def model(self) -> type[DomainModel]:
        """The model of the documents."""

    def bind(self, earlier: Sequence[Source], store: str) -> None:  # noqa: B027  # a root starts from nothing
        """Sets `via` to one of the references declared before; raises InvalidReference if none or several fit."""

    def key_names(self) -> set[str]:
        """Returns the placeholders of the key that the reference uses."""
        return set()

    @abstractmethod
    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        """Adds the documents of the reference to the resolution, or what must be read first to find them."""

    def followed(self) -> Relation[Any] | None:
        """Returns the relation that leads to its documents from those of another reference; None without one."""
        return None

    def starts_by(self) -> Iterator[Attribute[Any]]:
        """Yields the attributes of the documents it starts from which decide what documents it finds."""
        if (relation := self.followed()) is not None:
            yield relation

    def decided_by(self) -> Iterable[Query]:
        """Returns queries whose conditions and orders decide which documents it finds."""
        return ()

    def check_fields(self, store: str) -> None:
        """Raises InvalidReference for a field that is not one of the model's."""
        for each in self.fields or ():
            if not (issubclass(self.model, each.owner) or issubclass(each.owner, self.model)):
                raise InvalidReference(
                    f"{store}.{self.name}: {each!r} is not an attribute of {self.model.__name__}, whose documents it "
                    f"fetches; correct `fields`."
                )

    def described(self) -> list[Any]:
        """Returns everything that decides which documents the reference finds, for a fingerprint of the view."""
        return [
            type(self).__name__,
            self.name,
            self.via.name if self.via else None,
            self.model.pattern().text,
            [(each.field, each.op, each.value) for each in self.model.discriminator()],
            *self._leads_by(),
            # Without the default, so that upgrading this package leaves every fingerprint as it was.
            *([self.on_invalid] if self.on_invalid != "letter" else []),
            *([] if self.fields is None else [["fields", *sorted(each.field_path for each in self.fields)]]),
        ]

    def _leads_by(self) -> Iterable[Any]:
        """Returns what decides it besides `model` and `via`."""
        return ()

    def _add_named(self, resolution: Resolution, paths: Iterable[str], documents: Documents) -> None:
        found = tuple(dict.fromkeys(paths))
        resolution.paths[self.name] = found
        for path in found:
            resolution.named[path] = None
            if path not in documents:
                resolution.missing_documents[path] = None

    def _models(self, store: Store) -> list[Any]:
        # In the order of the paths, except for `matching`, which keeps the order of its selection.
        documents = (store._documents[path] for path in store.paths.get(self.name, ()))
        models = (self.model.model_of(document) for document in documents)
        return [model for model in models if model is not None]

    def __repr__(self) -> str:
        return getattr(self, "name", type(self).__name__)


class Root(Source, Generic[M]):
    """The document that the view's key names; on an instance of the Store, its model."""

    def __init__(self, model: type[DomainModel]) -> None:
        self._model = model

    @property
    def model(self) -> type[DomainModel]:
        return self._model

    def key_names(self) -> set[str]:
        return set(self.model.pattern().names)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        self._add_named(resolution, [self.model.pattern().fill(key)], documents)

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Root[M]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> M: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        if instance is None:
            return self
        if not (models := instance.models(self)):
            paths = ", ".join(instance.paths.get(self.name, ())) or f"for the {self.name}"
            raise Rejected(f"There is no {self.model.__name__} {paths}.")
        return models[0]


class Store:
    """The documents that a view is built from, behind references that are read together, level by level."""

    sources: ClassVar[tuple[Source, ...]] = ()
    reads_fields: ClassVar[bool] = False
    """Whether some reference reads no more than some fields."""

    paths: Mapping[str, tuple[str, ...]]
    totals: Mapping[str, Result]
    _models: dict[str, list[Any]]
    _by_values: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, each in vars(cls).items():
            if isinstance(each, Source) and any(
                isinstance(getattr(base, name, None), Source) for base in cls.__bases__
            ):
                raise InvalidReference(
                    f"{cls.__name__}.{name} replaces a reference of its base, which others may start from; give it "
                    f"another name."
                )
        declared: dict[str, Source] = {}
        for base in reversed(cls.__mro__):
            declared.update({name: each for name, each in vars(base).items() if isinstance(each, Source)})
        if taken := declared.keys() & {*dir(Store), *Store.__annotations__}:
            raise InvalidReference(f"{cls.__name__}.{min(taken)}: the name is reserved by Store; rename the reference.")
        cls.sources = tuple(declared.values())
        cls.reads_fields = any(each.fields is not None for each in cls.sources)
        roots = [each.name for each in cls.sources if isinstance(each, Root)]
        if len(roots) > 1:
            raise InvalidReference(
                f"{cls.__name__} has the roots {' and '.join(roots)}; a view has one root. "
                f"Reach the others by a relation, or give them a `doc_id`."
            )
        for position, source in enumerate(cls.sources):
            source.bind([each for each in cls.sources[:position] if each.leads], cls.__name__)
            source.check_fields(cls.__name__)
        root = cls.root()
        for source in cls.sources:
            if root is not None and (unknown := source.key_names() - root.key_names()):
                raise InvalidReference(
                    f"{cls.__name__}.{source.name} needs {{{min(unknown)}}}, which the key of the root {root.name} "
                    f"does not have; it has {', '.join(sorted(root.key_names()))}."
                )

    @classmethod
    def key_names(cls) -> set[str]:
        """Returns the placeholders that a key must fill: those of the root's path, and of references with `doc_id`."""
        return {name for source in cls.sources for name in source.key_names()}

    def __init__(
        self,
        paths: Mapping[str, tuple[str, ...]],
        documents: Documents,
        read_time: Callable[[], Instant],
        totals: Mapping[str, Result] = MappingProxyType({}),
    ) -> None:
        self.paths = paths
        self._documents = documents
        self.totals = totals
        self._read_time = read_time
        self._now: Now | None = None
        self._models = {}
        self._by_values = {}

    @property
    def documents(self) -> Documents:
        """The documents themselves, by path; a getter that takes them depends on all of their fields."""
        if (reads := session.current().reads) is not None:
            reads.is_whole = True
        return self._documents

    @property
    def now(self) -> Now:
        """The time at which the documents were read, to ask questions about: `self.store.now.has_passed(moment)`."""
        if self._now is None:
            self._now = Now(self._read_time)
        return self._now

    @property
    def changes_at(self) -> Instant | None:
        """When an answer about the time that was given becomes another; None if none will."""
        return None if self._now is None else self._now.changes_at

    def begin(self, key: Mapping[str, str]) -> None:
        """Makes the root a new model with this key, which is not stored yet."""
        root = self.root()
        assert root is not None
        self._models[root.name] = [root.model.new(**key)]

    def models(self, source: Source) -> list[Any]:
        """Returns the models behind a reference, the same objects at each call."""
        if source.name not in self._models:
            self._models[source.name] = source._models(self)
        return self._models[source.name]

    def models_by(self, source: Source, names: tuple[str, ...]) -> Mapping[tuple[str, ...], Any]:
        """Returns the models behind a reference to many, by their values of some placeholders."""
        if (key := (source.name, names)) not in self._by_values:
            models = self.models(source)
            self._by_values[key] = {tuple(getattr(model, name) for name in names): model for model in models}
        return self._by_values[key]

    def candidates(self, source: Source) -> list[Document | DomainModel]:
        """Returns the models behind a reference once they are loaded, else its documents, which may not fit."""
        if source.name in self._models:
            return list(self._models[source.name])
        documents = (self._documents[path] for path in self.paths.get(source.name, ()))
        return [document for document in documents if source.model.holds(document)]

    def changed(self) -> Iterator[DomainModel]:
        """Yields the models that changed since they were read, each once."""
        seen: set[str] = set()
        for models in self._models.values():
            for model in models:
                if model.path not in seen and model.is_changed:
                    seen.add(model.path)
                    yield model

    @classmethod
    def readable(cls) -> Readable | None:
        """Returns what says which attributes of a document getters may read; None if all of every document."""
        return cls._readable_at if cls.reads_fields else None

    @classmethod
    def _readable_at(cls, path: str) -> frozenset[str] | None:
        """Returns the attributes that some reference reads: a document has one model, however many reach it."""
        found: set[str] = set()
        for source in cls.reaching(path):
            if source.leads and source.fields is None:
                return None
            found.update(cls.read_by(source))
        return frozenset(found)

    @classmethod
    def reaching(cls, path: str) -> Iterator[Source]:
        """Yields the references that can reach the document."""
        return (each for each in cls.sources if each.model.pattern().match(path))

    @classmethod
    def read_by(cls, source: Source) -> Iterator[str]:
        """Yields the attributes that a reference declares, and the relations that others follow from it."""
        yield from (each.name for each in source.fields or ())
        yield from cls.followed_from(source)

    @classmethod
    def followed_from(cls, source: Source) -> Iterator[str]:
        """Yields the relations that other references follow from this one, and the values that they are found by."""
        for other in cls.sources:
            if other.via is source:
                yield from (each.name for each in other.starts_by())

    @classmethod
    def root(cls) -> Root[Any] | None:
        """Returns the root, or None."""
        return _root(cls)

    @classmethod
    def resolve(cls, key: Mapping[str, str], documents: Documents, results: Results) -> Resolution:
        """Follows the fetch plan as far as the documents and results lead."""
        resolution = Resolution()
        cls.follow(resolution, key, documents, results)
        return resolution

    @classmethod
    def follow(cls, resolution: Resolution, key: Mapping[str, str], documents: Documents, results: Results) -> None:
        """Follows the fetch plan into a given resolution, which keeps what was found when a source raises."""
        for source in cls.sources:
            source.resolve(key, resolution, documents, results)


@cached
def _root(store: type[Store]) -> Root[Any] | None:
    return next((each for each in store.sources if isinstance(each, Root)), None)
