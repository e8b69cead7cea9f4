"""Finds the stored copies of a view from its path, the key of the root, and the caller."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from boiler_functions.access import Audience, Caller, Claim, Nobody, Owner
from boiler_functions.exceptions import InvalidAccess, InvalidPath
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.paths import Pattern
from boiler_functions.types import subclasses
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import View, ViewModel


@dataclass(frozen=True)
class At:
    """Stored copies of a view, as an audience sees them."""

    pattern: Pattern
    paths: Sequence[str]

    def __owners__(self, placeholder: str) -> Collection[str]:
        """Returns the values of the placeholder in the paths of these copies."""
        found = [(self.pattern.match(path) or {}).get(placeholder) for path in self.paths]
        return {each for each in found if each is not None}


@dataclass(frozen=True)
class CopyPaths:
    """The stored copies of a view; each caller has their own if the path names an owner."""

    view: type[ViewModel[Any]]

    @cached_property
    def root(self) -> type[DomainModel]:
        root = self.view.store_class.root()
        assert root is not None, "a view without a root has no list and no ids"
        return root.model

    @cached_property
    def pattern(self) -> Pattern:
        return self.view.pattern()

    @cached_property
    def readers(self) -> Audience:
        return self.view.__readers__()

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The placeholders of the path that the root's key fills, by name in the key: {"doc_id": "meeting.doc_id"}."""
        root = self.view.store_class.root()
        return {name: f"{root.name}.{name}" for name in self.root.pattern().names} if root else {}

    @cached_property
    def owner(self) -> str | None:
        """The placeholder of the path that the caller's id fills; None if there are several, as any may be theirs."""
        owners = list(self._owners - set(self.keys.values()))
        return owners[0] if len(owners) == 1 else None

    @cached_property
    def _owners(self) -> frozenset[str]:
        """The placeholders of the path whose owners may read."""
        owners = {part.placeholder for part in self.readers.parts() if isinstance(part, Owner)}
        return frozenset(owners.intersection(self.pattern.names))

    def own(self, key: Mapping[str, str], caller: Caller | None) -> str | None:
        """Returns the path of the caller's copy, or of the only one; None if key and caller do not determine it."""
        return self._filled(self.pattern, key, caller)

    def own_of(self, instance: Instance, caller: Caller | None) -> Instance:
        """Returns the instance as it concerns the caller's copy alone."""
        return instance._replace(copy=self.own(instance.key, caller))

    @cached_property
    def unknown_of_own(self) -> list[str]:
        """The placeholders of the path that neither the key of the root nor the caller's id fills."""
        return sorted({*self.pattern.names} - {*self.keys.values(), self.owner})

    @cached_property
    def are_listed(self) -> bool:
        """Whether all copies that a caller may list are in one collection, so that a query of it gives the list.

        If each owner has a collection, this holds only if nobody but owners and holders of a claim may read; for the
        latter, see `are_only_own`.
        """
        if not self._end_in_root_id:
            return False
        owned = all(isinstance(part, Owner | Claim | Nobody) for part in self.readers.parts())
        return not self._unknown or (owned and self._unknown == self._owners == {self.owner})

    @cached_property
    def are_each_once(self) -> bool:
        """Whether each view has one copy, so that the collection group of all copies is a list of all views.

        It has if attributes of the root fill the placeholders; other documents may be several, or missing. A root below
        other documents is listed below one of them, which a group is not. Of copies that differ each caller reads
        their own.
        """
        if self.view.has_own_copies():
            return False
        is_alone = len(self.root.pattern().names) == 1
        return self._end_in_root_id and is_alone and bool(self._unknown) and all(map(self._has_one, self._unknown))

    def _has_one(self, placeholder: str) -> bool:
        """Returns whether each root has one value for the placeholder."""
        source, _, name = placeholder.partition(".")
        models = (self.root, *subclasses(self.root)) if source == self.keys["doc_id"].partition(".")[0] else ()
        found = [each for model in models if (each := model.attributes.get(name))]
        return bool(found) and all(each.required and each.fget is None and not each.is_list for each in found)

    @cached_property
    def _end_in_root_id(self) -> bool:
        return self.pattern.segments[-1] == f"{{{self.keys['doc_id']}}}"

    def are_only_own(self, caller: Caller | None) -> bool:
        """Whether the collection of the caller's list lacks views that they may read, as their claim admits to all."""
        claims = (part for part in self.readers.parts() if isinstance(part, Claim))
        return self.may_be_only_own and any(part.may_admit(caller) for part in claims)

    @cached_property
    def may_be_only_own(self) -> bool:
        """Whether `are_only_own` holds for some caller; not if copies differ, as each caller reads just their own."""
        return (
            not self.view.has_own_copies()
            and bool(self._unknown)
            and any(isinstance(part, Claim) for part in self.readers.parts())
        )

    @cached_property
    def _unknown(self) -> frozenset[str]:
        """The placeholders of the copies' collection that the key of the root does not fill."""
        return frozenset(Pattern("/".join(self.pattern.segments[:-1])).names) - set(self.keys.values())

    def collection(self, parents: Mapping[str, str], caller: Caller | None) -> str | None:
        """Returns the collection of the caller's list; None if key and caller do not determine it."""
        return self._filled(Pattern("/".join(self.pattern.segments[:-1])), parents, caller)

    def key_of(self, path: str) -> dict[str, str]:
        """Returns the key of the root from the path of a copy; raises InvalidPath if it is not the path of one."""
        if (found := self.pattern.match(path)) is None:
            raise InvalidPath(f"{path!r} is no copy of {self.view.__name__}, whose path is {self.pattern.text!r}.")
        return {name: found[placeholder] for name, placeholder in self.keys.items()}

    def _filled(self, pattern: Pattern, key: Mapping[str, str], caller: Caller | None) -> str | None:
        values = {self.keys[name]: value for name, value in key.items()}
        if caller is not None and self.owner is not None:
            values[self.owner] = caller.uid
        if not values.keys() >= set(pattern.names):
            return None
        try:
            return pattern.fill(values)
        except InvalidPath:
            return None  # A path cannot hold the id of this user.


def check_own(where: str, view: View) -> None:
    """Raises InvalidAccess if copies differ, and it is not known which of them a caller reads."""
    if view.has_own_copies() and (unknown := CopyPaths(view).unknown_of_own):
        names = ", ".join(f"{{{each}}}" for each in unknown)
        raise InvalidAccess(
            f"{where}: copies of {view.__name__} differ, and neither the root's id nor the caller's fills {names} in "
            f"its path, so it is not known which copy is the caller's. Name the one placeholder that is the user's id "
            f"in {view.__name__}.Meta, as `read = access.owner({unknown[0]!r})`."
        )
