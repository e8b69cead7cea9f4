"""`boiler check`: finds every mistake of an app, with its code, its place, and what to do.

A module is run statement by statement. A statement that fails, and those that need what it would have defined, are
skipped, so that mistakes of different views are found in one run.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import json
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from boiler_functions.app import Boiler
from boiler_functions.cli.codebases import check_codebases
from boiler_functions.cli.codes import address_of, explanations
from boiler_functions.cli.errors import users_traceback
from boiler_functions.cli.package import PACKAGE
from boiler_functions.cli.project import Project
from boiler_functions.cli.upload import check_source, is_complete
from boiler_functions.compile.compiler import compile_app
from boiler_functions.exceptions import BoilerError, ConfigurationError, DoesNotImport
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.mode import Declarations
from boiler_functions.plan.advice import surprises
from boiler_functions.types import subclasses
from boiler_functions.views.stored_copy import depth_of
from boiler_functions.views.view_model import View

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the user's line that declares it."""

    code: str
    name: str
    message: str
    file: str | None = None
    line: int | None = None
    traceback: str | None = None

    @classmethod
    def of(cls, error: BoilerError, place: tuple[str, int] | None, traceback: str | None = None) -> Mistake:
        file, line = place or (None, None)
        return cls(error.code, type(error).__name__, str(error), file, line, traceback)

    def __str__(self) -> str:
        at = f"\n  at {self.file}:{self.line}" if self.file else ""
        return f"{self.traceback or ''}error {self.code} {self.message}{at}"

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "name": self.name,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "explanation": explanations()[self.code],
        }


@dataclass(frozen=True)
class Checked:
    """An app, as far as it could be declared, and its mistakes."""

    app: Boiler | None
    mistakes: tuple[Mistake, ...]

    @property
    def warnings(self) -> list[Advice]:
        """What works otherwise than it seems to, in an app without mistakes."""
        return [] if self.app is None or self.mistakes else list(surprises(self.app.declarations))


def check(project: Project) -> Checked:
    """Loads and compiles the app, and returns all mistakes that can be found in one run."""
    found = _Found(project.source)
    app = None
    with _tolerant(found):
        try:
            app = project.load()
        except ConfigurationError as error:
            # If a statement failed, a missing app is its consequence, not another mistake.
            found.mistakes = found.mistakes or [Mistake.of(error, None)]
    if app is not None:
        compiling = list(_compiling(app.declarations, found))
        # If all views have mistakes, the app declares nothing: a consequence, which is not reported.
        found.mistakes += compiling if app.declarations.views or not found.mistakes else []
    if app is not None and not found.mistakes:
        try:
            check_codebases(project, app.manifest)
            if is_complete(project.source):
                check_source(project.source, app.manifest)
        except BoilerError as error:
            found.mistakes.append(Mistake.of(error, None))
    return Checked(app, tuple(found.mistakes))


def _compiling(declarations: Declarations, found: _Found) -> Iterator[Mistake]:
    """Yields the mistakes that compiling finds: after each, it compiles again without the view that caused it."""
    while (error := _refusal_of(declarations)) is not None:
        guilty = _guilty(declarations, error)
        yield Mistake.of(error, _place_of(guilty) if guilty else None)
        if guilty is None:
            return
        declarations = declarations.without(guilty)
        if not declarations.views:
            return


def _refusal_of(declarations: Declarations) -> BoilerError | None:
    try:
        compile_app(declarations)
    except BoilerError as error:
        return error
    return None


def _guilty(declarations: Declarations, error: BoilerError) -> View | None:
    """Returns the view without which this error does not occur; of several, the one that was declared last.

    A view that reads copies of others is asked about before these, as it goes with them.
    """
    if str(_refusal_of(declarations._replace(named={}))) != str(error):
        return None  # The mistake is in an option that the app gives to a function by name.
    views = declarations.views
    last = sorted(views, key=lambda view: (depth_of(view), views.index(view)), reverse=True)
    return next((view for view in last if str(_refusal_of(declarations.without(view))) != str(error)), None)


def _place_of(view: type[Any]) -> tuple[str, int] | None:
    try:
        return inspect.getsourcefile(view) or "", inspect.getsourcelines(view)[1]
    except (OSError, TypeError):
        return None


