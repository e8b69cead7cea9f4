"""`boiler letters … --undelivered`: the events that could not be delivered to a function at all.

The subscription that `boiler deploy` makes keeps them for 31 days. An event that is run again is handled by the
function that it was for, with the code that is here, as if it came late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from cloudevents.exceptions import GenericException
from cloudevents.http import from_http

from boiler_functions.cli.build import as_here, letters_written
from boiler_functions.cli.context import Context
from boiler_functions.cli.letters import LetterChoice, outcome_of
from boiler_functions.cli.output import Output, announce, confirm, shown_age, table
from boiler_functions.cli.pubsub import EMULATOR_HOST, PulledMessage, Subscription
from boiler_functions.database.change import Change
from boiler_functions.exceptions import ConfigurationError, InvalidEvent
from boiler_functions.manifest import function_name, undelivered_of
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.letters import is_done
from boiler_functions.runtime.events import Home, change_of, check_home
from boiler_functions.settings.options import ANY

_FROM = "CloudPubSubDeadLetterSourceSubscription"
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"


class Lost(NamedTuple):
    """An event that was not delivered, and the functions that it was for; none if nothing here would handle it."""

    message: PulledMessage
    change: Change | None
    functions: tuple[EventFunction, ...]
    why: str = ""
    """Why no function here would handle it."""

    @property
    def id(self) -> str:
        return self.message.id

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.functions for name in each.serves))

    @property
    def path(self) -> str:
        return self.change.path if self.change else ""

    @property
    def deliveries(self) -> str:
        return self.message.attributes.get(_DELIVERIES, "")

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": "undelivered",
            "event": self.change.id if self.change else None,
            "path": self.path or None,
            "functions": [each.entry_point for each in self.functions],
            "view": ", ".join(self.views),
            "published": self.message.published,
            "deliveries": self.deliveries or None,
            "why": self.why or None,
        }


class Pulled:
    """The events that are kept, while one command has them; `end` ends one, all others come again afterwards."""

    def __init__(self, context: Context) -> None:
        self._subscription = _subscription(context)
        self._left: dict[str, PulledMessage] = {}
        self.events: list[Lost] = []
        self._context = context

    def __enter__(self) -> Self:
        for message in self._subscription.messages():
            self._left[message.id] = message
            self.events.append(_lost(self._context, message))
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.release(list(self._left.values()))

    def end(self, lost: Lost) -> None:
        self._subscription.acknowledge([self._left.pop(lost.id)])


def list_undelivered(context: Context, chosen: LetterChoice) -> Output:
    """Returns the events that are kept, and leaves them where they are."""
    with Pulled(context) as pulled:
        fitting = _fitting(pulled.events, chosen)
    lines = [*_listed(fitting), f"{len(fitting)} undelivered events" if fitting else "no undelivered events"]
    return Output("letters list", {"undelivered": [each.to_json() for each in fitting]}, lines)


def retry_undelivered(context: Context, chosen: LetterChoice) -> Output:
    """Lets the functions handle the events; what they have done, or have made a dead letter of, is kept no more."""
    chosen.check("retry --undelivered")
    announce(context)
    with Pulled(context) as pulled, letters_written():
        results = [_retried(context, pulled, each) for each in _fitting(pulled.events, chosen)]
    failed = sum(not each["is_done"] for each in results)
    rows = [(each["id"], each["view"], each["path"], each["outcome"]) for each in results]
    lines = [*table(rows), f"{len(results) - failed} of {len(results)} are done"]
    return Output("letters retry", {"undelivered": results}, lines, is_fine=not failed)


def _retried(context: Context, pulled: Pulled, lost: Lost) -> dict[str, Any]:
    """Lets the functions of an event handle it; ends the event unless one of them must handle it again."""
    surroundings = as_here(context.app.compiled.declarations.stored)
    reports = [run.attempt(lost.change, context.database, surroundings) for run in lost.functions if lost.change]
    is_kept = not reports or any(report.error for report in reports)
    if not is_kept:
        pulled.end(lost)
    outcome = "; ".join(outcome_of(report) for report in reports) or lost.why
    named = {"id": lost.id, "view": ", ".join(lost.views), "path": lost.path}
    is_fine = bool(reports) and all(map(is_done, reports))
    return {**named, "outcome": outcome, "is_done": is_fine, "is_kept": is_kept}


def drop_undelivered(context: Context, chosen: LetterChoice, *, yes: bool) -> Output:
    """Ends the events without handling them, after asking."""
    chosen.check("drop --undelivered")
    with Pulled(context) as pulled:
        fitting = _fitting(pulled.events, chosen)
        what = f"Drop {len(fitting)} undelivered events of {context.app.name}"
        dropped = fitting if fitting and confirm(context, what, yes=yes) else []
        for each in dropped:
            pulled.end(each)
    result = {
        "dropped": [each.id for each in dropped],
        "kept": [each.id for each in pulled.events if each not in dropped],
    }
    return Output("letters drop", result, [f"{len(dropped)} undelivered events are dropped"])


def _subscription(context: Context) -> Subscription:
    name = undelivered_of(context.app.name)
    found = Subscription.of(context.project_id, name, context.key_file)
    if context.emulator and found.root.startswith("https:"):
        raise ConfigurationError(
            f"The database is that of an emulator, and {found.name} is in the cloud. Set {EMULATOR_HOST}, or unset "
            f"FIRESTORE_EMULATOR_HOST; `boiler dev` keeps no undelivered events."
        )
    return found


def _lost(context: Context, message: PulledMessage) -> Lost:
    """Returns the event in a message; its attributes are the headers with which it would have come."""
    headers = {name.lower(): value for name, value in message.attributes.items()}
    try:
        event = from_http(headers, message.data)
        change = change_of(event)
    except (GenericException, InvalidEvent, LookupError) as error:
        return Lost(message, None, (), f"no event of a document: {error}")
    home = Home(context.named_project, context.database_id, context.compiled.declarations.options.namespace or ANY)
    functions, why = [], f"no function of {context.app.name} follows {change.path}"
    for function in _functions_of(context, message, change):
        try:
            check_home(event, function.event_type, home)
        except InvalidEvent as error:
            why = str(error)
        else:
            functions.append(function)
    return Lost(message, change, tuple(functions), "" if functions else why)


def _functions_of(context: Context, message: PulledMessage, change: Change) -> list[EventFunction]:
    """Returns the function whose subscription has given the event up; all that follow the document, if it has no name.

    Eventarc's name of the subscription has that of the function in it. An event that comes once more does no harm.
    """
    compiled = context.app.compiled
    following = [each for each in compiled.functions.values() if each.source.match(change.path)]
    former = message.attributes.get(_FROM, "")
    names = {each: function_name(compiled.manifest.app, each.entry_point) for each in following}
    named = [each for each in following if f"-{names[each]}-" in f"-{former}-"]
    longest = max((len(names[each]) for each in named), default=0)
    return [each for each in named if len(names[each]) == longest] or following


def _fitting(found: Sequence[Lost], chosen: LetterChoice) -> list[Lost]:
    if unknown := [name for name in chosen.ids if name not in {each.id for each in found}]:
        raise ConfigurationError(
            f"There is no undelivered event {unknown[0]!r}, or another command has it just now. `boiler letters list "
            f"--undelivered` shows those that there are."
        )
    now = datetime.now(UTC)
    ages = {each.id: now - each.message.published for each in found}
    return [
        each
        for each in found
        if (not chosen.ids or each.id in chosen.ids)
        and chosen.kind in (None, "undelivered")
        and (chosen.view is None or chosen.view in each.views)
        and (chosen.older is None or ages[each.id] >= chosen.older)
        and (chosen.newer is None or ages[each.id] < chosen.newer)
    ]


def _listed(found: Sequence[Lost]) -> Iterator[str]:
    if not found:
        return
    now = datetime.now(UTC)
    heads = ("id", "view", "of", "deliveries", "given up", "")
    rows = [
        (
            each.id,
            ", ".join(each.views),
            each.path,
            each.deliveries or "-",
            shown_age(now - each.message.published),
            each.why,
        )
        for each in found
    ]
    yield from table([heads, *rows])
