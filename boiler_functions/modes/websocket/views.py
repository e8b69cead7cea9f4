"""The view of a namespace: finds instances by key, and changes them as the REST function does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, ValidationError
from werkzeug.exceptions import MethodNotAllowed

from boiler_functions.access import Caller
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.modes.rest.arguments import patch_body, settable
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import ViewModel

Mutate = Callable[[Mapping[str, str], Mapping[str, Any], Caller | None], Mapping[str, Any] | None]
"""Changes the instance of a key, and returns the view after it; None if the caller may not see it."""


@dataclass(frozen=True)
class SocketViews:
    """The instances of one view model."""

    view: type[ViewModel[Any]]
    change: Mutate

    @property
    def root(self) -> type[DomainModel]:
        root = self.view.store_class.root()
        assert root is not None, "@app.websocket refuses a view without a root"
        model: type[DomainModel] = root.model
        return model

    def instance(self, key: Mapping[str, Any]) -> Instance:
        """Returns the instance of a client's key; raises InvalidPath or ValidationError for an invalid key."""
        names = self.root.pattern().names
        wanted = {"id" if name == "doc_id" else name: name for name in names}
        unknown = {name: ["Unknown."] for name in key.keys() - wanted.keys()}
        missing = {name: ["Missing data for required field."] for name in wanted.keys() - key.keys()}
        if unknown or missing:
            raise ValidationError({**missing, **unknown})
        return Instance(self.view, self.root.pattern().fill({wanted[name]: value for name, value in key.items()}))

    def mutate(self, instance: Instance, values: Any, caller: Caller | None) -> Mapping[str, Any] | None:
        """Sets the values, and returns the view after it; None if the caller may not see it."""
        if not settable(self.view):
            raise MethodNotAllowed(description="This view has no setters.")
        loaded: Any = patch_body(self.view).load({} if values is None else values, unknown=RAISE)
        return self.change(instance.key, loaded, caller)
