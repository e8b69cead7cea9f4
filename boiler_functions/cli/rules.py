"""`firestore.rules`, which firebase-tools deploys: where the project has it, and what it must contain."""

from __future__ import annotations

from pathlib import Path

from boiler_functions.cli.context import Context
from boiler_functions.cli.generated import RULES, Generated, read_firebase
from boiler_functions.plan import security_rules as rules


def firestore_rules(context: Context) -> Generated:
    """The file as it must be for the app; what the user wrote into their own section stays."""
    path = _path(context)
    existing = path.read_text("utf-8") if path.is_file() else None
    return Generated(path, rules.firestore_rules(rules.documents(context.compiled.declarations), existing))


def _path(context: Context) -> Path:
    """The file that firebase.json names for the one database; the usual one where it names none."""
    firestore = (read_firebase(context) or {}).get("firestore", {})
    return context.project.folder / (firestore.get("rules", RULES) if isinstance(firestore, dict) else RULES)
