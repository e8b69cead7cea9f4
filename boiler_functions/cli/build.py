"""`boiler build`: rebuilds every instance of a view, shows progress, and resumes where an earlier run stopped."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from boiler_functions.app import Boiler
from boiler_functions.cli.codes import see
from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import of_builds
from boiler_functions.cli.errors import stopped_as
from boiler_functions.cli.folder import FOLDER, own_folder
from boiler_functions.cli.output import Output, Tell, place_of
from boiler_functions.database import Database
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import ConfigurationError, Transient
from boiler_functions.modes.dead_letter import COLLECTION as DEAD_LETTERS
from boiler_functions.modes.invocation import REAL, Outcome, Surroundings
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.modes.stored_copies import BuildOfAll, BuiltPage
from boiler_functions.paths import id_of
from boiler_functions.views.view_model import View, ViewModel

CAUSES = 10
"""The number of causes of dead letters that are printed."""

EVERY = 5.0
"""Seconds between two lines of progress if the standard error is not a terminal."""


@dataclass
class Tally:
    """Counts what a build did: `outcomes` over all of its runs, `rebuilt` and `seconds` in this one."""

    after: str = ""
    outcomes: Counter[str] = field(default_factory=Counter)
    rebuilt: int = 0
    seconds: float = 0.0

    def add(self, step: BuiltPage, seconds: float) -> None:
        self.after = step.after
        self.outcomes += Counter({str(outcome): count for outcome, count in step.outcomes.items()})
        self.rebuilt += step.outcomes.total()
        self.seconds = seconds

    def __str__(self) -> str:
        rate = self.rebuilt / self.seconds if self.seconds else 0.0
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items()) or "nothing to build"
        return f"{outcomes}; {rate:.0f} views/s"


@dataclass(frozen=True)
class Position:
    """The file that records how far the build of a view has come, and in which database; deleted at its end."""

    path: Path
    database: Mapping[str, Any]

    @classmethod
    def of(cls, context: Context, view: str) -> Position:
        place = {PROJECT: context.named_project, EMULATOR_HOST: context.emulator}
        database = {**place, "app": context.app.name, "database": context.database_id}
        return cls(context.project.folder / FOLDER / f"build-{view}.json", database)

    def read(self) -> Tally:
        """Reads how far an earlier run came; raises ConfigurationError without one, or if its database was another."""
        if not self.path.is_file():
            raise ConfigurationError(f"There is no build to resume: {self.path} does not exist. Leave --resume out.")
        content = json.loads(self.path.read_text())
        if content["database"] != self.database:
            raise ConfigurationError(
                f"The build to resume was of {_named(content['database'])}, and this is {_named(self.database)}. "
                f"Leave --resume out to start over, or set the environment as it was."
            )
        return Tally(content["after"], Counter(content["outcomes"]))

    def write(self, tally: Tally) -> None:
        own_folder(self.path.parent.parent)
        # Replaced as a whole, so that the file can be read even if the run is killed at this moment.
        written = self.path.with_suffix(".new")
        content = {"after": tally.after, "outcomes": tally.outcomes, "database": self.database}
        written.write_text(json.dumps(content))
        written.replace(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


def build_of(app: Boiler, view: type[ViewModel[Any]], database: Database, *, withdraw: bool = False) -> BuildOfAll:
    """Returns the build of all instances of a view of the app, by the code as it is here."""
    declared = app.compiled.declarations
    return declared.storing().build_of_all(declared, view, database, as_here([view]), withdraw=withdraw)


def as_here(views: Sequence[type[ViewModel[Any]]]) -> Surroundings:
    """Returns the surroundings in which these views are built by the code as it is here."""
    return REAL._replace(release=Release(codes=code_fingerprints(views)))


LISTED = 2
"""Reads of an instance, beside its build: the name of its root, and its ledger to see whether the root is gone."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did of one view."""

    view: str
    tally: Tally
    usage: Usage
    letters: LetterLog
    missing: str | None = None
    """The path of the one root that was to be built, if nothing is there."""

    @property
    def failed(self) -> int:
        return self.tally.outcomes[str(Outcome.DEAD_LETTER)]

    @property
    def is_fine(self) -> bool:
        return not self.failed and self.missing is None

    def lines(self) -> Iterator[str]:
        """Yields what a person reads."""
        if self.missing is not None:
            yield f"There is no {self.missing}, and {self.view} has no copy of it: nothing was built."
            return
        usage = f"{self.usage.reads} reads, {self.usage.writes} writes, {self.usage.rpcs} RPCs"
        yield f"{self.view}: {self.tally}; {usage}"
        if skipped := self.letters.skipped:
            left_out = f"left out, as they do not fit: {len(skipped)} documents, first: {next(iter(skipped))}"
            yield f"{left_out}; `boiler status` names them."
        if self.failed:
            yield f"{self.view}: {self.failed} could not be built and are unchanged; {DEAD_LETTERS} says why."
            yield from self.letters.causes()

    def to_json(self) -> dict[str, Any]:
        return {
            "view": self.view,
            "outcomes": dict(self.tally.outcomes),
            **self.usage._asdict(),
            "skipped": [*self.letters.skipped],
            "causes": [cause._asdict() for cause in self.letters.found()],
            "missing": self.missing,
        }


