"""The ledger: one bookkeeping document per view instance, which guards every commit of the view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from boiler_functions.database import (
    Delete,
    Document,
    Precondition,
    Put,
    Write,
    unchanged,
)
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, value_size
from boiler_functions.exceptions import InvalidDocument, NewerSchema
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.ledger_lists import Lists
from boiler_functions.types import Fields, Instant, Version, digest, to_datetime, to_instant
from boiler_functions.views.build import Built, Instance
from boiler_functions.views.dependencies import FieldsRead, both, is_unread

COLLECTION = "boilerLedgers"

COPIES = "boilerShelf"
"""The copies that nobody sees: of a version that is staged, or of the one before a promotion."""

FORMAT = 2
"""Raised when the meaning of a field changes; code leaves a ledger of a newer format alone."""

READABLE_FORMAT = 1
"""The format of a ledger whose lists are not packed, which earlier code reads too."""

SPARE_BYTES = 64 * 1024
"""The bytes of a ledger's document that are kept free for everything but tokens, lists and content."""

RANGED = ("code", "due", "plan", "skips")
"""The fields found by ranges: ledgers of other code, what is due, those of a view or another plan, those that skip."""

_MOST_SKIPPED = 20
"""The number of skipped documents that a ledger names; it has the number of all."""

_UNKNOWN = Edition()

_LAST = to_instant(datetime.max)

ROLL_OUT = "code before may have taken events"
"""Why a view is built once more after a deployment."""

SETTLING = 100_000_000
"""A read shows every commit that is this many nanoseconds older; the emulator may miss a later one, production none."""

FIRST_PAUSE = 60
LONGEST_PAUSE = 6 * 3600
"""Seconds before upkeep pays a debt, and between its later tries, each of which waits twice as long."""


class Debt(NamedTuple):
    """A build that is owed: since when, why, and how often it failed."""

    since: Instant
    why: str
    tries: int = 0
    due: str = ""
    """When upkeep tries next, after the app's name, so that one index finds the debts of an app in their order."""

    @classmethod
    def of(cls, app: str, why: str, now: Instant, earlier: Debt | None = None) -> Debt:
        """Returns the debt of a build that was not done, or that failed again."""
        tries = earlier.tries + 1 if earlier else 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 20))
        return cls(earlier.since if earlier else now, why, tries, due_at(app, now + pause * 1_000_000_000))

    @classmethod
    def once_more(cls, app: str, now: Instant, settled_at: Instant) -> Debt | None:
        """Returns a debt that is due when the code before this deployment takes no more events, or None after that."""
        return cls(now, ROLL_OUT, 0, due_at(app, settled_at)) if now < settled_at else None

    @property
    def is_unpaid(self) -> bool:
        """Whether a build was not done; one that is only to be done once more waits for upkeep."""
        return self.why != ROLL_OUT

    @property
    def is_failure(self) -> bool:
        """Whether a build failed: then `why` is the class of its error, a single word."""
        return self.why.isidentifier()

    def to_fields(self) -> Fields:
        return {"since": to_datetime(self.since), "why": self.why, "tries": self.tries}


class Wake(NamedTuple):
    """The moment at which upkeep must build the view again.

    An answer about the time becomes another then, or a change that came too early for a quiet view is due.
    """

    at: Instant
    due: str
    """The first microsecond at which the moment has come, as the `due` of a debt: one query finds both."""

    @classmethod
    def of(cls, app: str, at: Instant | None) -> Wake | None:
        """Returns the wake of a view whose answers change at the moment; None for a view that asked for no time."""
        return None if at is None else cls(at, due_at(app, min(at + 999, _LAST)))


