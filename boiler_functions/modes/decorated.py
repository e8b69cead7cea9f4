"""Checks that the decorators of all modes share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from boiler_functions.exceptions import DeclarationError, InvalidReference
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.views.view_model import View, ViewModel


def check_view(decorator: str, view: Any) -> View:
    """Returns the view model; raises DeclarationError if the decorator is used on anything else."""
    if not isinstance(view, type) or not issubclass(view, ViewModel):
        raise DeclarationError(
            f"{decorator} decorates a view model, as `class CityView(ViewModel[CityStore])`; found {view!r}."
        )
    return view


def models(where: str, given: Any) -> tuple[type[DomainModel], ...]:
    """Returns the models as a tuple; raises InvalidReference for anything but a collection of models."""
    if not isinstance(given, Collection) or not all(map(_is_model, given)):
        raise InvalidReference(f"{where} must be a list of DomainModels, as [City]; found {given!r}.")
    return tuple(given)


def _is_model(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, DomainModel)
