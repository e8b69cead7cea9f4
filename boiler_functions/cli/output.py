"""What the commands for operating an app print: lines for a person, or with --json one object of the same form.

    {"command": "letters list", "app": "towns", "project": "my-project", "database": "(default)", "emulator": null,
     "time": "2026-11-27T06:40:00+00:00", "is_fine": true, "result": {…}}

The exit status is a contract, too: 0 if all is fine, 1 if the command ran and something is not, 2 for an error, which
goes to the standard error with its code and leaves the standard output empty, and 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import click

from boiler_functions.cli.context import Context
from boiler_functions.cli.errors import Interrupted, Unfinished
from boiler_functions.exceptions import ConfigurationError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Output:
    """The result of a command, as JSON and as lines; `is_fine` decides on the exit status."""

    command: str
    result: Mapping[str, Any]
    lines: Sequence[str]
    is_fine: bool = True

    def show(self, context: Context, *, as_json: bool) -> None:
        """Prints the result; raises Unfinished, without a further line, if something is not fine."""
        if not as_json:
            click.echo("\n".join((f"{context.app.name}: {place_of(context)}", *self.lines)))
        self.end(context, as_json=as_json)

    def end(self, context: Context, *, as_json: bool) -> None:
        """Ends a command that has printed its lines while it went on; does what is left of `show`."""
        if as_json:
            click.echo(self.to_json(context))
        if not self.is_fine:
            raise NotFine("")

    def to_json(self, context: Context) -> str:
        """Returns the result in its envelope."""
        envelope = {
            "command": self.command,
            "app": context.app.name,
            "project": context.named_project,
            "database": context.database_id,
            "emulator": context.emulator,
            "time": datetime.now(UTC),
            "is_fine": self.is_fine,
            "result": self.result,
        }
        return json.dumps(envelope, indent=2, default=_plain)


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

OUTPUT = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of the standard output.",
)


def put(text: str, output: Path | None) -> None:
    """Writes the text to the file, or prints it."""
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, "utf-8")
    click.echo(f"{output} is written")


Tell: TypeAlias = Callable[[str], None]
"""Prints a line while a command goes on."""


def telling(*, as_json: bool) -> Tell:
    """Returns what prints a line of the result as it comes: beside JSON, to the standard error."""
    return lambda line: click.echo(line, err=as_json)


class NotFine(Unfinished):
    """The command has printed what is not fine; only its exit status is left to say so."""

    def show(self, file: Any = None) -> None:
        """Prints nothing."""


def repeated(find: Callable[[], Output], context: Context, seconds: float | None, *, as_json: bool) -> None:
    """Shows the result; with a number of seconds, again and again until Ctrl-C."""
    while seconds is not None:
        try:
            with suppress(NotFine):
                find().show(context, as_json=as_json)
            time.sleep(seconds)
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None
    find().show(context, as_json=as_json)


def place_of(context: Context) -> str:
    """Returns the project and the database that a command speaks of: `project demo-x, database (default)`."""
    emulator = f", emulator {context.emulator}" if context.emulator else ""
    return f"project {context.named_project or 'of the credentials'}, database {context.database_id}{emulator}"


def announce(context: Context) -> None:
    """Says, before anything changes, which project and database the command speaks of."""
    click.echo(f"{context.app.name}: {place_of(context)}", err=True)


def confirm(context: Context, what: str, *, yes: bool) -> bool:
    """Asks whether to change the database that is named, unless `yes` was given."""
    return yes or click.confirm(f"{what} in {place_of(context)}?", err=True)


def table(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yields the rows as lines with aligned columns."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def age_of(text: str) -> timedelta:
    """Returns the age that an option gives, such as 30m, 12h or 7d; raises ConfigurationError for any other text."""
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    raise ConfigurationError(f"{text!r} is not an age. Write a number with s, m, h or d, such as 30m, 12h or 7d.")


def time_of(text: str) -> datetime:
    """Returns the time that an option gives, in UTC unless it says otherwise, or as an age: 2026-11-27T10:00, 2h."""
    if re.fullmatch(r"\d+[smhd]", text):
        return datetime.now(UTC) - age_of(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a time. Write one like 2026-11-27T10:00Z, or how long ago, such as 30m, 12h or 7d."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def shown_age(age: timedelta) -> str:
    """Returns an age in its largest unit: `3 h`."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _plain(value: object) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
