"""Writes a jar that `java -jar` can start, because the Cloud SDK's emulator jar names no main class."""

from pathlib import Path
from zipfile import ZipFile

from boiler_functions.local.firestore_emulator import MAIN_CLASS

# https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html: a line has at most 72 bytes, its line end included.
_LINE = 70


def write_launcher(launcher: Path, emulator: Path) -> None:
    """Writes the jar `launcher`, which starts the main class of the jar `emulator`."""
    headers = ("Manifest-Version: 1.0", f"Main-Class: {MAIN_CLASS}", f"Class-Path: {emulator.resolve().as_uri()}")
    with ZipFile(launcher, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "".join(f"{_folded(header)}\r\n" for header in headers))


def _folded(header: str) -> str:
    rest = range(_LINE, len(header), _LINE - 1)
    return "\r\n ".join([header[:_LINE], *(header[start : start + _LINE - 1] for start in rest)])
