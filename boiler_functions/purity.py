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

from boiler_functions.exceptions import DeclarationError
from boiler_functions.view_models import ViewModel

_IMPURE_MODULES = (random, secrets)
_IMPURE = (
    datetime.datetime.now,
    datetime.datetime.today,
    datetime.datetime.utcnow,
    datetime.date.today,
    os.urandom,
    os.getenv,
    time.localtime,
    time.monotonic,
    time.perf_counter,
    time.time,
    time.time_ns,
    uuid.uuid1,
    uuid.uuid4,
)


def check_getters(view: type[ViewModel[Any]]) -> None:
    """Raises DeclarationError when a getter's own code uses the clock or chance.

    It looks at the names that the code resolves, and at the functions of the user's that it calls; what a library does
    inside stays unseen.
    """
    for name, attribute in view.attributes.items():
        if attribute.fget is not None and (found := _impurity(attribute.fget, frozenset())):
            raise DeclarationError(
                f"{view.__name__}.{name} uses {found}; nothing would rebuild the view when its value changes. "
                f"Store the moment, or the choice, in a document, and let the front end compare."
            )


def _impurity(function: Any, seen: frozenset[int]) -> str | None:
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen:
        return None
    for used in _used(function):
        if used in _IMPURE or getattr(used, "__module__", None) in [module.__name__ for module in _IMPURE_MODULES]:
            return f"{getattr(used, '__qualname__', used)}()"
        is_own = isinstance(used, types.FunctionType) and used.__module__ == function.__module__
        if is_own and (found := _impurity(used, seen | {id(code)})):
            return found
    return None


def _used(function: Any) -> Iterator[Any]:
    """The objects that the code reaches from its globals, attribute by attribute: `datetime`, `datetime.now`."""
    current: Any = None
    for instruction in dis.get_instructions(function.__code__):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            current = function.__globals__.get(instruction.argval)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(current, type | types.ModuleType):
            current = getattr(current, instruction.argval, None)
        elif instruction.opname not in ("PRECALL", "CACHE", "PUSH_NULL"):
            current = None
        if current is not None and not isinstance(current, type | types.ModuleType):
            yield current
