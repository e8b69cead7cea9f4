"""Reads Firestore events from CloudEvents, and checks that they are meant for the function that receives them.

A trigger delivers only the function's own events, but whoever may invoke the function can post any event. So an event
of another project, database, namespace, type or path has no effect.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any, NamedTuple

from cloudevents.http import CloudEvent
from google.protobuf.message import DecodeError

from boiler_functions.database import Document
from boiler_functions.database.change import Change
from boiler_functions.database.codec import Codec
from boiler_functions.database.messages import DocumentEventData
from boiler_functions.exceptions import InvalidEvent
from boiler_functions.types import Instant, to_instant

log = logging.getLogger("boiler_functions.runtime")

# The emulator writes `projects/` twice.
_SOURCE = re.compile(r"//firestore\.googleapis\.com/(?:projects/)?projects/([^/]+)/databases/([^/]+)")

_NAME = re.compile(r"projects/([^/]+)/databases/([^/]+)/documents/")

# The errors of decoding a message that no document could have caused: times and numbers out of range, values without a
# type, names that are not paths.
_UNREADABLE = (DecodeError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Home(NamedTuple):
    """The project, database and namespace of an app's documents; in a test the project is None."""

    project: str | None
    database: str
    namespace: str


def change_of(event: CloudEvent) -> Change:
    """Returns the change in a Firestore event; raises InvalidEvent for any other event.

    A change is only a hint, and the current documents are read. So contents that cannot be decoded are left out.
    """
    try:
        # WSGI decodes every header as Latin-1. The images have the path in full, and are preferred below.
        path = event["document"].encode("latin-1").decode()
        identity, source, moment = _text(event["id"]), _text(event["source"]), _instant(event["time"])
    except _UNREADABLE as error:
        raise InvalidEvent(f"The event {event['id']!r} is not of a Firestore trigger: {error!r}.") from error
    before, after = _images(event.data, path)
    path = next((image.path for image in (after, before) if image.exists), path)
    images = [image if image.exists else Document(path) for image in (before, after)]
    return Change(identity, source, path, images[0], images[1], moment)


def check_home(event: CloudEvent, event_type: str, home: Home) -> None:
    """Raises InvalidEvent for an event of another type, or of documents in another project, database or namespace.

    The function checks the path itself, as it knows its pattern.
    """
    found = _SOURCE.match(str(event.get("source")))
    source = (found[1], found[2]) if found else ("", "")
    checked: list[tuple[str, Any, Any]] = [("type", event.get("type"), event_type)]
    for project, database in (source, *_databases(event.data)):
        checked.append(("project", project, home.project if _is_known(project, home) else project))
        checked.append(("database", database, home.database))
    checked.append(("database", event.get("database", home.database), home.database))
    checked.append(("namespace", event.get("namespace", home.namespace), home.namespace))
    for name, seen, expected in checked:
        if seen != expected:
            raise InvalidEvent(
                f"The event {event['id']!r} is of the {name} {seen!r}, but this function handles {expected!r}; it is "
                f"ignored. Find out who posts events to this function, and remove their right to invoke it."
            )


def _is_known(project: str, home: Home) -> bool:
    # A project's id is never a number, so a number is a project number. The function cannot know the number of its own
    # project, and must not ignore all events if Google begins to send numbers.
    return home.project is not None and not project.isdecimal()


def _databases(data: Any) -> set[tuple[str, str]]:
    """Returns the project and the database of each document in the content."""
    try:
        message = DocumentEventData.FromString(data or b"")
    except _UNREADABLE:
        return set()
    images = [getattr(message, field) for field in ("old_value", "value") if message.HasField(field)]
    found = (_NAME.match(image.name) for image in images)
    return {(each[1], each[2]) if each else ("", "") for each in found}


def _images(data: Any, path: str) -> tuple[Document, Document]:
    try:
        message = DocumentEventData.FromString(data or b"")  # an event without images is an empty message
        return _image(message, "old_value", path), _image(message, "value", path)
    except _UNREADABLE:
        log.warning("The content of an event of %s cannot be read; the document is read instead.", path, exc_info=True)
        return Document(path), Document(path)


def _image(message: Any, field: str, path: str) -> Document:
    if not message.HasField(field):
        return Document(path)
    image = getattr(message, field)
    database, separator, _ = image.name.partition("/documents/")
    if not separator:
        raise ValueError(f"{image.name!r} is not the name of a document")
    return Codec(database).decode_document(image)


def _text(value: Any) -> str:
    # JSON may contain half of a surrogate pair, which Firestore refuses.
    value.encode()
    return str(value)


def _instant(moment: Any) -> Instant:
    return to_instant(moment if isinstance(moment, datetime) else datetime.fromisoformat(moment))
