"""Computes the list price of usage, from a table that a project can replace: `boiler plan --prices FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.settings.options import Options

TABLE = Path(__file__).with_name("prices.json")

ANYWHERE = "*"
MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """List prices of a date; those of Firestore by the location of the database, "*" for every other location."""

    date: str
    currency: str
    sources: tuple[str, ...]
    firestore_per_100000: Mapping[str, Mapping[str, float]]
    functions: Mapping[str, float]
    assumed_seconds: Mapping[str, float]

    @classmethod
    def read(cls, path: Path | None = None) -> Prices:
        """Reads the prices of a file, or of the package; raises ConfigurationError if one is missing."""
        path = path or TABLE
        try:
            table = json.loads(path.read_text())
            prices = cls(**{**table, "sources": tuple(table["sources"])})
            prices.of_million(Usage(1, 1, 1), Options(memory=512, cpu=1), None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} is not a table of prices: {error!r}. Write it with the keys of {TABLE}."
            ) from error
        return prices

    def of_million(self, usage: Usage, options: Options, location: str | None) -> float:
        """Returns the price of a million such invocations: documents, invocations, and the time of instances."""
        asked = self.of_documents(usage, location) * MILLION
        seconds = self.assumed_seconds["invocation"] + usage.rpcs * self.assumed_seconds["rpc"]
        gib = (options.memory or 0) / 1024
        instance = (options.cpu or 0) * self.functions["vcpu_second"] + gib * self.functions["gib_second"]
        return asked + self.functions["million_invocations"] + seconds * instance * MILLION

    def of_documents(self, usage: Usage, location: str | None) -> float:
        """Returns the price of the reads and writes alone."""
        documents = self.firestore_per_100000.get(location or ANYWHERE) or self.firestore_per_100000[ANYWHERE]
        return (usage.reads * documents["reads"] + usage.writes * documents["writes"]) / 100_000

    def to_json(self) -> dict[str, Any]:
        return {"date": self.date, "currency": self.currency, "sources": list(self.sources)}
