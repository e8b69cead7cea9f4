"""The parts of an app's picture: boxes in three columns, and arrows from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from boiler_functions.views.view_model import View

Lane: TypeAlias = Literal["sources", "functions", "views and models"]


class Look(NamedTuple):
    """The look and the column of boxes of one kind; `name` is unique."""

    name: str
    fill: str
    stroke: str
    column: Lane = "functions"


SOURCE = Look("source", "#eef2f7", "#64748b", "sources")
VIEW = Look("view", "#ddf5e6", "#15803d", "views and models")
MODEL = Look("model", "#eef2f7", "#64748b", "views and models")


@dataclass(frozen=True)
class Node:
    """A box: its name, and a smaller line below."""

    id: str
    look: Look
    name: str
    detail: str = ""


def source_node(name: str, detail: str = "") -> Node:
    return Node(f"source {name}", SOURCE, name, detail)


def view_node(view: View, *, stored: bool = True) -> Node:
    return Node(f"view {view.__name__}", VIEW, view.__name__, view.pattern().text if stored else "built when asked for")
