"""The console script `boiler`; only `python -m boiler_functions` imports it."""

import gc
import sys

_EXTRAS = {"click": "cli", "rich": "cli", "watchfiles": "cli", "flask_smorest": "rest", "firebase_admin": "rest"}

NEW_OBJECTS = 100_000
"""The number of new objects after which Python looks for garbage, in a command.

A command keeps most of what it makes until it ends, or until a page of views is committed. Looking after every 700 new
objects, as Python does by default, takes a sixth of the time of a build and finds nothing.
"""


def main() -> None:
    """Runs the command that the arguments name."""
    gc.set_threshold(NEW_OBJECTS)
    try:
        from boiler_functions.cli.commands import boiler

        boiler()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        sys.exit(
            f"'boiler' needs {missing}, which is not installed. Run: pip install 'boiler-functions[{_EXTRAS[missing]}]'"
        )