class Ledger(NamedTuple):
    """The bookkeeping of a view instance: its dependencies, the versions it was built from, and where it is stored.

    `document` is the ledger as it was read, missing before the first build; its version guards the commit.
    """

    document: Document
    depends_on: frozenset[str] = frozenset()
    versions: Mapping[str, Version] = {}
    destinations: tuple[str, ...] = ()
    content_hash: str | None = None
    content: Fields | None = None
    """The content of the view, kept only if a function receives its changes together with the content before."""
    as_of: Instant = 0
    cause: str = ""
    is_whole: bool = True
    """Whether `versions` has every document that the view was built from; if they are too many, it has the newest."""
    edition: Edition = _UNKNOWN
    debt: Debt | None = None
    wake: Wake | None = None
    skipped: Mapping[str, str] = {}
    """The first documents that the view leaves out, with the reasons."""
    number_skipped: int = 0
    written_at: Instant = 0
    """When the documents of the last copies were read; of quiet views only."""
    postponed: Wake | None = None
    """Until when changes are postponed: whoever ends this has built the view from a reading at that time or later."""
    read_at: Instant = 0
    """When the ledger was read."""
    is_registered: bool = False
    """Whether tokens were added since the view was built, so that a change before may have found nobody."""
    digests: Mapping[str, str] = {}
    """The digests of the copies by destination, of a view whose copies differ; else each has the `content_hash`."""
    contents: Mapping[str, Fields | None] = {}
    """The contents of the copies by destination, of a view whose copies differ, kept as `content` is."""
    reads: FieldsRead = {}
    """The fields that builds by this code read, by pattern; a change of others is left alone."""

    @classmethod
    def of(cls, instance: Instance, document: Document, read_at: Instant = 0) -> Ledger:
        """Returns the ledger that a document holds; raises NewerSchema for a newer format."""
        if document.fields is None:
            return cls(document, read_at=read_at)
        fields = document.fields
        if fields["format"] > FORMAT:
            raise NewerSchema(
                f"The ledger of {instance!r} has the format {fields['format']}, which a newer version of "
                f"boiler_functions wrote; this one reads up to {FORMAT}. The event is delivered again until that "
                f"version is deployed everywhere."
            )
        lists = Lists.of(fields)
        return cls(
            document,
            frozenset(fields["depends_on"]),
            lists.versions,
            tuple(lists.destinations),
            fields["content_hash"],
            fields.get("content"),
            to_instant(fields["as_of"]),
            fields["cause"],
            lists.is_whole,
            edition_of(fields),
            debt_of(fields),
            _wake_of(fields, "wake_at"),
            skipped_of(fields),
            fields.get("number_skipped", 0),
            _instant_of(fields, "written_at"),
            _wake_of(fields, "postponed_until"),
            read_at,
            fields.get("registered", False),
            dict(zip(lists.destinations, fields.get("digests", ()), strict=False)),
            dict(zip(lists.destinations, fields.get("contents", ()), strict=False)),
            {each: None if names is None else frozenset(names) for each, names in fields.get("reads", {}).items()},
        )

    @property
    def copies(self) -> dict[str, str | None]:
        """The digest of each copy by its path, as it was written."""
        return {path: self.digests.get(path, self.content_hash) for path in self.destinations}

    def content_at(self, path: str) -> Fields | None:
        """Returns the content of the copy at the path, as far as it is kept; None if the view has no copy there."""
        return self.contents.get(path, self.content) if path in self.destinations else None

    def leaves(self, instance: Instance, edition: Edition, path: str, changed: frozenset[str] | None) -> bool:
        """Whether the view is the same after a change of these fields of a document, as no getter has read them.

        Other code may read others; and a view that is owed a build is not what it should be.
        """
        if self.is_unpaid or not self.edition.is_surely_same_code(edition):
            return False
        return is_unread(instance.view.store_class, self.reads, path, changed)

    def is_owed_to(self, edition: Edition) -> bool:
        """Whether code of this edition must build the view, whatever an event says.

        It was registered and never built, a build failed, or it was built by another fetch plan. A view of a later
        edition is owed nothing by this one.
        """
        if not self.document.exists or self.edition.is_later_than(edition):
            return False
        return self.is_unpaid or self.content_hash is None or self.edition.plan != edition.plan

    def is_left_by(self, edition: Edition) -> bool:
        """Whether code of a later edition built the view, so that code of this edition leaves it alone."""
        return self.document.exists and self.edition.is_later_than(edition)

    def is_the_others(self, edition: Edition) -> bool:
        """Whether the ledger is of the other of two versions of the view than this edition: see `query/sides.py`."""
        if not self.document.exists or self.edition.is_staged is edition.is_staged:
            return False
        return edition.is_staged or self.edition.is_later_than(edition)

    @property
    def is_unpaid(self) -> bool:
        """Whether a build was not done; one that is only to be done once more waits for upkeep."""
        return self.debt is not None and self.debt.is_unpaid

    def registering(self, tokens: frozenset[str], edition: Edition, debt: Debt) -> Ledger:
        """Returns the ledger with the tokens added to the old ones, so that their changes find the view from now on.

        A ledger without a build owes one, and the next handler that reads it builds the view.
        """
        registered = self._replace(depends_on=self.depends_on | tokens, is_registered=True)
        return registered if self.document.exists else registered._replace(edition=edition, debt=debt)

    def reading(self, reads: FieldsRead) -> Ledger:
        """Returns the ledger with more fields that are read, so that their changes are not left alone from now on."""
        known = {each: fields for each, fields in both(self.reads, reads).items() if each in self.reads}
        return self._replace(reads=known, is_registered=True)

    def owing(self, tokens: frozenset[str], edition: Edition, debt: Debt) -> Ledger:
        """Returns the ledger of a view that could not be built: with old and new tokens, and otherwise unchanged."""
        # The debt takes the place of the wake and of a promise: its pauses grow, while a moment that has come would be
        # due each minute.
        owing = self._replace(depends_on=self.depends_on | tokens, debt=debt, wake=None, postponed=None)
        return owing if self.document.exists else owing._replace(edition=edition)

    def describing(
        self,
        built: Built,
        as_of: Instant,
        cause: str,
        edition: Edition = _UNKNOWN,
        debt: Debt | None = None,
        wake: Wake | None = None,
        *,
        with_content: bool = False,
    ) -> Ledger:
        """The ledger of a view that was built anew, which owes nothing, or one more build after the roll-out."""
        content = built.content if with_content and built.own is None else None
        contents: Mapping[str, Fields | None] = {**(built.own or {})} if with_content else {}
        beside = map(value_size, ([*built.tokens], [*built.digests.values()], content, [*contents.values()]))
        room = MAX_DOCUMENT_BYTES - SPARE_BYTES - sum(beside)
        lists = Lists(built.versions, built.destinations).fitting(room)
        return self._replace(
            depends_on=built.tokens,
            versions=lists.versions,
            destinations=built.destinations,
            is_whole=lists.is_whole,
            content_hash=built.content_hash,
            content=content,
            as_of=as_of,
            cause=cause,
            edition=edition.after(self.edition),
            debt=debt,
            wake=wake,
            skipped={path: _reason(built.skipped[path]) for path in sorted(built.skipped)[:_MOST_SKIPPED]},
            number_skipped=len(built.skipped),
            is_registered=False,
            digests=built.digests,
            contents=contents,
            # What was read once may be read again. So one that reads now this and now that registers each once.
            reads=both(self.reads, built.reads) if edition.code == self.edition.code else built.reads,
        )

    def emptied(self, edition: Edition, cause: str, as_of: Instant) -> Ledger:
        """Returns the ledger of a former version of which nothing is left, or which was never built.

        Without it on the shelf, new code would take the shelf for one on which it has not built yet.
        """
        return Ledger(self.document, edition=edition, cause=cause, as_of=as_of)

    def knows(self, versions: Mapping[str, Version]) -> bool:
        """Whether the view was built from these versions, as far as the ledger has them."""
        known = self.versions.items()
        return known <= versions.items() and (not self.is_whole or len(known) == len(versions))

    def put(self, instance: Instance) -> Write:
        """Returns the write of this ledger, which fails if the stored one has changed since it was read."""
        lists = Lists(self.versions, self.destinations, self.is_whole).fields()
        fields = {
            "format": FORMAT if "packed" in lists else READABLE_FORMAT,
            "schema_version": self.edition.schema_version,
            "plan": self.edition.plan,
            "code": self.edition.code,
            "deployment": self.edition.deployment,
            **({"staged": True} if self.edition.is_staged else {}),
            "view": instance.view.__name__,
            "root": instance.root,
            "depends_on": sorted(self.depends_on),
            **lists,
            **({"digests": [self.digests.get(each, "") for each in self.destinations]} if self.digests else {}),
            "content_hash": self.content_hash,
            "as_of": to_datetime(self.as_of),
            "cause": self.cause,
            # What is postponed holds back the wake, too: the build that is to come answers all questions anew.
            **_debt_fields(self.debt, self.postponed or self.wake),
            **({"wake_at": to_datetime(self.wake.at)} if self.wake else {}),
            **({"postponed_until": to_datetime(self.postponed.at)} if self.postponed else {}),
            **({"written_at": to_datetime(self.written_at)} if self.written_at else {}),
            **({"registered": True} if self.is_registered else {}),
            **({"reads": reads} if (reads := _listed(self.reads)) else {}),
            **({} if self.content is None else {"content": self.content}),
            **({"contents": [self.contents.get(each) for each in self.destinations]} if self.contents else {}),
            **self._skipped_fields(),
        }
        return Put(self.document.path, fields, precondition=unchanged(self.document))

    def _skipped_fields(self) -> Fields:
        if not self.number_skipped:
            return {}
        skipped = [{"path": path, "why": why} for path, why in self.skipped.items()]
        return {"skips": self.edition.plan, "skipped": skipped, "number_skipped": self.number_skipped}

    def put_debt(self, debt: Debt, cause: str) -> Write:
        """Returns a write of the debt alone, which leaves all other fields to the code that wrote them.

        The cause is written too: an equal write keeps the version, and a builder that read its sources before must
        meet a conflict.
        """
        fields = {**_debt_fields(debt), "cause": cause}
        return Put(self.document.path, fields, mask=tuple(fields), precondition=unchanged(self.document))

    def delete(self) -> Write:
        return Delete(self.document.path, precondition=Precondition(version=self.document.version))

    def committed(self, version: Version) -> Ledger:
        """Returns this ledger as it is after its own commit."""
        return self._replace(document=self.document._replace(fields={}, version=version))


