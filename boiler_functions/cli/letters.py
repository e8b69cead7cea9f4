"""`boiler letters`: lists and shows dead letters, does their work again, and drops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boiler_functions.cli.build import letters_written
from boiler_functions.cli.codes import see
from boiler_functions.cli.context import Context
from boiler_functions.cli.output import Output, confirm, shown_age, table
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.dead_letter import Letter, letters_of
from boiler_functions.modes.invocation import REAL
from boiler_functions.modes.letters import Retry, drop, is_done
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.modes.source_code import code_fingerprints

NO_WORK = "nothing here does such work: drop the letter, or deploy the code that does it"


@dataclass(frozen=True)
class LetterChoice:
    """Which letters a command is about: those with the ids, or all that fit the other conditions."""

    ids: tuple[str, ...] = ()
    kind: str | None = None
    view: str | None = None
    older: timedelta | None = None
    newer: timedelta | None = None
    every: bool = False

    def check(self, command: str) -> None:
        """Raises ConfigurationError if nothing is chosen, so that no letter is changed by mistake."""
        if not (self.every or self.ids or self.kind or self.view or self.older or self.newer):
            raise ConfigurationError(
                f"No letter is chosen. Give ids, as `boiler letters list` prints them, conditions such as --view, or "
                f"`boiler letters {command} --all`."
            )

    def letters(self, context: Context) -> list[Letter]:
        """Returns the letters, those first that failed last; raises ConfigurationError for an unknown id."""
        found = {each.id: each for each in letters_of(context.database, context.app.name)}
        if unknown := [each for each in self.ids if each not in found]:
            raise ConfigurationError(
                f"{context.app.name} has no letter {unknown[0]!r}; it may have ended since. `boiler letters list` "
                f"shows those that there are."
            )
        now = datetime.now(UTC)
        fitting = [each for each in found.values() if self._fits(each, now)]
        return sorted(fitting, key=lambda each: each.last_time, reverse=True)

    def _fits(self, letter: Letter, now: datetime) -> bool:
        age = now - letter.last_time
        return (
            (not self.ids or letter.id in self.ids)
            and (self.kind is None or letter.kind == self.kind)
            and (self.view is None or self.view in letter.views)
            and (self.older is None or age >= self.older)
            and (self.newer is None or age < self.newer)
        )


def list_letters(context: Context, chosen: LetterChoice) -> Output:
    """Returns the letters with their number by kind."""
    found = chosen.letters(context)
    kinds = Counter(each.kind for each in found)
    result = {"kinds": dict(kinds), "letters": [_as_json(each, contents=False) for each in found]}
    return Output("letters list", result, list(_listed(found, kinds)))


def show_letters(context: Context, chosen: LetterChoice, *, contents: bool) -> Output:
    """Returns all that the letters say; without `contents`, not the message, which may quote a document."""
    found = chosen.letters(context)
    lines = [line for each in found for line in _told(each, contents=contents)]
    if found:
        lines.append(see(each.code for each in found))
    result = {"letters": [_as_json(each, contents=contents) for each in found]}
    return Output("letters show", result, lines)


def retry_letters(context: Context, chosen: LetterChoice) -> Output:
    """Does the work of the letters again, one after the other; those that are done end."""
    chosen.check("retry")
    declarations = context.app.compiled.declarations
    surroundings = REAL._replace(release=Release(codes=code_fingerprints(declarations.stored)))
    rows, results = [], []
    with letters_written():
        for letter in chosen.letters(context):
            report = Retry(context.app.name, letter).run(declarations, context.database, surroundings)
            is_fine = report is not None and is_done(report)
            outcome = outcome_of(report)
            rows.append((letter.id, letter.view, letter.subject, outcome))
            results.append({"id": letter.id, "outcome": outcome, "is_done": is_fine})
    failed = sum(not each["is_done"] for each in results)
    total = f"{len(results) - failed} of {len(results)} are done"
    return Output("letters retry", {"letters": results}, [*table(rows), total], is_fine=not failed)


def drop_letters(context: Context, chosen: LetterChoice, *, yes: bool) -> Output:
    """Deletes the letters, after asking; their work is not done."""
    chosen.check("drop")
    found = chosen.letters(context)
    if not found or not confirm(context, f"Drop {len(found)} letters of {context.app.name}", yes=yes):
        return Output("letters drop", {"dropped": [], "kept": [each.id for each in found]}, ["0 letters are dropped"])
    dropped = [each.id for each in found if drop(context.database, each)]
    kept = [each.id for each in found if each.id not in dropped]
    lines = [f"{len(dropped)} letters are dropped"]
    if kept:
        lines.append(f"{len(kept)} failed again meanwhile, and are kept: {', '.join(kept)}")
    return Output("letters drop", {"dropped": dropped, "kept": kept}, lines, is_fine=not kept)


def outcome_of(report: Report | None) -> str:
    """Returns what became of the work, in words."""
    if report is None:
        return NO_WORK
    if report.error is not None:
        return f"failed for now ({type(report.error).__name__}): try again later"
    if not is_done(report):
        return "failed again" if "dead letter" in report.outcomes else "left to newer code"
    return ", ".join(report.outcomes) or "nothing was left to do"


def _listed(letters: Sequence[Letter], kinds: Counter[str]) -> Iterator[str]:
    now = datetime.now(UTC)
    rows = [
        (each.id, each.kind, each.code, each.view, each.subject, each.attempts, shown_age(now - each.last_time))
        for each in letters
    ]
    if rows:
        yield from table([("id", "kind", "code", "view", "of", "times", "last"), *rows])
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    yield f"{len(letters)} letters: {counts}" if letters else "no letters"


def _told(letter: Letter, *, contents: bool) -> Iterator[str]:
    yield f"letter {letter.id}"
    for name, value in _as_json(letter, contents=contents).items():
        if name != "id":
            yield f"  {name.ljust(10)}  {value}"


def _as_json(letter: Letter, *, contents: bool) -> dict[str, Any]:
    fields = {name: value for name, value in letter._asdict().items() if name != "document"}
    if not contents:
        fields["message"] = f"{len(letter.message)} characters, shown with --contents"
    return {"id": letter.id, **fields}
