"""`boiler status`: the state of each view, task and receiver of changes, by what the app keeps in its database."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from boiler_functions.cli.context import Context
from boiler_functions.cli.output import Output, shown_age, table
from boiler_functions.exceptions import BoilerError
from boiler_functions.modes.letters import unsettled
from boiler_functions.modes.registry import registration
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.modes.standing import Asked, Standing, State
from boiler_functions.types import to_datetime


def status(context: Context, late: timedelta, functions: Callable[[], list[Standing]] | None = None) -> Output:
    """Returns the standing of all that is declared, and of the functions if asked for; fine only if all of it is OK."""
    declarations, database = context.app.compiled.declarations, context.database
    letters: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for letter in unsettled(declarations, database):
        for view in letter.views:
            letters[view][letter.kind] += 1
    now = time.time_ns()
    release = Release(codes=code_fingerprints(declarations.stored))
    asked = Asked(database, registration(database, declarations.app), letters, release, now, late)
    found = [
        _found(mode.name, name, find)
        for mode in declarations.modes
        for name, find in mode.standings(declarations, asked)
    ]
    running = functions() if functions else []
    others = {name: dict(kinds) for name, kinds in letters.items() if name not in {each.name for each in found}}
    result = {
        "deployment": asked.registration.deployment,
        "dropped": sorted(asked.registration.dropped),
        "other_letters": others,
        "parts": [_as_json(each) for each in found],
        **({"functions": [_as_json(each) for each in running]} if functions else {}),
    }
    is_fine = not others and all(each.state is State.OK for each in (*found, *running))
    return Output("status", result, list(_lines([*found, *running], result, to_datetime(now))), is_fine)


def _as_json(standing: Standing) -> dict[str, Any]:
    return {**standing._asdict(), "figures": dict(standing.figures)}


def _found(mode: str, name: str, find: Callable[[], Standing]) -> Standing:
    """Returns the standing; unknown, rather than an error for all, if the database does not answer."""
    try:
        return find()
    except BoilerError as error:
        return Standing(mode, name, State.UNKNOWN, {}, f"{error.code} {error}")


def _lines(found: Sequence[Standing], result: dict[str, Any], now: datetime) -> Iterator[str]:
    yield from table((each.name, each.mode, each.state, _told(each, now), each.why) for each in found)
    for each in found:
        for skipped in each.figures.get("skipped_documents", ()):
            yield f"{each.name} leaves out {skipped}"
    if result["dropped"]:
        yield f"no longer declared: {', '.join(result['dropped'])}; `boiler withdraw --dropped` deletes what is left"
    for name, kinds in result["other_letters"].items():
        yield f"letters of {name}, which is not declared: {sum(kinds.values())}"


def _told(standing: Standing, now: datetime) -> str:
    figures = standing.figures
    told = [f"{figures[name]} {word}" for name, word in _WORDS.items() if figures.get(name)]
    oldest = next((figures[name] for name in _OLDEST if figures.get(name)), None)
    return ", ".join([*told, *([f"oldest {shown_age(now - oldest)}"] if oldest else [])]) or "-"


_WORDS = {
    "instances": "instances",
    "other_code": "of other code",
    "owed": "owed",
    "skipped": "skipped",
    "undelivered": "undelivered",
}

_OLDEST = ("oldest_owed", "oldest_undelivered")
