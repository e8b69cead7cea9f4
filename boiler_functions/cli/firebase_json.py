"""firebase.json: where it is, what it says, and how a codebase joins those that are there.

An app is a codebase whose source is the folder that `boiler compile` stages. In a project with functions of its own,
firebase.json lies above the folder of the app.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boiler_functions.cli import jsonc
from boiler_functions.cli.folder import FOLDER
from boiler_functions.cli.project import Project, runtime_of
from boiler_functions.exceptions import ConfigurationError

FIREBASE = "firebase.json"
INDEXES = "firestore.indexes.json"
RULES = "firestore.rules"
STAGED = f"{FOLDER}/firebase"

PORTS = {"auth": 9099, "firestore": 8080, "functions": 5001, "ui": 4000}
"""The ports of emulators, unless firebase.json names others; firebase-tools has the same."""

_DEFAULT_CODEBASE = "default"


@dataclass(frozen=True)
class FirebaseJson:
    """The file in `folder`, and its content; empty if the file is missing."""

    folder: Path
    content: Mapping[str, Any]

    @classmethod
    def find(cls, project: Project) -> FirebaseJson:
        """Reads the file beside pyproject.toml, else one above that has the project as a codebase.

        Raises ConfigurationError if the file beside pyproject.toml is not a JSON object.
        """
        if not (project.folder / FIREBASE).is_file():
            for folder in project.folder.parents:
                # A file above that cannot be read may belong to something else.
                if (found := cls._readable(folder)) and found.codebase_of(project.folder / STAGED):
                    return found
        return cls.read(project.folder)

    @classmethod
    def above(cls, folder: Path) -> FirebaseJson | None:
        """Reads the nearest file, in the folder or above it; raises ConfigurationError if it is not a JSON object."""
        nearest = next((each for each in (folder, *folder.parents) if (each / FIREBASE).is_file()), None)
        return cls.read(nearest) if nearest else None

    @classmethod
    def read(cls, folder: Path) -> FirebaseJson:
        """Reads the file of the folder; raises ConfigurationError if it is not a JSON object."""
        content = read_json(folder / FIREBASE)
        if content is not None and not isinstance(content, dict):
            raise unreadable(folder / FIREBASE, TypeError("it is not a JSON object"))
        return cls(folder, content or {})

    @classmethod
    def _readable(cls, folder: Path) -> FirebaseJson | None:
        try:
            return cls.read(folder)
        except (ConfigurationError, OSError):
            return None

    @property
    def path(self) -> Path:
        return self.folder / FIREBASE

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    @property
    def rules(self) -> Path:
        """The file of security rules."""
        return self.folder / str(self._firestore.get("rules", RULES))

    @property
    def indexes(self) -> Path:
        """The file of indexes."""
        return self.folder / str(self._firestore.get("indexes", INDEXES))

    @property
    def _firestore(self) -> Mapping[str, Any]:
        """The record of the database; the first one if there are several."""
        records = _listed(self.content.get("firestore"))
        return next(iter(records), {})

    def port(self, emulator: str) -> int:
        """Returns the port of an emulator; raises ConfigurationError if what the file names is not a port."""
        emulators = self.content.get("emulators", {})
        record = emulators.get(emulator, {}) if isinstance(emulators, dict) else {}
        port = record.get("port", PORTS[emulator]) if isinstance(record, dict) else None
        if type(port) is not int or not 0 < port < 65535:
            raise ConfigurationError(
                f"{self.path}: the emulator {emulator!r} has no port, but {record!r}. Write a number."
            )
        return port

    @property
    def codebases(self) -> Sequence[Mapping[str, Any]]:
        return _listed(self.content.get("functions"))

    def codebase_of(self, source: Path) -> Mapping[str, Any] | None:
        """Returns the codebase whose source is the folder."""
        for each in self.codebases:
            named = each.get("source")
            if isinstance(named, str) and _is_same(self.folder / named, source):
                return each
        return None

    def with_codebase(self, project: Project, name: str) -> str:
        """Returns the text of the file with the project as a codebase more; raises ConfigurationError if it is there.

        Without a file, returns the text of one that also names the rules, the indexes and the emulators.
        """
        record = codebase(self.folder, project, name if self.codebases else _DEFAULT_CODEBASE)
        if not self.exists:
            return f"{json.dumps(_fresh(record), indent=2)}\n"
        taken = [each.get("codebase", _DEFAULT_CODEBASE) for each in self.codebases]
        if record["codebase"] in taken:
            raise ConfigurationError(
                f"{self.path} has a codebase {record['codebase']!r} already. Give another name: boiler init NAME"
            )
        return jsonc.appended(self.path.read_text(), "functions", record)


def codebase(folder: Path, project: Project, name: str) -> dict[str, Any]:
    """Returns the codebase of a project in the firebase.json of the folder."""
    place = project.folder.resolve().relative_to(folder.resolve()).as_posix()
    return {
        "codebase": name,
        "source": STAGED if place == "." else f"{place}/{STAGED}",
        "runtime": runtime_of(project.python),
        "ignore": ["venv", ".*", "__pycache__", "*.log"],
        "predeploy": ["boiler compile" if place == "." else f"cd {place} && boiler compile"],
    }


def _fresh(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "firestore": {"rules": RULES, "indexes": INDEXES},
        "functions": [record],
        # Without the Auth emulator, emulated functions would verify each token with Google, and answer 503.
        "emulators": {
            **{name: {"port": port} for name, port in PORTS.items()},
            "ui": {"enabled": False},
            "singleProjectMode": True,
        },
    }


def read_json(path: Path) -> Any:
    """Reads the file, None if it is missing; raises ConfigurationError if it is not JSON."""
    try:
        return jsonc.loads(path.read_text()) if path.is_file() else None
    except ValueError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be read: {error!r}. Correct it, or delete it and run the command again.")


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _is_same(one: Path, other: Path) -> bool:
    # The staged folder does not exist in a clean checkout, so paths are compared.
    return os.path.realpath(one) == os.path.realpath(other)
