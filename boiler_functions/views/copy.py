"""Copy: for whom a copy of a view is, which getters may ask, so that copies differ.

    class MeetingCopy(Copy):
        users = one_of(MeetingStore.users)

    class MeetingSession(ViewModel[MeetingStore, MeetingCopy]):
        class Meta:
            path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"

        @attrs.computed
        def unread(self) -> int:
            return self.copy.users.unread

A getter that does not ask is worked out once for all copies.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

from boiler_functions.exceptions import InvalidReference, Rejected
from boiler_functions.models.model import Model
from boiler_functions.paths import Pattern
from boiler_functions.views.followed import Many
from boiler_functions.views.found import Children
from boiler_functions.views.store import Root, Store

M = TypeVar("M", bound=Model)


class AskedForCopy(BaseException):
    """Raised in a getter that asks for whom the copy is while what all copies share is worked out.

    Not an Exception, so that a getter which handles those does not take it for one of its own.
    """


class CopyPlace(NamedTuple):
    """Where a copy is stored, and the Store that it is computed from."""

    store: Store
    pattern: Pattern
    path: str


class OneOf(Generic[M]):
    """The document of a reference to many for which a copy is; on an instance of the Copy, its model."""

    name: str

    def __init__(self, source: Many[M]) -> None:
        self.source = source

    def __set_name__(self, owner: type[Copy], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Copy]) -> OneOf[M]: ...
    @overload
    def __get__(self, instance: Copy, owner: type[Copy]) -> M: ...
    def __get__(self, instance: Copy | None, owner: type[Copy]) -> Any:
        return self if instance is None else self._found(instance._place)

    @property
    def needed(self) -> set[str]:
        """The placeholders that a view's path must have, for each copy to be for one of the documents."""
        names = self.source.model.pattern().names
        # Of documents below the root, the root's own placeholders say the rest.
        is_below_root = isinstance(self.source, Children) and isinstance(self.source.via, Root)
        return {f"{self.source.name}.{name}" for name in (names[-1:] if is_below_root else names)}

    def _found(self, place: CopyPlace) -> M:
        filled = place.pattern.match(place.path) or {}
        key = {name: filled.get(f"{self.source.name}.{name}") for name in self.source.model.pattern().names}
        names = tuple(name for name, value in key.items() if value is not None)
        found: M | None = place.store.models_by(self.source, names).get(tuple(key[name] or "" for name in names))
        if found is None:
            raise Rejected(f"There is no {self.source.model.__name__} for whom {place.path} could be.")
        return found


class Copy:
    """For whom a copy of a view is: a view model that names a subclass of it has copies that differ."""

    _declared: ClassVar[tuple[OneOf[Any], ...]] = ()

    _place: CopyPlace

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared: dict[str, OneOf[Any]] = {}
        for base in reversed(cls.__mro__):
            declared.update({name: each for name, each in vars(base).items() if isinstance(each, OneOf)})
        if not declared:
            raise InvalidReference(
                f"{cls.__name__} does not say for whom a copy is; add `users = one_of(MeetingStore.users)`, with the "
                f"reference to many that the view's path names."
            )
        cls._declared = tuple(declared.values())

    def __init__(self, place: CopyPlace) -> None:
        self._place = place

    @classmethod
    def __declared__(cls) -> tuple[OneOf[Any], ...]:
        return cls._declared


def one_of(source: Many[M]) -> OneOf[M]:
    """Declares for whom a copy is: the one of many documents that fills the placeholder of the path.

        users = one_of(MeetingStore.users)    # path = "users/{users.doc_id}/meetings/{meeting.doc_id}"

    `self.copy.users` is then that user, the same object as in `self.store.users`.
    """
    if not isinstance(source, Many):
        raise InvalidReference(
            f"one_of({source!r}): give a reference to many documents of a Store, as `one_of(MeetingStore.users)`. A "
            f"view has one copy for a single document, which its getters reach by `self.store`."
        )
    return OneOf(source)
