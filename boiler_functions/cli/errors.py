"""The errors that end a command, each with its exit status."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from boiler_functions.cli.codes import see
from boiler_functions.exceptions import BoilerError


class Failure(click.ClickException):
    """An error of this package, shown with its code and with where that is explained."""

    exit_code = 2

    def __init__(self, error: BoilerError) -> None:
        notes = getattr(error, "__notes__", ())
        super().__init__("\n".join([f"{error.code} {error}", *notes, see([error.code])]))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error {self.message}", file=file, err=file is None)


class Unfinished(click.ClickException):
    """The command ran to its end, and a part of it failed."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class Mistaken(Unfinished):
    """The app has mistakes; the message is empty if they were printed as JSON or SARIF."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        if self.message:
            super().show(file)


class Interrupted(Unfinished):
    """Ctrl-C. The exit status is the one of shells: 128 and the number of the signal."""

    exit_code = 130


@contextmanager
def stopped_as(text: str) -> Iterator[None]:
    """Says what follows from Ctrl-C, instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(text) from None


@contextmanager
def reported() -> Iterator[None]:
    """Shows an error of this package without its traceback; any other error keeps its own."""
    try:
        yield
    except BoilerError as error:
        raise Failure(error) from error


def users_traceback(error: BaseException, folder: str) -> str:
    """Formats the traceback of an error from the first line in the user's folder on."""
    formatted = traceback.TracebackException.from_exception(error)
    frames = formatted.stack
    first = next((at for at, frame in enumerate(frames) if frame.filename.startswith(folder)), len(frames))
    formatted.stack = traceback.StackSummary.from_list(frames[first:])
    return "".join(formatted.format())
