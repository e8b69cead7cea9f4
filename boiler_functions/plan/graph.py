"""The picture of an app: what changes, which function that invokes, and what the function writes; as SVG or Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal, TypeAlias

from boiler_functions.compile.compiler import SOCKETS, Compiled, EventFunction, View
from boiler_functions.compile.manifest import EventTrigger

Kind: TypeAlias = Literal["source", "query", "task", "rest", "socket", "sink", "view", "model"]

_COLUMNS: tuple[tuple[str, frozenset[Kind]], ...] = (
    ("sources", frozenset({"source"})),
    ("functions", frozenset({"query", "task", "rest", "socket", "sink"})),
    ("views and models", frozenset({"view", "model"})),
)

# Text is measured, not rendered: a monospace letter of 12 px is 7.25 px wide.
_LETTER, _SMALL_LETTER = 7.25, 6.1
_HEIGHT, _GAP, _PADDING, _SPACE, _MARGIN, _TOP = 46, 14, 14, 110, 28, 62

_COLOURS: dict[Kind, tuple[str, str]] = {
    "source": ("#eef2f7", "#64748b"),
    "query": ("#e0edff", "#2563eb"),
    "task": ("#fdecd8", "#d97706"),
    "rest": ("#efe6fd", "#7c3aed"),
    "socket": ("#e0f7f7", "#0e7490"),
    "sink": ("#fde8ef", "#be185d"),
    "view": ("#ddf5e6", "#15803d"),
    "model": ("#eef2f7", "#64748b"),
}


@dataclass(frozen=True)
class Node:
    """A box: its name, and a smaller line below."""

    id: str
    kind: Kind
    name: str
    detail: str = ""

    @property
    def width(self) -> float:
        return 2 * _PADDING + max(len(self.name) * _LETTER, len(self.detail) * _SMALL_LETTER)


@dataclass(frozen=True)
class Graph:
    """Boxes, and the arrows between them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, compiled: Compiled) -> Graph:
        """Sources → functions → views, and what tasks write."""
        paths = list(_paths(compiled))
        nodes = {node.id: node for path in paths for node in path}
        edges = dict.fromkeys((start.id, end.id) for path in paths for start, end in pairwise(path))
        return cls(compiled.declarations.app, tuple(nodes.values()), tuple(edges))


def _paths(compiled: Compiled) -> Iterator[tuple[Node, ...]]:
    """Every way from a source through what runs to what it writes or shows."""
    for record in compiled.manifest.functions:
        if isinstance(record.trigger, EventTrigger):
            yield from _paths_of(compiled.functions[record.entry_point])
    for rule in compiled.declarations.rules:
        http = Node(f"source {rule.rule}", "source", rule.rule, "HTTP")
        yield http, Node("function api", "rest", "api", "at most once"), _shown(compiled, rule.view)
    for socket in compiled.declarations.sockets:
        client = Node(f"source {socket.namespace}", "source", socket.namespace, "Socket.IO")
        yield client, Node(f"service {SOCKETS}", "socket", SOCKETS, "on Cloud Run"), _shown(compiled, socket.view)


def _paths_of(function: EventFunction) -> Iterator[tuple[Node, ...]]:
    name = function.entry_point
    source = Node(f"source {function.source.text}", "source", function.source.text)
    if function.sink:
        # A record of the outbox triggers it; what it is told of is the view.
        target = function.sink.target.__name__
        told = Node(f"source {target}", "source", target, "each change")
        yield told, Node(f"function {name}", "sink", name, "at least once")
    elif function.task:
        middle = Node(f"function {name}", "task", name, "exactly once")
        yield source, middle
        for model in function.task.writes:
            yield source, middle, Node(f"model {model.__name__}", "model", model.__name__, model.pattern().text)
    else:
        middle = Node(f"function {name}", "query", name, "convergent")
        for view in function.views:
            yield source, middle, _view(view.__name__, view.pattern().text)


def _shown(compiled: Compiled, view: View) -> Node:
    is_stored = view in compiled.declarations.queries
    return _view(view.__name__, view.pattern().text if is_stored else "built when asked for")