def _listed(reads: FieldsRead) -> Fields:
    return {each: None if names is None else sorted(names) for each, names in sorted(reads.items())}


def edition_of(fields: Fields) -> Edition:
    """Returns the edition in a ledger; plan and code are empty if an earlier version of this package wrote it."""
    return Edition(
        fields.get("plan") or "",
        fields.get("code") or "",
        fields.get("deployment") or 0,
        fields["schema_version"],
        fields.get("staged", False),
    )


def is_current(ledger: Document, edition: Edition) -> bool:
    """Whether this edition's code built the copies of a ledger, as far as the ledger says."""
    if ledger.fields is None:
        return True
    found = edition_of(ledger.fields)
    return found.plan == edition.plan and found.is_same_code(edition)


def due_since(ledger: Document, now: Instant) -> Instant | None:
    """Returns since when the copies are out of date although no event is to come; None if they are not.

    An answer about the time has changed since the view was built, or a change was postponed and is due.
    """
    moments = (_instant_of(ledger.fields or {}, name) for name in ("wake_at", "postponed_until"))
    return min((at for at in moments if 0 < at <= now), default=None)


def _debt_fields(debt: Debt | None, wake: Wake | None = None) -> dict[str, Any]:
    due = min((each.due for each in (debt, wake) if each), default=None)
    return {"owed": debt.to_fields() if debt else None, "due": due}


