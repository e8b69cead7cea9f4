"""Runs the steps of a phase in parallel, and shows how each of them goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from boiler_functions.cli.deployment import Phase, Step
from boiler_functions.cli.errors import Interrupted
from boiler_functions.cli.gcloud import Gcloud
from boiler_functions.exceptions import ConfigurationError, DeploymentFailed


def perform(cloud: Gcloud, phase: Phase, console: Console) -> int:
    """Runs the steps that have commands, and returns how many these are.

    A failure is raised once the other steps have ended: they may take minutes, and the next run need not repeat them.
    """
    left = [step for step in phase.steps if step.commands]
    failures: list[ConfigurationError] = []
    with _shown(phase.title, console) as show, ThreadPoolExecutor(phase.at_once) as pool:
        try:
            futures: dict[Future[None], Step] = {pool.submit(_do, cloud, step, show): step for step in left}
            while futures:
                # With a time-out, because without one Ctrl-C would take effect only when a step ends.
                for each in wait(futures, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    step = futures.pop(each)
                    if isinstance(error := each.exception(), ConfigurationError):
                        failures.append(error)
                        show(step.name, "failed")
                    elif error:
                        raise error
                    else:
                        show(step.name, "done")
        except KeyboardInterrupt:
            cloud.stop()
            raise
    if failures:
        raise _together(failures, len(left))
    return len(left)


def _do(cloud: Gcloud, step: Step, show: Callable[[str, str], None]) -> None:
    show(step.name, "…")
    what = f"Deploying the function {step.name}" if step.function else step.name
    for command in step.commands:
        cloud.run(command, what, lambda text: show(step.name, text))


def _together(failures: list[ConfigurationError], number: int) -> ConfigurationError:
    """Joins the failures of several steps to one error."""
    if len(failures) == 1:
        return failures[0]
    kinds = {type(each) for each in failures}
    kind = kinds.pop() if len(kinds) == 1 else DeploymentFailed
    lines = "\n".join(f"{each.code} {each}" for each in failures)
    return kind(f"{len(failures)} of {number} steps failed; completed steps are not repeated.\n{lines}")


@contextmanager
def _shown(title: str, console: Console) -> Iterator[Callable[[str, str], None]]:
    """Yields a function that shows the state of a step: as a progress line on a terminal, else as a line of its own."""
    if not console.is_terminal:
        yield lambda name, state: console.print(f"{title}: {name} {state}", highlight=False, soft_wrap=True)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def show(name: str, state: str) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=1, state=state)
            progress.update(tasks[name], state=state, completed=int(state in ("done", "failed")))

        yield show


@contextmanager
def interruptible(cloud: Gcloud, command: str = "boiler deploy") -> Iterator[None]:
    """Ends the commands under way on Ctrl-C, and raises Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        cloud.stop()
        raise Interrupted(f"Stopped; `{command}` continues from here.") from None