def mermaid(graph: Graph) -> str:
    """The text of a Mermaid flowchart, which GitHub shows as a picture."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for title, kinds in _COLUMNS:
        lines += [f"  subgraph {title.replace(' ', '_')}[{title}]"]
        for node in graph.nodes:
            if node.kind in kinds:
                text = f"{node.name}<br/><small>{node.detail}</small>" if node.detail else node.name
                quoted = text.replace('"', "#quot;")
                lines.append(f'    {names[node.id]}["{quoted}"]:::{node.kind}')
        lines.append("  end")
    lines += [f"  {names[start]} --> {names[end]}" for start, end in graph.edges]
    for kind, (fill, stroke) in _COLOURS.items():
        lines.append(f"  classDef {kind} fill:{fill},stroke:{stroke},color:#0f172a")
    return "\n".join(lines) + "\n"


def svg(graph: Graph) -> str:
    """The text of an SVG that needs nothing else: three columns, each ordered so that few arrows cross."""
    columns = _ordered(graph)
    widths = [max((node.width for node in column), default=0.0) for column in columns]
    height = max(len(column) for column in columns) * (_HEIGHT + _GAP) - _GAP
    places: dict[str, tuple[float, float, float]] = {}
    drawn: list[str] = []
    left = float(_MARGIN)
    for (title, _), column, width in zip(_COLUMNS, columns, widths, strict=True):
        drawn.append(f'<text x="{left + width / 2:g}" y="{_TOP - 18}" class="column">{title}</text>')
        top = _TOP + (height - (len(column) * (_HEIGHT + _GAP) - _GAP)) / 2
        for node in column:
            places[node.id] = (left, top, width)
            drawn.append(_box(node, left, top, width))
            top += _HEIGHT + _GAP
        left += width + _SPACE
    arrows = [_arrow(places[start], places[end], _kind(graph, start, end)) for start, end in graph.edges]
    total = (left - _SPACE + _MARGIN, _TOP + height + _MARGIN)
    return "\n".join([_head(graph.title, *total), *arrows, *drawn, "</svg>"]) + "\n"


def _view(name: str, path: str) -> Node:
    return Node(f"view {name}", "view", name, path)


def _ordered(graph: Graph) -> list[list[Node]]:
    """The columns; each node stands where its neighbours are on average."""
    columns = [[node for node in graph.nodes if node.kind in kinds] for _, kinds in _COLUMNS]
    for _ in range(4):
        for here, there in ((0, 1), (2, 1), (1, 0), (1, 2)):
            columns[here] = _near(columns[here], columns[there], graph.edges)
    return columns


def _near(column: Sequence[Node], other: Sequence[Node], edges: Iterable[tuple[str, str]]) -> list[Node]:
    at = {node.id: (number + 0.5) / len(other) for number, node in enumerate(other)}
    neighbours: dict[str, list[float]] = {node.id: [] for node in column}
    for start, end in edges:
        for one, two in ((start, end), (end, start)):
            if one in neighbours and two in at:
                neighbours[one].append(at[two])
    middle = {name: sum(found) / len(found) if found else 0.5 for name, found in neighbours.items()}
    return sorted(column, key=lambda node: middle[node.id])


def _kind(graph: Graph, *ids: str) -> Kind:
    return next(node.kind for node in graph.nodes if node.id in ids and node.kind in _COLUMNS[1][1])


def _box(node: Node, left: float, top: float, width: float) -> str:
    fill, stroke = _COLOURS[node.kind]
    middle = left + width / 2
    first = top + (_HEIGHT / 2 + 4 if not node.detail else 20)
    lines = [
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{_HEIGHT}" rx="8" fill="{fill}" stroke="{stroke}"/>',
        f'<text x="{middle:g}" y="{first:g}" class="name">{escape(node.name)}</text>',
    ]
    if node.detail:
        lines.append(f'<text x="{middle:g}" y="{top + 36:g}" class="detail">{escape(node.detail)}</text>')
    return "\n".join(lines)


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float], kind: Kind) -> str:
    x1, y1 = start[0] + start[2], start[1] + _HEIGHT / 2
    x2, y2 = end[0] - 7, end[1] + _HEIGHT / 2
    bend = (x2 - x1) / 2
    path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
    return f'<path class="arrow" d="{path}" stroke="{_COLOURS[kind][1]}" marker-end="url(#{kind})"/>'


def _head(title: str, width: float, height: float) -> str:
    markers = "".join(
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{_COLOURS[kind][1]}" stroke="none"/></marker>'
        for kind in sorted(_COLUMNS[1][1])
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" \
viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}: sources, functions and views">
<style>
text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; text-anchor: middle; fill: #0f172a }}
.name {{ font-size: 12px; font-weight: 600 }} .detail {{ font-size: 10px; fill: #475569 }}
.column {{ font-size: 12px; fill: #64748b; letter-spacing: 1px }}
.arrow {{ fill: none; stroke-width: 1.4; opacity: 0.75 }}
</style>
<defs>{markers}</defs>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{width / 2:g}" y="24" class="name" style="font-size:15px">{escape(title)}</text>"""
