"""Boiler: what its decorators take, and what they refuse where it is declared."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from boiler_functions import Boiler, HttpSettings, Rejected, SocketSettings, ViewModel, access, attrs
from boiler_functions.exceptions import DeclarationError
from boiler_functions.modes.task.mode import TASK
from boiler_functions.views.view_model import NoStore
from tests.unit.modes.cities import CapitalsView, City, CityStore, CityView, PlaceView, app_of


class Form(ViewModel[NoStore]):
    """A form without effect."""

    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        raise Rejected("no effect")


class Settable(ViewModel[CityStore]):
    """A view that its owner may change."""

    class Meta:
        path = "users/{city.doc_id}/cities/{city.name}"
        write = access.owner("city.doc_id")

    @attrs.computed
    def name(self) -> str:
        return self.store.city.name

    @name.setter
    def set_name(self, value: str) -> None:
        self.store.city.name = value


@pytest.mark.parametrize("name", ["", "1app", "my app", "my_app", "-app", "äpp", "a/b"])
def test_an_app_name_that_function_names_cannot_contain_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="cannot be part of function names"):
        Boiler(name)


@pytest.mark.parametrize("timeout", [0, 541])
def test_a_time_limit_over_that_of_event_functions_is_refused(timeout: int) -> None:
    with pytest.raises(DeclarationError, match="timeout_sec must be 1 to"):
        Boiler("demo", timeout_sec=timeout)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"group_by": "model"}, "group_by must be one of 'view', 'source'; found 'model'"),
        ({"max_retries": -1}, "max_retries must be a whole number, 0 or more; found -1"),
        ({"max_retries": "5"}, "max_retries must be a whole number, 0 or more; found '5'"),
        ({"max_event_age": 3600}, "max_event_age must be a positive timedelta .*; found 3600"),
        ({"max_event_age": timedelta(0)}, "max_event_age must be a positive timedelta"),
        ({"max_event_age": timedelta.max}, "max_event_age must be a positive timedelta"),
        ({"docs": "no"}, "docs must be True or False; found 'no'"),
        ({"functions": ["api"]}, r"functions must be a mapping by name; found \['api'\]"),
        ({"http": None}, r"http must be HttpSettings\(…\); found None"),
        ({"http": SocketSettings()}, r"http must be HttpSettings\(…\); found SocketSettings"),
        ({"sockets": HttpSettings()}, r"sockets must be SocketSettings\(…\); found HttpSettings"),
    ],
)
def test_an_impossible_argument_of_the_app_is_refused(argument: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=f"demo: {told}"):
        Boiler("demo", **argument)


def test_an_app_name_that_is_not_a_string_is_refused() -> None:
    name: Any = 5
    with pytest.raises(DeclarationError, match="The app's name must be a string; found 5"):
        Boiler(name)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"isolation": "serialisable"}, "isolation must be one of 'serializable', 'snapshot'; found 'serialisable'"),
        ({"on_completion": "remove"}, "on_completion must be one of 'stamp', 'keep', 'delete'; found 'remove'"),
        ({"max_retries": -1}, "max_retries must be a whole number, 0 or more; found -1"),
        ({"writes": City}, r"writes must be a list of DomainModels, as \[City\]; found <class .*City"),
        ({"writes": ["City"]}, r"writes must be a list of DomainModels, as \[City\]; found \['City'\]"),
        ({"writes": [CityView]}, "writes must be a list of DomainModels"),
    ],
)
def test_an_impossible_argument_of_a_task_is_refused(argument: dict[str, Any], told: str) -> None:
    arguments: dict[str, Any] = {"writes": [City], **argument}
    app = Boiler("demo")
    with pytest.raises(DeclarationError, match=rf"@app\.task\('forms/{{id}}'\) of Form: {told}"):
        app.task("forms/{id}", **arguments)(Form)
    with pytest.raises(DeclarationError, match=rf"@app\.document of Settable: {told}"):
        app.document(**arguments)(Settable)


@pytest.mark.parametrize(
    "decorate",
    [
        Boiler("demo").query,
        Boiler("demo").task("forms/{id}", writes=[]),
        Boiler("demo").document(),
        Boiler("demo").rest("/cities"),
        Boiler("demo").websocket("/cities"),
    ],
)
@pytest.mark.parametrize("target", [City, app_of, "CityView"])
def test_anything_but_a_view_model_is_refused_by_every_decorator(decorate: Callable[[Any], Any], target: Any) -> None:
    with pytest.raises(DeclarationError, match=r"@app\..* decorates a view model, .*; found "):
        decorate(target)


@pytest.mark.parametrize("max_attempts", [0, "3", 1.5, True])
def test_an_impossible_number_of_attempts_is_refused(max_attempts: Any) -> None:
    with pytest.raises(
        DeclarationError, match=r"@app\.on_change\(City\): max_attempts must be a whole number, 1 or more"
    ):
        Boiler("demo").on_change(City, max_attempts=max_attempts)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"create": "yes"}, "create must be True or False"),
        ({"filtered_orders": "-name"}, r"filtered_orders must be a list; write \['-name'\]"),
        ({"filtered_orders": [City.name]}, "filtered_orders must be a list of strings"),
    ],
)
def test_an_impossible_argument_of_a_rest_rule_is_refused(argument: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=rf"@app\.rest\('/cities'\): {told}"):
        Boiler("demo").rest("/cities", **argument)


@pytest.mark.parametrize("order", ["nothing", "-nothing", "--name", ""])
def test_an_order_by_an_unknown_attribute_is_refused(order: str) -> None:
    with pytest.raises(
        DeclarationError, match=rf"Settable has filtered_orders '{order}', .*; it can be ordered by .*name"
    ):
        Boiler("demo").rest("/cities", filtered_orders=["name", order])(Settable)


@pytest.mark.parametrize(("name", "data_key"), [("id", None), ("id", "ident"), ("number", "id")])
def test_an_attribute_in_the_place_of_the_roots_id_is_refused(name: str, data_key: str | None) -> None:
    attribute = attrs.bproperty(data_key=data_key)
    attribute.getter(lambda _: "x")
    view: Any = type("Numbered", (ViewModel,), {"store_class": CityStore, name: attribute})
    with pytest.raises(DeclarationError, match=rf"Numbered\.{name}: 'id' is the id of the root in the API"):
        Boiler("demo").rest("/cities")(view)


def test_a_path_that_is_not_a_string_is_refused_by_every_decorator() -> None:
    app: Any = Boiler("demo")
    with pytest.raises(DeclarationError, match="A path must be a string"):
        app.task(5, writes=[City])
    with pytest.raises(DeclarationError, match=r"@app\.rest\(5\): the rule is the path of the list"):
        app.rest(5)
    with pytest.raises(DeclarationError, match=r"@app\.websocket\(5\): the namespace must be a string"):
        app.websocket(5)


def test_a_decorator_returns_the_view_itself() -> None:
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


def test_a_query_view_with_an_attribute_without_a_getter_is_refused() -> None:
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
def test_a_getter_that_uses_the_clock_or_chance_is_refused_by_the_app(getter: Any) -> None:
    getter.__annotations__["return"] = str
    body = {"Meta": type("Meta", (), {"path": "impure/{city.doc_id}"}), "title": attrs.computed(getter)}
    view: type[ViewModel[Any]] = type("Impure", (ViewModel,), {**body, "store_class": CityStore})
    with pytest.raises(DeclarationError, match=r"Impure\.title uses .*; nothing would rebuild the view"):
        app_of(view)


@pytest.mark.parametrize("path", ["forms", "forms/main", "a/{b}/c"])
def test_a_task_path_that_does_not_name_documents_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError, match="even number of segments and a placeholder"):
        Boiler("demo").task(path, writes=[City])


@pytest.mark.parametrize("path", ["{anything}/{id}", "users/{uid}/{kind}/{id}", "{kind}/main"])
def test_a_task_path_with_a_placeholder_for_a_collection_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError, match=r"@app\.task\('.*'\) has the placeholder \{\w+\} for a collection"):
        Boiler("demo").task(path, writes=[City])


@pytest.mark.parametrize("path", ["forms//{id}", "forms/{id", "forms/x{id}", "a/{id}/b/{id}"])
def test_a_path_that_is_malformed_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError):
        Boiler("demo").task(path, writes=[City])


def test_a_task_without_effect_is_refused() -> None:
    class Empty(ViewModel[NoStore]):
        name = attrs.string()

    with pytest.raises(DeclarationError, match="Empty is a task without an effect"):
        Boiler("demo").task("forms/{id}", writes=[City])(Empty)


def test_a_form_with_a_field_where_the_outcome_is_stamped_is_refused() -> None:
    class Outcome(Form):
        outcome = attrs.string()

    with pytest.raises(
        DeclarationError, match="is stored as 'outcome', the field in which a form's outcome is stamped"
    ):
        Boiler("demo").task("forms/{id}", writes=[City])(Outcome)


@pytest.mark.parametrize("rule", ["cities", "/cities/", "/cities/{id}", "/cities/<id>"])
def test_a_rest_rule_that_is_not_the_path_of_a_list_is_refused(rule: str) -> None:
    with pytest.raises(DeclarationError, match="the path of the list"):
        Boiler("demo").rest(rule)


def test_a_second_view_with_the_same_rest_rule_is_refused() -> None:
    app = Boiler("demo")
    app.rest("/cities")(CityView)
    with pytest.raises(DeclarationError, match="of PlaceView and '/cities' of CityView overlap"):
        app.rest("/cities")(PlaceView)


def test_a_view_without_a_root_can_only_be_read_over_http() -> None:
    with pytest.raises(DeclarationError, match="CapitalsView has no root"):
        Boiler("demo").rest("/capitals", create=True)(CapitalsView)
    assert Boiler("demo").rest("/capitals")(CapitalsView) is CapitalsView


def test_nothing_can_be_declared_once_the_app_is_compiled() -> None:
    app = app_of(CityView)
    assert app.manifest.app == "demo"
    with pytest.raises(DeclarationError, match="is already compiled"):
        app.query(PlaceView)


def test_a_task_has_the_apps_retries_and_age_unless_it_says_otherwise() -> None:
    app = Boiler("demo", max_retries=7, max_event_age=timedelta(hours=1))
    app.task("forms/{id}", writes=[City])(Form)
    app.task("others/{id}", writes=[City], max_retries=0)(type("Other", (Form,), {}))
    one, other = app.compiled.declarations.of(TASK)
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
