"""Data of emulators in a folder, as `--import` and `--export-on-exit` of firebase-tools read and write it."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.auth_emulator import AuthEmulator
from boiler_functions.local.firestore_emulator import FirestoreEmulator

_METADATA = "firebase-export-metadata.json"
_FIRESTORE, _AUTH = "firestore_export", "auth_export"
_VERSION = "1.0.0"


@dataclass(frozen=True)
class Exported:
    """The data of a folder: the file that the Firestore emulator reads, and whether there are users."""

    folder: Path
    firestore: Path | None
    has_users: bool

    @classmethod
    def find(cls, folder: Path) -> "Exported | None":
        """Returns what was exported into the folder, None if nothing was; raises ConfigurationError if it is broken."""
        path = folder / _METADATA
        if not path.is_file():
            return None
        try:
            metadata = json.loads(path.read_text())
            firestore = metadata.get("firestore", {}).get("metadata_file")
        except (ValueError, AttributeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error!r}. Export again, or delete it.") from error
        return cls(folder, folder / firestore if firestore else None, "auth" in metadata)


def export(folder: Path, project: str, firestore: FirestoreEmulator, auth: AuthEmulator | None) -> None:
    """Replaces the folder by the data of the emulators, once all of it is written.

    Raises ConfigurationError if the folder has files that were not exported.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _METADATA).is_file():
        raise ConfigurationError(f"{folder} holds other files, which an export would delete. Name another folder.")
    written = folder.with_name(f".{folder.name}.{os.getpid()}")
    written.mkdir(parents=True)
    overall = f"{_FIRESTORE}/{_FIRESTORE}.overall_export_metadata"
    metadata = {
        "version": _VERSION,
        "firestore": {"version": _VERSION, "path": _FIRESTORE, "metadata_file": overall},
    }
    firestore.export(project, written, _FIRESTORE)
    if auth is not None:
        auth.export(written / _AUTH)
        metadata["auth"] = {"version": _VERSION, "path": _AUTH}
    (written / _METADATA).write_text(json.dumps(metadata, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    written.rename(folder)
