"""Pickles classes and functions by value, as another process cannot import those that a test function defines."""

from __future__ import annotations

import importlib
import io
import marshal
import pickle
import sys
import warnings
from contextlib import suppress
from types import CellType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

_OWN_TO_A_CLASS = frozenset({"__dict__", "__weakref__", "__orig_bases__", "__abstractmethods__", "_abc_impl"})


# Py_TPFLAGS_HEAPTYPE, which types of the interpreter lack; some of these cannot be imported, such as the type of None.
_MADE_BY_PYTHON = 1 << 9


def dumps(value: Any) -> bytes:
    """Returns the value as bytes for `loads` in another process; raises PicklingError or TypeError if it cannot."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    with warnings.catch_warnings():
        # Python 3.12 and 3.13 warn that 3.14 will not pickle an iterator of itertools; there it is a TypeError.
        warnings.simplefilter("ignore", DeprecationWarning)
        pickler.dump(value)
        # The contents of classes, functions and cells follow after them, as they may refer back to them. Dumping a
        # content may add more contents to the list.
        for content in pickler.contents:
            pickler.dump(content)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Returns the value that `dumps` was given."""
    unpickler = pickle.Unpickler(io.BytesIO(data))
    value = unpickler.load()
    with suppress(EOFError):
        while True:
            _fill(*unpickler.load())
    return value


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer)
        self.contents: list[tuple[Any, Any]] = []

    def reducer_override(self, value: Any) -> Any:
        match value:
            case FunctionType() if not _is_importable(value):
                return self._function(value)
            case type() if value.__flags__ & _MADE_BY_PYTHON and not _is_importable(value):
                return self._class(value)
            case CellType():
                self.contents.append((value, _content(value)))
                return _made_cell, ()
            case ModuleType():
                return importlib.import_module, (value.__name__,)
            case MappingProxyType():
                return MappingProxyType, (dict(value),)
            case property():
                return property, (value.fget, value.fset, value.fdel, value.__doc__)
            case classmethod() | staticmethod():
                return type(value), (value.__func__,)
            case _:
                return NotImplemented

    def _function(self, function: FunctionType) -> Any:
        code, cells = marshal.dumps(function.__code__), function.__closure__ or ()
        settings = (function.__defaults__, function.__kwdefaults__, function.__annotations__, function.__qualname__)
        self.contents.append((function, settings))
        return _made_function, (code, function.__module__, function.__name__, cells)

    def _class(self, cls: type[Any]) -> Any:
        if type(cls) is not type:
            raise pickle.PicklingError(f"{cls!r} has a metaclass.")
        self.contents.append((cls, {key: each for key, each in vars(cls).items() if key not in _OWN_TO_A_CLASS}))
        return _made_class, (cls.__name__, cls.__bases__)


class _Blank:
    """Replaces the bases of a class while it is made, so that no `__init_subclass__` runs on the empty class."""


def _made_class(name: str, bases: tuple[type[Any], ...]) -> type[Any]:
    if bases == (object,):
        return type(name, (), {})
    made = type(name, (_Blank,), {})
    made.__bases__ = bases
    return made


def _made_cell() -> CellType:
    return CellType()


def _made_function(code: bytes, module: str, name: str, cells: tuple[CellType, ...]) -> FunctionType:
    loaded: CodeType = marshal.loads(code)
    return FunctionType(loaded, vars(importlib.import_module(module)), name, None, cells)


def _fill(target: Any, content: Any) -> None:
    match target:
        case CellType():
            if content:
                (target.cell_contents,) = content
        case FunctionType():
            target.__defaults__, target.__kwdefaults__, target.__annotations__, target.__qualname__ = content
        case _:
            for name, each in content.items():
                setattr(target, name, each)


def _content(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()  # The variable has no value yet.


def _is_importable(value: Any) -> bool:
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value
