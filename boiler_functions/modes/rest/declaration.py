"""Declares a REST resource: `@app.rest`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boiler_functions.exceptions import InvalidAttribute, InvalidRule
from boiler_functions.modes.decorated import check_view
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.rest.columns import Column, check_orders
from boiler_functions.settings.checks import check_each, flag, texts
from boiler_functions.settings.http import ID
from boiler_functions.settings.options import HttpOptions, Options
from boiler_functions.views.operations import operations_of
from boiler_functions.views.view_model import View

API = "api"
"""The entry point of the function that serves all resources."""

_CHECKS = {"create": flag, "delete": flag, "filtered_orders": texts}


@dataclass(frozen=True, eq=False)
class Rule:
    """A REST resource: a view model under a path, and whether its root can be created and deleted there.

    `filtered_orders` are the values of `orderBy` that the list takes together with filters.
    """

    view: View
    rule: str
    create: bool = False
    delete: bool = False
    filtered_orders: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)

    @property
    def can_change(self) -> bool:
        """Whether a request may write anything."""
        return self.create or self.delete or bool(self.view.settable() or operations_of(self.view))


def rule(
    mode: Mode[Rule],
    path: str,
    create: bool,
    delete: bool,
    filtered_orders: Sequence[str],
    options: Mapping[str, Any],
) -> Callable[[Declarations, Any], Rule]:
    """Returns what declares the decorated view as a resource."""
    if not _is_list(path):
        raise InvalidRule(
            f"@app.rest({path!r}): the rule is the path of the list, for example '/meeting_sessions', without an id "
            f"or a placeholder; an instance is served below it."
        )
    said = {"create": create, "delete": delete, "filtered_orders": filtered_orders}
    check_each(f"@app.rest({path!r}): ", said, _CHECKS)

    def declare(declarations: Declarations, decorated: Any) -> Rule:
        view = check_view(f"@app.rest({path!r})", decorated)
        if view.store_class.root() is None:
            _check_only_read(path, view, said)
        for other in declarations.of(mode):
            if f"{path}/".startswith(f"{other.rule}/") or f"{other.rule}/".startswith(f"{path}/"):
                raise InvalidRule(
                    f"@app.rest({path!r}) of {view.__name__} and {other.rule!r} of {other.view.__name__} overlap, "
                    f"so that an id of one would be the path of the other; use another path."
                )
        _check_resource(view, filtered_orders)
        view.view_schema()
        view.__example__()
        operations_of(view)
        own = Options.of(f"@app.rest of {view.__name__}", options, HttpOptions)
        return Rule(view, path, create, delete, tuple(filtered_orders), own)

    return declare


def _check_only_read(path: str, view: View, said: Mapping[str, Any]) -> None:
    """Raises InvalidRule if a view without a root has anything but a GET: there is no id to name what to change."""
    options = [name for name, value in said.items() if value]
    changing = [*(f"the setter of {name}" for name in view.settable()), *(f"{name}()" for name in operations_of(view))]
    if found := [*options, *changing]:
        raise InvalidRule(
            f"@app.rest({path!r}): {view.__name__} has no root, so there is one view at the path, which can only be "
            f"read; it has {', '.join(found)}. Leave that out, or give its Store a root: a `reference(Model)` from "
            f"which all other references follow."
        )


def _is_list(rule: Any) -> bool:
    """Returns whether the rule can be the path of a list."""
    return isinstance(rule, str) and rule.startswith("/") and not rule.endswith("/") and not {"{", "<"} & {*rule}


def _check_resource(view: View, filtered_orders: Sequence[str]) -> None:
    """Raises DeclarationError for attributes that the JSON of a view, or its list, cannot name."""
    for name, attribute in view.exported().items():
        if ID in (name, attribute.data_key):
            raise InvalidAttribute(f"{view.__name__}.{name}: {ID!r} is the id of the root in the API; rename it.")
    # Too generous: the columns depend on `@app.query`, which may follow. The mode checks again with all declarations.
    shown = {name: Column(each.data_key, getattr(view, name)) for name, each in view.exported().items()}
    check_orders(view, shown, tuple(filtered_orders))
