"""Options of the app, of a view and of a function: merged in that order, and refused where they are declared."""

from typing import Any

import pytest

from boiler_functions import Boiler, ViewModel, attrs
from boiler_functions.exceptions import DeclarationError
from boiler_functions.manifest import EventTrigger, Function
from boiler_functions.settings.options import MEMORIES, REGIONS, Options
from tests.unit.modes.cities import City, CityView, PlaceView

ENTRY_POINT = "city_view_on_cities"


class CityForm(ViewModel):
    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        City.new(name=self.name).save()


def function(app: Boiler, entry_point: str = ENTRY_POINT) -> Function:
    return next(each for each in app.manifest.functions if each.entry_point == entry_point)


def declared(entry_point: str = ENTRY_POINT, **options: Any) -> Function:
    app = Boiler("demo", **options)
    app.query(CityView)
    app.rest("/cities")(CityView)
    return function(app, entry_point)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"region": "us-centrall"}, "'us-centrall' is not a region; did you mean 'us-central1'?"),
        ({"region": "mars"}, "'mars' is not a region; use one of africa-south1, "),
        ({"region": "nam5"}, "Set region='us-central1' and trigger_location='nam5'"),
        ({"region": ["us-central1"]}, "region must be a string; found ['us-central1']"),
        ({"trigger_location": 5}, "trigger_location must be a string; found 5"),
        ({"trigger_location": "nam6"}, "'nam6' is not a location of a database; did you mean 'nam7'"),
        ({"memory": "500Mi"}, "'500Mi' is not a size; use one of 128, 256"),
        ({"memory": 300}, "300 is not a size"),
        ({"memory": True}, "True is not a size"),
        ({"cpu": 3}, "3 is not a number of CPUs"),
        ({"cpu": 0.5, "concurrency": 2}, "concurrency=2 needs a whole CPU, and cpu is 0.5"),
        ({"cpu": 0.2, "memory": 1024}, "memory=1024 needs cpu=0.5 or more; found 0.2"),
        ({"cpu": 0.5, "memory": "2Gi"}, "memory=2048 needs cpu=1 or more; found 0.5"),
        ({"cpu": 4, "memory": 1024}, "cpu=4 needs memory=2048 or more"),
        ({"concurrency": 1001}, "concurrency must be 1 to 1000; found 1001"),
        ({"timeout_sec": 541}, "timeout_sec must be 1 to 540 for event functions; found 541"),
        ({"timeout_sec": "60"}, "timeout_sec must be 1 to 3600; found '60'"),
        ({"min_instances": 3, "max_instances": 2}, "min_instances=3 is more than max_instances=2"),
        ({"service_account": "me"}, "'me' is not a service account"),
        ({"secrets": ["API-KEY"]}, "'API-KEY' is not a name for an environment variable"),
        ({"secrets": ["K_SERVICE"]}, "no prefix that the platform reserves"),
        ({"secrets": 5}, "secrets must be a list of strings; found 5"),
        ({"invoker": [5]}, "invoker must be a list of strings; found [5]"),
        ({"labels": ["x"]}, "labels must be a mapping by name; found ['x']"),
        ({"labels": {"deployment-tool": "x"}}, "'deployment-tool' is not a key"),
        ({"labels": {"goog-managed": "x"}}, "'goog-managed' is not a key"),
        ({"labels": {"Team": "x"}}, "'Team' is not a key; use lower-case"),
        ({"labels": {"team": "Rooms"}}, "'Rooms' is not a value"),
        ({"ingress": "INTERNAL"}, "ingress must be one of 'ALLOW_ALL', "),
        ({"vpc_connector": "My Net"}, "'My Net' is not a connector's name"),
        ({"vpc_connector_egress_settings": "ALL_TRAFFIC"}, "says what goes through a vpc_connector"),
        ({"retry": 1}, "retry must be True or False; found 1"),
        ({"invoker": "everybody"}, "'everybody' is not a service account"),
        ({"database": "Orders"}, "'Orders' is not a database's id"),
        ({"namespace": "n"}, "Firestore has '(default)' alone"),
        ({"functions": {"api": "x"}}, "functions['api'] must be a mapping by name; found 'x'"),
        ({"memroy": 512}, "'memroy' is not an option; did you mean 'memory'?"),
    ],
)
def test_an_impossible_option_is_refused_with_what_is_possible(options: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Boiler("demo", **options)
    assert str(refused.value).startswith("demo")
    assert told in str(refused.value)


def test_an_option_of_a_view_is_refused_by_its_decorator_and_name() -> None:
    with pytest.raises(DeclarationError, match=r"@app.query of CityView: memory: 1 is not a size"):
        Boiler("demo").query(memory=1)(CityView)
    with pytest.raises(DeclarationError, match=r"demo: CityForm: timeout_sec must be 1 to 540"):
        Boiler("demo").task("forms/{id}", writes=[City], timeout_sec=600)(CityForm)
    with pytest.raises(DeclarationError, match=r"@app.query of CityView: 'invoker' is not an option"):
        Boiler("demo").query(invoker="public")(CityView)  # type: ignore[call-overload]


def test_options_of_a_view_that_do_not_fit_together_are_refused() -> None:
    app = Boiler("demo", concurrency=40)
    with pytest.raises(DeclarationError, match=r"CityView: concurrency=40 needs a whole CPU, and cpu is 0.5"):
        app.query(cpu=0.5)(CityView)


@pytest.mark.parametrize(
    ("given", "memory"), [("512Mi", 512), ("1Gi", 1024), ("2GB", 2048), ("256MB", 256), (128, 128)]
)
def test_memory_is_a_number_or_a_string_with_a_unit(given: Any, memory: int) -> None:
    assert Options.of("x", {"memory": given}).memory == memory


def test_without_options_both_deployers_do_the_same() -> None:
    options = declared().options
    assert (options.region, options.memory, options.cpu, options.concurrency) == ("us-central1", 512, 1, 80)
    assert (options.timeout_sec, options.retry) == (300, True)


def test_part_of_a_cpu_serves_one_event_at_a_time() -> None:
    assert declared(cpu=0.5).options.concurrency == 1


@pytest.mark.parametrize("memory", MEMORIES)
def test_every_memory_size_gets_a_number_of_cpus_that_it_may_have(memory: int) -> None:
    assert declared(memory=memory).options.memory == memory


def test_every_region_is_spelled_as_google_spells_it() -> None:
    assert len(REGIONS) == 42
    assert {"us-central1", "europe-west12", "africa-south1", "northamerica-south1"} <= REGIONS


def test_options_of_a_function_override_its_views_and_those_the_apps() -> None:
    app = Boiler(
        "demo",
        memory=256,
        region="europe-west1",
        labels={"team": "a", "app": "x"},
        functions={"place_view_on_cities": {"memory": 2048}},
    )
    app.query(CityView)
    app.query(memory=1024, timeout_sec=60, labels={"team": "b"})(PlaceView)
    options = function(app, "place_view_on_cities").options
    assert (options.memory, options.timeout_sec, options.region) == (2048, 60, "europe-west1")
    assert options.labels == {"team": "b", "app": "x"}
    assert function(app, "place_view_on_countries").options.memory == 1024
    assert function(app).options.memory == 256


def test_the_time_limit_of_a_view_sets_the_budget_of_its_functions() -> None:
    app = Boiler("demo")
    app.query(timeout_sec=60)(CityView)
    assert {each.timeout_sec for each in app.compiled.functions.values()} == {60}


def test_http_functions_may_take_an_hour_and_events_nine_minutes() -> None:
    app = Boiler("demo", functions={"api": {"timeout_sec": 3600}, "continuations": {"timeout_sec": 541}})
    app.query(CityView)
    app.rest("/cities")(CityView)
    with pytest.raises(DeclarationError, match="continuations: timeout_sec must be 1 to 540 for event functions"):
        _ = app.manifest
    alone = Boiler("demo", functions={"api": {"timeout_sec": 3600}})
    alone.rest("/cities")(CityView)
    assert function(alone, "api").options.timeout_sec == 3600
    too_long = Boiler("demo", functions={"api": {"timeout_sec": 3600}})
    with pytest.raises(DeclarationError, match="timeout_sec must be 1 to 3600"):
        too_long.rest("/cities", timeout_sec=3601)(CityView)


def test_options_of_a_function_that_the_app_does_not_have_are_refused_with_those_that_it_has() -> None:
    app = Boiler("demo", functions={"city_view_on_towns": {"memory": 1024}})
    app.query(CityView)
    with pytest.raises(DeclarationError, match=r"names 'city_view_on_towns', .* it has city_view_on_cities, "):
        _ = app.manifest


def test_views_that_share_a_function_may_not_contradict_one_another() -> None:
    app = Boiler("demo", group_by="source")
    app.query(memory=1024)(CityView)
    app.query(memory=2048)(PlaceView)
    with pytest.raises(DeclarationError, match=r"CityView, PlaceView, which set memory to different values"):
        _ = app.manifest
    said_once = Boiler("demo", group_by="source")
    said_once.query(memory=1024)(CityView)
    said_once.query(PlaceView)
    assert function(said_once, "on_cities").options.memory == 1024


def test_the_app_or_a_rule_says_who_may_call_the_api() -> None:
    assert declared("api").to_wire()["httpsTrigger"] == {"invoker": ["public"]}
    assert declared("api", invoker="private").to_wire()["httpsTrigger"] == {"invoker": ["private"]}
    app = Boiler("demo")
    app.rest("/cities", invoker="gateway@my-project.iam.gserviceaccount.com")(CityView)
    trigger = function(app, "api").to_wire()["httpsTrigger"]
    assert trigger == {"invoker": ["gateway@my-project.iam.gserviceaccount.com"]}


def test_the_place_of_the_database_is_on_every_trigger() -> None:
    trigger = declared(database="orders", trigger_location="nam5").trigger
    assert isinstance(trigger, EventTrigger)
    assert (trigger.database, trigger.location) == ("orders", "nam5")
    assert trigger.to_wire()["eventTrigger"]["region"] == "nam5"
    assert "region" not in declared().to_wire()["eventTrigger"]


def test_all_options_are_in_functions_yaml_as_firebase_tools_spells_them() -> None:
    wire = declared(
        region="europe-west3",
        memory="1Gi",
        cpu=2,
        concurrency=10,
        timeout_sec=90,
        min_instances=1,
        max_instances=5,
        service_account="boiler@",
        secrets=["API_KEY"],
        labels={"team": "rooms"},
        ingress="ALLOW_INTERNAL_ONLY",
        vpc_connector="net",
        vpc_connector_egress_settings="ALL_TRAFFIC",
        retry=False,
    ).to_wire()
    trigger = wire.pop("eventTrigger")
    assert wire == {
        "entryPoint": ENTRY_POINT,
        "platform": "gcfv2",
        "region": ["europe-west3"],
        "availableMemoryMb": 1024,
        "cpu": 2,
        "concurrency": 10,
        "timeoutSeconds": 90,
        "minInstances": 1,
        "maxInstances": 5,
        "serviceAccount": "boiler@",
        "labels": {"team": "rooms"},
        "ingressSettings": "ALLOW_INTERNAL_ONLY",
        "vpc": {"connector": "net", "egressSettings": "ALL_TRAFFIC"},
        "secretEnvironmentVariables": [{"key": "API_KEY"}],
    }
    assert trigger["retry"] is False


def test_continuations_have_a_queue_that_retries_without_limit_and_is_their_only_caller() -> None:
    app = Boiler("demo")
    app.query(CityView)
    assert [each.entry_point for each in app.manifest.queues] == ["continuations"]
    queue = app.manifest.queues[0].to_wire()["taskQueueTrigger"]
    assert queue["retryConfig"]["maxAttempts"] == 1_000_000
    assert queue["invoker"] == ["private"]
    assert "cloudtasks.googleapis.com" in app.manifest.apis
