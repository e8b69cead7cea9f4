"""Audiences say who may read and change a view; they are declared on the view model, and admit a caller or not.

    class MeetingSession(ViewModel[MeetingStore]):
        class Meta:
            path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
            read = access.owner("users.doc_id") | access.claim("admin")
            write = access.owner("users.doc_id")

Without an audience, nobody is admitted. The HTTP function and the WebSocket service ask it about each caller, and the
security rules are generated from it. Use its members as `access.owner`, never by a star-import.
"""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, cast

from boiler_functions.exceptions import InvalidAccess, Transient

__all__ = [
    "AnyOf",
    "Audience",
    "Caller",
    "Claim",
    "Nobody",
    "Owned",
    "Owner",
    "Predicate",
    "Public",
    "SignedIn",
    "Where",
    "any_of",
    "audience",
    "claim",
    "nobody",
    "owner",
    "public",
    "signed_in",
]

log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """The sender of a request, from the verified token: the user's id, and all claims."""

    uid: str
    claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        # Leaves the claims out: they may be personal, and the repr may end up in a message or a log.
        return f"Caller(uid={self.uid!r})"


class Owned(Protocol):
    """The part of a view, or of a form, that an audience asks."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        """Returns the values of the placeholder in the paths of the copies."""
        ...


class _Unseen:
    """Stands for a view before anything is read: it has no owners."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        return ()


_UNSEEN = _Unseen()

Predicate: TypeAlias = Callable[[Caller | None, Any], bool]
"""Takes the caller, None without a token, and the view; returns whether to admit the caller."""


class Audience(ABC):
    """The callers that a declaration admits; `a | b` admits those of either. Equal declarations are equal."""

    def admits(self, caller: Caller | None, view: Owned) -> bool:
        """Returns whether the caller belongs to the audience of this view.

        An audience that raises admits nobody. To pass the error on would reveal that the view exists, and one view for
        which user code raises would make a whole list fail for everybody.
        """
        try:
            return self._admits(caller, view)
        except Transient:
            raise
        except Exception as error:
            name, key = type(view).__name__, dict(getattr(view, "params", {}))
            log.error("%r failed for the %s of %s, and admits nobody: %s", self, name, key, error, exc_info=error)
            return False

    @abstractmethod
    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        """Returns what `admits` returns, but may raise."""

    def may_admit(self, caller: Caller | None) -> bool:
        """Returns whether some view could admit the caller; if not, a request is refused before anything is read."""
        return any(each._may_admit(caller) for each in self.parts())

    def parts(self) -> Iterator[Audience]:
        """Yields the uncombined audiences that this one consists of; it admits whom one of them admits."""
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
    """No caller."""

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return False


class Public(Audience):
    """Every caller, with or without a token."""

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return True


class SignedIn(Audience):
    """Every caller with a valid token."""

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return caller is not None


class Owner(Audience):
    """The users whose id is the value of the placeholder."""

    def __init__(self, placeholder: str) -> None:
        self.placeholder: Final = placeholder

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return caller is not None and caller.uid in view.__owners__(self.placeholder)

    def _may_admit(self, caller: Caller | None) -> bool:
        return caller is not None


class Claim(Audience):
    """The users whose token has the claim with exactly this value."""

    def __init__(self, name: str, value: str | bool | int = True) -> None:
        self.name: Final = name
        self.value: Final = value

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        found = None if caller is None else caller.claims.get(self.name)
        # Compares as security rules do, and unlike Python: True differs from 1. (1.0 equals 1 in both.)
        return isinstance(found, bool) is isinstance(self.value, bool) and found == self.value


class Where(Audience):
    """The callers that user code admits. Security rules cannot run it, so they admit nobody for it."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate: Final = predicate

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return bool(self.predicate(caller, view))

    def _may_admit(self, caller: Caller | None) -> bool:
        return True


class AnyOf(Audience):
    """The callers whom one of the audiences admits."""

    def __init__(self, audiences: tuple[Audience, ...]) -> None:
        self.audiences: Final = audiences

    def _admits(self, caller: Caller | None, view: Owned) -> bool:
        return any(each.admits(caller, view) for each in self.audiences)

    def parts(self) -> Iterator[Audience]:
        for each in self.audiences:
            yield from each.parts()


_LARGEST_NUMBER: Final = 2**53
"""The largest number up to which all readers of JSON agree: many hold numbers as 64-bit floats."""

nobody = Nobody()
"""Admits nobody; the default."""

public = Public()
"""Admits everybody, with or without a token."""

signed_in = SignedIn()
"""Admits every signed-in user, including anonymous ones."""


def owner(placeholder: str) -> Owner:
    """Admits the user whose id is in the path: `owner("users.doc_id")` for a view, `owner("user_id")` for a form."""
    if not placeholder.replace(".", "").isidentifier():
        raise InvalidAccess(
            f"access.owner({placeholder!r}): write a placeholder of the path without braces, as 'user.doc_id'."
        )
    return Owner(placeholder)


def claim(name: str, value: str | bool | int = True) -> Claim:
    """Admits users whose token has a custom claim: `claim("admin")`, `claim("role", "editor")`."""
    if not name or type(value) not in (str, bool, int):
        raise InvalidAccess(
            f"access.claim({name!r}, {value!r}): give the name of a claim, and a string, integer or boolean."
        )
    if name == "uid":
        raise InvalidAccess("access.claim('uid'): no token has this claim; use access.owner(…) for the user's id.")
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        raise InvalidAccess(
            f"access.claim({name!r}, {value!r}): numbers in a token are exact only up to 2 ** 53; use a string."
        )
    return Claim(name, value)


def any_of(*audiences: Audience | Predicate) -> AnyOf:
    """Admits the callers whom one of the audiences admits: `any_of(a, b)` is `a | b`."""
    return AnyOf(tuple(audience(each) for each in audiences))


def audience(declared: object) -> Audience:
    """Returns the audience that `Meta.read` or `Meta.write` declares: `nobody` for None, a Where for a function."""
    if declared is None:
        return nobody
    if isinstance(declared, Audience):
        return declared
    if callable(declared) and not isinstance(declared, type):
        _check_takes_two(declared)
        return Where(cast(Predicate, declared))
    raise InvalidAccess(
        f"{declared!r} is not an audience; use access.public, access.signed_in, access.owner(…), access.claim(…), a "
        f"function of (caller, view), or a combination of these by `|`."
    )


def _check_takes_two(predicate: Callable[..., Any]) -> None:
    """Raises InvalidAccess unless the function can be called with a caller and a view."""
    try:
        signature = inspect.signature(predicate)
    except ValueError:  # some functions of C have none
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        name = getattr(predicate, "__name__", repr(predicate))
        raise InvalidAccess(
            f"the function {name}{signature} cannot be called with (caller, view): {error}. Give it these two "
            f"parameters; the caller is None for a request without a token."
        ) from error
