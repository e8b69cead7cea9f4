"""The copy of a stored view as a source of other views: a document that holds what the view computed.

A copy is written only when its content changes, so a chain of views stops where nothing does.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from marshmallow import Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.access import Owner, Where
from boiler_functions.exceptions import GetterFailed, InvalidReference
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.fields import Part, Related
from boiler_functions.models.model import Model
from boiler_functions.paths import Pattern
from boiler_functions.types import cached
from boiler_functions.views.followed import Beside, Many, Single
from boiler_functions.views.store import Source, Store

M = TypeVar("M", bound=Model)


class StoredCopy(DomainModel):
    """The base of the models of copies, each of which is also a subclass of its view.

    Its attributes are those of the view with the stored values in place of the getters. What the engine stamps on a
    copy is not among them.
    """

    is_document = False
    """A relation leads to the documents that a view is built of, and to no view."""

    _view: ClassVar[type[Any]]

    @property
    def params(self) -> dict[str, str]:
        """The values of the placeholders in the copy's path, `doc_id` included."""
        return self.pattern().match(self.path) or {}

    @property
    def store(self) -> Any:
        raise GetterFailed(
            f"{self!r} is a copy, which has what {type(self).__name__} computed and no Store. Read its attributes, or "
            f"add what else is needed to the Store of the view that reads it."
        )


@cached
def copy_model(view: type[Any]) -> type[StoredCopy]:
    """Returns the model of the copies of a view; raises DeclarationError if another view cannot read them.

    In its pattern, the last segment is `doc_id`; before it, the placeholder `meeting.doc_id` is `meeting_id`, and
    `meeting.room` is `meeting_room`.
    """
    path = view.pattern()
    *above, last = path.segments
    names = {name: _name(name) for name in path.names if last != f"{{{name}}}"}
    if taken := [name for name, times in Counter([*names.values(), *view.attributes]).items() if times > 1]:
        raise InvalidReference(
            f"{view.__name__} cannot be read by another view: there, a placeholder of its path {path.text!r} has the "
            f"name {taken[0]!r}, which another placeholder or an attribute has, too. Rename one of them."
        )
    collection = "/".join(f"{{{names[each[1:-1]]}}}" if each[1:-1] in names else each for each in above)
    # Its own options, so that none of the view's are those of the copy: a copy is nobody's view.
    meta = {"collection_name": collection, "path": None, "read": None, "write": None, "example": None}
    options = type("Meta", (), {**meta, "versioned": False, "unknown": None, "exclude": ()})
    attributes = {name: _stored(each) for name, each in view.exported().items()}
    members = {**attributes, "Meta": options, "_view": view, "__module__": view.__module__, "__doc__": view.__doc__}
    return type(view.__name__, (StoredCopy, view), members)


def check_has_id(view: type[Any]) -> None:
    """Raises InvalidReference for a view whose copies are not told apart from other documents by a pattern."""
    path = view.pattern()
    if f"{{{next(reversed(path.names), '')}}}" != path.segments[-1]:
        id_ = path.segments[-1]
        raise InvalidReference(
            f"The copies of {view.__name__} cannot be found, nor be the root of a view, as their path {path.text!r} "
            f"ends in {id_!r}. End it in a placeholder, or read one: `reference({view.__name__}, doc_id={id_!r})`."
        )


class Copied(Beside[M]):
    """What the copies of a view of the documents of another reference have in common."""

    _how = "reference(…)", "references(…)"

    def __init__(
        self, model: type[DomainModel], *, via: Source | None, verify: bool, placeholders: Mapping[str, str]
    ) -> None:
        super().__init__(model, via=via, verify=verify)
        self.others = _others(self.view, placeholders)
        """What fills the placeholders of the view's path that the key of its root does not: patterns of a key."""

    @property
    def view(self) -> type[Any]:
        view: type[Any] = self.model._view  # type: ignore[attr-defined]
        return view

    @property
    def root(self) -> Source:
        """The root of the view, whose key fills the path of the only copy."""
        root: Source = self.view.store_class.root()
        return root

    def _starts_in(self, earlier: Sequence[Source]) -> tuple[list[Source], str]:
        root = self.root.model
        found = [each for each in earlier if issubclass(each.model, root) or issubclass(root, each.model)]
        return found, f"it is the copy for a {root.__name__}; declare a reference to that"

    def key_names(self) -> set[str]:
        return {name for each in self.others.values() for name in each.names}

    def path_from(self, start: str, key: Mapping[str, str]) -> str | None:
        of_root = self.root.model.pattern().match(start)
        if of_root is None:
            return None
        filled = {f"{self.root.name}.{name}": value for name, value in of_root.items()}
        path: str = self.view.pattern().fill({**filled, **{name: each.fill(key) for name, each in self.others.items()}})
        return path

    def _leads_by(self) -> Iterable[Any]:
        return self.view.pattern().text, self.root.name, sorted((name, each.text) for name, each in self.others.items())


class CopyOf(Copied[M], Single[M]):
    """The copy of a view of the document of another reference."""


class CopiesOf(Copied[M], Many[M]):
    """The copies of a view of the documents of another reference."""


