"""Refuses views whose getters depend on more than what their Store reads: the clock, chance, the process, the caller.

No event says that such a value changed, so a stored copy could never follow it.
"""

from __future__ import annotations

from typing import Any

from boiler_functions.exceptions import ClockOrChance
from boiler_functions.models.chance import impurity
from boiler_functions.views.view_model import ViewModel

_CALLER = "self.caller"
_OF_THE_PROCESS = "its value differs between processes. Use `hashlib`, or an id that is stored."

_STORE_IT = (
    "nothing would rebuild the view when its value changes. Store the moment, or the choice, in a document; about a "
    "moment ask `self.store.now`, as in `self.store.now.has_passed(moment)`."
)
_ADVICE = {
    _CALLER: "a view is stored once, and the same for every reader. Give each reader a copy: add a placeholder for "
    "them to `Meta.path`, and ask for whom the copy is: `self.copy.users`.",
    "hash()": _OF_THE_PROCESS,
    "id()": _OF_THE_PROCESS,
}


def check_getters(view: type[ViewModel[Any]]) -> None:
    """Raises ClockOrChance if an attribute of a stored view uses the clock, chance, the process or the caller."""
    for name, attribute in view.attributes.items():
        if attribute.fget is None and attribute.is_drawn:
            raise ClockOrChance(f"{view.__name__}.{name} has a default that differs in each build; {_STORE_IT}")
        found = attribute.fget and impurity(attribute.fget, view, {_CALLER: ViewModel.caller})
        if found:
            raise ClockOrChance(f"{view.__name__}.{name} uses {found}; {_ADVICE.get(found, _STORE_IT)}")
