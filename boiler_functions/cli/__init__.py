"""The console script `boiler`; only `python -m boiler_functions` imports it."""

import sys

_EXTRAS = {"click": "cli", "rich": "cli", "watchfiles": "cli", "flask_smorest": "rest", "firebase_admin": "rest"}


def main() -> None:
    """Runs the command that the arguments name."""
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