def build_views(
    context: Context,
    names: Sequence[str] | None,
    tell: Tell,
    *,
    root: str | None = None,
    resume: bool = False,
    withdraw: bool = False,
    yes: bool = False,
) -> Output:
    """Rebuilds views, one after the other, or all; says what it costs, and asks if that is more than a cent."""
    app = context.app
    views = [view_named(app, name) for name in names] if names else list(app.compiled.declarations.stored)
    tell(f"{app.name}: {place_of(context)}")
    estimate = None
    if root is None and not resume:
        numbers = {view: build_of(app, view, context.database).number() for view in views}
        what = f"Building {sum(numbers.values()):,} instances of {', '.join(view.__name__ for view in views)}"
        estimate = of_builds(context, numbers, what, listed=LISTED)
        tell(str(estimate))
        estimate.confirm(context, yes=yes)
    done = []
    for view in views:
        done.append(_build(context, view, root=root, resume=resume, withdraw=withdraw))
        for line in done[-1].lines():
            tell(line)
    result = {
        "views": [each.to_json() for each in done],
        "estimate": None if estimate is None else estimate.to_json(),
    }
    return Output("build", result, (), all(each.is_fine for each in done))


def _build(context: Context, view: View, *, root: str | None, resume: bool, withdraw: bool) -> BuildReport:
    """Rebuilds the view, or the instance of one root; raises Interrupted for Ctrl-C."""
    name, database = view.__name__, Metered(context.database)
    work = build_of(context.app, view, database, withdraw=withdraw)
    if root is not None:
        tally, path = Tally(), root_path(view, root)
        with letters_written() as letters:
            _follow(name, [work.rebuild([path])], tally)
        is_there = bool(tally.outcomes.keys() - {str(Outcome.IGNORED)})
        return BuildReport(name, tally, database.usage, letters, None if is_there else path)
    position = Position.of(context, name)
    tally = position.read() if resume else Tally()
    with _resumable(name), letters_written() as letters:
        _follow(name, _noted(work.run(tally.after), tally, position), tally)
    position.clear()
    return BuildReport(name, tally, database.usage, letters)


def rebuild(context: Context, name: str, root: str) -> Output:
    """Rebuilds one instance of the view `name`; fine unless a dead letter was written."""
    view = view_named(context.app, name)
    with letters_written() as letters:
        page = build_of(context.app, view, context.database).rebuild([root_path(view, root) if root else ""])
    outcomes = {str(outcome): count for outcome, count in page.outcomes.items()}
    is_fine = str(Outcome.DEAD_LETTER) not in outcomes
    return Output("build", {"view": name, "root": root, "outcomes": outcomes}, list(letters.causes()), is_fine)


class Cause(NamedTuple):
    """Why dead letters were written, how many, and the path of the first."""

    letters: int
    code: str
    message: str
    first: str


