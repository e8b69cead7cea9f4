"""Finds code whose result varies between calls or processes: code that uses the clock, chance or the process."""

from __future__ import annotations

import builtins
import datetime
import dis
import functools
import os
import random
import secrets
import time
import types
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

_IMPURE = (
    builtins.hash,
    builtins.id,
    datetime.datetime.now,
    datetime.datetime.today,
    datetime.datetime.utcnow,
    datetime.date.today,
    os.getenv,
    os.getpid,
    os.urandom,
    time.gmtime,
    time.localtime,
    time.monotonic,
    time.perf_counter,
    time.time,
    time.time_ns,
    uuid.uuid1,
    uuid.uuid4,
)


def is_drawn(make: Any) -> bool:
    """Returns whether the function's value varies between calls, judged by its code and by calling it twice."""
    if is_impure(make) or impurity(make, None) is not None:
        return True
    first, second = make(), make()
    return bool(first != second and first == first)  # NaN differs from itself.


def impurity(
    function: Any, owner: type[Any] | None, kept: Mapping[str, Any] | None = None, seen: frozenset[int] = frozenset()
) -> str | None:
    """Returns the name of what makes the function's result vary, as "datetime.now()", or None if nothing is found.

    Looks at the names that the code resolves, the functions of its module that it calls, and the methods of `owner`;
    it does not look inside libraries. `kept` holds more objects that the function may not use, each by the name to
    return for it.
    """
    if isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen:
        return None
    for used in _used(code, function, owner):
        if used is os.environ:
            return "os.environ"
        if name := next((name for name, each in (kept or {}).items() if each is used), None):
            return name
        if is_impure(used):
            return f"{getattr(used, '__qualname__', used)}()"
        is_own = isinstance(used, types.FunctionType) and used.__module__ == function.__module__
        if is_own and (found := impurity(used, owner, kept, seen | {id(code)})):
            return found
    return None


def is_impure(used: Any) -> bool:
    """Returns whether the object is a function that itself reads the clock, chance or the process."""
    if isinstance(used, functools.partial):
        return is_impure(used.func)
    # Compares functions only: `==` of a user's own object may do anything.
    if not isinstance(used, types.BuiltinFunctionType | types.FunctionType | types.MethodType):
        return False
    drawn = isinstance(getattr(used, "__self__", None), random.Random)
    return drawn or used in _IMPURE or used.__module__ in (random.__name__, secrets.__name__)


def _used(code: types.CodeType, function: Any, owner: type[Any] | None) -> Iterator[Any]:
    """Yields the objects that code reaches from its names and from `self`, attribute by attribute."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # a comprehension, a lambda
            yield from _used(constant, function, owner)
    names = {**vars(builtins), **function.__globals__, **_enclosed(function)}
    first = code.co_varnames[:1]
    current: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
            current = names.get(instruction.argval)
        elif instruction.opname.startswith("LOAD_FAST") and owner is not None and (instruction.argval,) == first:
            current = owner
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(current, type | types.ModuleType):
            current = getattr(current, instruction.argval, None)
        elif instruction.opname not in ("PRECALL", "CACHE", "PUSH_NULL"):
            current = None
        if current is not None and not isinstance(current, type | types.ModuleType):
            yield current


def _enclosed(function: Any) -> dict[str, Any]:
    """Returns the variables of the enclosing function that the function uses, without those not assigned yet."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found