def _others(view: type[Any], given: Mapping[str, str]) -> dict[str, Pattern]:
    """Returns what is given for the placeholders of a view's path, by placeholder.

    Raises InvalidReference unless that and the key of a root say where one copy is.
    """
    root = view.store_class.root()
    if root is None:
        id_ = view.pattern().segments[-1]
        raise InvalidReference(
            f"{view.__name__} has no root, and so a single copy: `reference({view.__name__}, doc_id={id_!r})`."
        )
    of_root = {f"{root.name}.{name}" for name in root.model.pattern().names}
    names = {_name(each): each for each in view.pattern().names if each not in of_root}
    if missing := sorted(names.keys() - given.keys()):
        raise InvalidReference(
            f"{view.__name__} has a copy for each {{{names[missing[0]]}}}, so a {root.model.__name__} does not say "
            f'which is meant. Give its value, `{missing[0]}="{{…}}"`, from the key of the Store\'s root; or read all '
            f"of them: `matching({view.__name__}.where(…))`, or `children({view.__name__})` where they lie below a "
            f"document of the Store."
        )
    if unknown := sorted(given.keys() - names.keys()):
        known = ", ".join(sorted(names)) or "none besides the key of its root"
        raise InvalidReference(f"{view.__name__} has no placeholder {unknown[0]} in its path; it has {known}.")
    if several := next((each for each in given.values() if len(Pattern(each).segments) > 1), None):
        raise InvalidReference(f"{view.__name__}: a placeholder is one segment of a path; found {several!r}.")
    return {names[name]: Pattern(text) for name, text in given.items()}


def view_of(source: Source) -> type[Any] | None:
    """Returns the view whose copies a reference reads; None for a reference to domain models."""
    return source.model._view if issubclass(source.model, StoredCopy) else None


def views_read(store: type[Store]) -> dict[Source, type[Any]]:
    """Returns the references of a Store that read copies, each with the view."""
    found = {source: view_of(source) for source in store.sources}
    return {source: view for source, view in found.items() if view is not None}


def depth_of(view: type[Any]) -> int:
    """Returns how many views are between it and the domain models: 0 for a view that reads no copy.

    A circle cannot be declared: a class is there before another names it.
    """
    return max((1 + depth_of(each) for each in views_read(view.store_class).values()), default=0)


def reads_copies_of(view: type[Any], other: type[Any]) -> bool:
    """Returns whether the view reads copies of the other, or of one that does."""
    read = views_read(view.store_class).values()
    return other in read or any(reads_copies_of(each, other) for each in read)


def relation_in(view: type[Any]) -> str | None:
    """Returns the name of an attribute that holds a relation, which a copy holds as a path; None without one."""
    fields = view.view_schema().fields
    return next((name for name, field in fields.items() if any(isinstance(each, Related) for each in _in(field))), None)


def _in(field: marshmallow_fields.Field[Any] | None, above: tuple[type[Schema], ...] = ()) -> Iterator[Any]:
    """Yields the field and those inside of it, each object but once on a way: it may hold its own kind."""
    yield field
    match field:
        case marshmallow_fields.List():
            yield from _in(field.inner, above)
        case marshmallow_fields.Dict():
            yield from _in(field.value_field, above)
        case Part() if type(field.schema) not in above:
            for each in field.schema.fields.values():
                yield from _in(each, (*above, type(field.schema)))


def late_access(view: type[Any]) -> str | None:
    """Returns what in `Meta.read` would decide by the content of copies who may read the view; None if nothing does.

    A copy keeps its content while the view that it is of cannot be built, and so would somebody the right to read.
    """
    sources = {source.name: source for source in view.store_class.sources}
    is_late = bool(views_read(view.store_class))
    for part in view.__readers__().parts():
        if isinstance(part, Where) and is_late:
            return "has a function"
        if isinstance(part, Owner):
            reference, _, attribute = part.placeholder.partition(".")
            if (source := sources.get(reference)) is not None and _is_by_content(source, attribute):
                return f"has owner({part.placeholder!r})"
    return None


def _is_by_content(source: Source, attribute: str) -> bool:
    """Whether the content of a copy decides the value, or which documents there are."""
    is_value = view_of(source) is not None and attribute not in source.model.pattern().names
    return is_value or any(view_of(each) is not None and _chooses(each) for each in _way_to(source))


def _chooses(source: Source) -> bool:
    return any(query.filters or query.orders or query.limit for query in source.decided_by())


def _way_to(source: Source | None) -> Iterator[Source]:
    """Yields the reference, and those that lead to it."""
    while source is not None:
        yield source
        source = source.via


def _name(placeholder: str) -> str:
    reference, _, attribute = placeholder.partition(".")
    return f"{reference}_{'id' if attribute == 'doc_id' else attribute}"


def _stored(attribute: Attribute[Any]) -> Attribute[Any]:
    """Returns the attribute as a copy holds it: a value that is always there, without a getter or a setter."""
    stored = copy.copy(attribute)
    stored.fget = stored.fset = None
    stored._accessors = {}
    stored.required = True
    return stored
