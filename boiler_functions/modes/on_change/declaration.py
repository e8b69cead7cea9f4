"""Declares a function that receives the changes of a model or a view: `@app.on_change`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from boiler_functions.exceptions import InvalidSink
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.outbox import COLLECTION
from boiler_functions.paths import Pattern, id_of
from boiler_functions.settings.checks import fits, optional, whole
from boiler_functions.settings.options import FunctionOptions, Options
from boiler_functions.views.view_model import View, ViewModel

M_co = TypeVar("M_co", bound=Model, covariant=True)


class Changed(NamedTuple, Generic[M_co]):
    """One change of a model or a view, as a function receives it.

    `before` is None if the document was created or its former content is not known, `after` is None if it was deleted.
    If older code stored one of them, an attribute that it did not have, or that had another type, is None. All
    deliveries of one change have the same `key`, by which a receiver recognises a repetition. `name` is the name of the
    model or view; `path` is the path of the document, or of a view's root; `copies` are the paths at which the view was
    or is stored.
    """

    key: str
    name: str
    path: str
    before: M_co | None
    after: M_co | None
    time: datetime
    attempt: int = 1
    copies: tuple[str, ...] = ()

    @property
    def doc_id(self) -> str:
        return id_of(self.path)


@dataclass(frozen=True, eq=False)
class Sink:
    """A function that receives every change of a model or a view.

    Its name is that of its records, its letters and the function in the cloud, so a new name would be a new receiver.
    """

    name: str
    function: Callable[[Changed[Any]], None]
    target: type[DomainModel] | View
    max_attempts: int | None
    max_age: timedelta
    options: Options = field(default_factory=Options)

    @property
    def view(self) -> View | None:
        """The view whose changes it receives; None if it receives those of a model."""
        return self.target if issubclass(self.target, ViewModel) else None

    def outbox(self, app: str) -> str:
        """Returns the collection of its records."""
        return f"{COLLECTION}/{app}.{self.name}.{self.target.__name__}/{COLLECTION}"

    def source(self, app: str) -> Pattern:
        """Returns the path of the documents that trigger it: those of the model, or the records of its outbox."""
        return Pattern(f"{self.outbox(app)}/{{key}}") if self.view else self.target.pattern()


def sink(
    target: Any, name: str | None, max_attempts: int | None, options: Mapping[str, Any]
) -> Callable[[Declarations, Any], Sink]:
    """Returns a decorator that declares the function."""
    changing = _with_changes(target)
    where = f"@app.on_change({target.__name__})"
    own = Options.of(where, options, FunctionOptions)
    optional(whole(1))(f"{where}: max_attempts", max_attempts)
    optional(fits("the name of a function", _is_name))(f"{where}: name", name)

    def declare(declarations: Declarations, function: Any) -> Sink:
        own_name = getattr(function, "__name__", repr(function))
        if not inspect.isfunction(function) or inspect.iscoroutinefunction(function) or not _is_name(own_name):
            raise InvalidSink(
                f"{where} decorates {own_name}; it needs a plain function, whose name the compiled function gets: "
                f"`def tell(change: Changed[{target.__name__}]) -> None`."
            )
        return Sink(name or own_name, function, changing, max_attempts, declarations.max_event_age, own)

    return declare


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _with_changes(target: Any) -> type[DomainModel] | View:
    """Returns the target; raises DeclarationError if it is neither a model nor a view with a path of its own."""
    if not isinstance(target, type) or not issubclass(target, DomainModel | ViewModel):
        raise InvalidSink(f"@app.on_change({target!r}): give the DomainModel or ViewModel whose changes it receives.")
    target.pattern()
    return target
