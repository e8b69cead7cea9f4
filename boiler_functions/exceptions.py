"""Every error that the package raises; a docstring is the error's meaning, `code` its stable name.

BoilerError
├── DeclarationError         BF100  a class, or an app, cannot work as it is declared
├── ConfigurationError       BF200  the surroundings (project, credentials, emulator) are not usable
├── Rejected                 BF300  user code refused a mutation; nothing was written
├── Transient                BF400  may succeed when tried again: raised, so that the platform redelivers
│   ├── Conflict             BF401  a precondition failed or a document is contended; nothing was written
│   ├── Unavailable          BF402  the database could not be reached; nothing was written
│   ├── UnknownOutcome       BF403  the answer of a commit was lost; it may have been written
│   └── NewerSchema          BF404  the ledger was written by a newer version of this package
└── Permanent                BF500  will fail again: a dead letter is written, the event is acknowledged
    ├── InvalidDocument      BF501  a stored document does not fit its model
    ├── InvalidValue         BF502  an attribute was given a value that its declaration refuses
    ├── InvalidPath          BF503  a document id or path that Firestore, or a trigger, cannot hold
    ├── TooLarge             BF504  a document over 1 MiB, or a commit over the request limit
    ├── GetterFailed         BF505  user code raised while a view was built
    ├── ImpureGetter         BF506  a getter read the database, so its view could not be followed
    ├── UndeclaredWrite      BF507  a task wrote a model that is not in its `writes=[…]`
    ├── EventTooOld          BF508  a task event older than `max_event_age`: its marker may have expired
    ├── InvalidRequest       BF509  the database refuses the request as such (rights, index, malformed)
    ├── InvalidEvent         BF510  an event that cannot be read
    └── TaskFailed           BF511  user code raised in `propagate_change`
"""

from typing import ClassVar

__all__ = [
    "BoilerError",
    "ConfigurationError",
    "Conflict",
    "DeclarationError",
    "EventTooOld",
    "GetterFailed",
    "ImpureGetter",
    "InvalidDocument",
    "InvalidEvent",
    "InvalidPath",
    "InvalidRequest",
    "InvalidValue",
    "NewerSchema",
    "Permanent",
    "Rejected",
    "TaskFailed",
    "TooLarge",
    "Transient",
    "Unavailable",
    "UndeclaredWrite",
    "UnknownOutcome",
]


class BoilerError(Exception):
    """Something went wrong in boiler_functions."""

    code: ClassVar[str] = "BF000"


class DeclarationError(BoilerError):
    """A class, or an app, cannot work as it is declared."""

    code = "BF100"


class ConfigurationError(BoilerError):
    """The surroundings (project, credentials, emulator) are not usable."""

    code = "BF200"


class Rejected(BoilerError):
    """User code refused a mutation; nothing was written.

    Raise it in a setter or in `propagate_change`; the reason reaches the caller (422) or the form's outcome.

        raise Rejected("the meeting is already closed")
    """

    code = "BF300"

    def __init__(self, reason: str, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.errors = errors or {}


class Transient(BoilerError):
    """May succeed when tried again; raised, so that the platform redelivers."""

    code = "BF400"


class Conflict(Transient):
    """A precondition failed or a document is contended; nothing was written."""

    code = "BF401"


class Unavailable(Transient):
    """The database could not be reached; nothing was written."""

    code = "BF402"


class UnknownOutcome(Transient):
    """The answer of a commit was lost; it may have been written."""

    code = "BF403"


class NewerSchema(Transient):
    """The ledger was written by a newer version of this package; that version will build the view."""

    code = "BF404"


class Permanent(BoilerError):
    """Will fail again; a dead letter is written and the event is acknowledged."""

    code = "BF500"


class InvalidDocument(Permanent):
    """A stored document does not fit its model.

    `errors` holds marshmallow's messages by field.
    """

    code = "BF501"

    def __init__(self, path: str, model: str, errors: dict[str, list[str]]) -> None:
        fields = "; ".join(f"{field}: {' '.join(map(str, messages))}" for field, messages in errors.items())
        super().__init__(f"{path} does not fit {model}: {fields} Correct the document, or the declaration.")
        self.path = path
        self.model = model
        self.errors = errors


class InvalidValue(Permanent):
    """An attribute was given a value that its declaration refuses."""

    code = "BF502"

    def __init__(self, model: str, errors: dict[str, list[str]]) -> None:
        fields = "; ".join(f"{field}: {' '.join(map(str, messages))}" for field, messages in errors.items())
        super().__init__(f"{model} refuses {fields}")
        self.model = model
        self.errors = errors


class InvalidPath(Permanent):
    """A document id or path that Firestore, or a trigger, cannot hold."""

    code = "BF503"


class TooLarge(Permanent):
    """A document over 1 MiB, or a commit over the request limit."""

    code = "BF504"


class GetterFailed(Permanent):
    """User code raised while a view was built."""

    code = "BF505"


class ImpureGetter(Permanent):
    """A getter read the database, so its view could not be followed."""

    code = "BF506"


class UndeclaredWrite(Permanent):
    """A task wrote a model that is not in its `writes=[…]`."""

    code = "BF507"


class EventTooOld(Permanent):
    """A task event older than `max_event_age`; its marker may have expired, so it could take effect twice."""

    code = "BF508"


class InvalidRequest(Permanent):
    """The database refuses the request as such: rights, a missing index, malformed."""

    code = "BF509"


class InvalidEvent(Permanent):
    """An event that cannot be read."""

    code = "BF510"


class TaskFailed(Permanent):
    """User code raised in `propagate_change`."""

    code = "BF511"
