"""The result of one seed of a part that runs many: what is wrong, by figure, with the seed that shows it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TypeVar

from tests.torture.figures import Figure

MOST_DETAILS = 20

Seen = TypeVar("Seen", bound="Judged")


@dataclass
class Judged:
    """What is wrong after one seed."""

    seed: int
    wrong: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    def note(self, figure: str, detail: str) -> None:
        self.wrong[figure] += 1
        self.details.append(f"seed {self.seed}: {figure}: {detail}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Notes what ends the `with` block: an oracle that disagrees, or any other error."""
        try:
            yield
        except AssertionError as error:
            self.note("view_divergence", str(error))
        except Exception as error:
            self.note("unclassified_errors", f"the run ended with {error!r}")


def by_two_processes(torture: Callable[[int], Seen], seeds: Sequence[int]) -> list[Seen]:
    """Runs the seeds in two processes; returns the results in their order."""
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        return list(processes.map(torture, seeds, chunksize=25))


def wrong_figures(results: Sequence[Judged], names: Sequence[str]) -> Iterator[Figure]:
    """Prints the first details, and yields each figure, which must be 0."""
    for detail in [detail for each in results for detail in each.details][:MOST_DETAILS]:
        print(f"    {detail}")
    for name in names:
        yield Figure(name, sum(each.wrong[name] for each in results), "=", 0)
