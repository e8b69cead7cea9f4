"""Document mode: a client changes a view by creating a document beside its copy, which takes effect exactly once.

    users/ada/meetingSessions/standup                               the copy, which only functions write
    users/ada/meetingSessions/standup/_PATCH_MeetingSession/{id}    {"inSession": false}, which ada creates

A mutation is a task: its form holds new values of the view, and its effect is to run the view's setters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, cast

from marshmallow import RAISE, Schema

from boiler_functions.access import Caller, Owner
from boiler_functions.exceptions import InvalidValue, Rejected
from boiler_functions.models.fields import String
from boiler_functions.models.model import DOC_VERSION
from boiler_functions.models.spelling import StoredSchema
from boiler_functions.modes.forms.task import Task
from boiler_functions.modes.sent import is_of_sender
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.types import Fields
from boiler_functions.views.build import content_of
from boiler_functions.views.store import Store
from boiler_functions.views.view_model import ViewModel, assign

IF_VERSION = "if_version"
"""The field of a mutation that holds the `doc_version` of the copy that its sender saw."""

_ID = "mutation_id"


@dataclass(frozen=True, eq=False)
class MutationTask(Task):
    """The rules by which the mutations of a view take effect through its setters.

    Security rules let only those create a mutation whom `Meta.write` admits. The function checks that the document
    beside which it lies is a copy of the view: rules cannot tell a copy from any other path of that shape.
    """

    strict: bool = False
    """Whether a mutation must name the version that its sender saw; if it need not and does not, the latest wins."""

    effect: ClassVar[str] = ", by a setter or propagate_change,"

    def key(self, path: str) -> dict[str, str]:
        root = self.view.store_class.root()
        assert root is not None, "@app.document refuses a view without a root"
        captured = self._placeholders(path)
        return {name: captured[f"{root.name}.{name}"] for name in root.model.pattern().names}

    def caller(self, path: str) -> Caller | None:
        """Returns the owner of the copy if only owners may change the view, as rules then admit nobody else."""
        parts = list(self.view.__writers__().parts())
        owners = {part.placeholder for part in parts if isinstance(part, Owner)}
        if len(owners) != 1 or not all(isinstance(part, Owner) for part in parts):
            return None
        return Caller(self._placeholders(path)[owners.pop()])

    def form_schema(self) -> Schema:
        return mutation_schema(self.view, strict=self.strict)

    def load(self, path: str, fields: Fields) -> dict[str, Any]:
        return self.view.load_by(self.form_schema(), path, fields)

    def take_effect(self, path: str, values: dict[str, Any], store: Store) -> None:
        copy = _copy(path)
        view = self.view.of(store, self.key(path), copy_path=copy)
        if copy not in view.__copies__().paths:
            raise Rejected(f"There is no {self.view.__name__} at {copy}.")
        caller = self.caller(path)
        if caller is not None and not self.view.__writers__().admits(caller, view):
            raise Rejected(f"You may not change this {self.view.__name__}.")
        seen = values.pop(IF_VERSION, None)
        if seen is not None and seen != content_of(view)[DOC_VERSION]:
            reason = f"The {self.view.__name__} has changed since; look at it, and send the change again."
            raise Rejected(reason, {IF_VERSION: ["Not the version that it has now."]})
        try:
            assign(view, values)
            view.propagate_change()
        except InvalidValue as error:
            if not is_of_sender(error, values):
                raise
            raise Rejected("The values do not fit.", error.errors) from error

    def _placeholders(self, path: str) -> dict[str, str]:
        return self.view.pattern().match(_copy(path)) or {}


def mutation_path(view: type[ViewModel[Any]]) -> Pattern:
    """Returns the path at which mutations are created: beside each copy, with the placeholders of the view's path."""
    return Pattern(f"{view.pattern().text}/_PATCH_{view.__name__}/{{{_ID}}}")


def trigger_path(view: type[ViewModel[Any]]) -> Pattern:
    """Returns `mutation_path` with names that a trigger accepts: `{meeting_doc_id}` for `{meeting.doc_id}`."""
    segments = mutation_path(view).segments
    return Pattern("/".join(each.replace(".", "_") if each.startswith("{") else each for each in segments))


def mutation_schema(view: type[ViewModel[Any]], *, strict: bool) -> Schema:
    """Returns the schema of a mutation: the attributes with a setter, all optional, and the version that was seen."""
    return _schema(cast(Any, view), strict=strict)


@cache
def _schema(view: Any, *, strict: bool) -> Schema:
    members = {name: view.attributes[name].field() for name in view.settable()}
    for member in members.values():
        member.required = False
    if view.is_versioned():
        members[IF_VERSION] = String(required=strict)
    return StoredSchema.from_dict(members, name=f"{view.__name__}Mutation")(unknown=RAISE)


def _copy(path: str) -> str:
    return collection_of(collection_of(path))
