"""`firestore.rules`, which firebase-tools deploys: where the project has it, and what it must contain."""

from __future__ import annotations

import json
from pathlib import Path

from boiler_functions.cli.context import Context
from boiler_functions.cli.generated import FIREBASE, RULES, Generated
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan import security_rules as rules


def firestore_rules(context: Context) -> Generated:
    """The file as it must be for the app; what the user wrote into their own section stays."""
    path = _path(context.project.folder)
    existing = path.read_text("utf-8") if path.is_file() else None
    return Generated(path, rules.firestore_rules(rules.documents(context.compiled.declarations), existing))


def _path(folder: Path) -> Path:
    """The file that firebase.json names for the one database; the usual one where it names none."""
    configuration = folder / FIREBASE
    if not configuration.is_file():
        return folder / RULES
    try:
        firestore = json.loads(configuration.read_text("utf-8")).get("firestore", {})
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(f"{configuration} cannot be read: {error}.") from error
    return folder / (firestore.get("rules", RULES) if isinstance(firestore, dict) else RULES)
