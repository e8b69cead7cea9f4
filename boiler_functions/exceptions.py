"""Every error that the package raises; a docstring is the error's meaning, `code` its stable name.

BoilerError
├── DeclarationError         BF100  a class, or an app, cannot work as it is declared
│   ├── InvalidPattern       BF101  a path or collection name that no document can have, or that names too little
│   ├── InvalidAttribute     BF102  an attribute, or an option of `Meta`, that cannot be declared so
│   ├── InvalidReference     BF103  a relation or a reference of a Store that leads nowhere, or to several
│   ├── InvalidCondition     BF104  a condition that Firestore could not answer
│   ├── InvalidOption        BF105  an option (region, memory, …) with a value that the cloud refuses
│   ├── InvalidRule          BF106  a REST rule that no request could reach, or that another one covers
│   ├── NameCollision        BF107  two views, or two functions, would have one name
│   ├── OverlappingPaths     BF108  two views could write one document
│   ├── TriggersItself       BF109  a function's own writes would trigger it again, for ever
│   ├── ClockOrChance        BF110  a getter uses the clock or chance, so its view could not be followed
│   ├── InvalidAccess        BF111  an audience (`Meta.read`, `Meta.write`) that could never be asked for
│   └── InvalidSink          BF112  who is to be told of a change (`@app.on_change`, Webhook) could not be
├── ConfigurationError       BF200  the surroundings (project, credentials, emulator) are not usable
│   ├── DoesNotImport        BF201  the app's module raises when it is imported
│   ├── IncompleteUpload     BF202  the folder that is uploaded lacks what the functions need
│   ├── NoGcloud             BF203  gcloud, which deploys, is not installed
│   ├── NotSignedIn          BF204  gcloud has no valid credentials
│   ├── NoSuchProject        BF205  no project is named, or it does not exist for this account
│   ├── WrongLocation        BF206  the triggers' location is not where the database is
│   ├── ApiDisabled          BF207  an API that the app needs is not enabled in the project
│   ├── BillingDisabled      BF208  the project has no billing account
│   ├── NotPermitted         BF209  this account may not do what deploying needs
│   ├── DeploymentFailed     BF210  a step of a deployment failed; the next run goes on from there
│   └── KeyInUpload          BF211  a file with a private key would be uploaded
├── Rejected                 BF300  user code refused a mutation; nothing was written
├── Transient                BF400  may succeed when tried again: raised, so that the platform redelivers
│   ├── Conflict             BF401  a precondition failed or a document is contended; nothing was written
│   ├── Unavailable          BF402  the database could not be reached; nothing was written
│   ├── UnknownOutcome       BF403  the answer of a commit was lost; it may have been written
│   ├── NewerSchema          BF404  a newer version of this package wrote the ledger, in a format of its own
│   ├── Undelivered          BF405  who is told of a change did not take it; the event is delivered again
│   └── IndexBuilding        BF406  an index that a query needs is being built; a later delivery finds it
├── Permanent                BF500  will fail again: a dead letter is written, the event is acknowledged
│   ├── InvalidDocument      BF501  a stored document does not fit its model
│   ├── InvalidValue         BF502  an attribute was given a value that its declaration refuses
│   ├── InvalidPath          BF503  a document id or path that Firestore, or a trigger, cannot hold
│   ├── TooLarge             BF504  a document over 1 MiB, or a commit over the request limit
│   ├── GetterFailed         BF505  user code raised while a view was built
│   ├── ImpureGetter         BF506  a getter read the database, so its view could not be followed
│   ├── UndeclaredWrite      BF507  a task wrote a model that is not in its `writes=[…]`
│   ├── EventTooOld          BF508  a task event older than `max_event_age`: its marker may have expired
│   ├── InvalidRequest       BF509  the database refuses the request as such (rights, index, malformed)
│   ├── InvalidEvent         BF510  an event that cannot be read
│   ├── TaskFailed           BF511  user code raised in `propagate_change`
│   ├── Undeliverable        BF512  who is told of a change refuses it for good, or failed for too long
│   ├── WithdrawalHeld       BF513  new code would withdraw every copy of a view whose root exists
│   └── ForeignThread        BF514  models are used in another thread, or process, than that of the function
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
    """Something went wrong in boiler_functions."""

    code: ClassVar[str] = "BF000"


class DeclarationError(BoilerError):
    """A class, or an app, cannot work as it is declared."""

    code = "BF100"


class InvalidPattern(DeclarationError):
    """A path pattern that no document can have, or that does not name what it must."""

    code = "BF101"


class InvalidAttribute(DeclarationError):
    """An attribute, or an option of `Meta`, that cannot be declared so."""

    code = "BF102"


class InvalidReference(DeclarationError):
    """A relation, or a reference of a Store, that leads nowhere, or to several."""

    code = "BF103"


class InvalidCondition(DeclarationError):
    """A condition that Firestore could not answer."""

    code = "BF104"


class InvalidOption(DeclarationError):
    """An option (region, memory, …) with a value that the cloud refuses."""

    code = "BF105"


class InvalidRule(DeclarationError):
    """A REST rule that no request could reach, or that another one covers."""

    code = "BF106"


class NameCollision(DeclarationError):
    """Two views, two functions, or two models of a collection, would have one name."""

    code = "BF107"


class OverlappingPaths(DeclarationError):
    """Two views could write one document."""

    code = "BF108"


class TriggersItself(DeclarationError):
    """A function's own writes would trigger it again, for ever."""

    code = "BF109"


