"""Tokens: the names of a view's dependencies. Ledgers hold them, and a change is looked up by them.

A document that is read by name gives one token, even if it does not exist. A query gives one for itself, by which a
change of a document that meets its conditions finds the view, whatever its limit; and one for its collection, for
changes that do not say what the document was.

Of the documents, the fields that getters read are dependencies, too: a change of others leaves the view as it is.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any, TypeAlias, cast

from marshmallow import EXCLUDE

from boiler_functions.database import NAME, Document, Query
from boiler_functions.database.change import Change
from boiler_functions.database.matching import matches, segments_of
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.models.reads import Attributes, Reads, fields_of
from boiler_functions.types import cached, digest, subclasses
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Resolution, Root, Source, Store
from boiler_functions.views.totals import Total

FieldsRead: TypeAlias = Mapping[str, frozenset[str] | None]
"""The names of the fields that a build read, by the pattern of their documents; None for all.

A pattern that is not there had no document, so nothing is known of what getters read of one.
"""


def tokens_of(scope: str, resolution: Resolution, root: str) -> frozenset[str]:
    """Returns the tokens of everything that a build read, except the root, whose events find the view by its key.

    `scope` names the app and the view, so that a change finds the ledgers of that view only.
    """
    found = {_document_token(scope, path) for path in resolution.named if path != root}
    for source, query in resolution.asked:
        found |= _tokens_of_query(scope, source, query)
    return frozenset(found)


def new_in(resolution: Resolution, tokens: frozenset[str], scope: str) -> tuple[set[str], dict[str, Query]]:
    """Returns the documents and queries of a build, a change of which would not find the view by the tokens."""
    documents = {path for path in resolution.named if _document_token(scope, path) not in tokens}
    asked = resolution.queries.items()
    new = {key: query for key, (source, query) in asked if not _tokens_of_query(scope, source, query) <= tokens}
    return documents, new


def tokens_of_change(scope: str, store: type[Store], change: Change) -> frozenset[str]:
    """Returns the tokens to look up for a change: those of its images before and after.

    Without images, as in an event too large to hold them, the tokens of the document and of its collections.
    """
    found: set[str] = set()
    for source in sources_of(store, change.path):
        if isinstance(source, Total) and not source.is_changed_by(change):
            continue
        if not isinstance(source, Queried):
            found.add(_document_token(scope, change.path))
        elif change.has_images:
            found.update(_tokens_of_images(scope, source, change))
        else:
            found.add(_collection_token(scope, source))
    return frozenset(found)


def depends_on_document(tokens: frozenset[str], scope: str, path: str) -> bool:
    """Returns whether the tokens hold the document itself, rather than a query that found it."""
    return bool(tokens) and _document_token(scope, path) in tokens


def sources_of(store: type[Store], path: str) -> Iterable[Source]:
    """Returns the references of a Store, except its root, that can reach the document."""
    return [each for each in store.sources if not isinstance(each, Root) and each.model.pattern().match(path)]


def _tokens_of_images(scope: str, source: Queried, change: Change) -> Iterable[str]:
    for image in change.images:
        for query in source.queries_of(image):
            if matches(query, image):
                yield _query_token(scope, query)


def _tokens_of_query(scope: str, source: Source, query: Query) -> set[str]:
    return {_collection_token(scope, source), _query_token(scope, query)}


# The views of a page share most of their documents, and each view asks several times.
@lru_cache(maxsize=1024)
def _document_token(scope: str, path: str) -> str:
    return digest(scope, "document", path)


def _query_token(scope: str, query: Query) -> str:
    # Without the pattern of its paths: a token is of what a change is compared with once its path has matched, and so
    # it is the same as in ledgers that earlier versions of this package wrote.
    return digest(scope, "query", query._replace(pattern=None).key)


def _collection_token(scope: str, source: Source) -> str:
    return digest(scope, "collection", source.model.pattern().text)


def fields_read(
    store: type[Store], resolution: Resolution, documents: Mapping[str, Document], reads: Reads
) -> FieldsRead:
    """Returns what a build read, followed and found documents by: for each pattern, not for each document."""
    found = tuple(source for source in store.sources if source.leads and _has_document(source, resolution, documents))
    decided = tuple(_decided(store, source) for source in store.sources)
    fields = _fields_read(cast(Any, store), found, decided, reads.attributes)
    return dict.fromkeys(fields) if reads.is_whole else fields


def _has_document(source: Source, resolution: Resolution, documents: Mapping[str, Document]) -> bool:
    return any(path in documents and documents[path].exists for path in resolution.paths.get(source.name, ()))


@lru_cache(maxsize=256)  # The views of a page read the same.
def _fields_read(
    store: Any, found: tuple[Source, ...], decided: tuple[frozenset[str], ...], noted: Attributes
) -> FieldsRead:
    fields: dict[str, frozenset[str] | None] = {source.model.pattern().text: frozenset() for source in found}
    for source, deciding in zip(store.sources, decided, strict=True):
        pattern = source.model.pattern()
        if pattern.text in fields:
            read = (_fields_of(model, names) for model, names in noted if model.pattern().overlaps(pattern))
            fields[pattern.text] = reduce(_both, read, _both(fields[pattern.text], deciding))
    return fields


def _fields_of(model: Any, names: frozenset[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(fields_of([model], names))


def _models_of(source: Source) -> tuple[Any, ...]:
    return (source.model, *subclasses(source.model))


def _decided(store: type[Store], source: Source) -> frozenset[str]:
    """Returns the fields that say a document's class, where it leads, and whether the reference finds it."""
    return _deciding(store, source, _models_of(source))


