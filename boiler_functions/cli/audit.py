"""`boiler audit` and `boiler diff`: compare what is stored with what the code of the checkout builds now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from boiler_functions.app import Boiler
from boiler_functions.cli.build import as_here, build_of, letters_written, root_path, view_named
from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import Estimate, of_comparisons
from boiler_functions.cli.output import Output, confirm
from boiler_functions.cli.staged import staging_of
from boiler_functions.database import Database, Number
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.modes.stored_copies import FAULTS, Comparison, Finding, Verdict, WrongTotal
from boiler_functions.types import to_instant
from boiler_functions.views.view_model import View

LONGEST = timedelta(hours=1)
"""The past that Firestore reads, in which a deleted document is looked up."""

LISTED = 3
"""Reads of an instance, beside its comparison: the names of its root and its copy, and its ledger."""

SHOWN = 20
"""Findings that are listed for each view; --json has all."""

FILL = "Fill the kept totals of {name} again, which reads all documents that they count,"


class AuditChoice(NamedTuple):
    """Which instances are compared: all, or one, some by chance, or those of which something was written lately."""

    sample: int | None = None
    root: str | None = None
    since: datetime | None = None

    @property
    def is_all(self) -> bool:
        return self == AuditChoice()

    def found(self, view: View, work: Comparison) -> Iterator[Finding]:
        if self.root is not None:
            return work.of([root_path(view, self.root)])
        if self.since is not None:
            return work.since(to_instant(self.since))
        return work.whole() if self.sample is None else work.sample(self.sample)


def audit(
    context: Context,
    view: str | None,
    *,
    chosen: AuditChoice,
    late: timedelta,
    repair: bool = False,
    yes: bool = False,
) -> Output:
    """Returns the comparison of one view, or of all; fine if no copy is wrong, lost, or without a ledger."""
    if late >= LONGEST:
        raise ConfigurationError(f"--late is {late}; give less than an hour, the past that Firestore reads.")
    results: dict[str, Any] = {}
    lines: list[str] = []
    is_fine = True
    _confirm_cost(context, view, chosen, yes=yes)
    # All are compared before the first is repaired, as views may share a kept total.
    for name, work, found, wrong in list(_found(context, view, chosen, late)):
        faults = [each for each in found if each.verdict in FAULTS]
        lines += [*_lines(name, found, faults), *_told(wrong)]
        result = _result(found, faults, wrong)
        if wrong and repair and not chosen.is_all:
            lines.append(f"{name}: only an audit of all repairs totals; run `boiler audit {name} --repair`")
        elif wrong and repair and confirm(context, FILL.format(name=name), yes=yes):
            with letters_written():
                work.repair_totals(wrong)
            left_wrong = list(work.wrong_totals(dict.fromkeys(each.root for each in wrong)))
            lines.append(f"{name}: {len(wrong) - len(left_wrong)} of {len(wrong)} kept totals are repaired")
            result["repaired_totals"], wrong = len(wrong) - len(left_wrong), left_wrong
        if faults and repair and confirm(context, f"Repair {len(faults)} faults of {name}", yes=yes):
            with letters_written():
                work.repair(faults)
                left = [each for each in _once_more(work, faults) if each.verdict in FAULTS]
            lines.append(f"{name}: {len(faults) - len(left)} of {len(faults)} are repaired")
            result["repaired"], faults = len(faults) - len(left), left
        is_fine = is_fine and not faults and not wrong
        results[name] = result
    return Output("audit", {"views": results}, lines, is_fine)


def diff(context: Context, view: str | None, *, chosen: AuditChoice, yes: bool = False) -> Output:
    """Returns what a build by the code of the checkout would change of what other code has stored."""
    results: dict[str, Any] = {}
    lines: list[str] = []
    _confirm_cost(context, view, chosen, yes=yes)
    for each in _views(context, view):
        name, found = each.__name__, _staged(context, each, chosen)
        is_staged = found is not None
        if found is None:
            found = list(_compared(context, each, chosen, timedelta(minutes=2))[1])
        changed = [finding for finding in found if finding.verdict is Verdict.OTHER_CODE]
        told = " by the staged version" if is_staged else ""
        lines += [f"{name}: {len(changed)} of {len(found)} would change{told}", *_listed(changed)]
        changes = list(map(_as_json, changed))
        results[name] = {"compared": len(found), "changed": len(changed), "changes": changes, "staged": is_staged}
    return Output("diff", {"views": results}, lines, not any(each["changed"] for each in results.values()))


def _confirm_cost(context: Context, view: str | None, chosen: AuditChoice, *, yes: bool) -> None:
    """Asks before a comparison that costs more than a cent; raises Unfinished if nobody wants to spend it."""
    if context.emulator or yes or chosen.root is not None:
        return
    numbers = {each: build_of(context.app, each, context.database).number() for each in _views(context, view)}
    if chosen.sample is not None:
        numbers = {each: min(number, chosen.sample) for each, number in numbers.items()}
    what = f"Comparing {sum(numbers.values()):,} instances of {', '.join(each.__name__ for each in numbers)}"
    if chosen.since is None:
        estimate = of_comparisons(context, numbers, what, listed=LISTED)
    else:
        looked = f"Looking for what was written since {chosen.since:%Y-%m-%d %H:%M}, before it is compared"
        estimate = Estimate.of(context, looked, Usage(reads=sum(numbers.values()) * LISTED))
    estimate.confirm(context, yes=yes)


def comparison_of(app: Boiler, view: View, database: Database, late: timedelta) -> Comparison:
    """Returns the comparison of a view of the app with what the code as it is here builds."""
    declared = app.compiled.declarations
    return declared.storing().comparison(declared, view, database, as_here([view]), late)


def _found(
    context: Context, view: str | None, chosen: AuditChoice, late: timedelta
) -> Iterator[tuple[str, Comparison, list[Finding], list[WrongTotal]]]:
    for each in _views(context, view):
        work, found = _compared(context, each, chosen, late)
        wrong = work.wrong_totals(finding.root for finding in found if finding.verdict is not Verdict.NO_LEDGER)
        yield each.__name__, work, found, list(wrong)


def _views(context: Context, view: str | None) -> Sequence[View]:
    return [view_named(context.app, view)] if view else context.app.compiled.declarations.stored


def _compared(context: Context, view: View, chosen: AuditChoice, late: timedelta) -> tuple[Comparison, list[Finding]]:
    work = comparison_of(context.app, view, context.database, late)
    return work, list(chosen.found(view, work))


def _staged(context: Context, view: View, chosen: AuditChoice) -> list[Finding] | None:
    """Returns where the staged version of a view differs from what is shown; None if nothing is staged."""
    staged = StagedVersion.of(context.database, context.app.name, view.__name__)
    if not staged.exists:
        return None
    roots = None if chosen.root is None else [root_path(view, chosen.root)]
    # The ids of ledgers are digests, so that the first are a sample.
    return list(islice(staging_of(context, view, staged).differences(roots), chosen.sample))


def _once_more(work: Comparison, faults: Sequence[Finding]) -> Iterator[Finding]:
    yield from work.of([each.root for each in faults if each.verdict is not Verdict.NO_LEDGER])
    yield from work.without_ledger([each.root for each in faults if each.verdict is Verdict.NO_LEDGER])


def _result(found: Sequence[Finding], faults: Sequence[Finding], wrong: Sequence[WrongTotal]) -> dict[str, Any]:
    counts = Counter(str(each.verdict) for each in found)
    totals = [each._asdict() for each in wrong]
    return {"compared": len(found), "verdicts": dict(counts), "faults": list(map(_as_json, faults)), "totals": totals}


def _lines(name: str, found: Sequence[Finding], faults: Sequence[Finding]) -> Iterator[str]:
    counts = Counter(each.verdict for each in found)
    told = ", ".join(f"{counts[each]} {each}" for each in Verdict if counts[each]) or "nothing is stored"
    yield f"{name}: {told}"
    yield from _listed(faults)


def _told(wrong: Sequence[WrongTotal]) -> Iterator[str]:
    for each in wrong[:SHOWN]:
        yield f"  wrong total  {each.root}  {each.name}: {_numbers(each.kept)} kept, {_numbers(each.counted)} counted"
    if len(wrong) > SHOWN:
        yield f"  and {len(wrong) - SHOWN} more wrong totals; --json lists all"


def _numbers(found: Number | Mapping[str, Number]) -> str:
    if not isinstance(found, Mapping):
        return f"{found} is"
    return f"{', '.join(f'{value} {number}' for value, number in list(found.items())[:SHOWN])} are"


def _listed(found: Sequence[Finding]) -> Iterator[str]:
    for each in found[:SHOWN]:
        copies = "; ".join(f"{path}: {', '.join(names) or 'as a whole'}" for path, names in each.differing[:SHOWN])
        yield f"  {each.verdict}  {each.root}{f'  {copies}' if copies else ''}"
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN} more; --json lists all"


def _as_json(finding: Finding) -> dict[str, Any]:
    copies = [{"path": path, "fields": list(names)} for path, names in finding.differing]
    return {"verdict": finding.verdict, "root": finding.root, "differing": copies}
