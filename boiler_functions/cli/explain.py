"""`boiler explain` and `boiler impact`: what a document was built from, who may read it, and what depends on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal

from boiler_functions.access import Audience, Claim, Nobody, Owner, Public, SignedIn
from boiler_functions.cli.audit import comparison_of
from boiler_functions.cli.build import view_named
from boiler_functions.cli.context import Context
from boiler_functions.cli.output import Output
from boiler_functions.database.values import check_path
from boiler_functions.models.spelling import as_json
from boiler_functions.modes.dead_letter import letters_of
from boiler_functions.modes.drawing import SOURCE, VIEW, Look, Node, source_node
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.plan.graph import Graph, drawn_as

_LATE = timedelta(minutes=2)

SHOWN = 20
"""Roots that are listed for each view; --json has all."""


def explain(context: Context, path: str, *, contents: bool = False) -> Output:
    """Returns all that is known of a document: a copy, a form, a source or a letter.

    Without `contents`, says in which fields a copy differs from a fresh build, and no value.
    """
    check_path(path)
    declarations, database = context.app.compiled.declarations, context.database
    letters = list(letters_of(database, context.app.name))
    about = next((each.subject for each in letters if each.document.path == path), path)
    release = Release(codes=code_fingerprints(declarations.stored))
    explained = [each for mode in declarations.modes for each in mode.explained(declarations, about, database, release)]
    found = [{**each, **_compared(context, each, about, contents=contents)} for each in explained]
    clients = [each for mode in declarations.modes for each in mode.clients(declarations) if each.pattern.match(about)]
    result = {
        "path": path,
        "about": about,
        "found": found,
        "clients": [
            {"title": each.title, "read": _who(each.readers), "create": _who(each.senders)} for each in clients
        ],
        "letters": [each.id for each in letters if about in (each.subject, each.source)],
        "dependents": _dependents(context, about),
        **({"stored": as_json(database.read([about]).documents[0].fields)} if contents else {}),
    }
    return Output("explain", result, list(_explained(result)))


def _compared(context: Context, found: Mapping[str, Any], path: str, *, contents: bool) -> dict[str, Any]:
    """Returns how a copy compares with a fresh build; nothing for another document."""
    if "view" not in found:
        return {}
    comparison = comparison_of(context.app, view_named(context.app, found["view"]), context.database, _LATE)
    (finding,) = comparison.of([found["root"] or ""])
    compared = {"verdict": finding.verdict, "differing": list(dict(finding.differing).get(path, ()))}
    fresh = {"fresh": as_json(comparison.fresh(found["root"] or "").get(path))} if contents else {}
    return {**compared, **fresh}


def picture_of(result: Mapping[str, Any], declarations: Declarations, form: Literal["svg", "mermaid"]) -> str:
    """Returns the picture of what `explain` found: what a copy was built from, and what a change of it builds."""
    look, about = declarations.storing().look, result["about"]
    ways = [*_ways(result, look)] or [(source_node(about, "nothing depends on it"),)]
    nodes = {node.id: node for way in ways for node in way}
    edges = dict.fromkeys((start.id, end.id) for way in ways for start, end in pairwise(way))
    titles = ("sources", "views", "copies")
    return drawn_as(form, Graph(about, tuple(nodes.values()), tuple(edges), (SOURCE, look, VIEW), titles))


def _ways(result: Mapping[str, Any], look: Look) -> Iterator[tuple[Node, ...]]:
    for each in result["found"]:
        middle = Node(f"view {each.get('view', each['what'])}", look, each.get("view", each["what"]), _state(each))
        sources = [
            source_node(source["path"], "changed since" if source["has_changed"] else f"of {_told(source['then'])}")
            for source in each.get("sources", ())
        ]
        copies = each.get("copies") or [result["about"]]
        yield from ((source, middle) for source in sources)
        yield from ((middle, Node(f"copy {path}", VIEW, path)) for path in copies)
    for view, roots in result["dependents"].items():
        middle = Node(f"dependents {view}", look, view, f"{len(roots)} would be built")
        yield source_node(result["about"]), middle
        yield from ((middle, Node(f"root {root}", VIEW, root or view)) for root in roots[:SHOWN])
        if len(roots) > SHOWN:
            yield middle, Node(f"more {view}", VIEW, f"and {len(roots) - SHOWN} more")


def _state(found: Mapping[str, Any]) -> str:
    if "view" not in found:
        return ""
    code = "" if found["is_this_code"] else ", by other code"
    return f"{found['verdict']}{code}"


def impact(context: Context, path: str) -> Output:
    """Returns which instances a change of the document would build."""
    check_path(path)
    found = _dependents(context, path)
    result = {"path": path, "views": {view: {"instances": len(roots), "roots": roots} for view, roots in found.items()}}
    return Output("impact", result, list(_impact(path, found)))


def _dependents(context: Context, path: str) -> dict[str, list[str]]:
    declarations = context.app.compiled.declarations
    document = context.database.read([path]).documents[0]
    found = [mode.dependents(declarations, document, context.database) for mode in declarations.modes]
    return {view: roots for each in found for view, roots in each.items() if roots}


def _explained(result: Mapping[str, Any]) -> Iterator[str]:
    yield result["path"] if result["path"] == result["about"] else f"{result['path']}, a letter about {result['about']}"
    for each in result["found"]:
        yield f"  {each['what']}"
        yield from (f"    {name}: {_told(value)}" for name, value in each.items() if _is_told(name, value))
        yield from (f"    {line}" for line in _sources(each.get("sources", ())))
        if "fresh" in each:
            yield f"    a fresh build is {json.dumps(each['fresh'], ensure_ascii=False)}"
    for each in result["clients"]:
        yield f"  {each['title']}: read by {each['read']}, created by {each['create']}"
    if "stored" in result:
        yield f"  stored is {json.dumps(result['stored'], ensure_ascii=False)}"
    if result["letters"]:
        yield f"  letters: {', '.join(result['letters'])}"
    yield from (f"  {line}" for line in _impact(result["about"], result["dependents"]))


def _sources(sources: Any) -> Iterator[str]:
    for each in sources:
        changed = f", changed since: {_told(each['now'])}" if each["has_changed"] else ""
        yield f"from {each['path']} of {_told(each['then'])}{changed}"


def _impact(path: str, found: Mapping[str, list[str]]) -> Iterator[str]:
    for view, roots in found.items():
        more = f" and {len(roots) - SHOWN} more" if len(roots) > SHOWN else ""
        named = ", ".join(each or view for each in roots[:SHOWN])
        yield f"a change of {path} builds {len(roots)} of {view}: {named}{more}"
    if not found:
        yield f"a change of {path} builds nothing"


def _who(audience: Audience) -> str:
    """Returns whom an audience admits; does not run predicates of user code."""
    parts = [each for each in audience.parts() if not isinstance(each, Nobody)]
    return " or ".join(map(_named, parts)) or "nobody"


def _named(audience: Audience) -> str:
    match audience:
        case Public():
            return "everybody"
        case SignedIn():
            return "all who are signed in"
        case Owner():
            return f"the owner by {audience.placeholder}"
        case Claim():
            return f"holders of the claim {audience.name}"
        case _:
            return "those whom the app's code admits"


def _is_told(name: str, value: object) -> bool:
    return name not in ("what", "view", "sources", "fresh") and value is not None and value != []


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "missing" if value is None else str(value)