@cached
def _deciding(store: type[Store], source: Source, models: tuple[Any, ...]) -> frozenset[str]:
    # By the models, too: a subclass may be declared later.
    followed = fields_of(models, store.followed_from(source))
    queries = list(source.decided_by())
    filtered = (each.field for query in queries for each in query.filters)
    ordered = (each.field for query in queries for each in query.orders)
    compared = (segments_of(each)[0] for each in (*filtered, *ordered) if each != NAME)
    return frozenset({OBJ_TYPE, *followed, *compared})


def selected_of(stores: Iterable[type[Store]]) -> Mapping[str, tuple[str, ...]]:
    """Returns the fields that views over these Stores need of the documents that queries find, by collection id.

    Collections that are not there are read whole. A document that two references reach is read once, so that it has
    what either needs; those of one collection id count together, as a query over a group may find any of them.
    """
    found: dict[str, frozenset[str] | None] = {}
    for store in stores:
        for source in (each for each in store.sources if each.leads):
            collection = source.model.pattern().segments[-2]
            found[collection] = _both(found.get(collection, frozenset()), _needed(store, source))
    return {name: tuple(sorted(fields)) for name, fields in found.items() if fields is not None}


def _needed(store: type[Store], source: Source) -> frozenset[str] | None:
    models = _models_of(source)
    if source.fields is None or any(each.meta("unknown", EXCLUDE) != EXCLUDE for each in models):
        return None  # A field that the model does not declare may refuse the document.
    return frozenset(fields_of(models, store.read_by(source))) | _decided(store, source)


def _both(some: frozenset[str] | None, others: frozenset[str] | None) -> frozenset[str] | None:
    return None if some is None or others is None else some | others


def both(some: FieldsRead, others: FieldsRead) -> FieldsRead:
    """Returns what either build read."""
    common = {each: _both(some[each], others[each]) for each in some.keys() & others.keys()}
    return {**some, **others, **common}


def adds_to(known: FieldsRead, read: FieldsRead) -> frozenset[str]:
    """Returns the patterns of which a build read fields that are not known yet, so that a change of one was left."""
    return frozenset(each for each in known.keys() & read.keys() if _both(known[each], read[each]) != known[each])


def is_unread(store: type[Store], known: FieldsRead, path: str, changed: frozenset[str] | None) -> bool:
    """Returns whether a build that read these fields is as it would be after the change of others in a document."""
    sources = list(store.reaching(path))
    if changed is None or not sources:
        return False
    read = [known.get(each.model.pattern().text) for each in sources]
    return all(each is not None and not each & changed for each in read)
