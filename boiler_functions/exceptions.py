"""Every error that the package raises; its docstring says what it means, `code` is its stable name.

BoilerError
├── DeclarationError         BF100  a class or an app cannot work as declared
│   ├── InvalidPattern       BF101  a path or collection name that no document can have, or that lacks a part
│   ├── InvalidAttribute     BF102  an attribute, operation or option of `Meta` that cannot work as declared
│   ├── InvalidReference     BF103  a relation, or a reference of a Store, that leads nowhere or to several models
│   ├── InvalidCondition     BF104  a condition that Firestore cannot answer
│   ├── InvalidOption        BF105  an option (region, memory, …) with an impossible value
│   ├── InvalidRule          BF106  a REST rule that no request can reach, or that another one covers
│   ├── NameCollision        BF107  two views, functions, or models of a collection have one name
│   ├── OverlappingPaths     BF108  two views could write one document
│   ├── TriggersItself       BF109  a function's own writes would trigger it again, for ever
│   ├── ClockOrChance        BF110  a getter uses the clock or chance, so a stored view could not follow it
│   ├── InvalidAccess        BF111  an audience (`Meta.read`, `Meta.write`) that can never match
│   └── InvalidSink          BF112  a receiver of changes (`@app.on_change`, Webhook) that cannot work
├── ConfigurationError       BF200  the surroundings (project, credentials, emulator) cannot be used
│   ├── DoesNotImport        BF201  the app's module raises when it is imported
│   ├── IncompleteUpload     BF202  the folder to upload lacks what the functions need
│   ├── NoGcloud             BF203  gcloud, which deploys, is not installed
│   ├── NotSignedIn          BF204  gcloud has no valid credentials
│   ├── NoSuchProject        BF205  no project is named, or this account cannot see it
│   ├── WrongLocation        BF206  the location of the triggers is not that of the database
│   ├── ApiDisabled          BF207  an API that the app needs is not enabled in the project
│   ├── BillingDisabled      BF208  the project has no billing account
│   ├── NotPermitted         BF209  the account lacks a permission that deploying needs
│   ├── DeploymentFailed     BF210  a step of a deployment failed; the next run continues there
│   ├── KeyInUpload          BF211  a file with a private key would be uploaded
│   └── DoubledReceiver      BF212  a new function would receive what one receives that is no longer declared
├── Rejected                 BF300  user code refused a mutation; nothing was written
├── Transient                BF400  may succeed when tried again: raised, so that the platform redelivers
│   ├── Conflict             BF401  a precondition failed, or a document is contended; nothing was written
│   ├── Unavailable          BF402  the database could not be reached; nothing was written
│   ├── UnknownOutcome       BF403  the answer to a commit was lost; it may have been written
│   ├── NewerSchema          BF404  a newer version of this package wrote the ledger, in a newer format
│   ├── Undelivered          BF405  a receiver failed to take a change; the event is delivered again
│   └── IndexBuilding        BF406  an index that a query needs is being built; a later delivery succeeds
├── Permanent                BF500  fails again whenever tried: a dead letter is written, the event is acknowledged
│   ├── InvalidDocument      BF501  a stored document does not fit its model
│   ├── InvalidValue         BF502  a value that the declaration of its attribute refuses
│   ├── InvalidPath          BF503  a document id or path that Firestore, or a trigger, cannot take
│   ├── TooLarge             BF504  a document over 1 MiB, a request over its limit, or a total by over 100 values
│   ├── GetterFailed         BF505  user code raised while a view was built
│   ├── ImpureGetter         BF506  a getter used more than its Store fetched, so its view could not be followed
│   ├── UndeclaredWrite      BF507  a task wrote a model that is not in its `writes=[…]`
│   ├── EventTooOld          BF508  a task event older than `max_event_age`: its marker may have expired
│   ├── InvalidRequest       BF509  the database refuses a request: rights, a missing index, or malformed
│   ├── InvalidEvent         BF510  an event that cannot be read
│   ├── TaskFailed           BF511  user code raised in `propagate_change`
│   ├── Undeliverable        BF512  a receiver refuses a change for good, or failed for too long
│   ├── WithdrawalHeld       BF513  new code would withdraw every copy of a view whose root exists
│   └── ForeignThread        BF514  models are used in another thread, or process, than the function's
└── NotDrained           BF600  events of the local stack are still under way, or were given up
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, TypeAlias

from boiler_functions.types import legible

__all__ = [
    "ApiDisabled",
    "BillingDisabled",
    "BoilerError",
    "ClockOrChance",
    "ConfigurationError",
    "Conflict",
    "DeclarationError",
    "DeploymentFailed",
    "DoesNotImport",
    "DoubledReceiver",
    "EventTooOld",
    "ForeignThread",
    "GetterFailed",
    "ImpureGetter",
    "IncompleteUpload",
    "IndexBuilding",
    "InvalidAccess",
    "InvalidAttribute",
    "InvalidCondition",
    "InvalidDocument",
    "InvalidEvent",
    "InvalidOption",
    "InvalidPath",
    "InvalidPattern",
    "InvalidReference",
    "InvalidRequest",
    "InvalidRule",
    "InvalidSink",
    "InvalidValue",
    "KeyInUpload",
    "NameCollision",
    "NewerSchema",
    "NoGcloud",
    "NoSuchProject",
    "NotDrained",
    "NotPermitted",
    "NotSignedIn",
    "OverlappingPaths",
    "Permanent",
    "Rejected",
    "TaskFailed",
    "TooLarge",
    "Transient",
    "TriggersItself",
    "Unavailable",
    "UndeclaredWrite",
    "Undeliverable",
    "Undelivered",
    "UnknownOutcome",
    "WithdrawalHeld",
    "WrongLocation",
]


class BoilerError(Exception):
    """The base of all errors of this package."""

    code: ClassVar[str] = "BF000"


class DeclarationError(BoilerError):
    """A class or an app cannot work as it is declared."""

    code = "BF100"


class InvalidPattern(DeclarationError):
    """A path or collection name that no document can have, or that lacks a part of the key."""

    code = "BF101"


class InvalidAttribute(DeclarationError):
    """An attribute, an operation, or an option of `Meta`, that cannot work as it is declared."""

    code = "BF102"


class InvalidReference(DeclarationError):
    """A relation, or a reference of a Store, that leads nowhere or could lead to several models."""

    code = "BF103"


class InvalidCondition(DeclarationError):
    """A condition that Firestore cannot answer."""

    code = "BF104"


class InvalidOption(DeclarationError):
    """An option or setting (region, memory, …) that is unknown or has an impossible value."""

    code = "BF105"


class InvalidRule(DeclarationError):
    """A REST rule that no request can reach, or that another rule covers."""

    code = "BF106"


class NameCollision(DeclarationError):
    """Two views, two functions, or two models of one collection have the same name."""

    code = "BF107"


class OverlappingPaths(DeclarationError):
    """Two views could write the same document."""

    code = "BF108"


class TriggersItself(DeclarationError):
    """A function's own writes would trigger it again, for ever."""

    code = "BF109"


