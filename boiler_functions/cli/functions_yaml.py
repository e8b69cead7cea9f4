"""Writes `functions.yaml`, which firebase-tools reads beside main.py, as readable YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from boiler_functions.manifest import Manifest

NAME = "functions.yaml"

HEADER = "# Written by `boiler compile` from what the app declares; `boiler compile --check` tells when it is stale.\n"

# Words that need no quotes in any version of YAML: 1.1 reads `on` and `no` as booleans.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_KEYWORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def functions_yaml(manifest: Manifest) -> str:
    """Returns the text of the file; equal declarations give equal texts."""
    return HEADER + "".join(f"{line}\n" for line in _lines(manifest.to_functions_yaml()))


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for line in _lines(item))
        elif isinstance(item, list) and item:
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for each in item for line in _entry(each))
        else:
            yield f"{_scalar(key)}: {_scalar(item)}"


def _entry(item: Any) -> Iterator[str]:
    lines = _lines(item) if isinstance(item, Mapping) else iter([_scalar(item)])
    yield f"- {next(lines)}"
    yield from (f"  {line}" for line in lines)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _KEYWORDS:
        return value
    # Every JSON value is YAML.
    return json.dumps(value, ensure_ascii=False)