class _Found:
    """Collects mistakes, and the names that are undefined because of them."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.mistakes: list[Mistake] = []
        self.missing: set[str] = set()

    def take(self, error: Exception, module: str, node: ast.stmt) -> None:
        """Records what a statement raised, unless it only missed a name that an earlier mistake left undefined."""
        follows = isinstance(error, NameError | ImportError) and error.name is not None and self._lacks(error)
        self.missing |= set(_bound(node))
        if follows:
            return
        place = self._place(error)
        if isinstance(error, BoilerError):
            self.mistakes.append(Mistake.of(error, place))
            return
        said = traceback.format_exception_only(error)[-1].strip()
        imported = DoesNotImport(f"The app's module {module!r} does not import: {said}")
        self.mistakes.append(Mistake.of(imported, None, f"{users_traceback(error, str(self.source))}\n"))

    def _lacks(self, error: NameError | ImportError) -> bool:
        names = re.findall(r"'(\w+)'", str(error))
        return bool(names) and names[0] in self.missing

    def _place(self, error: BaseException) -> tuple[str, int] | None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [(each.filename, each.lineno or 0) for each in frames if Path(each.filename).is_relative_to(self.source)]
        return own[-1] if own else None


class _Tolerant(SourceFileLoader):
    """Runs a module statement by statement, past those that raise."""

    def __init__(self, name: str, path: str, found: _Found) -> None:
        super().__init__(name, path)
        self._found = found

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.get_data(self.path), self.path)
        module.__doc__ = ast.get_docstring(tree)
        flags = _futures(tree)
        for node in tree.body:
            statement = compile(ast.Module([node], []), self.path, "exec", flags, dont_inherit=True)
            try:
                exec(statement, vars(module))
            except Exception as error:
                self._found.take(error, module.__name__, node)


class _Finder(MetaPathFinder):
    def __init__(self, found: _Found) -> None:
        self._found = found

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path if path is not None else [str(self._found.source)])
        if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
            return None
        if not Path(spec.origin).is_relative_to(self._found.source):
            return None
        spec.loader = _Tolerant(name, spec.origin, self._found)
        return spec


@contextmanager
def _tolerant(found: _Found) -> Iterator[None]:
    finder = _Finder(found)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _futures(tree: ast.Module) -> int:
    """Returns the compiler flags of `from __future__ import …`, which hold for the statements after it."""
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__")
    features = [getattr(__future__, alias.name) for node in imports for alias in node.names]
    return sum(feature.compiler_flag for feature in features)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yields the names that a statement binds in its module."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
        return
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.alias):
            yield each.asname or each.name.partition(".")[0]


def as_json(checked: Checked) -> str:
    """Returns the mistakes and warnings as JSON."""
    content = {
        "app": checked.app.name if checked.app else None,
        "mistakes": [each.to_json() for each in checked.mistakes],
        "warnings": [each.to_json() for each in checked.warnings],
    }
    return json.dumps(content, indent=2)


def as_sarif(checked: Checked, folder: Path) -> str:
    """Returns the mistakes and warnings as SARIF 2.1.0, the format of code scanning services."""
    errors = {error.code: error for error in subclasses(BoilerError)}
    rules: list[dict[str, Any]] = [
        {
            "id": code,
            "name": errors[code].__name__,
            "shortDescription": {"text": (errors[code].__doc__ or "").splitlines()[0]},
            "help": {"text": explanations()[code]},
            **({"helpUri": address} if (address := address_of(code)) else {}),
        }
        for code in sorted({each.code for each in checked.mistakes})
    ]
    rules += [{"id": name, "name": name} for name in sorted({each.name for each in checked.warnings})]
    driver = {"name": "boiler check", "version": version(PACKAGE), "rules": rules}
    results = [
        {
            "ruleId": each.code,
            "level": "error",
            "message": {"text": each.message},
            "locations": _locations(each, folder),
        }
        for each in checked.mistakes
    ]
    results += [
        {"ruleId": each.name, "level": "warning", "message": {"text": f"{each.about}: {each.text}"}, "locations": []}
        for each in checked.warnings
    ]
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _locations(mistake: Mistake, folder: Path) -> list[dict[str, Any]]:
    if mistake.file is None:
        return []
    path = Path(mistake.file)
    uri = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_uri()
    location: dict[str, Any] = {"artifactLocation": {"uri": uri}, "region": {"startLine": mistake.line or 1}}
    return [{"physicalLocation": location}]
