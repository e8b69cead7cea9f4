"""Boiler: what its decorators take, and what they refuse where it is declared."""

import random
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from boiler_functions import Boiler, Rejected, ViewModel, attrs
from boiler_functions.exceptions import DeclarationError
from boiler_functions.view_models import NoStore
from tests.unit.modes.cities import CapitalsView, City, CityStore, CityView, PlaceView, app_of


class Form(ViewModel[NoStore]):
    """A form without effect."""

    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        raise Rejected("no effect")


@pytest.mark.parametrize("name", ["", "1app", "my app", "my_app", "-app", "äpp", "a/b"])
def test_a_name_that_functions_cannot_bear_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="becomes part of function names"):
        Boiler(name)


@pytest.mark.parametrize("timeout", [0, 541])
def test_a_time_limit_that_event_functions_cannot_have_is_refused(timeout: int) -> None:
    with pytest.raises(DeclarationError, match="timeout_sec is 1 to"):
        Boiler("demo", timeout_sec=timeout)


def test_grouping_by_anything_but_view_or_source_is_refused() -> None:
    group_by: Any = "model"
    with pytest.raises(DeclarationError, match="group_by"):
        Boiler("demo", group_by=group_by)


def test_a_decorator_gives_the_view_back() -> None:
    app = Boiler("demo")
    assert app.query(CityView) is CityView
    assert app.rest("/cities")(CityView) is CityView
    assert app.task("forms/{id}", writes=[City])(Form) is Form


def test_a_query_view_without_a_path_is_refused() -> None:
    class Pathless(ViewModel[CityStore]):
        @attrs.computed
        def title(self) -> str:
            return self.store.city.name

    with pytest.raises(DeclarationError, match="Pathless is not stored; add `class Meta"):
        app_of(Pathless)


def test_a_query_view_with_an_attribute_that_nothing_computes_is_refused() -> None:
    class Plain(ViewModel[CityStore]):
        class Meta:
            path = "plain/{city.doc_id}"

        title = attrs.string()

    with pytest.raises(DeclarationError, match=r"Plain\.title has no getter"):
        app_of(Plain)


def test_a_query_view_without_a_store_is_refused() -> None:
    class Storeless(ViewModel[NoStore]):
        class Meta:
            path = "storeless/main"

        @attrs.computed
        def title(self) -> str:
            return "x"

    with pytest.raises(DeclarationError, match="Storeless reads nothing; declare its Store"):
        app_of(Storeless)


def now() -> float:
    return time.time()


@pytest.mark.parametrize(
    "getter",
    [
        lambda self: str(time.time()),
        lambda self: str(datetime.now()),
        lambda self: str(random.randint(1, 6)),
        lambda self: str(now()),
    ],
    ids=["time", "datetime", "random", "own function"],
)
def test_a_getter_that_asks_the_clock_or_chance_is_refused(getter: Any) -> None:
    getter.__annotations__["return"] = str
    body = {"Meta": type("Meta", (), {"path": "impure/{city.doc_id}"}), "title": attrs.computed(getter)}
    view: type[ViewModel[Any]] = type("Impure", (ViewModel,), {**body, "store_class": CityStore})
    with pytest.raises(DeclarationError, match=r"Impure\.title uses .*; nothing would rebuild the view"):
        app_of(view)


@pytest.mark.parametrize("path", ["forms", "forms/main", "a/{b}/c"])
def test_a_task_path_that_names_no_documents_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError, match="even number of segments and a placeholder"):
        Boiler("demo").task(path, writes=[City])


@pytest.mark.parametrize("path", ["forms//{id}", "forms/{id", "forms/x{id}", "a/{id}/b/{id}"])
def test_a_path_that_is_malformed_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError):
        Boiler("demo").task(path, writes=[City])


def test_a_task_without_effect_is_refused() -> None:
    class Empty(ViewModel[NoStore]):
        name = attrs.string()

    with pytest.raises(DeclarationError, match="Empty is a task without effect"):
        Boiler("demo").task("forms/{id}", writes=[City])(Empty)


def test_a_form_with_a_field_where_the_outcome_is_stamped_is_refused() -> None:
    class Outcome(Form):
        outcome = attrs.string()

    with pytest.raises(DeclarationError, match="'outcome' is where a form's outcome is stamped"):
        Boiler("demo").task("forms/{id}", writes=[City])(Outcome)


@pytest.mark.parametrize("rule", ["cities", "/cities/", "/cities/{id}", "/cities/<id>"])
def test_a_rest_rule_that_is_no_path_of_a_list_is_refused(rule: str) -> None:
    with pytest.raises(DeclarationError, match="the path of the list"):
        Boiler("demo").rest(rule)


def test_a_rest_rule_is_given_once() -> None:
    app = Boiler("demo")
    app.rest("/cities")(CityView)
    with pytest.raises(DeclarationError, match="of PlaceView and '/cities' of CityView overlap"):
        app.rest("/cities")(PlaceView)


def test_a_view_without_a_root_has_no_rest_resource() -> None:
    with pytest.raises(DeclarationError, match="CapitalsView has no root"):
        Boiler("demo").rest("/capitals")(CapitalsView)


def test_nothing_can_be_declared_once_the_app_is_compiled() -> None:
    app = app_of(CityView)
    assert app.manifest.app == "demo"
    with pytest.raises(DeclarationError, match="compiled already"):
        app.query(PlaceView)


def test_a_task_has_the_apps_retries_and_age_unless_it_says_otherwise() -> None:
    app = Boiler("demo", max_retries=7, max_event_age=timedelta(hours=1))
    app.task("forms/{id}", writes=[City])(Form)
    app.task("others/{id}", writes=[City], max_retries=0)(type("Other", (Form,), {}))
    one, other = app.compiled.declarations.tasks
    assert (one.max_retries, other.max_retries) == (7, 0)
    assert one.max_event_age == timedelta(hours=1)
    assert one.on_completion == "stamp"


def test_export_puts_a_function_for_every_trigger_into_the_module_and_overwrites_nothing() -> None:
    namespace: dict[str, Any] = {"__name__": "main"}
    app_of(CityView).export(namespace)
    function = namespace["city_view_on_cities"]
    assert (function.__name__, function.__module__) == ("city_view_on_cities", "main")
    with pytest.raises(NameError, match="would overwrite 'city_view_on_cities'"):
        app_of(CityView).export({"city_view_on_cities": None})
