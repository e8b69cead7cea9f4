"""The flags that functions and Cloud Run services have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from boiler_functions.settings.options import Options

EGRESS = {"PRIVATE_RANGES_ONLY": "private-ranges-only", "ALL_TRAFFIC": "all"}


def compute(options: Options, account: str) -> Iterator[str]:
    """Yields the account, and the resources of an instance."""
    yield f"--service-account={account}"
    yield f"--memory={options.memory}Mi"
    yield f"--cpu={options.cpu:g}"
    yield f"--concurrency={options.concurrency}"
    yield f"--timeout={options.time_limit}s"


def or_clear(flag: str, value: object) -> str:
    """Sets a flag, or clears what an earlier deployment set."""
    return f"--clear-{flag}" if value is None else f"--{flag}={value}"


def secrets(options: Options) -> str:
    """Exposes each secret as the environment variable of its name."""
    secrets = ",".join(f"{name}={name}:latest" for name in options.secrets or ())
    return f"--set-secrets={secrets}" if secrets else "--clear-secrets"


def pairs(values: Mapping[str, str]) -> str:
    """Writes `KEY=value,…`, sorted by key."""
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))
