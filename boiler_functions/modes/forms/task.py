"""The rules of a task: which documents are forms, and what happens when one takes effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

from marshmallow import Schema

from boiler_functions.access import Caller
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.modes.forms.words import declared
from boiler_functions.paths import Pattern, id_of
from boiler_functions.settings.options import Options
from boiler_functions.types import Fields
from boiler_functions.views.store import Store
from boiler_functions.views.view_model import ViewModel

Isolation: TypeAlias = Literal["serializable", "snapshot"]
Completion: TypeAlias = Literal["stamp", "keep", "delete"]


@dataclass(frozen=True, eq=False)
class Task:
    """The rules by which the documents of a pattern take effect through a view model."""

    decorator: str
    """How it was declared, for messages: `@app.task('forms/{form_id}')`."""
    view: type[ViewModel[Any]]
    pattern: Pattern
    writes: tuple[type[DomainModel] | type[ViewModel[Any]], ...] = ()
    max_retries: int = 5
    isolation: Isolation = "serializable"
    on_completion: Completion = "stamp"
    max_event_age: timedelta = timedelta(hours=23)
    options: Options = field(default_factory=Options)

    effect: ClassVar[str] = ".propagate_change"
    """The part of the view that runs, for messages."""

    def key(self, path: str) -> dict[str, str]:
        """Returns the values of the Store's placeholders; `doc_id` is the form's own id, unless the path names it."""
        return {"doc_id": id_of(path), **(self.pattern.match(path) or {})}

    def caller(self, path: str) -> Caller | None:
        """Returns the user who wrote the document, if its path names one."""
        return None

    @cached_property
    def declared(self) -> str:
        """The fields of a form that its view declares; a change of any other field is ignored."""
        return declared(self.form_schema())

    def form_schema(self) -> Schema:
        """Returns the schema of a form."""
        return self.view.schema()

    def load(self, path: str, fields: Fields) -> dict[str, Any]:
        """Returns the values of a form; raises InvalidDocument if they do not fit, which is its sender's fault."""
        return self.view.load_form(path, fields)

    def take_effect(self, path: str, values: dict[str, Any], store: Store) -> None:
        """Applies the values through the view model; raises if user code refuses them or fails."""
        self.view.of(store, self.key(path), values).propagate_change()
