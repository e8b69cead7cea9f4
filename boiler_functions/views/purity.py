"""Views that could never be followed: a view is a function of what was read, not of the clock or of chance."""

from __future__ import annotations

from typing import Any

from boiler_functions.exceptions import ClockOrChance
from boiler_functions.models.chance import impurity
from boiler_functions.views.view_model import ViewModel

_CALLER = "self.caller"
_OF_THE_PROCESS = "another process gets another value. Take `hashlib`, or an id that is stored."

_STORE_IT = (
    "nothing would rebuild the view when its value changes. Store the moment, or the choice, in a document, and let "
    "the front end compare."
)
_ADVICE = {
    _CALLER: "a view is stored once, and the same for every reader. Give each a copy by a placeholder of its path.",
    "hash()": _OF_THE_PROCESS,
    "id()": _OF_THE_PROCESS,
}


def check_getters(view: type[ViewModel[Any]]) -> None:
    """Raises DeclarationError when an attribute of a stored view uses the clock, chance, the process or the caller."""
    for name, attribute in view.attributes.items():
        if attribute.fget is None and attribute.is_drawn:
            raise ClockOrChance(f"{view.__name__}.{name} has a default that each build draws anew; {_STORE_IT}")
        found = attribute.fget and impurity(attribute.fget, view, {_CALLER: ViewModel.caller})
        if found:
            raise ClockOrChance(f"{view.__name__}.{name} uses {found}; {_ADVICE.get(found, _STORE_IT)}")
