"""The view of a namespace: finds instances by key, lists them, and changes them, as the REST function does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from marshmallow import RAISE, Schema, ValidationError
from werkzeug.exceptions import MethodNotAllowed

from boiler_functions.access import Caller
from boiler_functions.database import Database
from boiler_functions.exceptions import InvalidPath
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.rest.arguments import patch_body, settable
from boiler_functions.modes.rest.call import Call
from boiler_functions.modes.rest.mode import REST
from boiler_functions.modes.rest.resource import Resource
from boiler_functions.modes.secret import page_secret
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import View, assign


@dataclass(frozen=True)
class SocketViews:
    """The instances of one view model."""

    resource: Resource

    @classmethod
    def of(
        cls, declarations: Declarations, view: View, database: Callable[[], Database], surroundings: Surroundings
    ) -> SocketViews:
        """Returns the instances of the view; their list has the orders beside filters that it has over HTTP."""
        return cls(
            Resource(
                app=declarations.app,
                view=view,
                is_stored=view in declarations.stored,
                database=database,
                surroundings=surroundings,
                settings=declarations.http,
                secret=page_secret(declarations.app, database),
                filtered_orders=next((each.filtered_orders for each in declarations.of(REST) if each.view is view), ()),
            )
        )

    def instance(self, key: Mapping[str, Any], caller: Caller | None) -> Instance:
        """Returns the instance of a client's key; raises InvalidPath or ValidationError for an invalid key."""
        names = self.resource.root.pattern().names
        found = _taken({"id" if name == "doc_id" else name: name for name in names}, key, and_more=False)
        instance = Instance(self.resource.view, self.resource.root.pattern().fill(found))
        if instance.view.has_own_copies():
            instance = self.resource.copies.own_of(instance, caller)
            if instance.copy is None:
                raise InvalidPath("No copy can be for this client.")
        return instance

    def page(self, asked: Mapping[str, Any], caller: Caller | None) -> Mapping[str, Any]:
        """Returns a page of the caller's views: `results`, and `nextPageToken` if more follow.

        Takes the parameters of the list over HTTP, and the ids of parents.
        """
        parents = _taken({name: name for name in self.resource.root.pattern().names[:-1]}, asked, and_more=True)
        rest = {name: value for name, value in asked.items() if name not in parents}
        loaded: Any = self._arguments.load(rest, unknown=RAISE)
        return self.resource.page(parents, loaded, caller).body or {}

    @cached_property
    def _arguments(self) -> Schema:
        return self.resource.list_arguments()

    def mutate(self, instance: Instance, values: Any, caller: Caller | None) -> Mapping[str, Any] | None:
        """Sets the values, and returns the view after it; None if the caller may not see it."""
        view = self.resource.view
        if not settable(view):
            raise MethodNotAllowed(description="This view has no setters.")
        loaded: Any = patch_body(view).load({} if values is None else values, unknown=RAISE)
        return self.resource.change(instance.key, Call(caller, sent=loaded), lambda each: assign(each, loaded)).body


def _taken(wanted: Mapping[str, str], sent: Mapping[str, Any], *, and_more: bool) -> dict[str, Any]:
    """Returns what is sent under the wanted keys, by name; raises ValidationError for missing and unknown keys."""
    unknown = {} if and_more else {name: ["Unknown."] for name in sent.keys() - wanted.keys()}
    missing = {name: ["Missing data for required field."] for name in wanted.keys() - sent.keys()}
    if unknown or missing:
        raise ValidationError({**missing, **unknown})
    return {name: sent[key] for key, name in wanted.items()}