class LetterLog(logging.Handler):
    """Collects the dead letters of a build by their cause, instead of logging a traceback for each."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[tuple[str, str], list[str]] = {}
        self.skipped: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        letter = vars(record)
        if "skipped" in letter:
            self.skipped[str(letter["skipped"])] = None
            return
        if "dead_letter" not in letter:
            if logging.lastResort and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return
        error = record.exc_info[1] if record.exc_info else None
        subject = str(letter["subject"])
        # Letters of one cause differ only in the document that each names.
        said = str(error).partition("\n")[0].replace(subject, "…").replace(id_of(subject), "…")
        self._found.setdefault((letter["code"], said), []).append(subject)

    def found(self) -> list[Cause]:
        """Returns the most frequent causes, from the first."""
        causes = (Cause(len(subjects), *cause, subjects[0]) for cause, subjects in self._found.items())
        return sorted(causes, key=lambda each: -each.letters)[:CAUSES]

    def causes(self) -> Iterator[str]:
        """Yields a line for each cause, the most frequent first, and where their codes are explained."""
        found = self.found()
        for each in found:
            yield f"  {each.letters} × {each.code} {each.message}; first: {each.first}"
        if found:
            yield see(each.code for each in found)


@contextmanager
def letters_written() -> Iterator[LetterLog]:
    """Takes the package's log records from the other handlers, which would print a traceback for each letter."""
    package, letters = logging.getLogger(__name__.partition(".")[0]), LetterLog()
    propagated = package.propagate
    package.addHandler(letters)
    package.propagate = False
    try:
        yield letters
    finally:
        package.removeHandler(letters)
        package.propagate = propagated


def _noted(steps: Iterable[BuiltPage], tally: Tally, position: Position) -> Iterator[BuiltPage]:
    """Yields the steps, and writes the position before the first and after each, once it is in the tally."""
    position.write(tally)
    for step in steps:
        yield step
        position.write(tally)


@contextmanager
def _resumable(name: str) -> Iterator[None]:
    """Adds how to resume to the error if the steps end early."""
    resume = f"continue with `boiler build {name} --resume`."
    try:
        with stopped_as(f"Stopped; {resume}"):
            yield
    except Transient as error:
        error.add_note(f"  What was built is kept; {resume}")
        raise


def _follow(name: str, steps: Iterable[BuiltPage], tally: Tally) -> None:
    console = Console(stderr=True)
    started = time.monotonic()
    with _bar(name, console) if console.is_terminal else _lines(name, console) as show:
        for step in steps:
            tally.add(step, time.monotonic() - started)
            show(tally)


@contextmanager
def _bar(name: str, console: Console) -> Iterator[Callable[[Tally], None]]:
    # Without a total, because counting the roots would read every one of them.
    columns = (TextColumn(name), BarColumn(), TextColumn("{task.fields[tally]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None, tally="")
        yield lambda tally: progress.update(task, completed=tally.rebuilt, tally=str(tally))


@contextmanager
def _lines(name: str, console: Console) -> Iterator[Callable[[Tally], None]]:
    shown = 0.0

    def show(tally: Tally) -> None:
        nonlocal shown
        if tally.seconds >= shown + EVERY:
            shown = tally.seconds
            console.print(f"{name}: {tally}", highlight=False, soft_wrap=True)

    yield show


def view_named(app: Boiler, name: str) -> type[ViewModel[Any]]:
    """Returns the stored view of that name; raises ConfigurationError if the app stores none."""
    views = {view.__name__: view for view in app.compiled.declarations.stored}
    if name not in views:
        known = ", ".join(views) or "none"
        raise ConfigurationError(f"{app.name} stores no view {name!r}; it stores {known}. `@app.query` stores a view.")
    return views[name]


def root_path(view: type[ViewModel[Any]], root: str) -> str:
    """Returns the path of a root that is given by its path, or by its id if that is the whole key."""
    reference = view.store_class.root()
    if reference is None:
        raise ConfigurationError(f"{view.__name__} has no root, and therefore a single instance. Leave --root out.")
    pattern = reference.model.pattern()
    if pattern.match(root):
        return root
    if pattern.names == ("doc_id",) and "/" not in root:
        path: str = pattern.fill({"doc_id": root})
        return path
    raise ConfigurationError(f"{root!r} does not name a root of {view.__name__}. Give a path like {pattern.text!r}.")


def _named(database: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in database.items())
