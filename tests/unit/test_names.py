"""One name means one thing in the whole package, so that a reader who knows a class knows it everywhere."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "boiler_functions"

# Names that two things have, and why.
TWICE = {
    "GeoPoint": "the schema gives the component in the OpenAPI document its name, which is that of the value",
}


def names_of(tree: ast.Module) -> Iterator[str]:
    """The public classes and type aliases of a file."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            yield ast.unparse(node.target)


def test_no_two_classes_have_one_name() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in names_of(ast.parse(path.read_text("utf-8"))):
            if not name.startswith("_"):
                files[name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: where for name, where in files.items() if len(where) > 1 and name not in TWICE} == {}
