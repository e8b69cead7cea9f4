"""The scenarios to explore: short ones for every test run, and deep ones; and the devices to switch off."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.model import builds, chain, kept, staged, task, world
from tests.model.explorer import Explorable, Explored, explore_all
from tests.model.query import QueryProtocol
from tests.model.task import SETTINGS, Completion, Task, TaskProtocol, Write
from tests.model.world import (
    ALONE,
    ASKS,
    BOTH,
    CHAIN,
    COPIED,
    COUNTED,
    EACH,
    FAILS,
    FOUND,
    LINK,
    MORE,
    NARROW,
    OWNED,
    QUERY,
    REFUSED,
    SOME,
    SPREAD,
    TIMED,
    WHOLE,
    View,
)

ONE = (View("A", "a"),)
FIXED = (View("A", "a", fixed=("b",)),)
TWO = (View("A", "a"), View("B", "c"))
ROOTLESS = (View("D", "", fixed=("b",)),)
ADDING = (View("A", "a", fixed=("b",), added=("y",)),)
WIDENED = (View("A", "a", widened=True),)
LINK_AND_QUERY = (("a", LINK), ("c", QUERY))
_OLD = (("a", LINK), ("b", 0))
LINK_AND_COPY = (("a", LINK), ("c", COPIED))


class Family(NamedTuple):
    """Returns all scripts of `length` writes of the values (`deep`: of the longer search), under one template."""

    name: str
    length: int
    deep: int
    values: Mapping[str, tuple[int | None, ...]]
    template: world.Scenario

    def scenarios(self, *, deep: bool) -> Iterator[world.Scenario]:
        writes = [(path, value) for path, values in self.values.items() for value in values]
        for script in itertools.product(writes, repeat=self.deep if deep else self.length):
            if self._always_changes(script):
                yield self.template._replace(script=script)

    def _always_changes(self, script: Iterable[tuple[str, int | None]]) -> bool:
        now: dict[str, int | None] = dict(self.template.initial)
        for path, value in script:
            if now.get(path) == value:
                return False
            now[path] = value
        return True


def _family(name: str, length: int, deep: int, values: Mapping[str, tuple[int | None, ...]], **template: Any) -> Family:
    return Family(name, length, deep, values, world.Scenario((), **template))


_DOCUMENTS = {"a": (ALONE, LINK, None), "b": (0, 1, None)}
_PREDICATES = {"a": (QUERY, None), "x": (1, 2, 11, None), "y": (1, None)}
_FOUND = {"a": (FOUND, QUERY), "y": (1, 2, 11, None)}
_COUNTED = {"x": (1, 2, 11, None), "y": (1, None), "a": (COUNTED, BOTH, QUERY, None)}
_MOVING = {"a": (COPIED, ALONE, None), "b": (5, 6, None)}
_FIELDS = {"a": (NARROW, None), "b": (0, 100, 10, 3), "x": (1, 101, 11, 2), "y": (20, None)}
_NARROW = (("a", NARROW), ("b", 0), ("x", 1), ("y", 10))
_RECORDED = {**_FIELDS, "a": (SOME, MORE, None)}
_SHOWN = {"a": (SOME, MORE), "b": (0, 100, 10), "x": (1, 101)}
_SOME = (("a", SOME), *_NARROW[1:])
_SPREAD = (("a", SPREAD), ("b", 0))
_EACH = (("a", EACH), ("b", 0), ("y", 0))
_PARTICIPANTS = {"b": (0, 1, None), "y": (0, 1, None)}
_ASKED = {"a": (ASKS, None), "b": (CHAIN, 0), "x": (1, 2, None)}
_ASKS = (("a", ASKS), ("b", 0))
_CHAIN = {"a": (CHAIN, None), "b": (CHAIN, 0), "y": (0, 1, None)}

FAMILIES = (
    _family("documents", 3, 4, _DOCUMENTS),
    _family("documents, delivered twice", 2, 3, _DOCUMENTS, deliveries=2),
    _family("documents, crashes and lost answers", 2, 3, _DOCUMENTS, faults=1),
    _family("documents, two faults", 1, 2, _DOCUMENTS, initial=(("a", LINK),), faults=2),
    _family("documents, events without images", 2, 3, _DOCUMENTS, imageless=True),
    _family("documents, built by hand meanwhile", 2, 3, _DOCUMENTS, builds=1),
    _family("a document of a fixed name", 3, 4, {"a": (0, None), "b": (0, None)}, views=FIXED, imageless=True),
    _family("predicates", 2, 3, _PREDICATES),
    _family("predicates, of a view that is there", 3, 4, _PREDICATES, initial=(("a", QUERY),)),
    _family("predicates, delivered twice", 2, 3, _PREDICATES, initial=(("a", QUERY), ("x", 1)), deliveries=2),
    _family("predicates, events without images", 2, 3, _PREDICATES, initial=(("a", QUERY),), imageless=True),
    _family("a document that is named and found", 3, 4, _FOUND, initial=(("a", QUERY), ("y", 2))),
    _family("a document that is found, and then named", 3, 4, _FOUND, initial=(("a", QUERY), ("y", 1))),
    _family("a document that is named and found, delivered twice", 2, 3, _FOUND, initial=(("y", 2),), deliveries=2),
    _family("a document that is named and found, lost answers", 2, 3, _FOUND, initial=(("a", QUERY),), faults=1),
    _family(
        "a document that is named and found, without images", 2, 3, _FOUND, initial=(("a", QUERY),), imageless=True
    ),
    _family("two levels", 3, 4, _CHAIN, initial=(("a", CHAIN),)),
    _family("two levels, each read at its own time", 3, 4, _CHAIN, live=True),
    _family("a query that a document asks for", 3, 4, _ASKED, initial=_ASKS),
    _family("a query that a document asks for, each read at its own time", 2, 3, _ASKED, initial=_ASKS, live=True),
    _family("a query that a document asks for, delivered twice", 2, 3, _ASKED, initial=_ASKS, deliveries=2),
    _family("a query that a document asks for, lost answers", 2, 3, _ASKED, initial=_ASKS, faults=1),
    _family("a query that a document asks for, without images", 2, 3, _ASKED, initial=_ASKS, imageless=True),
    _family("destinations that change", 3, 4, _MOVING, initial=(("a", COPIED), ("b", 5))),
    _family("destinations that change, lost answers", 2, 3, _MOVING, initial=(("a", COPIED), ("b", 5)), faults=1),
    _family("copies in parts", 2, 3, {"a": (ALONE, None), "b": (0, 1, 2)}, initial=_SPREAD, parts=True),
    _family("copies in parts, crashes and lost answers", 2, 3, {"b": (0, 1, 2)}, initial=_SPREAD, parts=True, faults=1),
    _family("participants", 2, 3, {"a": (EACH, None), **_PARTICIPANTS}, initial=_EACH, participants=True),
    _family(
        "participants, delivered twice", 2, 3, _PARTICIPANTS, initial=_EACH, participants=True, deliveries=2,
    ),
    _family(
        "participants, crashes and lost answers", 2, 3,
        {"a": (EACH, ALONE), **_PARTICIPANTS}, initial=_EACH, participants=True, faults=1,
    ),
    _family(
        "participants, copies in parts", 3, 3, {"b": (0, 1), "y": (0, 1)}, initial=_EACH, participants=True, parts=True,
    ),
    _family(
        "participants of a quiet view", 2, 3,
        _PARTICIPANTS, initial=_EACH, participants=True, quiet=True, upkeep=True,
        places=("a", "b", "y"),
    ),
    _family("a getter that raises", 3, 4, {"a": (ALONE, LINK), "b": (0, FAILS)}),
    _family(
        "an owner who changes while a getter raises", 4, 4,
        {"a": OWNED[1:], "b": (6,), "y": (FAILS, 0)}, initial=(("a", OWNED[0]), ("b", 5), ("y", 0)),
    ),
    _family("a page of two views", 2, 3, {"a": (LINK, None), "c": (LINK,), "b": (0, 1)}, views=TWO),
    _family(
        "a page with a commit that is refused", 2, 3,
        {"a": (LINK, None), "c": (COPIED,), "b": (0, REFUSED)}, views=TWO, initial=LINK_AND_COPY,
    ),
    _family(
        "a page, lost answers", 2, 2,
        {"a": (LINK, None), "b": (0, 1)}, views=TWO, initial=LINK_AND_COPY, faults=1,
    ),
    _family("pages of one view", 3, 3, {"a": (LINK, None), "c": (LINK, None), "b": (0, 1)}, views=TWO, page=1),
    _family(
        "pages of one view, lost answers", 2, 2,
        {"a": (LINK, None), "b": (0, 1)}, views=TWO, initial=LINK_AND_COPY, page=1, faults=1,
    ),
    _family("pages at once", 2, 3, {"a": (LINK, None), "c": (LINK, None), "b": (0, 1)}, views=TWO, at_once=True),
    _family(
        "pages at once, each looked up by itself", 2, 3,
        {"a": (LINK, None), "b": (0, 1)}, views=TWO, initial=LINK_AND_COPY, page=1, at_once=True,
    ),
    _family(
        "pages at once, crashes and lost answers", 2, 2,
        {"a": (LINK, None), "b": (0, 1)}, views=TWO, initial=LINK_AND_COPY, at_once=True, faults=1,
    ),
    _family(
        "pages at once, one of which is refused", 2, 3,
        {"a": (LINK, None), "c": (COPIED,), "b": (0, REFUSED)}, views=TWO, initial=LINK_AND_COPY, at_once=True,
    ),
    _family(
        "a view without root", 2, 3,
        {"b": (0, CHAIN), "y": (0, 1)}, views=ROOTLESS, initial=(("b", 1),), unbuilt=True, faults=1, upkeep=True,
    ),
    _family("an index that gets ready", 2, 3, {"a": (QUERY, LINK, None), "x": (1, 2)}, unindexed=True, upkeep=True),
    _family(
        "a page, and an index that gets ready", 1, 2,
        {"a": (ALONE,), "b": (0, 1)}, views=TWO, initial=LINK_AND_QUERY, unindexed=True, upkeep=True,
    ),
    _family(
        "a deployment", 2, 3,
        {"a": (ALONE, None), "y": (0, 1)}, views=ADDING, initial=_OLD, deployments=(2,), upkeep=True,
    ),
    _family(
        "a deployment, crashes and lost answers", 1, 2,
        {"a": (ALONE, None), "y": (0, 1)}, views=ADDING, initial=_OLD, deployments=(2,), upkeep=True, faults=1,
    ),
    _family(
        "a deployment and a rollback", 1, 2,
        {"a": (ALONE, None), "y": (0, 1)}, views=ADDING, initial=_OLD, deployments=(2, 1), upkeep=True,
    ),
    _family("a moment that comes", 2, 3, {"a": (TIMED, ALONE, None), "b": (0, 1)}, moment=True, upkeep=True),
    _family(
        "a moment that comes, crashes and lost answers", 1, 2,
        {"a": (TIMED, None), "b": (0, 1)}, initial=(("a", TIMED),), moment=True, upkeep=True, faults=1,
    ),
    _family(
        "a moment that comes while a getter raises", 2, 3,
        {"b": (0, FAILS)}, initial=(("a", TIMED), ("b", 1)), moment=True, upkeep=True,
    ),
    _family("a total", 3, 3, {**_COUNTED, "a": (COUNTED, None)}, initial=(("a", COUNTED), ("x", 1)), settling=True),
    _family("a total, delivered twice", 2, 2, _COUNTED, initial=(("a", COUNTED),), settling=True, deliveries=2),
    _family("a total, crashes and lost answers", 2, 3, _COUNTED, settling=True, faults=1),
    _family("a total beside a document that is read", 2, 3, _COUNTED, initial=(("a", BOTH),), settling=True),
    _family("a total, events without images", 2, 2, _COUNTED, initial=(("a", COUNTED),), settling=True, imageless=True),
    _family("a field of each document", 2, 3, _FIELDS, fields=NARROW, initial=_NARROW),
    _family("a field of each document, crashes and lost answers", 2, 3, _FIELDS, fields=NARROW, faults=1),
    _family("a field of each document, delivered twice", 2, 2, _FIELDS, fields=NARROW, initial=_NARROW, deliveries=2),
    _family("a field of each document, events without images", 2, 3, _FIELDS, fields=NARROW, imageless=True),
    _family(
        "a document of which two references read different fields", 2, 3,
        {"a": (None,), "b": (10,), "y": (1, 2, 101, 12, None)}, fields=WHOLE,
        initial=(("a", WHOLE), ("b", 0), ("y", 1)),
    ),
    _family(
        "a field more by new code", 2, 2,
        {"b": (0, 10, 110)}, views=WIDENED, fields=NARROW, initial=_NARROW, deployments=(2,), upkeep=True,
    ),
    _family("attributes that a ledger has", 2, 3, _RECORDED, recorded=True, initial=_SOME),
    _family("attributes that a ledger has, delivered twice", 2, 2, _SHOWN, recorded=True, initial=_SOME, deliveries=2),
    _family(
        "attributes that a ledger has, crashes and lost answers", 2, 3,
        _SHOWN, recorded=True, initial=_SOME, faults=1,
    ),
    _family(
        "attributes that a ledger has, events without images", 2, 3,
        _SHOWN, recorded=True, initial=_SOME, imageless=True,
    ),
    _family(
        "attributes that a ledger has, built by hand meanwhile", 2, 3,
        _SHOWN, recorded=True, initial=_SOME, builds=1,
    ),
    _family("attributes of a quiet view", 2, 3, _SHOWN, recorded=True, initial=_SOME, quiet=True, upkeep=True),
    _family("a quiet view", 2, 3, _DOCUMENTS, quiet=True, upkeep=True),
    _family("a quiet view, delivered twice", 1, 2, _DOCUMENTS, initial=_OLD, quiet=True, upkeep=True, deliveries=2),
    _family(
        "a quiet view, crashes and lost answers", 1, 2,
        _DOCUMENTS, initial=_OLD, quiet=True, upkeep=True, faults=1,
    ),
    _family(
        "a quiet view, built by hand meanwhile", 2, 3,
        {"b": (1, 2)}, initial=_OLD, quiet=True, upkeep=True, builds=1,
    ),
    _family(
        "a quiet view, events without images", 2, 3, _DOCUMENTS, initial=_OLD, quiet=True, upkeep=True, imageless=True,
    ),
    _family(
        "an owner of a quiet view who changes", 2, 3,
        {"a": (*OWNED, ALONE, None), "b": (5, 6, None), "y": (FAILS, 0, 1)},
        initial=(("a", OWNED[0]), ("b", 5), ("y", 0)), quiet=True, upkeep=True, places=("a", "b"),
    ),
)  # fmt: skip


def _set(value: int, form: str = "form") -> Write:
    return ("set", form, value)


_MERGE = (_set(1), ("merge", "form", 2), ("merge", "form", 1))
_DELETED = (_set(1), ("delete", "form", None), _set(3))
_SETTINGS = ("set", SETTINGS, 1)
_BOTH = (_set(1, "f1"), _set(1, "f2"))
_ON_DUTY = (("left", 1), ("right", 1))


def _tasks(completion: Completion, *, deep: bool) -> Iterator[tuple[str, task.Scenario]]:
    one = (Task("form", SETTINGS, "duty", completion),)
    skew = (Task("f1", "right", "left", completion), Task("f2", "left", "right", completion))
    # Only for `keep`: a stamp or deletion is an event too, in two forms, each delivered twice: too many states.
    copies = 2 if deep and completion == "keep" else 1
    torn = (Task("form", SETTINGS, "duty", completion, queries=True),)
    yield (
        "what it names and finds changes",
        task.Scenario((_set(1), _SETTINGS), torn, deliveries=copies, faults=int(deep)),
    )
    yield "delivered twice", task.Scenario((_set(1), _set(2)) if deep else (_set(1),), one, deliveries=2)
    yield "superseded", task.Scenario((_set(1), _set(2), _set(3))[: 3 if deep else 2], one)
    yield "what it reads changes", task.Scenario((_set(1), _SETTINGS), one, deliveries=2)
    yield "crashes and lost answers", task.Scenario((_set(1),), one, deliveries=2 if deep else 1, faults=2)
    yield "lost answers, superseded", task.Scenario((_set(1), _set(2)), one, faults=2 if deep else 1)
    yield "events without images", task.Scenario((_set(1), _set(2)), one, imageless=True, deliveries=copies)
    yield "deleted by the client", task.Scenario(_DELETED, one, imageless=deep)
    yield "two tasks that read what the other writes", task.Scenario(_BOTH, skew, _ON_DUTY, deliveries=2 if deep else 1)
    if completion == "stamp":
        yield "an old value comes back beside the stamp", task.Scenario(_MERGE, one, faults=int(deep))


_MEMBERS = (11, 12, 21, 111, None)


def _scripts(length: int, initial: int | None, values: tuple[int | None, ...] = _MEMBERS) -> Iterator[Any]:
    """Yields the scripts of a member whose every write changes something; a first member is of group 1."""
    for script in itertools.product(values, repeat=length):
        always_changes = all(before != after for before, after in itertools.pairwise((initial, *script)))
        if always_changes and (initial is not None or script[0] == 11):
            yield script


def _totals_kept(*, deep: bool) -> Iterator[tuple[str, list[kept.Scenario]]]:
    def of(length: int, *initial: int | None, **options: Any) -> list[kept.Scenario]:
        return [kept.Scenario(script, each, **options) for each in initial for script in _scripts(length, each)]

    yield "a member that comes, changes, moves and goes", of(4 if deep else 3, None)
    yield "a member that is there", of(3 if deep else 2, 11)
    yield "delivered twice", of(2 if deep else 1, None, 11, deliveries=2)
    yield "crashes and lost answers", of(2, None, 11, faults=2 if deep else 1)
    yield "events without images", of(2, None, 11, imageless=True)
    yield "filled meanwhile", of(2 if deep else 1, None, 11, fills=True, others=True)
    yield "filled meanwhile, crashes and lost answers", of(1, None, 11, fills=True, faults=1)
    yield "kept once before", of(2 if deep else 1, None, 11, 21, fills=True, left=21)
    yield "kept once before, and the member is gone", [kept.Scenario((), None, fills=True, left=21)]
    yield "by value, a member that comes, moves and goes", of(3 if deep else 2, None, 11, by=True)
    yield "by value, delivered twice", of(2 if deep else 1, None, 11, by=True, deliveries=2)
    yield "by value, crashes and lost answers", of(2, None, 11, by=True, faults=2 if deep else 1)
    yield "by value, events without images", of(2, None, 11, by=True, imageless=True)
    yield "by value, filled and swept meanwhile", of(2 if deep else 1, None, 11, by=True, fills=True, left=11, faults=1)


def _builds(*, deep: bool) -> Iterator[tuple[str, builds.Scenario]]:
    roots = 3 if deep else 2
    yield "killed, lost and doubled", builds.Scenario(roots, faults=3 if deep else 2)
    yield "two tasks for one range", builds.Scenario(roots, faults=2 if deep else 1, hasty=2)
    yield "paused and resumed", builds.Scenario(roots, ("pause", "resume"), faults=2 if deep else 1, hasty=1)
    yield "cancelled", builds.Scenario(roots, ("cancel",), faults=2 if deep else 1, hasty=1)
    yield "cancelled while paused", builds.Scenario(roots, ("pause", "cancel"), faults=1)


def _chains(*, deep: bool) -> Iterator[tuple[str, list[chain.Scenario]]]:
    def of(length: int, *initial: int | None, **options: Any) -> list[chain.Scenario]:
        return [
            chain.Scenario(script, initial=each, **options)
            for each in initial
            for script in chain.scripts(length, each)
        ]

    yield "a root that comes, changes, goes and returns", of(2, None, 8) if deep else of(2, 8)
    yield "delivered twice", of(1, None, 8, deliveries=2)
    yield "crashes and lost answers", of(1, None, 8, faults=2 if deep else 1)
    coming = [chain.Scenario(each, faults=1, views=2) for each in chain.scripts(2, None, (0, None))]
    yield "a root that comes and goes, lost answers", coming
    if deep:
        yield "two views, crashes and lost answers", of(2, None, 8, faults=1, views=2)
        yield "one view, delivered twice", of(2, None, 8, deliveries=2, views=1)


DEVICES = (*world.DEVICES, *task.DEVICES, *kept.DEVICES, *builds.DEVICES, *chain.DEVICES, *staged.DEVICES)


def scenarios(*, deep: bool = False, off: Iterable[str] = ()) -> Iterator[tuple[str, Iterator[Explorable[Any]]]]:
    """Returns each group of scenarios by name, with the devices switched off."""
    off = frozenset(off)
    for family in FAMILIES:
        template = family.template
        needs = (
            (world.OWED, template.upkeep),
            (world.PARTS, template.parts),
            (world.WOKEN, template.moment),
            (world.COUNTS, template.settling),
            (world.QUIET, template.quiet),
            (world.OWN, template.participants),
            (world.FIELDS, template.fields or template.recorded),
            (world.RECORDED, template.recorded),
        )
        if any(off & set(devices) and not has for devices, has in needs):
            continue
        if not off or off & set(world.DEVICES):
            yield f"query: {family.name}", (QueryProtocol(each, off) for each in family.scenarios(deep=deep))
    for name, members in _totals_kept(deep=deep):
        if not off or off & set(kept.DEVICES):
            yield f"kept: {name}", (kept.KeptProtocol(each, off) for each in members)
    for name, built in _builds(deep=deep):
        if not off or off & set(builds.DEVICES):
            yield f"build: {name}", iter([builds.BuildProtocol(built, off)])
    for name, roots in _chains(deep=deep):
        if not off or off & set(chain.DEVICES):
            yield f"chain: {name}", (chain.ChainProtocol(each, off) for each in roots)
    for name, several in staged.scenarios(deep=deep):
        if not off or off & set(staged.DEVICES):
            yield f"staged: {name}", (staged.StagedProtocol(each, off) for each in several)
    completions: tuple[Completion, ...] = ("keep", "stamp", "delete")
    for completion in completions:
        for name, scenario in _tasks(completion, deep=deep):
            if not off or off & set(task.DEVICES):
                yield f"task, {completion}: {name}", iter([TaskProtocol(scenario, off)])


SHOWN_BY = {
    "contributions_walked": "kept: kept once before, and the member is gone",
    "counted_alone": "query: a total, delivered twice",
    "debt": "query: an index that gets ready",
    "debt_always_written": "query: a deployment",
    "debt_to_later": "query: a deployment",
    "digest_withdrawn": "query: participants of a quiet view",
    "former_tombstone": "staged: a root that is created, and a rollback",
    "later_promoted": "staged: a root that is created",
    "later_stays": "query: a deployment",
    "other_plan": "query: a deployment",
    "postponed_margin": "query: a quiet view, built by hand meanwhile",
    "postponed_until_read": "query: a quiet view, built by hand meanwhile",
    "reread_all": "query: a document that is named and found",
    "reread_owed": "query: an index that gets ready",
    "reread_postponed": "query: a quiet view, events without images",
    "state_condition": "staged: a root that is created, and a rollback",
    "wake_with_content": "query: a moment that comes, crashes and lost answers",
    "whole_first": "kept: filled meanwhile",
    "withdrawal": "query: an owner who changes while a getter raises",
}
"""The group of scenarios that shows soonest what goes wrong without the device, where no group is named like it."""


def without(device: str) -> tuple[str, Explored]:
    """Returns the first group of short scenarios that goes wrong without the device; no name if none does."""
    words = device.split("_")

    def later(group: tuple[str, Any]) -> tuple[bool, bool]:
        """Orders the groups: first that which shows it soonest, and then those that are named like the device."""
        name, _ = group
        return name != SHOWN_BY.get(device), not any(word in name for word in words)

    for name, protocols in sorted(scenarios(off=[device]), key=later):
        explored = explore_all(protocols)
        if explored.finding:
            return name, explored
    return "", Explored(0, None)