class ClockOrChance(DeclarationError):
    """A getter uses the clock or chance, so a stored view could not follow its value."""

    code = "BF110"


class InvalidAccess(DeclarationError):
    """An audience (`Meta.read`, `Meta.write`) that can never match."""

    code = "BF111"


class InvalidSink(DeclarationError):
    """A receiver of changes (`@app.on_change`, Webhook) that cannot work: not a function, or an invalid URL."""

    code = "BF112"


class ConfigurationError(BoilerError):
    """The surroundings (project, credentials, emulator) cannot be used."""

    code = "BF200"


class DoesNotImport(ConfigurationError):
    """The app's module raises when it is imported."""

    code = "BF201"


class IncompleteUpload(ConfigurationError):
    """The folder to upload lacks what the functions need."""

    code = "BF202"


class NoGcloud(ConfigurationError):
    """gcloud, which deploys the functions, is not installed."""

    code = "BF203"


class NotSignedIn(ConfigurationError):
    """gcloud has no valid credentials."""

    code = "BF204"


class NoSuchProject(ConfigurationError):
    """No project is named, or the account cannot see it."""

    code = "BF205"


class WrongLocation(ConfigurationError):
    """The location of the triggers is not that of the database."""

    code = "BF206"


class ApiDisabled(ConfigurationError):
    """An API that the app needs is not enabled in the project."""

    code = "BF207"


class BillingDisabled(ConfigurationError):
    """The project has no billing account, without which no function can be built."""

    code = "BF208"


class NotPermitted(ConfigurationError):
    """The account lacks a permission that deploying needs."""

    code = "BF209"


class DeploymentFailed(ConfigurationError):
    """A step of a deployment failed; the next run continues there."""

    code = "BF210"


class KeyInUpload(ConfigurationError):
    """A file with a private key would be uploaded with the functions."""

    code = "BF211"


class DoubledReceiver(ConfigurationError):
    """A new function would receive the changes that a function receives which the app no longer declares."""

    code = "BF212"


class Rejected(BoilerError):
    """User code refused a mutation; nothing was written.

    Raise it in a setter, an operation or `propagate_change`. The reason reaches the caller as a 422, or the sender of a
    form in its outcome.

        raise Rejected("the meeting is already closed")
    """

    code = "BF300"

    def __init__(self, reason: str, errors: Mapping[str, str | Iterable[str]] | None = None) -> None:
        super().__init__(reason)
        # Converts everything to strings: user code may pass an error, a number or a lazy translation, and the reason
        # must fit into JSON and into a document.
        self.reason = legible(str(reason))
        self.errors = {legible(str(field)): _texts(messages) for field, messages in dict(errors or {}).items()}