def debt_of(fields: Fields) -> Debt | None:
    """Returns the debt in a ledger, or None if nothing is owed."""
    if (owed := fields.get("owed")) is None:
        return None
    return Debt(to_instant(owed["since"]), owed["why"], owed["tries"], fields.get("due") or "")


def skipped_of(fields: Fields) -> dict[str, str]:
    """Returns the documents that a ledger names as left out of its view, with the reasons."""
    return {each["path"]: each["why"] for each in fields.get("skipped", ())}


def _reason(error: InvalidDocument) -> str:
    return "; ".join(f"{field}: {' '.join(map(str, found))}" for field, found in error.errors.items())[:200]


def _wake_of(fields: Fields, name: str) -> Wake | None:
    at = _instant_of(fields, name)
    return Wake(at, fields.get("due") or "") if at else None


def _instant_of(fields: Fields, name: str) -> Instant:
    return 0 if (at := fields.get(name)) is None else to_instant(at)


def due_at(app: str, moment: Instant) -> str:
    """Returns the value of the field `due` for a moment; within an app these strings sort by time."""
    return f"{app}/{to_datetime(moment):%Y-%m-%dT%H:%M:%S.%fZ}"


def ledger_path(scope: str, instance: Instance) -> str:
    """Returns the path of an instance's ledger; hashed: a root's path has slashes, sequential ids make hot spots."""
    return f"{COLLECTION}/{digest(scope, instance.root)}"


def shelved(app: str, instance: Instance, path: str) -> str:
    """Returns where the shelf keeps a copy; by instance, as two versions may give the same path to different ones."""
    return f"{COPIES}/{digest(scope_of(app, instance.view), instance.root, path)}"


def root_of(ledger: Document) -> str:
    """Returns the path of the root of the instance that a ledger belongs to; "" for a view without a root."""
    root: str = (ledger.fields or {})["root"]
    return root


def instance_of(view: Any, ledger: Document) -> Instance:
    """Returns the instance that a ledger belongs to."""
    return Instance(view, root_of(ledger))
