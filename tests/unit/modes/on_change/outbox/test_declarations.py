"""What @app.on_change refuses, and what it deploys."""

from typing import Any

import pytest

from boiler_functions import Boiler, Changed
from boiler_functions.exceptions import DeclarationError
from tests.unit.modes.on_change.outbox.scene import City, CityStore, CityView, Receiver, telling


def test_a_view_that_is_not_stored_has_no_changes_to_receive() -> None:
    app = Boiler("demo")

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None: ...

    with pytest.raises(DeclarationError, match=r"decorate CityView with `@app\.query`"):
        _ = app.compiled


def test_without_retry_a_notification_would_be_lost_and_is_refused() -> None:
    app = Boiler("demo", retry=False)

    @app.on_change(City)
    def tell(change: Changed[City]) -> None: ...

    with pytest.raises(DeclarationError, match="leave `retry` on"):
        _ = app.compiled


def test_a_receiver_may_have_options_of_its_own() -> None:
    app = Boiler("demo", timeout_sec=60)

    @app.on_change(City, timeout_sec=120, secrets=["CITIES_SECRET"])
    def tell(change: Changed[City]) -> None: ...

    (function,) = app.manifest.functions
    assert function.options.timeout_sec == 120
    assert function.options.secrets == ("CITIES_SECRET",)
    assert app.compiled.functions["tell_on_cities"].timeout_sec == 120


async def later(change: Changed[Any]) -> None: ...


@pytest.mark.parametrize("function", [later, print, lambda change: None, Receiver()])
def test_only_a_plain_function_is_accepted(function: Any) -> None:
    with pytest.raises(DeclarationError, match=r"@app\.on_change\(City\) decorates .*; it needs a plain function"):
        Boiler("demo").on_change(City)(function)


@pytest.mark.parametrize("target", [CityStore, "City", None])
def test_only_a_model_or_a_view_has_changes(target: Any) -> None:
    with pytest.raises(DeclarationError, match="give the DomainModel or ViewModel whose changes it receives"):
        Boiler("demo").on_change(target)


def test_the_manifest_has_a_function_for_each_receiver() -> None:
    app = telling(Receiver())

    @app.on_change(City)
    def write_mail(change: Changed[City]) -> None: ...

    told = [each for each in app.manifest.functions if each.mode == "on_change"]
    assert [each.entry_point for each in told] == ["tell_on_city_view", "write_mail_on_cities"]
    view, model = (each.to_wire()["eventTrigger"] for each in told)
    assert view["eventType"] == "google.cloud.firestore.document.v1.created"
    assert view["eventFilterPathPatterns"] == {"document": "boilerOutbox/demo.tell.CityView/boilerOutbox/{key}"}
    assert model["eventType"] == "google.cloud.firestore.document.v1.written"
    assert model["eventFilterPathPatterns"] == {"document": "cities/{doc_id}"}
