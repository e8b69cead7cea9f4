"""Operations: methods of a view model that clients call over HTTP, as `POST /meeting_sessions/{id}:close`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, NamedTuple, TypeVar, overload

from marshmallow import Schema

from boiler_functions.exceptions import InvalidAttribute
from boiler_functions.models.annotations import field_for
from boiler_functions.models.attributes import camel_case
from boiler_functions.models.spelling import JsonSchema

F = TypeVar("F", bound=Callable[..., None])

_MARK = "_boiler_operation"


class Operation(NamedTuple):
    """A method that clients call: its name in Python, its name in the URL, and the schema of its arguments."""

    method: str
    name: str
    body: Schema
    summary: str


@overload
def operation(function: F, /) -> F: ...
@overload
def operation(*, schema: type[Schema]) -> Callable[[F], F]: ...
def operation(function: F | None = None, /, *, schema: type[Schema] | None = None) -> F | Callable[[F], F]:
    """Lets clients call the method over HTTP, with arguments from the JSON body.

    The types of the arguments, or a marshmallow `schema`, validate the body.

        @operation
        def close(self, reason: str = "") -> None:      # POST /meeting_sessions/{id}:close   {"reason": "…"}
            self.store.meeting.status = "closed"

    Its changes are committed as those of a PATCH, and the answer is the view. It may raise `Rejected`.
    """

    def decorate(function: F) -> F:
        setattr(function, _MARK, schema or True)
        return function

    return decorate if function is None else decorate(function)


def operations_of(view: type[Any]) -> dict[str, Operation]:
    """Returns the operations of a view model by their names in the URL.

    Raises InvalidAttribute for one that cannot be called.
    """
    found: dict[str, Operation] = {}
    for name, function in inspect.getmembers(view, inspect.isfunction):
        if schema := getattr(function, _MARK, None):
            made = Operation(name, camel_case(name), _body(function, schema), inspect.getdoc(function) or "")
            if other := found.get(made.name):
                raise InvalidAttribute(
                    f"{view.__name__}.{name} and {view.__name__}.{other.method} are both `:{made.name}` in the URL; "
                    f"rename one of them."
                )
            found[made.name] = made
    return found


def _body(function: Callable[..., Any], schema: Any) -> Schema:
    where = function.__qualname__
    if _hints(function).get("return", NoneType) is not NoneType:
        raise InvalidAttribute(f"{where} returns a value; an operation answers with the view, so write `-> None`.")
    if schema is not True:
        made: Schema = schema()
        return made
    _, *parameters = inspect.signature(function).parameters.values()
    members = {each.name: _argument(where, each, _hints(function)) for each in parameters}
    arguments: type[Schema] = type(f"{where.replace('.', '')}Arguments", (OperationArguments,), members)
    return arguments()


def _argument(where: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise InvalidAttribute(
            f"{where}: the argument {parameter.name} cannot be given by name, as a JSON body does; declare named "
            f"arguments only."
        )
    if parameter.name not in hints:
        raise InvalidAttribute(f"{where}: the argument {parameter.name} has no type; write `{parameter.name}: str`.")
    options: dict[str, Any] = {"data_key": camel_case(parameter.name)}
    if parameter.default is parameter.empty:
        options["required"] = True
    try:
        return field_for(hints[parameter.name], **options)
    except TypeError as error:
        raise InvalidAttribute(f"{where}: the argument {parameter.name}: {error}.") from error


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        raise InvalidAttribute(
            f"{function.__qualname__} has a type that cannot be found: {error}. Import or declare it in its module."
        ) from error


class OperationArguments(JsonSchema):
    """The base of the schemas for bodies of operations."""

    error_messages = {"unknown": "Not an argument."}
