"""Declares what a Store fetches besides the root: documents by id, by relation or by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, get_args, overload

from boiler_functions.exceptions import InvalidCondition, InvalidReference
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.embedded import Embedded
from boiler_functions.models.relation import NamingRelation, Relation, ValueRelation
from boiler_functions.models.selection import Selection, select
from boiler_functions.paths import Pattern
from boiler_functions.views.choice import check_no_placeholder
from boiler_functions.views.followed import Many, One, Parent, Parents, RelatedMany, Single, Targets
from boiler_functions.views.found import Children, Chosen, Found, LookedUpMany, LookedUpOne, Matching, Referrers
from boiler_functions.views.store import OnInvalid, Root, Source
from boiler_functions.views.stored_copy import CopiesOf, CopyOf, check_has_id, copy_model
from boiler_functions.views.view_model import ViewModel

M = TypeVar("M", bound=DomainModel)
V = TypeVar("V", bound=ViewModel[Any])
R = TypeVar("R", bound=DomainModel | ViewModel[Any])
"""What a Store reads: a domain model, or the copies of a stored view."""
S = TypeVar("S", bound=Source)
PartOf: TypeAlias = Sequence[Bound[Any, Any]] | None


@overload
def reference(
    source: type[R],
    *,
    fields: PartOf = None,
) -> Root[R]: ...
@overload
def reference(
    source: type[R],
    *,
    doc_id: str,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> One[R]: ...
@overload
def reference(
    source: type[V],
    *,
    via: Source,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
    **placeholders: str,
) -> CopyOf[V]: ...
@overload
def reference(
    source: Bound[Any, M | None],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Single[M]: ...
def reference(
    source: Any,
    *,
    doc_id: str | None = None,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
    **placeholders: str,
) -> Root[Any] | Single[Any]:
    """Declares one document of a Store.

        meeting = reference(Meeting)                     # the root, which the view's key names
        settings = reference(Settings, doc_id="main")    # a fixed id, or a placeholder of the key: "{user_id}"
        owner = reference(Meeting.owner)                 # the document that a relation refers to, or None
        session = reference(MeetingSession)              # the copy of a view that the app stores, as a root
        card = reference(MeetingCard, via=meeting)       # the copy that a view stores for another document

    `via` chooses the reference that the relation starts from if several fit. A task's commit fails if a document that
    it read has changed; `verify=False` exempts this one, for example settings that every task reads. With
    `on_invalid="skip"`, a document that does not fit is left out of the view, and counted; by default the view keeps
    its content, and a dead letter says why.

    With `fields=[User.first_name, User.last_name]`, getters read no other attribute of the document, and a change of
    others costs nothing: its event is acknowledged without a single RPC. Every reference takes `fields`.
    """
    if isinstance(source, Bound):
        _check_none(placeholders)
        return _with(_related_one(_relation(source), via, verify=verify), on_invalid, fields)
    if via is not None:
        copied = CopyOf[Any](_copied(source), via=via, verify=verify, placeholders=placeholders)
        return _with(copied, on_invalid, fields)
    _check_none(placeholders)
    if doc_id is None:
        root = Root[Any](_model(source))
        if on_invalid != "letter":
            raise InvalidReference(
                f"reference({source.__name__}, on_invalid={on_invalid!r}): the root cannot be left out of its own view."
            )
        return _with(root, on_invalid, fields)
    if len(Pattern(doc_id).segments) > 1:
        raise InvalidReference(f"reference({source.__name__}, doc_id={doc_id!r}): an id is one segment of a path.")
    return _with(One(_with_id(source, doc_id), doc_id=doc_id, via=None, verify=verify), on_invalid, fields)


@overload
def references(
    source: type[V],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
    **placeholders: str,
) -> CopiesOf[V]: ...
@overload
def references(
    source: Bound[Any, Sequence[M]],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Targets[M]: ...
@overload
def references(
    source: Bound[Any, M | None],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Targets[M]: ...
def references(
    source: Any,
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
    **placeholders: str,
) -> Targets[Any] | CopiesOf[Any]:
    """Declares the documents that a relation refers to: a relation to many, or any relation of many documents.

    All are read; `where` and `order_by` choose among them: `references(Meeting.tickets).where(status="open")`. Given a
    view that the app stores, declares its copies for the documents of another reference, which `via` chooses. A
    placeholder of its path that these do not fill gets a value from the key of the Store's root: `user_id="{user_id}"`.
    """
    if isinstance(source, type):
        copied = CopiesOf[Any](_copied(source), via=via, verify=verify, placeholders=placeholders)
        return _with(copied, on_invalid, fields)
    _check_none(placeholders)
    return _with(_related_many(_relation(source), via, verify=verify), on_invalid, fields)


def referrers(
    relation: Bound[M, Any],
    *,
    via: Source | None = None,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Chosen[M]:
    """Declares all documents whose relation refers to a document of the Store: `referrers(Ticket.meeting)`.

    `where`, `order_by` and `limit` choose among them: `referrers(Ticket.meeting).where(status="open").limit(10)`.
    """
    found = _relation(relation)
    return _with(Referrers(relation.owner, found, via=via), on_invalid, fields)


def children(
    model: type[R],
    *,
    via: Source | None = None,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Chosen[R]:
    """Declares all documents of a sub-collection below a document of the Store.

        ticket = reference(Ticket)
        comments = children(Comment)    # tickets/{ticket_id}/comments of this ticket

    `via` chooses the reference whose documents they lie below if several fit; `where`, `order_by` and `limit` choose
    among them, as for `referrers`.
    """
    below = _model(model)
    if len(below.pattern().segments) < 4:
        raise InvalidReference(
            f"children({model.__name__}): {below.pattern().text} is not a sub-collection, so its documents lie below "
            f"nothing; use `matching(…)`, or `referrers(…)` of a relation."
        )
    return _with(Children(below, via=via), on_invalid, fields)


def parent(
    model: type[M],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Single[M]:
    """Declares the document that a sub-document of the Store lies below.

        comment = reference(Comment)    # tickets/{ticket_id}/comments/{doc_id}
        ticket = parent(Ticket)

    `via` chooses the reference whose document lies below it if several fit.
    """
    _check_above(model, "parent")
    return _with(Parent(model, via=via, verify=verify), on_invalid, fields)


def parents(
    model: type[M],
    *,
    via: Source | None = None,
    verify: bool = True,
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Many[M]:
    """Declares the documents that sub-documents of the Store lie below, each once: `parents(Ticket)` of comments."""
    _check_above(model, "parents")
    return _with(Parents(model, via=via, verify=verify), on_invalid, fields)


def matching(
    condition: Condition[R] | Selection[R],
    *more: Condition[Any],
    on_invalid: OnInvalid = "letter",
    fields: PartOf = None,
) -> Found[R]:
    """Declares all documents that meet the conditions, or that a selection finds: `matching(City.all().limit(10))`."""
    if isinstance(condition, Selection):
        selection = condition
    elif isinstance(condition, Condition):
        selection = select(_model(condition.owner), (condition, *more), {})
    else:
        raise InvalidCondition(f"matching({condition!r}): give conditions, as `City.capital == True`, or a selection.")
    query = selection.query
    check_no_placeholder(selection.model, [*query.collection.split("/"), *(each.value for each in query.filters)])
    return _with(Matching(selection), on_invalid, fields)


def _with(source: S, on_invalid: OnInvalid, fields: PartOf) -> S:
    if on_invalid not in get_args(OnInvalid):
        raise InvalidReference(f"on_invalid={on_invalid!r}: give one of {', '.join(get_args(OnInvalid))}.")
    source.on_invalid = on_invalid
    if fields is not None:
        source.fields = tuple(map(_field, _listed(fields)))
    return source


def _listed(fields: Any) -> Sequence[Any]:
    if isinstance(fields, list | tuple) and fields:
        return fields
    raise InvalidReference(f"fields={fields!r}: list the attributes that getters read, as `fields=[User.name]`.")


def _field(bound: Any) -> Attribute[Any]:
    """Returns the attribute; raises InvalidReference unless documents hold it."""
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if isinstance(bound, Bound) and issubclass(bound.owner, ViewModel):
        attribute = _copied(bound.owner).attributes[bound.attribute.name]
    if not isinstance(attribute, Attribute):
        raise InvalidReference(f"fields=[{bound!r}]: give attributes of the model, as `fields=[User.name]`.")
    if attribute.fget is not None:
        raise InvalidReference(
            f"fields=[{bound!r}]: it has a getter, so no document holds it; list the attributes that the getter reads."
        )
    return attribute


def _check_above(model: Any, name: str) -> None:
    if not (isinstance(model, type) and issubclass(model, DomainModel)):
        raise InvalidReference(f"{name}({model!r}): give the DomainModel of the documents above, as `{name}(Ticket)`.")


def _model(source: Any) -> type[Any]:
    """Returns the model of what a Store reads: the class itself, or for a stored view the model of its copies."""
    if isinstance(source, type) and issubclass(source, DomainModel):
        return source
    model = _copied(source)
    check_has_id(source)
    return model


def _copied(source: Any) -> type[Any]:
    """Returns the model of the copies of a stored view."""
    if isinstance(source, type) and issubclass(source, ViewModel) and source.meta("path") is not None:
        return copy_model(source)
    name = source.__name__ if isinstance(source, type) else repr(source)
    raise InvalidReference(
        f"reference({name}): give a DomainModel, a ViewModel with a path that `@app.query` stores, or a relation as "
        f"`Ticket.user`; `via` belongs to the latter two."
    )


def _with_id(source: Any, doc_id: str) -> type[Any]:
    """Returns the model of a document with this id; raises InvalidReference for a copy that has another."""
    if not (isinstance(source, type) and issubclass(source, ViewModel)):
        return _model(source)
    model, own = _copied(source), source.pattern().segments[-1]
    if own not in (doc_id, f"{{{next(reversed(source.pattern().names), '')}}}"):
        raise InvalidReference(f"reference({source.__name__}, doc_id={doc_id!r}): the id of its copy is {own!r}.")
    return model


def _check_none(placeholders: Mapping[str, str]) -> None:
    if placeholders:
        raise InvalidReference(
            f"{min(placeholders)}=…: placeholders belong to the copies of a view for the documents of another "
            f'reference, as in `reference(Card, via=meeting, user_id="{{user_id}}")`.'
        )


def _related_one(relation: Relation[Any], via: Source | None, *, verify: bool) -> Single[Any]:
    if isinstance(relation, NamingRelation):
        return One(relation, doc_id=None, via=via, verify=verify)
    return LookedUpOne(_looked_up(relation, verify=verify), via=via)


def _related_many(relation: Relation[Any], via: Source | None, *, verify: bool) -> Targets[Any]:
    if isinstance(relation, NamingRelation):
        return RelatedMany(relation, via=via, verify=verify)
    return LookedUpMany(_looked_up(relation, verify=verify), via=via)


def _looked_up(relation: Relation[Any], *, verify: bool) -> ValueRelation[Any]:
    assert isinstance(relation, ValueRelation)
    if not verify:
        raise InvalidReference(
            f"verify=False: {relation!r} finds its documents by a query, and a commit fails if a query that it rests "
            f"on finds others. Leave out `verify`, or store the ids."
        )
    return relation


def _relation(bound: Any) -> Relation[Any]:
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if not isinstance(attribute, Relation):
        raise InvalidReference(f"{bound!r} is not a relation; give an attribute declared with `attrs.relation(…)`.")
    if issubclass(attribute.owner, Embedded):
        raise InvalidReference(
            f"{bound!r} is a relation inside an Embedded, and a Store follows only those of a document itself: "
            f"Firestore finds no document by a field of a map in a list. Keep the ids in the model that holds "
            f"{attribute.owner.__name__} as well: `attrs.relation({attribute.target.__name__}, many=True)`."
        )
    return attribute
