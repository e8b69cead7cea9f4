"""A resource: the instances of one view model, read and mutated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from threading import Semaphore
from typing import Any, TypeAlias

from marshmallow import Schema
from werkzeug.exceptions import Forbidden, NotFound

from boiler_functions.access import Audience, Caller, Nobody
from boiler_functions.database import Database, Document, Query
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import (
    Conflict,
    InvalidAttribute,
    InvalidPath,
    InvalidValue,
    NewerSchema,
    Rejected,
    Transient,
    UnknownOutcome,
)
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.ledger import Ledger, ledger_path
from boiler_functions.modes.rest.answer import Answer
from boiler_functions.modes.rest.arguments import ListArguments, list_arguments
from boiler_functions.modes.rest.call import Call
from boiler_functions.modes.rest.contents import Contents
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.modes.rest.gate import unauthorized
from boiler_functions.modes.rest.kept_answer import KeptAnswer
from boiler_functions.modes.rest.listing import Listing
from boiler_functions.modes.rest.mutation import Creation, Mutation, Work
from boiler_functions.modes.rest.page_token import PageTokens, after
from boiler_functions.modes.rest.representation import etag_of, represent
from boiler_functions.modes.sent import REASONS, is_of_sender
from boiler_functions.paths import id_of
from boiler_functions.settings.http import ID, HttpSettings
from boiler_functions.types import MISSING, Fields, Version
from boiler_functions.views.build import Instance, Reader
from boiler_functions.views.view_model import ViewModel

_STALE = '299 - "Other code stored some of these views: until they are rebuilt they may be missing or out of place."'
"""The `Warning` header of a list that filters or orders by fields which copies of other code may lack."""

MAX_RETRIES = 5
"""How often a mutation is retried after a conflict."""

MOST_READ = 2000
"""The most documents that one request for a list reads. If the caller may see too few of them to fill a page, the page
is short, and its token continues after them."""

LONGEST_STEP = 500
"""The most documents that one query of a list returns, which bounds the memory."""

# Seconds between looks at a stored view that a request waits for: short at first, as most follow within a second.
_FIRST_LOOK = 0.02
_LONGEST_LOOK = 0.5


Shows: TypeAlias = Callable[[Sequence[Document]], Iterator[tuple[Document, dict[str, Any]]]]
"""Yields the views that the caller may see among the documents of a list's query."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Reads and changes the instances of a view model. A key is the values of the placeholders in the root's path."""

    app: str
    view: type[ViewModel[Any]]
    is_stored: bool
    database: Callable[[], Database]
    surroundings: Surroundings
    settings: HttpSettings
    secret: Callable[[], bytes] | None = None
    """Returns the secret that encrypts page tokens; only lists need it."""
    creates: bool = False
    deletes: bool = False
    filtered_orders: tuple[str, ...] = ()
    places: Semaphore = field(default_factory=lambda: Semaphore(0))
    """Limits how many requests may wait at a time; by default, none may."""

    def __post_init__(self) -> None:
        for name, attribute in self.view.exported().items():
            if attribute.data_key == ID:
                raise InvalidAttribute(
                    f"{self.view.__name__}.{name} is {ID!r} in JSON, which is the id of the root in the API; rename it."
                )

    @cached_property
    def root(self) -> type[DomainModel]:
        return self.copies.root

    @cached_property
    def scope(self) -> str:
        return scope_of(self.app, self.view)

    @cached_property
    def copies(self) -> CopyPaths:
        return CopyPaths(self.view)

    @cached_property
    def listing(self) -> Listing:
        return Listing(self.copies, self.is_stored, self.filtered_orders)

    @cached_property
    def contents(self) -> Contents:
        edition = Edition.of(self.app, self.view, self.surroundings.release)
        return Contents(self.copies, self.scope, self.is_stored, edition)

    def get(self, key: Mapping[str, str], caller: Caller | None, *, fresh: bool) -> Answer:
        """Returns the view, stored or built now; raises NotFound if it does not exist or is not the caller's."""
        check_possible(self.view.__readers__(), caller)
        instance = self._instance(key)
        content = self.contents.one(instance, Reader(self.database()), caller, fresh=fresh)
        if content is None:
            raise self._not_found()
        return Answer(200, represent(id_of(instance.root), content), etag_of(content))

    def list_arguments(self) -> Schema:
        """Returns the schema of what `page` is asked."""
        return list_arguments(self.view, self.listing.columns, self.settings.max_limit, self.filtered_orders)

    def page(self, parents: Mapping[str, str], asked: Mapping[str, Any], caller: Caller | None) -> Answer:
        """Returns the caller's views that match the filters, ordered; with `nextPageToken` if more follow."""
        own = ListArguments().fields
        filters = {name: value for name, value in asked.items() if name not in own}
        limit, order_by, token, fresh = (asked[name] for name in ("limit", "order_by", "page_token", "fresh"))
        check_possible(self.view.__readers__(), caller)
        assert self.secret is not None, "a list has pages"
        listing = self.listing.seen_by(caller)
        query = self._query(listing, parents, filters, order_by, caller)
        start = None if token is None else PageTokens(self.secret(), query, caller).opened(token)
        reader = Reader(self.database())
        # One query answers for all copies; reading the ledger of each copy would double the reads.
        is_mixed = listing.is_of_copies and self.contents.has_others(reader)
        shows = partial(self._contents_of, listing, reader=reader, caller=caller, fresh=fresh, is_mixed=is_mixed)
        shown, last = self._shown(query._replace(start=start), reader, limit, shows)
        more = {} if last is None else {"nextPageToken": PageTokens(self.secret(), query, caller).after(last)}
        warned = {"Warning": _STALE} if is_mixed and (filters or order_by) else {}
        return Answer(200, {"results": shown, **more}, headers=warned)

    def _shown(
        self, query: Query, reader: Reader, limit: int, shows: Shows
    ) -> tuple[list[dict[str, Any]], Document | None]:
        """Returns the first views that the caller may see, and the document after which more follow, if any do.

        Documents that the caller may not see neither fill a page nor cause another one: the answer must not reveal
        that they exist.
        """
        shown: list[tuple[Document, dict[str, Any]]] = []
        # One more than the limit shows whether more follow.
        step, read = limit + 1, 0
        while True:
            found = reader.database.query(query._replace(limit=step), at=reader.read_time)
            reader.read_time = reader.read_time or found.read_time
            shown += shows(found.documents)
            if len(shown) > limit:
                return [view for _, view in shown[:limit]], shown[limit - 1][0]
            read += len(found.documents)
            if len(found.documents) < step or read >= MOST_READ:
                is_end = len(found.documents) < step
                return [view for _, view in shown], None if is_end else found.documents[-1]
            query = query._replace(start=after(query, found.documents[-1]))
            step = min(2 * step, LONGEST_STEP)

    def _query(
        self,
        listing: Listing,
        parents: Mapping[str, str],
        filters: Mapping[str, Any],
        order_by: str | None,
        caller: Caller | None,
    ) -> Query:
        try:
            return listing.query(parents, filters, order_by, caller)
        except InvalidPath as error:
            raise self._not_found() from error

    def _contents_of(
        self,
        listing: Listing,
        documents: Sequence[Document],
        reader: Reader,
        caller: Caller | None,
        fresh: bool,
        is_mixed: bool,
    ) -> Iterator[tuple[Document, dict[str, Any]]]:
        """Yields the views that the caller may see among the documents, copies or roots, of a list's query."""
        found = {instance: each for each in documents if (instance := listing.instance(each)) is not None}
        shown: Mapping[Instance, Fields | None]
        if listing.is_of_copies and self.contents.is_told_by_path and not fresh:
            current = self.contents.current(found, reader) if is_mixed else list(found)
            built = self.contents.many([each for each in found if each not in current], reader, caller, fresh=True)
            shown = {**built, **{each: self.contents.of_copy(found[each], caller) for each in current}}
        else:
            if not listing.is_of_copies:
                reader.documents.update((root.path, root) for root in found.values())
            shown = self.contents.many(list(found), reader, caller, fresh=fresh)
        for instance, document in found.items():
            if (fields := shown.get(instance)) is not None:
                yield document, represent(id_of(instance.root), fields)

    def change(
        self, key: Mapping[str, str], call: Call, work: Work, creation: Creation = "never", location: str | None = None
    ) -> Answer:
        """Does the work in one commit, and returns the view after it; raises Rejected if user code refuses."""
        check_possible(self.view.__writers__(), call.caller)
        instance = self._instance(key)
        if self.view.has_own_copies():
            instance = self.copies.own_of(instance, call.caller)
        kept = KeptAnswer.of(call, self.app)
        keeps = self.settings.keeps_answers
        mutation = Mutation(instance, self.scope, call, work, creation, location, kept, keeps)
        try:
            answer = self._mutated(mutation)
        except InvalidValue as error:
            if not is_of_sender(error, call.sent):
                raise
            raise Rejected("The values do not fit.", error.errors) from error
        except tuple(REASONS) as error:
            raise Rejected(REASONS[type(error)]) from error
        return self._awaited(instance, answer, call.wait) if call.wait else answer

    def _mutated(self, mutation: Mutation) -> Answer:
        invocation = Invocation(self.app, self.view.__name__, Metered(self.database()), self.surroundings)
        for attempt in range(MAX_RETRIES):
            try:
                return mutation.run(invocation.database, invocation.now())
            except Conflict:
                invocation.pause(attempt)
            except UnknownOutcome:
                # With an `Idempotency-Key`, the next attempt finds a marker if this one took effect. Without, it might
                # take effect twice.
                if mutation.kept is None:
                    raise
                invocation.pause(attempt)
        return mutation.run(invocation.database, invocation.now())

    def _awaited(self, instance: Instance, answer: Answer, seconds: float) -> Answer:
        """Returns the answer once the stored view shows the mutation; with 202 if that takes too long."""
        if self._has_caught_up(instance, answer) or self._waits(instance, answer, seconds):
            return replace(answer, headers={"Preference-Applied": f"wait={seconds:g}"})
        return replace(answer, status=202) if answer.body is not None else answer

    def _waits(self, instance: Instance, answer: Answer, seconds: float) -> bool:
        """Waits until the stored view shows what was written; returns False at the deadline, or if too many wait."""
        if not self.places.acquire(blocking=False):
            return False
        surroundings, pause = self.surroundings, _FIRST_LOOK
        deadline = surroundings.clock() + int(seconds * 1e9)
        try:
            while (left := deadline - surroundings.clock()) > 0:
                surroundings.sleep(min(pause, left / 1e9))
                if self._has_caught_up(instance, answer):
                    return True
                pause = min(2 * pause, _LONGEST_LOOK)
            return False
        finally:
            self.places.release()

    def _has_caught_up(self, instance: Instance, answer: Answer) -> bool:
        """Whether the stored view shows all that was written, or would be the same with it."""
        watched = answer.watched
        if not watched or not self.is_stored:
            return True
        try:
            document = self.database().read([ledger_path(self.scope, instance)]).documents[0]
        except Transient:
            # The change is committed: an error would say that it is not.
            return False
        if not document.exists or watched.get(instance.root) == MISSING:
            return not document.exists and watched.get(instance.root) == MISSING
        try:
            ledger = Ledger.of(instance, document)
        except NewerSchema:
            return False
        edition = Edition.of(self.app, self.view, self.surroundings.release)
        behind = (path for path, version in watched.items() if not _covers(ledger.versions.get(path), version))
        return all(ledger.leaves(instance, edition, path, answer.changed.get(path)) for path in behind)

    def _instance(self, key: Mapping[str, str]) -> Instance:
        if self.view.store_class.root() is None:
            return Instance(self.view, "")
        try:
            return Instance(self.view, self.root.pattern().fill(key))
        except InvalidPath as error:
            raise self._not_found() from error

    def _not_found(self) -> NotFound:
        return NotFound(f"There is no {self.view.__name__} with this id.")


def check_possible(audience: Audience, caller: Caller | None) -> None:
    """Raises Unauthorized or Forbidden if the audience admits the caller to no view at all; reads no document."""
    if audience.may_admit(caller):
        return
    if caller is None and not all(isinstance(part, Nobody) for part in audience.parts()):
        raise unauthorized("Send a token: `Authorization: Bearer` followed by a Firebase ID token.")
    raise Forbidden("You may not do this.")


def _covers(known: Version | None, written: Version) -> bool:
    """Returns whether a ledger with this version of a document includes the write or deletion."""
    return known is not None and (known == MISSING if written == MISSING else known >= written)
