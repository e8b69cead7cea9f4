"""The routes of resources: passes the parts of a request to the methods of its resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Response, g, request
from flask_smorest import Blueprint
from werkzeug.exceptions import PreconditionFailed

from boiler_functions.models.domain_model import random_id
from boiler_functions.modes.rest.answer import Answer
from boiler_functions.modes.rest.arguments import (
    MutationArguments,
    ReadArguments,
    create_body,
    patch_body,
    replace_body,
    settable,
)
from boiler_functions.modes.rest.call import current_call
from boiler_functions.modes.rest.description import description
from boiler_functions.modes.rest.request_parser import RequestParser
from boiler_functions.modes.rest.resource import Resource, check_possible
from boiler_functions.modes.rest.route import Endpoint, Route
from boiler_functions.settings.http import ID, HttpSettings
from boiler_functions.views.operations import Operation, operations_of
from boiler_functions.views.view_model import ViewModel, assign


def routes_of(rule: str, resource: Resource) -> Iterator[Route]:
    """Yields the routes of a resource: its list at the rule, after the ids of parents; instances below the list.

    A view without a root is the only one, at the rule.
    """
    view, readers, writers = resource.view, resource.view.__readers__(), resource.view.__writers__()
    if view.store_class.root() is None:
        yield Route("GET", rule, "get", view, ReadArguments(), readers, _reading(resource))
        return
    parents = "".join(f"/<{name}>" for name in resource.root.pattern().names[:-1])
    listed, single = f"{rule}{parents}", f"{rule}{parents}/<doc_id>"
    changing = MutationArguments()
    yield Route("GET", listed, "list", view, resource.list_arguments(), readers, _listing(resource))
    yield Route("GET", single, "get", view, ReadArguments(), readers, _reading(resource))
    if resource.creates:
        yield Route("POST", listed, "create", view, changing, writers, _creating(resource), create_body(view))
    # A view without setters has neither; Flask answers 405.
    if settable(view):
        yield Route("PUT", single, "replace", view, changing, writers, _replacing(resource), replace_body(view))
        yield Route("PATCH", single, "patch", view, changing, writers, _patching(resource), patch_body(view))
    if resource.deletes:
        yield Route("DELETE", single, "delete", view, changing, writers, _deleting(resource))
    for name, operation in operations_of(view).items():
        endpoint = _operating(resource, operation)
        yield Route(
            "POST", f"{single}:{name}", "operation", view, changing, writers, endpoint, operation.body, operation
        )


def blueprint_of(resources: Mapping[str, Resource], settings: HttpSettings) -> Blueprint:
    """Returns the routes of all resources, given by rule."""
    blueprint = Blueprint("api", __name__)
    blueprint.ARGUMENTS_PARSER = RequestParser(settings)
    for rule, resource in resources.items():
        for route in routes_of(rule, resource):
            described = description(route, settings, creates=resource.creates)
            endpoint: Any = blueprint.doc(**described)(_responding(route))
            if route.body is not None:
                endpoint = blueprint.arguments(route.body, location="json")(endpoint)
            endpoint = blueprint.arguments(route.query, location="query")(endpoint)
            blueprint.add_url_rule(
                route.path, route.name, _guarded(route, endpoint), methods=[route.method], tags=[route.view.__name__]
            )
    return blueprint


def _guarded(route: Route, endpoint: Callable[..., Response]) -> Callable[..., Response]:
    """Checks the caller before the arguments, so that callers without access learn nothing about valid arguments."""

    @wraps(endpoint)
    def guarded(*arguments: Any, **key: str) -> Response:
        check_possible(route.audience, g.caller)
        return endpoint(*arguments, **key)

    return guarded


def _responding(route: Route) -> Callable[..., Response]:
    def respond(*arguments: Any, **key: str) -> Response:
        response = route.endpoint(*arguments, **key).response()
        if route.method == "GET":
            # Answers 304 if `If-None-Match` names the current ETag.
            response.make_conditional(request)
            if response.status_code == HTTPStatus.PRECONDITION_FAILED:
                # Werkzeug sets the status alone, and the body would still be the view.
                raise PreconditionFailed("The view has changed: its `ETag` does not match `If-Match`. Get it again.")
        return response

    return respond


def _listing(resource: Resource) -> Endpoint:
    def list_views(query: dict[str, Any], **parents: str) -> Answer:
        return resource.page(parents, query, g.caller)

    return list_views


def _reading(resource: Resource) -> Endpoint:
    def get_view(query: dict[str, Any], **key: str) -> Answer:
        return resource.get(key, g.caller, fresh=query["fresh"])

    return get_view


def _creating(resource: Resource) -> Endpoint:
    def create_view(query: dict[str, Any], values: dict[str, Any], **parents: str) -> Answer:
        values = dict(values)
        doc_id = values.pop(ID, None) or random_id()
        # Relative: a function may be served under a prefix that the request does not show.
        location = f"{quote(request.path.rpartition('/')[2])}/{quote(doc_id, safe='')}"
        call = current_call(query["wait"], resource.settings.max_wait, values)
        return resource.change({**parents, "doc_id": doc_id}, call, _setting(values), "must", location)

    return create_view


def _replacing(resource: Resource) -> Endpoint:
    def replace_view(query: dict[str, Any], values: dict[str, Any], **key: str) -> Answer:
        call = current_call(query["wait"], resource.settings.max_wait, values)
        location = quote(key["doc_id"], safe="")
        return resource.change(key, call, _setting(values), "may" if resource.creates else "never", location)

    return replace_view


def _patching(resource: Resource) -> Endpoint:
    def patch_view(query: dict[str, Any], values: dict[str, Any], **key: str) -> Answer:
        call = current_call(query["wait"], resource.settings.max_wait, values)
        return resource.change(key, call, _setting(values))

    return patch_view


def _deleting(resource: Resource) -> Endpoint:
    def delete_view(query: dict[str, Any], **key: str) -> Answer:
        call = current_call(query["wait"], resource.settings.max_wait)
        return resource.change(key, call, lambda view: view.on_delete())

    return delete_view


def _operating(resource: Resource, operation: Operation) -> Endpoint:
    def call_operation(query: dict[str, Any], arguments: dict[str, Any], **key: str) -> Answer:
        call = current_call(query["wait"], resource.settings.max_wait, arguments)
        return resource.change(key, call, lambda view: getattr(view, operation.method)(**arguments))

    return call_operation


def _setting(values: Mapping[str, Any]) -> Callable[[ViewModel[Any]], None]:
    return lambda view: assign(view, values)
