"""`boiler rules`: finds the project's `firestore.rules`, and makes its text."""

from __future__ import annotations

from pathlib import Path

from boiler_functions.cli.context import Context
from boiler_functions.cli.generated import RULES, Generated, read_firebase
from boiler_functions.plan import security_rules as rules


def firestore_rules(context: Context) -> Generated:
    """Returns the file with its text for the app; the user's own section in it is kept."""
    path = _path(context)
    existing = path.read_text("utf-8") if path.is_file() else None
    return Generated(path, rules.firestore_rules(rules.documents(context.compiled.declarations), existing))


def _path(context: Context) -> Path:
    """Returns the file that firebase.json names for its database, or the usual one."""
    firestore = (read_firebase(context) or {}).get("firestore", {})
    return context.project.folder / (firestore.get("rules", RULES) if isinstance(firestore, dict) else RULES)
