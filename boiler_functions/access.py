"""Who may read and who may write: audiences, declared on a view model, and the caller whom they admit.

    class MeetingSession(ViewModel[MeetingStore]):
        class Meta:
            path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
            read = access.owner("users.doc_id") | access.claim("admin")
            write = access.owner("users.doc_id")

What declares no audience admits nobody. The HTTP and WebSocket functions ask the audience; security rules are made of
it. Used as `access.owner`, never star-imported.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from boiler_functions.exceptions import InvalidAccess, Transient

log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who sends a request, as the verified token says: the user's id, and all claims."""

    uid: str
    claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        # Claims may be personal, and a message or a log may show the caller.
        return f"Caller(uid={self.uid!r})"


class Owned(Protocol):
    """A view, or an input document, as far as an audience asks about it."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        """What the placeholder stands for in the paths of its copies."""
        ...


class _Unseen:
    """A view that nothing is known of."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        return ()


_UNSEEN = _Unseen()

Predicate: TypeAlias = Callable[[Caller | None, Any], bool]
"""Whether the caller, None for one without a token, may; the second argument is the view."""


class Audience(ABC):
    """Whom a declaration admits; `|` admits those of either side. Two that say the same are equal."""

    def admits(self, caller: Caller | None, view: Owned) -> bool:
        """Returns whether the caller belongs to the audience of this view.

        An audience that fails admits nobody. An error would tell that there is a view, and one view over which user
        code raises would take a whole list from everybody.
        """
        try:
            return self._admits(caller, view)
        except Transient:
            raise
        except Exception as error:
            name, key = type(view).__name__, dict(getattr(view, "params", {}))
            log.error("%r fails over the %s of %s, and admits nobody: %s", self, name, key, error, exc_info=error)
            return False

    @abstractmethod
    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        """What `admits` returns; may raise."""

    def may_admit(self, caller: Caller | None) -> bool:
        """Whether there could be a view that it admits the caller to; False refuses before anything is read."""
        return any(each._may_admit(caller) for each in self.parts())

    def parts(self) -> Iterator[Audience]:
        """The audiences that it is made of, none of them combined; to admit is to belong to one."""
        yield self

    def _may_admit(self, caller: Caller | None) -> bool:
        return self.admits(caller, _UNSEEN)

    def __or__(self, other: Audience | Predicate) -> AnyOf:
        return any_of(self, other)

    __ror__ = __or__

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"


class Nobody(Audience):
    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return False


class Public(Audience):
    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return True


class SignedIn(Audience):
    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return caller is not None


class Owner(Audience):
    """The users whose id the placeholder stands for."""

    def __init__(self, placeholder: str) -> None:
        self.placeholder: Final = placeholder

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return caller is not None and caller.uid in view.__owners__(self.placeholder)

    def _may_admit(self, caller: Caller | None) -> bool:
        return caller is not None


class Claim(Audience):
    """The users whose token has the claim with just this value."""

    def __init__(self, name: str, value: str | bool | int = True) -> None:
        self.name: Final = name
        self.value: Final = value

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        found = None if caller is None else caller.claims.get(self.name)
        # As rules compare: a boolean is no number, but 1.0 is 1.
        return isinstance(found, bool) is isinstance(self.value, bool) and found == self.value


class Where(Audience):
    """Those for whom user code says so. Security rules cannot express it, so they admit nobody by it."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate: Final = predicate

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return bool(self.predicate(caller, view))

    def _may_admit(self, caller: Caller | None) -> bool:
        return True


class AnyOf(Audience):
    def __init__(self, audiences: tuple[Audience, ...]) -> None:
        self.audiences: Final = audiences

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return any(each.admits(caller, view) for each in self.audiences)

    def parts(self) -> Iterator[Audience]:
        for each in self.audiences:
            yield from each.parts()


_LARGEST_NUMBER: Final = 2**53
"""Up to which the numbers of JSON are exact, whoever reads them."""

nobody = Nobody()
"""Admits no one: what is not declared."""

public = Public()
"""Admits everybody, with or without a token."""

signed_in = SignedIn()
"""Admits every signed-in user, an anonymous sign-in included."""


def owner(placeholder: str) -> Owner:
    """The user whose id stands in the path: `owner("users.doc_id")` of a view, `owner("user_id")` of a task's form."""
    if not placeholder.replace(".", "").isidentifier():
        raise InvalidAccess(
            f"access.owner({placeholder!r}): it takes a placeholder of the path without braces, as 'user.doc_id'."
        )
    return Owner(placeholder)


def claim(name: str, value: str | bool | int = True) -> Claim:
    """Users whose token has a custom claim: `claim("admin")`, `claim("role", "editor")`."""
    if not name or type(value) not in (str, bool, int):
        raise InvalidAccess(
            f"access.claim({name!r}, {value!r}): it takes a claim's name, and a text, number or boolean."
        )
    if name == "uid":
        raise InvalidAccess("access.claim('uid'): no token has such a claim; the user's id is access.owner(…).")
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        raise InvalidAccess(
            f"access.claim({name!r}, {value!r}): the numbers of a token are exact up to 2 ** 53 alone; use a text."
        )
    return Claim(name, value)


def any_of(*audiences: Audience | Predicate) -> AnyOf:
    """Those whom one of the audiences admits: `any_of(a, b)` is `a | b`."""
    return AnyOf(tuple(audience(each) for each in audiences))


def audience(declared: object) -> Audience:
    """The audience that `Meta.read` or `Meta.write` declares: none admits nobody, a function is a predicate."""
    if declared is None:
        return nobody
    if isinstance(declared, Audience):
        return declared
    if callable(declared) and not isinstance(declared, type):
        return Where(declared)
    raise InvalidAccess(
        f"{declared!r} is not an audience; use access.public, access.signed_in, access.owner(…), access.claim(…), a "
        f"function of (caller, view), or a combination of these by `|`."
    )
