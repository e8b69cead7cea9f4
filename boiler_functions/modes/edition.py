"""The edition of a view: a record, in its ledgers, of the code that built it, so that other code can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from boiler_functions.models.attributes import Attribute
from boiler_functions.modes.release import Release
from boiler_functions.types import cached, digest
from boiler_functions.views.view_model import ViewModel

_PLAIN = (type(None), bool, int, float, str, bytes)


STAGED = "staged"
"""The shelf with what new code builds and nobody sees, before a promotion."""

FORMER = "former"
"""The shelf with what was shown before, after a promotion."""

SHELF = "shelf"


def shelf_of(app: str, shelf: str) -> str:
    """Returns what stands for the app in the ledgers of a shelf; no app has such a name."""
    return f"{app}~{shelf}"


def scope_of(app: str, view: type[ViewModel[Any]]) -> str:
    """Returns the prefix that separates the ledgers and tokens of a view from those of all others."""
    return f"{app}/{view.__name__}"


class Edition(NamedTuple):
    """The code that builds a view.

    `plan` and `code` start with the view's scope, so that a range of either finds all ledgers of a view, and those of
    another plan or code, by the index of one field. A ledger that an earlier version of this package wrote has neither.
    """

    plan: str = ""
    code: str = ""
    deployment: int = 0
    schema_version: int = 1
    is_staged: bool = False
    """Whether it is of a staged version, rather than production's; after a promotion, such views are shown."""

    @classmethod
    def of(cls, app: str, view: type[ViewModel[Any]], release: Release) -> Edition:
        """Returns the edition that this process runs; `app` may be a shelf."""
        scope = scope_of(app, view)
        code = release.codes.get(view.__name__) or class_fingerprint(view)
        plan, version = f"{scope}/{plan_fingerprint(view)}", schema_version(view)
        return cls(plan, f"{scope}/{code}", release.deployment, version, bool(release.staged))

    def is_later_than(self, other: Edition) -> bool:
        """Whether this code replaced the other; fingerprints have no order, deployments and schema versions have.

        A deployment without a number is not compared by number. Otherwise functions that were deployed by hand would
        leave every view to code that is gone.
        """
        if (self.plan, self.code) == (other.plan, other.code):
            return False
        mine, theirs = (self.deployment, other.deployment) if self.deployment and other.deployment else (0, 0)
        return (mine, self.schema_version) > (theirs, other.schema_version)

    def is_same_code(self, other: Edition) -> bool:
        """Whether both may be the same code; the fingerprint of a class cannot be compared with that of a source."""
        return self.code == other.code or _is_of_class(self.code) != _is_of_class(other.code)

    def is_surely_same_code(self, other: Edition) -> bool:
        """Whether both are the same code beyond doubt, with all that getters call.

        The fingerprint of a class sees neither the models nor other functions, so it says that of one deployment only.
        """
        is_one_deployment = self.deployment == other.deployment != 0
        return self.code == other.code and (is_one_deployment or not _is_of_class(self.code))

    def after(self, other: Edition) -> Edition:
        """Returns this edition as a ledger records it after the other: with the higher deployment number."""
        # A build by hand, which has no number, leaves the view to those who follow it.
        is_staged = self.is_staged if self.deployment else other.is_staged
        return self._replace(deployment=max(self.deployment, other.deployment), is_staged=is_staged)


def _is_of_class(code: str) -> bool:
    return code.rpartition("/")[2].startswith("class-")


def schema_version(view: type[ViewModel[Any]]) -> int:
    """Returns `Meta.schema_version`. Raise it when a deployed change must rebuild every view, and old code must not."""
    version: int = view.meta("schema_version", 1)
    return version


def plan_fingerprint(view: type[ViewModel[Any]]) -> str:
    """Returns a digest of all that decides which documents the view reads, what rebuilds it and where it is stored.

    Not cached: the subclasses of a model, which it reads with it, may be declared later.
    """
    sources = [source.described() for source in view.store_class.sources]
    return digest(view.meta("path"), schema_version(view), sources, list(_placed_by(view)))


def _placed_by(view: type[ViewModel[Any]]) -> Iterator[Any]:
    """Yields the attributes that fill the placeholders of the view's path, where a class declares them itself."""
    models = {source.name: source.model for source in view.store_class.sources}
    for name in view.pattern().names if view.meta("path") else ():
        reference, _, attribute = name.partition(".")
        declared = models[reference].attributes.get(attribute)
        if declared is not None:
            yield [name, *_described(declared)]


@cached
def class_fingerprint(view: type[ViewModel[Any]]) -> str:
    """A digest of the class itself: what its attributes are called and what its methods do.

    It stands in for the fingerprint of the source, which a release has: it sees no function that a getter calls, and
    differs between versions of Python.
    """
    bases = [each for each in view.__mro__ if issubclass(each, ViewModel) and each is not ViewModel]
    described = [[[name, *_described(value)] for name, value in sorted(vars(each).items())] for each in bases]
    own = [[each.name, each.source.name] for each in view.copy_class.__declared__()]
    return f"class-{digest(view.__name__, schema_version(view), described, *filter(None, [own]))}"


def _described(value: object) -> Iterator[Any]:
    match value:
        case Attribute():
            yield from (type(value).__name__, value.data_key, value.required)
            for function in (value.fget, value.fset):
                yield from _described(function)
        case FunctionType():
            yield list(_code(value.__code__, value.__doc__))
            yield [repr(each) for each in (value.__defaults__ or ()) if isinstance(each, _PLAIN)]
            yield [repr(each) for each in _cells(value) if isinstance(each, _PLAIN)]
        case property():
            yield from _described(value.fget)
        case classmethod() | staticmethod():
            yield from _described(value.__func__)
        case _ if isinstance(value, _PLAIN):
            yield repr(value)


def _code(code: CodeType, doc: str | None) -> Iterator[Any]:
    yield from (code.co_code, list(code.co_names), list(code.co_varnames))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield list(_code(constant, None))
        elif isinstance(constant, frozenset):
            yield sorted(map(repr, constant))  # The order of a set depends on the hash seed.
        elif constant is not doc:
            yield repr(constant)


def _cells(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # The cell is still empty.
            yield cell.cell_contents
