"""Finds the functions that a folder declares with firebase-functions, without running its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

_PACKAGE = "firebase_functions"

# Folders that firebase-tools leaves out, and that hold code of others.
_SKIPPED = frozenset({"venv", ".venv", "node_modules", "__pycache__"})


def own_functions(source: Path) -> Sequence[str]:
    """Returns the names of all functions below the folder that a decorator of firebase-functions marks."""
    return sorted({name for path in _modules(source) for name in _functions(path)})


def _modules(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in _SKIPPED:
            yield from _modules(path)
        elif path.suffix == ".py":
            yield path


def _functions(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8", errors="replace")
    if _PACKAGE not in text:
        return
    try:
        module = ast.parse(text)
    except SyntaxError:
        return
    imported = {name for node in ast.walk(module) for name in _imported(node)}
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and any(_first_name(each) in imported for each in node.decorator_list):
            yield node.name


def _imported(node: ast.AST) -> Iterator[str]:
    """Yields the names under which a statement imports something of the package."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _PACKAGE:
        yield from (each.asname or each.name for each in node.names)
    elif isinstance(node, ast.Import):
        named = (each for each in node.names if each.name.split(".")[0] == _PACKAGE)
        yield from (each.asname or _PACKAGE for each in named)


def _first_name(decorator: ast.expr) -> str | None:
    """Returns the name that a decorator begins with: `https_fn` of `@https_fn.on_request(region="…")`."""
    while not isinstance(decorator, ast.Name):
        match decorator:
            case ast.Call(func=inner) | ast.Attribute(value=inner):
                decorator = inner
            case _:
                return None
    return decorator.id
