"""Computes fingerprints of source code, which change if the code's behaviour may, but not with a comment or docstring.

A deployment computes them, as do `boiler dev` and `boiler build`; a function in the cloud only compares them.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from boiler_functions.types import digest
from boiler_functions.views.view_model import ViewModel

PACKAGE = __name__.partition(".")[0]

_OWN = Path(__file__).resolve().parent.parent


def code_fingerprints(views: Iterable[type[ViewModel[Any]]]) -> Mapping[str, str]:
    """Returns the fingerprint of each view's code by the view's name, as a release records them."""
    return {view.__name__: fingerprint for view in views if (fingerprint := code_fingerprint(view))}


def code_fingerprint(view: type[ViewModel[Any]]) -> str:
    """Returns a digest of the view's module and the modules of the project that it imports, directly or not.

    It is computed from the syntax tree, so it is the same on every machine and for every version of Python. It omits
    installed packages, the standard library, and each other view whose name occurs nowhere else: changing that view
    does not change this one. Returns "" if there is no source to read.
    """
    trees = {name: _parsed(path, path.stat().st_mtime_ns) for name, path in sorted(_reached(view.__module__).items())}
    apart = frozenset(_views_apart(view, trees))
    sources = {name: _fingerprint(tree, apart) for name, tree in trees.items()}
    return f"source-{digest(view.__qualname__, sources)}" if sources else ""


def fingerprint_of(source: str) -> str:
    """Returns a digest of a module without its comments, docstrings and layout; raises SyntaxError."""
    return _fingerprint(ast.parse(source), frozenset())


def _views_apart(view: type[ViewModel[Any]], trees: Mapping[str, ast.Module]) -> Iterator[ast.stmt]:
    """Yields the classes of other views whose names occur in no other statement."""
    other = {
        node: node.name
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.decorator_list and _is_other(view, name, node.name)
    }
    rest = (node for tree in trees.values() for node in tree.body if node not in other)
    named = {each for node in rest for each in _names(node)}
    return (node for node, name in other.items() if name not in named)


def _is_other(view: type[ViewModel[Any]], module: str, name: str) -> bool:
    found = getattr(sys.modules[module], name, None)
    return isinstance(found, type) and issubclass(found, ViewModel) and found not in view.__mro__


def _names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.Constant(value=str(name)):
                yield name


def _reached(start: str) -> dict[str, Path]:
    """Returns the files of the project's modules that the module imports, directly or not, itself included."""
    reached: dict[str, Path] = {}
    pending = [start]
    while pending:
        name = pending.pop()
        path = _project_file(sys.modules.get(name))
        if path is not None and name not in reached:
            reached[name] = path
            pending += _imported(sys.modules[name], path)
    return reached


def _project_file(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    return None if any(path.is_relative_to(folder) for folder in _installed()) else path


@cache
def _installed() -> frozenset[Path]:
    """Returns the folders that hold no code of a project: installed packages, the standard library, this package."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return frozenset({_OWN, *(Path(sysconfig.get_path(name)).resolve() for name in names)})


def _imported(module: ModuleType, path: Path) -> Iterator[str]:
    """Yields each name that an import of the module may mean, and the packages that contain it.

    `from a import b` may mean the module `a.b` or an attribute of `a`, so both names are tried.
    """
    for node in ast.walk(_parsed(path, path.stat().st_mtime_ns)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _absolute(module: ModuleType, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = (module.__package__ or "").split(".")
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *((node.module or "").split(".") if node.module else ())])


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _fingerprint(tree: ast.Module, apart: frozenset[ast.stmt]) -> str:
    return digest(_simplified([node for node in tree.body if node not in apart]))


@cache
def _parsed(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def _simplified(node: Any) -> Any:
    """Returns the tree as plain values, without empty fields: newer versions of Python add fields that are empty."""
    match node:
        case ast.AST():
            fields = ((name, _simplified(value)) for name, value in ast.iter_fields(node) if name not in _NO_EFFECT)
            return [type(node).__name__, *([name, value] for name, value in fields if value not in (None, []))]
        case list():
            return [_simplified(each) for each in node if not _is_unused_text(each)]
        case None:
            return None
        case _:
            return f"{type(node).__name__} {node!r}"


# Type comments, and the prefix of a string literal, have no effect at run time.
_NO_EFFECT = frozenset({"type_comment", "type_ignores", "kind"})


def _is_unused_text(node: object) -> bool:
    """Whether the node is a docstring, or any other string literal whose value is not used."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
