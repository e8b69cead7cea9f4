"""The commands whose JSON the desk shows, each as the command line runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from boiler_functions.cli.audit import AuditChoice, audit, diff
from boiler_functions.cli.build import rebuild
from boiler_functions.cli.context import Context
from boiler_functions.cli.explain import explain
from boiler_functions.cli.letters import LetterChoice, list_letters, retry_letters, show_letters
from boiler_functions.cli.output import Output, place_of
from boiler_functions.cli.staged import abort, finish, promote, rollback, wait
from boiler_functions.cli.status import status
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.drawing import Node
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.plan.graph import Graph
from boiler_functions.plan.prices import Prices

_LATE: Final = timedelta(minutes=2)

_SAMPLE: Final = 200
"""How many instances of each view are compared with a fresh build, again and again."""


_CHANGES: Final = 20
"""How many instances of a staged version are compared with what is shown."""

_MOVES: Final[Mapping[str, Callable[..., Output]]] = {
    each.__name__: each for each in (promote, rollback, abort, finish)
}


class Commands(NamedTuple):
    """The commands in one context; `contents` says whether values of documents are shown."""

    context: Context
    contents: bool = False

    def about(self) -> Mapping[str, Any]:
        """Returns which app and which database the desk shows."""
        return {"app": self.context.app.name, "place": place_of(self.context), "contents": self.contents}

    def prices(self) -> Mapping[str, Any]:
        """Returns the list prices of one read and one write."""
        found = Prices.read()
        read, write = (found.of_documents(each, None) for each in (Usage(reads=1), Usage(writes=1)))
        return {**found.to_json(), "read": read, "write": write}

    def map(self) -> Output:
        """Returns the boxes and arrows that `boiler plan --graph` draws."""
        graph = Graph.of(self.context.compiled)
        return Output("plan", {"nodes": list(map(_node, graph.nodes)), "edges": list(map(list, graph.edges))}, ())

    def status(self) -> Output:
        return status(self.context, _LATE)

    def explain(self, path: str) -> Output:
        return explain(self.context, path, contents=self.contents)

    def letters(self) -> Output:
        return list_letters(self.context, LetterChoice(every=True))

    def letter(self, letter: str) -> Output:
        return show_letters(self.context, LetterChoice((letter,)), contents=self.contents)

    def audit(self) -> Output:
        return audit(self.context, None, chosen=AuditChoice(sample=_SAMPLE), late=_LATE)

    def versions(self) -> Output:
        """Returns how each staged version stands, and what it will change of some instances."""
        names = (view.__name__ for view in self.context.app.compiled.declarations.stored)
        return Output("versions", {"versions": [each for name in names if (each := self._version(name))]}, ())

    def _version(self, name: str) -> Mapping[str, Any] | None:
        """Returns how a staged version stands; None without one, also if it is put away meanwhile."""
        if not self._is_staged(name):
            return None
        try:
            standing = wait(self.context, name, patience=timedelta(0), late=_LATE).result
        except ConfigurationError:
            if self._is_staged(name):
                raise
            return None
        changes = diff(self.context, name, chosen=AuditChoice(sample=_CHANGES)).result["views"][name]
        return {**standing, "diff": changes}

    def _is_staged(self, name: str) -> bool:
        return StagedVersion.of(self.context.database, self.context.app.name, name).exists

    def move(self, view: str, act: str) -> Output:
        """Promotes a staged version, rolls it back, or puts it away; raises ConfigurationError for anything else."""
        return move_of(act)(self.context, view, yes=True)

    def retry(self, letter: str) -> Output:
        return retry_letters(self.context, LetterChoice((letter,)))

    def build(self, view: str, root: str) -> Output:
        return rebuild(self.context, view, root)


def move_of(act: str) -> Callable[..., Output]:
    """Returns what moves or puts away a staged version; raises ConfigurationError for any other command."""
    if act not in _MOVES:
        raise ConfigurationError(f"{act!r} is nothing that is done to a version; give {', '.join(_MOVES)}.")
    return _MOVES[act]


def _node(node: Node) -> dict[str, str]:
    return {
        "id": node.id,
        "name": node.name,
        "detail": node.detail,
        "look": node.look.name,
        "column": node.look.column,
    }
