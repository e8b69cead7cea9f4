"""The routes of resources: what of a request goes to which method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flask_smorest import Blueprint

from boiler_functions.rest.arguments import ListArguments, ReadArguments, list_arguments, patch_body, settable
from boiler_functions.rest.openapi import Operation, answer, page
from boiler_functions.rest.request_parser import RequestParser
from boiler_functions.rest.resource import Resource

Endpoint: TypeAlias = Callable[..., dict[str, Any]]
"""Takes the parsed arguments, and the placeholders of the route as keywords."""


def blueprint_of(resources: Mapping[str, Resource]) -> Blueprint:
    """The routes of all resources, given by rule: a list at the rule (below it for each parent), instances below."""
    blueprint = Blueprint("api", __name__)
    blueprint.ARGUMENTS_PARSER = RequestParser()
    for rule, resource in resources.items():
        _add_routes(blueprint, rule, resource)
    return blueprint


def _add_routes(blueprint: Blueprint, rule: str, resource: Resource) -> None:
    parents = "".join(f"/<{name}>" for name in resource.root.pattern().names[:-1])
    listed, single = f"{rule}{parents}", f"{rule}{parents}/<doc_id>"
    name = resource.view.__name__

    def add(
        path: str, endpoint: Endpoint, operation: Operation, schema: Any, location: str = "query", method: str = "GET"
    ) -> None:
        parsed = operation.describe(blueprint.arguments(schema, location=location)(endpoint))
        blueprint.add_url_rule(path, f"{name}_{endpoint.__name__}", parsed, methods=[method], tags=[name])

    view = resource.view
    add(listed, _listing(resource), Operation("list", f"List {name}", view, page(view)), list_arguments(resource.root))
    add(single, _reading(resource), Operation("get", f"Get a {name}", view, answer(view)), ReadArguments())
    # A view without setters has no PATCH, which is then answered 405.
    if settable(view):
        patch = Operation("patch", f"Change a {name}", view, answer(view), errors=(400, 404, 413, 415, 422, 503))
        add(single, _patching(resource), patch, patch_body(view), "json", "PATCH")


def _listing(resource: Resource) -> Endpoint:
    own = ListArguments().fields

    def list_views(arguments: dict[str, Any], **parents: str) -> dict[str, Any]:
        filters = {name: value for name, value in arguments.items() if name not in own}
        limit, token, fresh = arguments["limit"], arguments["page_token"], arguments["fresh"]
        return resource.page(parents, filters, limit=limit, token=token, fresh=fresh)

    return list_views


def _reading(resource: Resource) -> Endpoint:
    def get_view(arguments: dict[str, Any], **key: str) -> dict[str, Any]:
        return resource.get(key, fresh=arguments["fresh"])

    return get_view


def _patching(resource: Resource) -> Endpoint:
    def patch_view(values: dict[str, Any], **key: str) -> dict[str, Any]:
        return resource.patch(key, values)

    return patch_view
