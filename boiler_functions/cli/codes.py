"""The entries of codes.md, which say what each error code means; messages and the site's pages link to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from boiler_functions.cli.package import documentation
from boiler_functions.exceptions import ConfigurationError

_ENTRY = re.compile(r"^## (BF\d{3}) (\w+)\n+(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@cache
def explanations() -> dict[str, str]:
    """Returns the entry for each code: its name, and what it means."""
    return {code: f"{code} {name}\n\n{body.strip()}" for code, name, body in _ENTRY.findall(_codes())}


def introduction() -> str:
    """Returns what codes.md says before its first entry, below its title."""
    return _codes().partition("\n## ")[0].partition("\n")[2].strip()


def explain(code: str) -> str:
    """Returns the entry of a code, and the address of its page; raises ConfigurationError if there is no such code."""
    known = explanations()
    if code.upper() not in known:
        raise ConfigurationError(f"There is no code {code}; there are {', '.join(known)}.")
    return "\n\n".join(filter(None, (known[code.upper()], address_of(code.upper()))))


def page_of(code: str) -> str:
    """Returns the path of the code's page on the site."""
    return f"reference/errors/{code}.html"


def address_of(code: str) -> str | None:
    """Returns the address of the code's page; None if the site is not published."""
    site = documentation()
    return f"{site}/{page_of(code)}" if site else None


def see(codes: Iterable[str]) -> str:
    """Returns the last line of a message: where its codes are explained, each once."""
    places = (address_of(code) or f"boiler check --explain {code}" for code in sorted(set(codes)))
    return f"see: {', '.join(places)}"


def _codes() -> str:
    return (files("boiler_functions.cli") / "codes.md").read_text("utf-8")
