"""What a command ends with; each error knows its exit status."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from boiler_functions.exceptions import BoilerError


class Failure(click.ClickException):
    """A known error: one line with its code."""

    exit_code = 2

    def __init__(self, error: BoilerError) -> None:
        super().__init__("\n".join([f"{error.code} {error}", *getattr(error, "__notes__", ())]))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error {self.message}", file=file, err=file is None)


class Unfinished(click.ClickException):
    """The command did its work, and not all of it succeeded."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class Mistaken(Unfinished):
    """The app has mistakes; nothing more to say where they were told otherwise."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        if self.message:
            super().show(file)


class Interrupted(Unfinished):
    """Ctrl-C, as a shell reports it: 128 and the number of the signal."""

    exit_code = 130


@contextmanager
def reported() -> Iterator[None]:
    """Ends the command with a line for an error that this package knows; any other keeps its traceback."""
    try:
        yield
    except BoilerError as error:
        raise Failure(error) from error


def users_traceback(error: BaseException, folder: str) -> str:
    """The traceback of an error from the first line of the user's on."""
    formatted = traceback.TracebackException.from_exception(error)
    frames = formatted.stack
    first = next((at for at, frame in enumerate(frames) if frame.filename.startswith(folder)), len(frames))
    formatted.stack = traceback.StackSummary.from_list(frames[first:])
    return "".join(formatted.format())
