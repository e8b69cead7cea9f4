"""Getters that could never be followed: a view is a function of what was read, not of the clock or of chance."""

from __future__ import annotations

import datetime
import dis
import os
import random
import secrets
import time
import types
import uuid
from collections.abc import Iterator
from typing import Any

from boiler_functions.exceptions import ClockOrChance
from boiler_functions.views.view_model import ViewModel

_IMPURE = (
    datetime.datetime.now,
    datetime.datetime.today,
    datetime.datetime.utcnow,
    datetime.date.today,
    os.urandom,
    os.getenv,
    time.gmtime,
    time.localtime,
    time.monotonic,
    time.perf_counter,
    time.time,
    time.time_ns,
    uuid.uuid1,
    uuid.uuid4,
)

_CALLER = "self.caller"

_STORE_IT = (
    "nothing would rebuild the view when its value changes. Store the moment, or the choice, in a document, and let "
    "the front end compare."
)
_ADVICE = {
    _CALLER: "a view is stored once, and the same for every reader. Give each a copy by a placeholder of its path."
}


def check_getters(view: type[ViewModel[Any]]) -> None:
    """Raises DeclarationError when a getter's own code uses the clock, chance or the caller.

    It looks at the names that the code resolves, at functions of its module that it calls, at the methods of the view;
    what a library does inside stays unseen.
    """
    for name, attribute in view.attributes.items():
        if attribute.fget is not None and (found := _impurity(attribute.fget, view, frozenset())):
            raise ClockOrChance(f"{view.__name__}.{name} uses {found}; {_ADVICE.get(found, _STORE_IT)}")


def _impurity(function: Any, view: type[Any], seen: frozenset[int]) -> str | None:
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen:
        return None
    for used in _used(code, function.__globals__, view):
        if used is os.environ:
            return "os.environ"
        if used is ViewModel.caller:
            return _CALLER
        if _is_impure(used):
            return f"{getattr(used, '__qualname__', used)}()"
        is_own = isinstance(used, types.FunctionType) and used.__module__ == function.__module__
        if is_own and (found := _impurity(used, view, seen | {id(code)})):
            return found
    return None


def _is_impure(used: Any) -> bool:
    # Compared only when it is a function: `==` of a user's own object may mean anything.
    if not isinstance(used, types.BuiltinFunctionType | types.FunctionType | types.MethodType):
        return False
    drawn = isinstance(getattr(used, "__self__", None), random.Random)
    return drawn or used in _IMPURE or used.__module__ in (random.__name__, secrets.__name__)


def _used(code: types.CodeType, names: dict[str, Any], view: type[Any]) -> Iterator[Any]:
    """The objects that code reaches from its globals and from `self`, attribute by attribute."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # a comprehension, a lambda
            yield from _used(constant, names, view)
    current: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            current = names.get(instruction.argval)
        elif instruction.opname.startswith("LOAD_FAST") and instruction.argval == code.co_varnames[0]:
            current = view
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(current, type | types.ModuleType):
            current = getattr(current, instruction.argval, None)
        elif instruction.opname not in ("PRECALL", "CACHE", "PUSH_NULL"):
            current = None
        if current is not None and not isinstance(current, type | types.ModuleType):
            yield current