def _texts(messages: object) -> list[str]:
    if isinstance(messages, Iterable) and not isinstance(messages, str | bytes | Mapping):
        return [legible(str(each)) for each in messages]
    return [legible(str(messages))]


class Transient(BoilerError):
    """May succeed when tried again; raised, so that the platform redelivers the event."""

    code = "BF400"


class Conflict(Transient):
    """A precondition failed, or a document is contended; nothing was written."""

    code = "BF401"


class Unavailable(Transient):
    """The database could not be reached; nothing was written."""

    code = "BF402"


class IndexBuilding(Unavailable):
    """An index that a query needs is being built; a later delivery succeeds."""

    code = "BF406"


class UnknownOutcome(Transient):
    """The answer to a commit was lost; it may have been written."""

    code = "BF403"


class NewerSchema(Transient):
    """A newer version of this package wrote the ledger, in a newer format; that version builds the view."""

    code = "BF404"


class Undelivered(Transient):
    """A receiver failed to take a change; the event is delivered again, with the same key."""

    code = "BF405"


Kind: TypeAlias = Literal["schema", "id", "size", "age", "bug", "request", "event", "receiver"]
"""What needs mending, in this order: data or its model, an id, a size, a late delivery, user code, the project, the
sender of an event, the receiver of a change."""


class Permanent(BoilerError):
    """Fails again whenever tried; a dead letter is written, and the event is acknowledged.

    `kind` says what needs mending, so that similar dead letters can be found together.
    """

    code = "BF500"
    kind: ClassVar[Kind] = "bug"


class InvalidDocument(Permanent):
    """A stored document does not fit its model.

    `errors` holds marshmallow's messages by field.
    """

    code = "BF501"
    kind = "schema"

    def __init__(self, path: str, model: str, errors: dict[str, list[str]]) -> None:
        fields = "; ".join(f"{field}: {' '.join(map(str, messages))}" for field, messages in errors.items())
        super().__init__(f"{path} does not fit {model}: {fields} Correct the document, or the declaration.")
        self.path = path
        self.model = model
        self.errors = errors


class InvalidValue(Permanent):
    """A value that the declaration of its attribute refuses.

    `errors` holds marshmallow's messages by field, `values` the refused values, where there were any.
    """

    code = "BF502"
    kind = "schema"

    def __init__(
        self, model: str, errors: dict[str, list[str]], values: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        fields = "; ".join(f"{field}: {' '.join(map(str, messages))}" for field, messages in errors.items())
        super().__init__(f"{model} refuses {fields}")
        self.model = model
        self.errors = errors
        self.values = values


class InvalidPath(Permanent):
    """A document id or path that Firestore, or a trigger, cannot take."""

    code = "BF503"
    kind = "id"


class TooLarge(Permanent):
    """A document over 1 MiB, a commit over the limit of a request, or a total by over 100 values."""

    code = "BF504"
    kind = "size"


class GetterFailed(Permanent):
    """User code raised while a view was built."""

    code = "BF505"


class ImpureGetter(Permanent):
    """A getter used more than its Store fetched, so a stored view could not follow its value."""

    code = "BF506"


class UndeclaredWrite(Permanent):
    """A task wrote a model that is not in its `writes=[…]`."""

    code = "BF507"


class EventTooOld(Permanent):
    """A task event older than `max_event_age`; its marker may have expired, so it could take effect twice."""

    code = "BF508"
    kind = "age"


class InvalidRequest(Permanent):
    """The database refuses a request: for lack of rights, for lack of an index, or as malformed."""

    code = "BF509"
    kind = "request"


class InvalidEvent(Permanent):
    """An event that cannot be read."""

    code = "BF510"
    kind = "event"


class TaskFailed(Permanent):
    """User code raised in `propagate_change`."""

    code = "BF511"


class Undeliverable(Permanent):
    """A receiver refuses a change for good, or failed for too long.

    Raise it in a function of `@app.on_change` to give up at once.
    """

    code = "BF512"
    kind = "receiver"


class WithdrawalHeld(Permanent):
    """New code would withdraw every copy of a view whose root exists; the copies stay until this is confirmed."""

    code = "BF513"
    kind = "schema"


class ForeignThread(Permanent):
    """Models are used in another thread, or process, than that of the running function."""

    code = "BF514"


class NotDrained(BoilerError):
    """Events of the local stack are still under way, or were given up, when all should have been handled."""

    code = "BF600"
