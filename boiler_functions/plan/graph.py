"""The picture of an app: what changes, which function that invokes, and what the function writes; as SVG or Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

from boiler_functions.compile.compiler import Compiled
from boiler_functions.modes.drawing import MODEL, SOURCE, VIEW, Lane, Look, Node

_COLUMNS: tuple[Lane, ...] = ("sources", "functions", "views and models")

# Text is measured, not rendered: a monospace letter of 12 px is 7.25 px wide.
_LETTER, _SMALL_LETTER = 7.25, 6.1
_HEIGHT, _GAP, _PADDING, _SPACE, _MARGIN, _TOP = 46, 14, 14, 110, 28, 62


@dataclass(frozen=True)
class Graph:
    """Boxes, and the arrows between them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    looks: tuple[Look, ...] = ()
    titles: tuple[str, ...] = _COLUMNS
    """The titles of the columns."""

    @classmethod
    def of(cls, compiled: Compiled) -> Graph:
        """Returns the graph: sources → functions → views, and the models that tasks write."""
        declared = compiled.declarations
        paths = [
            *(path for function in compiled.functions.values() for path in function.drawn()),
            *(path for mode in declared.modes for path in mode.drawn(declared)),
        ]
        nodes = {node.id: node for path in paths for node in path}
        edges = dict.fromkeys((start.id, end.id) for path in paths for start, end in pairwise(path))
        looks = dict.fromkeys([SOURCE, *(mode.look for mode in declared.modes), VIEW, MODEL])
        return cls(declared.app, tuple(nodes.values()), tuple(edges), tuple(looks))


def _width(node: Node) -> float:
    return 2 * _PADDING + max(len(node.name) * _LETTER, len(node.detail) * _SMALL_LETTER)


def drawn_as(form: Literal["svg", "mermaid"], graph: Graph) -> str:
    """Returns the picture in this form."""
    return svg(graph) if form == "svg" else mermaid(graph)


def mermaid(graph: Graph) -> str:
    """Returns the text of a Mermaid flowchart, which GitHub shows as a picture."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for column, title in zip(_COLUMNS, graph.titles, strict=True):
        lines += [f"  subgraph {title.replace(' ', '_')}[{title}]"]
        for node in graph.nodes:
            if node.look.column == column:
                text = f"{node.name}<br/><small>{node.detail}</small>" if node.detail else node.name
                quoted = text.replace('"', "#quot;")
                lines.append(f'    {names[node.id]}["{quoted}"]:::{node.look.name}')
        lines.append("  end")
    lines += [f"  {names[start]} --> {names[end]}" for start, end in graph.edges]
    for look in graph.looks:
        lines.append(f"  classDef {look.name} fill:{look.fill},stroke:{look.stroke},color:#0f172a")
    return "\n".join(lines) + "\n"


def svg(graph: Graph) -> str:
    """Returns a self-contained SVG: three columns, each ordered so that few arrows cross."""
    columns = _ordered(graph)
    widths = [max((_width(node) for node in column), default=0.0) for column in columns]
    height = max(len(column) for column in columns) * (_HEIGHT + _GAP) - _GAP
    places: dict[str, tuple[float, float, float]] = {}
    drawn: list[str] = []
    left = float(_MARGIN)
    for title, column, width in zip(graph.titles, columns, widths, strict=True):
        drawn.append(f'<text x="{left + width / 2:g}" y="{_TOP - 18}" class="column">{title}</text>')
        top = _TOP + (height - (len(column) * (_HEIGHT + _GAP) - _GAP)) / 2
        for node in column:
            places[node.id] = (left, top, width)
            drawn.append(_box(node, left, top, width))
            top += _HEIGHT + _GAP
        left += width + _SPACE
    arrows = [_arrow(places[start], places[end], _look(graph, start, end)) for start, end in graph.edges]
    total = (left - _SPACE + _MARGIN, _TOP + height + _MARGIN)
    return "\n".join([_head(graph, *total), *arrows, *drawn, "</svg>"]) + "\n"


def _ordered(graph: Graph) -> list[list[Node]]:
    """Returns the columns; each node is placed at the average position of its neighbours."""
    columns = [[node for node in graph.nodes if node.look.column == column] for column in _COLUMNS]
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


def _look(graph: Graph, *ids: str) -> Look:
    """Returns the look of an arrow: the look of the box at its ends that is a function."""
    return next(node.look for node in graph.nodes if node.id in ids and node.look.column == "functions")


def _box(node: Node, left: float, top: float, width: float) -> str:
    middle = left + width / 2
    first = top + (_HEIGHT / 2 + 4 if not node.detail else 20)
    lines = [
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{_HEIGHT}" rx="8" '
        f'fill="{node.look.fill}" stroke="{node.look.stroke}"/>',
        f'<text x="{middle:g}" y="{first:g}" class="name">{escape(node.name)}</text>',
    ]
    if node.detail:
        lines.append(f'<text x="{middle:g}" y="{top + 36:g}" class="detail">{escape(node.detail)}</text>')
    return "\n".join(lines)


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float], look: Look) -> str:
    x1, y1 = start[0] + start[2], start[1] + _HEIGHT / 2
    x2, y2 = end[0] - 7, end[1] + _HEIGHT / 2
    bend = (x2 - x1) / 2
    path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
    return f'<path class="arrow" d="{path}" stroke="{look.stroke}" marker-end="url(#{look.name})"/>'


def _head(graph: Graph, width: float, height: float) -> str:
    markers = "".join(
        f'<marker id="{look.name}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{look.stroke}" stroke="none"/></marker>'
        for look in sorted(graph.looks)
        if look.column == "functions"
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" \
viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(graph.title)}: {escape(", ".join(graph.titles))}">
<style>
text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; text-anchor: middle; fill: #0f172a }}
.name {{ font-size: 12px; font-weight: 600 }} .detail {{ font-size: 10px; fill: #475569 }}
.column {{ font-size: 12px; fill: #64748b; letter-spacing: 1px }}
.arrow {{ fill: none; stroke-width: 1.4; opacity: 0.75 }}
</style>
<defs>{markers}</defs>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{width / 2:g}" y="24" class="name" style="font-size:15px">{escape(graph.title)}</text>"""
