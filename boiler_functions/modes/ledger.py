"""The ledger: one bookkeeping document per view instance, which guards every commit of the view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from boiler_functions.database import (
    NAME,
    Cursor,
    Database,
    Delete,
    Document,
    Filter,
    Order,
    Precondition,
    Put,
    Query,
    Write,
    unchanged,
)
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, value_size
from boiler_functions.exceptions import NewerSchema
from boiler_functions.modes.ledger_lists import Lists
from boiler_functions.types import Fields, Instant, Reference, Version, digest, to_datetime, to_instant
from boiler_functions.views.build import Built, Instance

COLLECTION = "boilerLedgers"

FORMAT = 2
"""Raised when the meaning of a field changes; code leaves a ledger of a newer format alone."""

READABLE_FORMAT = 1
"""The format of a ledger whose lists are not packed, which earlier code reads too."""

_SPARE_BYTES = 64 * 1024
"""What is left free of a ledger's document for all but its tokens, its lists and a content."""


class Ledger(NamedTuple):
    """What is known of a view instance: what it depends on, which versions it was built from, where it stands.

    `document` is the ledger as it was read, missing before the first build; its version guards the commit.
    """

    document: Document
    depends_on: frozenset[str] = frozenset()
    versions: Mapping[str, Version] = {}
    destinations: tuple[str, ...] = ()
    content_hash: str | None = None
    content: Fields | None = None
    """What the view is, kept only where somebody is told what it was before."""
    as_of: Instant = 0
    cause: str = ""
    is_whole: bool = True
    """Whether `versions` has every document that the view was built from; of too many, it has the newest."""

    @classmethod
    def of(cls, instance: Instance, document: Document) -> Ledger:
        """The ledger that a document holds; raises NewerSchema when newer code wrote it."""
        if document.fields is None:
            return cls(document)
        fields = document.fields
        if fields["format"] > FORMAT or fields["schema_version"] > schema_version(instance):
            raise NewerSchema(
                f"The ledger of {instance!r} was written by newer code (format {fields['format']}, schema_version "
                f"{fields['schema_version']}); this code has {FORMAT} and {schema_version(instance)}."
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
            is_whole=lists.is_whole,
        )

    def registering(self, tokens: frozenset[str]) -> Ledger:
        """The ledger with the tokens added to the old ones, so that their changes find the view from now on."""
        return self._replace(depends_on=self.depends_on | tokens)

    def describing(self, built: Built, as_of: Instant, cause: str, *, with_content: bool = False) -> Ledger:
        """The ledger of a view that was built anew."""
        content = built.content if with_content else None
        room = MAX_DOCUMENT_BYTES - _SPARE_BYTES - value_size([*built.tokens]) - value_size(content)
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
        )

    def knows(self, versions: Mapping[str, Version]) -> bool:
        """Whether the view was built from these versions, as far as the ledger has them."""
        known = self.versions.items()
        return known <= versions.items() and (not self.is_whole or len(known) == len(versions))

    def put(self, instance: Instance) -> Write:
        """The write of this ledger, which fails unless the stored one is as it was read."""
        lists = Lists(self.versions, self.destinations, self.is_whole)
        fields = {
            "format": FORMAT if lists.is_packed else READABLE_FORMAT,
            "schema_version": schema_version(instance),
            "view": instance.view.__name__,
            "root": instance.root,
            "depends_on": sorted(self.depends_on),
            **lists.fields(),
            "content_hash": self.content_hash,
            "as_of": to_datetime(self.as_of),
            "cause": self.cause,
            **({} if self.content is None else {"content": self.content}),
        }
        return Put(self.document.path, fields, precondition=unchanged(self.document))

    def delete(self) -> Write:
        return Delete(self.document.path, precondition=Precondition(version=self.document.version))

    def committed(self, version: Version) -> Ledger:
        """This ledger as it stands after its own commit."""
        return self._replace(document=self.document._replace(fields={}, version=version))


def schema_version(instance: Instance) -> int:
    """`Meta.schema_version` of the view: raise it when a deployed change must not be overwritten by older code."""
    version: int = instance.view.meta("schema_version", 1)
    return version


def ledger_path(scope: str, instance: Instance) -> str:
    """Where the ledger of an instance is; hashed, as sequential ids make hot spots and a root's path has slashes."""
    return f"{COLLECTION}/{digest(scope, instance.root)}"


def dependents(
    database: Database, tokens: Iterable[str], page: int, after: str = "", until: str = ""
) -> Iterator[list[Document]]:
    """The ledgers that depend on one of the tokens, whole, in pages by path; `after` and `until` are ledger ids."""
    query = Query(
        COLLECTION,
        filters=(Filter("depends_on", "array-contains-any", tuple(tokens)),),
        orders=(Order(NAME),),
        limit=page,
        end=cursor(until) if until else None,
    )
    while True:
        documents = database.query(query._replace(start=cursor(after) if after else None)).documents
        if documents:
            yield list(documents)
        if len(documents) < page:
            return
        after = documents[-1].id


def instance_of(view: Any, document: Document) -> Instance:
    """The instance that a ledger belongs to."""
    return Instance(view, (document.fields or {})["root"])


def cursor(ledger_id: str) -> Cursor:
    """The place just after a ledger in the order of paths."""
    return Cursor((Reference(f"{COLLECTION}/{ledger_id}"),), before=False)
