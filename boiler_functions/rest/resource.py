"""A resource: the instances of one view model, read and mutated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from werkzeug.exceptions import NotFound

from boiler_functions.build import Instance, Reader
from boiler_functions.database import NAME, Database, Order, Query
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict, InvalidAttribute, InvalidPath, InvalidValue, Rejected, TooLarge
from boiler_functions.models import DomainModel
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.query import scope_of
from boiler_functions.paths import id_of
from boiler_functions.rest import page_token
from boiler_functions.rest.arguments import conditions
from boiler_functions.rest.contents import Contents
from boiler_functions.rest.mutation import Mutation
from boiler_functions.rest.representation import ID, represent
from boiler_functions.selection import select
from boiler_functions.types import Fields
from boiler_functions.view_models import ViewModel

MAX_RETRIES = 5
"""Times that a mutation is tried again after a conflict."""


@dataclass(frozen=True)
class Resource:
    """The instances of a view model; an instance's key is what the placeholders of its root's path stand for."""

    app: str
    view: type[ViewModel[Any]]
    is_stored: bool
    database: Callable[[], Database]
    surroundings: Surroundings

    def __post_init__(self) -> None:
        for name, attribute in self.view.exported().items():
            if attribute.data_key == ID:
                raise InvalidAttribute(
                    f"{self.view.__name__}.{name} is {ID!r} in JSON, where the API has the id of the root; rename it."
                )

    @property
    def root(self) -> type[DomainModel]:
        root = self.view.store_class.root()
        assert root is not None, "@app.rest refuses a view without a root"
        model: type[DomainModel] = root.model
        return model

    @property
    def scope(self) -> str:
        return scope_of(self.app, self.view)

    @property
    def contents(self) -> Contents:
        return Contents(self.view, self.scope, self.is_stored)

    def get(self, key: Mapping[str, str], *, fresh: bool) -> dict[str, Any]:
        """The view as it is stored, or built now; raises NotFound when its root does not exist."""
        instance = self._instance(key)
        return self._represented(instance, self.contents.one(instance, Reader(self.database()), fresh=fresh))

    def page(
        self, parents: Mapping[str, str], filters: Mapping[str, Any], *, limit: int, token: str | None, fresh: bool
    ) -> dict[str, Any]:
        """The views whose roots fulfil the filters, ordered by id; with `nextPageToken` when more follow."""
        query = self._query(parents, filters)
        start = None if token is None else page_token.decode(query, token)
        reader = Reader(self.database())
        # One more than asked for tells whether more follow.
        found = reader.database.query(replace(query, start=start, limit=limit + 1))
        reader.read_time = found.read_time
        roots = found.documents[:limit]
        reader.documents.update((root.path, root) for root in roots)
        instances = [Instance(self.view, root.path) for root in roots if self._has_address(root.path)]
        contents = self.contents.many(instances, reader, fresh=fresh)
        more = {"nextPageToken": page_token.encode(query, roots[-1])} if len(found.documents) > limit else {}
        return {"results": [represent(id_of(each.root), content) for each, content in contents.items()], **more}

    def patch(self, key: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
        """The view after its setters took the values, in one commit; raises Rejected when they refuse."""
        instance = self._instance(key)
        try:
            content = self._mutated(Mutation(instance, self.scope, values))
        except InvalidValue as error:
            raise Rejected("The values do not fit.", error.errors) from error
        except InvalidPath as error:
            raise Rejected(str(error)) from error
        except TooLarge as error:
            raise Rejected("With these values a document would be larger than Firestore can hold.") from error
        return self._represented(instance, content)

    def _mutated(self, mutation: Mutation) -> Fields | None:
        invocation = Invocation(self.app, self.view.__name__, Metered(self.database()), self.surroundings)
        for attempt in range(MAX_RETRIES):
            try:
                return mutation.run(invocation.database)
            except Conflict:
                invocation.pause(attempt)
        return mutation.run(invocation.database)

    def _instance(self, key: Mapping[str, str]) -> Instance:
        try:
            return Instance(self.view, self.root.pattern().fill(key))
        except InvalidPath as error:
            raise self._not_found() from error

    def _has_address(self, path: str) -> bool:
        """Whether a route could name the root; other clients may have stored ids that break triggers."""
        try:
            return self.root.pattern().fill(Instance(self.view, path).key) == path
        except InvalidPath:
            return False

    def _query(self, parents: Mapping[str, str], filters: Mapping[str, Any]) -> Query:
        try:
            query = select(self.root, conditions(self.root, filters), parents).query
        except InvalidPath as error:
            raise self._not_found() from error
        return replace(query, orders=(Order(NAME),))

    def _represented(self, instance: Instance, content: Fields | None) -> dict[str, Any]:
        if content is None:
            raise self._not_found()
        return represent(id_of(instance.root), content)

    def _not_found(self) -> NotFound:
        return NotFound(f"There is no {self.view.__name__} of this id.")