class ClockOrChance(DeclarationError):
    """A getter uses the clock or chance, so its view could not be followed."""

    code = "BF110"


class InvalidAccess(DeclarationError):
    """An audience (`Meta.read`, `Meta.write`) that could never be asked for."""

    code = "BF111"


class InvalidSink(DeclarationError):
    """Who is to be told of a change could not be: no function, nothing that changes, or no URL."""

    code = "BF112"


class ConfigurationError(BoilerError):
    """The surroundings (project, credentials, emulator) are not usable."""

    code = "BF200"


class DoesNotImport(ConfigurationError):
    """The app's module raises when it is imported."""

    code = "BF201"


class IncompleteUpload(ConfigurationError):
    """The folder that is uploaded lacks what the functions need."""

    code = "BF202"


class NoGcloud(ConfigurationError):
    """gcloud, which deploys, is not installed."""

    code = "BF203"


class NotSignedIn(ConfigurationError):
    """gcloud has no valid credentials."""

    code = "BF204"


class NoSuchProject(ConfigurationError):
    """No project is named, or it does not exist for this account."""

    code = "BF205"


class WrongLocation(ConfigurationError):
    """The triggers' location is not where the database is."""

    code = "BF206"


class ApiDisabled(ConfigurationError):
    """An API that the app needs is not enabled in the project."""

    code = "BF207"


class BillingDisabled(ConfigurationError):
    """The project has no billing account, without which no function is built."""

    code = "BF208"


class NotPermitted(ConfigurationError):
    """This account may not do what deploying needs."""

    code = "BF209"


class DeploymentFailed(ConfigurationError):
    """A step of a deployment failed; the next run goes on from there."""

    code = "BF210"


class KeyInUpload(ConfigurationError):
    """A file with a private key would be uploaded with the functions."""

    code = "BF211"


class Rejected(BoilerError):
    """User code refused a mutation; nothing was written.

    Raise it in a setter or in `propagate_change`; the reason reaches the caller (422) or the form's outcome.

        raise Rejected("the meeting is already closed")
    """

    code = "BF300"

    def __init__(self, reason: str, errors: Mapping[str, str | Iterable[str]] | None = None) -> None:
        super().__init__(reason)
        # Texts whatever was given: user code may pass an error, a number or a lazy translation, and all of it is told
        # in JSON and kept in a document.
        self.reason = legible(str(reason))
        self.errors = {legible(str(field)): _texts(messages) for field, messages in dict(errors or {}).items()}


def _texts(messages: object) -> list[str]:
    if isinstance(messages, Iterable) and not isinstance(messages, str | bytes | Mapping):
        return [legible(str(each)) for each in messages]
    return [legible(str(messages))]


class Transient(BoilerError):
    """May succeed when tried again; raised, so that the platform redelivers."""

    code = "BF400"


class Conflict(Transient):
    """A precondition failed or a document is contended; nothing was written."""

    code = "BF401"


class Unavailable(Transient):
    """The database could not be reached; nothing was written."""

    code = "BF402"


class IndexBuilding(Unavailable):
    """An index that a query needs is being built; a later delivery finds it."""

    code = "BF406"


class UnknownOutcome(Transient):
    """The answer of a commit was lost; it may have been written."""

    code = "BF403"


class NewerSchema(Transient):
    """A newer version of this package wrote the ledger in a format of its own; that version builds the view."""

    code = "BF404"


class Undelivered(Transient):
    """Who is told of a change did not take it; the event is delivered again, with the same key."""

    code = "BF405"


Kind: TypeAlias = Literal["schema", "id", "size", "age", "bug", "request", "event", "receiver"]
"""What is to be mended: data or its model, an id, a size, a late delivery, user code, the project, the sender,
or who is told."""


class Permanent(BoilerError):
    """Will fail again; a dead letter is written and the event is acknowledged.

    `kind` classifies it: by kind, dead letters are found that need the same mending.
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
    """An attribute was given a value that its declaration refuses.

    `errors` holds marshmallow's messages by field, `values` what was refused, as far as there was a value.
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
    """A document id or path that Firestore, or a trigger, cannot hold."""

    code = "BF503"
    kind = "id"


class TooLarge(Permanent):
    """A document over 1 MiB, or a commit over the request limit."""

    code = "BF504"
    kind = "size"


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
    kind = "age"


class InvalidRequest(Permanent):
    """The database refuses the request as such: rights, a missing index, malformed."""

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
    """Who is told of a change refuses it for good, or failed for too long.

    Raise it in a function of `@app.on_change` to give up at once.
    """

    code = "BF512"
    kind = "receiver"


class WithdrawalHeld(Permanent):
    """New code would withdraw every copy of a view whose root exists; they stay until that is confirmed."""

    code = "BF513"
    kind = "schema"


class ForeignThread(Permanent):
    """Models are used in another thread, or process, than that of the function that is at work."""

    code = "BF514"


class NotDrained(BoilerError):
    """Events of the local stack are still under way, or were given up, when all should have been handled."""

    code = "BF600"
