"""`boiler plan` tells what an app deploys and needs, what each change costs, and what may hurt."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, matching, reference, referrers
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.advice import Advice
from boiler_functions.plan.advice import advice_on
from boiler_functions.plan.graph import Graph, mermaid, svg
from boiler_functions.plan.indexes import Indexes
from boiler_functions.plan.prices import TABLE, Prices
from boiler_functions.settings.options import Options
from tests.pages import ROOT
from tests.unit.cli.conftest import APP, Run, Write

WITH_AN_INDEX = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching

app = Boiler("towns")

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    name = attrs.string(required=True)
    size = attrs.integer(default=0)

class CityStore(Store):
    large = matching(City.name == "x", City.size > 1)

@app.query
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/main"

    @attrs.computed
    def count(self) -> int:
        return len(self.store.large)
"""

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def app(module: Write) -> str:
    return module(APP.replace("@app.query", '@app.rest("/cities")\n@app.query'))


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)


class Town(DomainModel):
    class Meta:
        collection_name = "countries/{country_id}/towns"

    country = attrs.relation(Country)
    capital = attrs.relation(Country)
    size = attrs.integer(default=0)


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    colour = attrs.string(default="")


class Employee(DomainModel):
    class Meta:
        collection_name = "employees"

    first, last, mail, phone, room, desk, note = (attrs.string(default="") for _ in range(7))
    seen = attrs.integer(default=0)
    country = attrs.relation(Country)

    @attrs.computed
    def whole(self) -> str:
        return f"{self.first} {self.last}"


def advised(
    options: dict[str, Any] | None = None,
    getter: Callable[..., Any] | None = None,
    at_most_every: timedelta | None = None,
    **references: Any,
) -> list[Advice]:
    store: Any = type("SomeStore", (Store,), references)
    names = attrs.computed(getter or names_of)
    root = store.root()
    path = (
        "views/main" if root is None else "/".join(f"v/{{{root.name}.{name}}}" for name in root.model.pattern().names)
    )
    body = {"Meta": type("Meta", (), {"path": path}), "store_class": store, "names": names, "__module__": __name__}
    app = Boiler("demo", **(options or {}))
    app.query(at_most_every=at_most_every)(type("SomeView", (ViewModel,), body))
    compiled = app.compiled
    return advice_on(compiled, Indexes.of(compiled.declarations).to_wire())


def names_of(self: Any) -> list[str]:
    return [str(self.store)]


def names(advice: list[Advice]) -> list[tuple[str, str]]:
    return [(each.name, each.about) for each in advice]


def test_the_plan_is_readable_at_100_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = run("plan").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "towns: 5 functions; region us-central1, database (default)"
    rows = [line.split() for line in lines]
    assert ["city_form_task", "task", "users/{user_id}/cityForms/{city_id}", "on", "512", "300"] in rows
    assert ["cities/{doc_id}", "CityView", "2", "2", "2", "6.46"] in rows
    for section in ("Functions", "What a change costs each view", "Queues", "Schedules", "APIs", "Warnings"):
        assert section in lines


def test_no_line_of_a_plan_that_a_program_reads_is_wrapped_or_padded(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = run("plan").stdout
    lines = text.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    (note,) = (line for line in lines if "In steady state" in line)
    assert note.endswith("handles one event at a time.")
    monkeypatch.setenv("COLUMNS", "60")
    assert run("plan", "--output", "plan.txt").stdout == "plan.txt is written\n"
    assert (folder / "plan.txt").read_text("utf-8") == text


def test_the_plan_as_json_holds_every_part(run: Run) -> None:
    plan = json.loads(run("plan", "--json").stdout)["result"]
    query, task, api, continuation, upkeep = plan["functions"]
    assert plan["app"] == "towns"
    assert query["path_pattern"] == "cities/{doc_id}"
    assert query["event_type"] == "google.cloud.firestore.document.v1.written"
    assert (query["retry"], query["views"], query["invoker"]) == (True, ["CityView"], None)
    assert (task["mode"], task["entry_point"]) == ("task", "city_form_task")
    assert (api["invoker"], api["options"]["region"]) == ("public", "us-central1")
    assert (continuation["path_pattern"], continuation["retry"], continuation["invoker"]) == (None, None, "private")
    assert plan["queues"][0]["name"] == "towns-continuations"
    assert (upkeep["mode"], upkeep["invoker"], upkeep["views"]) == ("upkeep", "private", ["CityView"])
    assert plan["schedules"] == [{"name": "towns-upkeep", "schedule": "* * * * *", "timeZone": "Etc/UTC"}]
    expiring = ("boilerMarkers", "boilerDeadLetters", "boilerOutbox", "boilerBuilds", "boilerContributions")
    assert plan["ttl"] == [f"{each}.expire_at" for each in expiring]
    assert {
        "cloudtasks.googleapis.com",
        "cloudscheduler.googleapis.com",
        "eventarc.googleapis.com",
        "run.googleapis.com",
    } <= plan["apis"].keys()
    assert {"roles/datastore.user", "roles/run.invoker", "roles/cloudtasks.enqueuer"} <= plan["roles"].keys()
    assert [(c["view"], c["rpcs"], c["reads"], c["writes"]) for c in plan["costs"]] == [
        ("CityView", 2, 2, 2),
        ("CityForm", 2, 2, 3),
    ]
    assert plan["prices"]["date"]
    assert plan["chains"] == []


READER = """

class ReaderStore(Store):
    city = reference(CityView)


@app.query
class Reader(ViewModel[ReaderStore]):
    class Meta:
        path = "readers/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return ""
"""


def test_the_plan_shows_what_a_change_costs_to_the_end_of_a_chain(
    run: Run, module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    module(APP + READER)
    lines = run("plan").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "What a change costs to the end of its chain of views" in lines
    rows = [line.split() for line in lines]
    assert [row[:-1] for row in rows if "CityView," in row] == [
        ["cities/{doc_id}", "CityView,", "Reader", "2", "4", "4", "4"]
    ]
    (chain,) = json.loads(run("plan", "--json").stdout)["result"]["chains"]
    assert (chain["views"], chain["steps"], chain["writes"]) == (["CityView", "Reader"], 2, 4)


def test_an_app_asks_for_no_more_roles_than_it_uses(run: Run, module: Write) -> None:
    module(
        APP.replace("@app.query", '@app.rest("/cities")')
        .replace("@app.task", "if False: @app.task")
        .partition("if F")[0]
    )
    plan = json.loads(run("plan", "--json").stdout)["result"]
    assert plan["roles"].keys() == {"roles/datastore.user", "roles/logging.logWriter"}
    assert "eventarc.googleapis.com" not in plan["apis"]


def test_what_is_assumed_can_be_said(run: Run) -> None:
    plan = json.loads(run("plan", "--json", "--many", "3", "--dependents", "250").stdout)["result"]
    assert plan["assumed"] == {"many": 3, "dependents": 250}


def test_prices_are_a_table_of_a_date_that_a_project_can_replace(run: Run, folder: Path) -> None:
    table = json.loads(TABLE.read_text())
    table.update(date="2030-01", firestore_per_100000={"*": {"reads": 100_000, "writes": 0}})
    table["functions"] = dict.fromkeys(table["functions"], 0)
    (folder / "prices.json").write_text(json.dumps(table))
    plan = json.loads(run("plan", "--json", "--prices", str(folder / "prices.json")).stdout)["result"]
    assert plan["prices"]["date"] == "2030-01"
    assert plan["millions"]["cities/{doc_id}"] == 2 * 1_000_000


def test_a_million_is_priced_by_documents_invocations_and_time() -> None:
    prices = Prices.read()
    usage = Usage(rpcs=2, reads=3, writes=2)
    documents = 3 * 0.6 + 2 * 1.8
    time = (0.02 + 2 * 0.015) * (1 * 24 + 0.5 * 2.5)
    assert prices.of_million(usage, Options(memory=512, cpu=1), None) == pytest.approx(documents + 0.4 + time)
    assert prices.of_million(usage, Options(memory=512, cpu=1), "us-west1") < prices.of_million(
        usage, Options(memory=512, cpu=1), "nam5"
    )


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"date": "x"}'])
def test_a_table_of_prices_that_lacks_something_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.json is not a table of prices"):
        Prices.read(tmp_path / "prices.json")


def test_the_picture_holds_every_source_function_and_view(run: Run, folder: Path) -> None:
    assert run("plan", "--graph", "svg", "--output", "plan.svg").stdout == "plan.svg is written\n"
    root = ElementTree.fromstring((folder / "plan.svg").read_text())
    texts = {each.text for each in root.iter(f"{SVG}text")}
    assert {"cities/{doc_id}", "city_view_on_cities", "CityView", "api", "/cities", "city_form_task", "City"} <= texts
    boxes = [each for each in root.iter(f"{SVG}rect") if each.get("x")]
    arrows = [each for each in root.iter(f"{SVG}path") if each.get("class") == "arrow"]
    assert (len(boxes), len(arrows)) == (9, 7)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in boxes:
        assert 0 <= float(box.get("x", -1)) <= width - float(box.get("width", width))
        assert 0 <= float(box.get("y", -1)) <= height - float(box.get("height", height))


def test_no_two_boxes_of_the_picture_overlap_and_no_text_leaves_its_box(run: Run) -> None:
    root = ElementTree.fromstring(run("plan", "--graph", "svg").stdout)
    boxes = [
        tuple(float(each.get(name, 0)) for name in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
        if each.get("x")
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, other_width, other_height in boxes[:number]:
            assert x >= left + other_width or left >= x + width or y >= top + other_height or top >= y + height
    assert all(width >= 2 * 14 for _, _, width, _ in boxes)


def test_mermaid_draws_the_same_arrows(run: Run) -> None:
    lines = run("plan", "--graph", "mermaid").stdout.splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(" --> " in line for line in lines) == 7
    assert any('["CityView<br/><small>cityView/{city.doc_id}</small>"]:::view' in line for line in lines)


def test_a_sink_is_drawn_beside_the_model_or_view_whose_changes_it_receives(run: Run, module: Write) -> None:
    module(APP + "\n@app.on_change(CityView)\ndef mail(changed: object) -> None:\n    pass\n")
    root = ElementTree.fromstring(run("plan", "--graph", "svg").stdout)
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert "mail_on_city_view" in texts
    assert texts.count("CityView") == 2
    plan = json.loads(run("plan", "--json").stdout)["result"]
    assert next(each["writes"] for each in plan["costs"] if each["view"] == "CityView") == 3


def test_the_plan_says_where_copies_differ_and_that_a_change_writes_no_more_than_it_alters(
    run: Run, module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # A narrow terminal would break the lines of the table.
    module((ROOT / "docs" / "copies.md").read_text("utf-8").partition("```python rooms.py\n")[2].partition("```")[0])
    (cost, *_) = json.loads(run("plan", "--json", "--many", "200").stdout)["result"]["costs"]
    assert (cost["copies_differ"], cost["writes"]) == (True, 201)
    printed = " ".join(run("plan").stdout.split())
    assert "RoomView, copies differ" in printed
    assert "a change writes those that it alters, and the ledger" in printed


def test_the_service_of_the_sockets_shows_its_views(run: Run, module: Write) -> None:
    module(APP + '\napp.websocket("/live")(CityView)\n')
    lines = run("plan", "--graph", "mermaid").stdout.splitlines()
    names = {line.partition('["')[2].partition("<br/>")[0]: line.split("[")[0].strip() for line in lines if "[" in line}
    edges = [line.strip() for line in lines if "-->" in line]
    assert f"{names['/live']} --> {names['websocket']}" in edges
    assert f"{names['websocket']} --> {names['CityView']}" in edges


def test_a_name_with_signs_of_xml_is_drawn_as_it_is() -> None:
    graph = Graph("a&b", (), ())
    assert 'aria-label="a&amp;b' in svg(graph)
    assert ElementTree.fromstring(svg(graph)) is not None
    assert mermaid(graph).startswith("flowchart LR\n")


def test_an_app_that_nothing_can_hurt_has_no_warning() -> None:
    assert advised(country=reference(Country)) == []


def test_a_document_that_all_views_read_is_hot() -> None:
    found = advised(country=reference(Country), settings=reference(Settings, doc_id="main"))
    assert names(found) == [("hot-document", "SomeView.store.settings")]
    assert "Every SomeView reads it" in found[0].text


@pytest.mark.parametrize(("verify", "warned"), [(True, ["hot-document"]), (False, [])])
def test_a_document_that_all_tasks_verify_is_hot(verify: bool, warned: list[str]) -> None:
    class FormStore(Store):
        settings = reference(Settings, doc_id="main", verify=verify)

    class Form(ViewModel[FormStore]):
        class Meta:
            write = access.signed_in

        name = attrs.string(required=True)

        def propagate_change(self) -> None:
            Country.new(name=self.name).save()

    app = Boiler("demo")
    app.task("forms/{id}", writes=[Country])(Form)
    assert [each.name for each in advice_on(app.compiled, Indexes().to_wire())] == warned


def test_a_query_that_all_views_read_is_hot_and_one_view_of_everything_too() -> None:
    found = advised(country=reference(Country), red=matching(Settings.where(colour="red").limit(3)))
    assert names(found) == [("hot-document", "SomeView.store.red")]
    assert names(advised(red=matching(Settings.where(colour="red").limit(3)))) == [("hot-document", "SomeView")]


def test_a_relation_to_what_many_share_fans_out_without_bound() -> None:
    found = advised(town=reference(Town), country=reference(Town.country))
    assert names(found) == [("unbounded-fan-out", "SomeView.store.country")]


def test_a_choice_with_a_limit_is_bounded() -> None:
    found = advised(country=reference(Country), towns=referrers(Town.country).where(Town.size > 1).limit(5))
    assert names(found) == []


def test_a_list_of_an_unbounded_query_may_outgrow_a_document() -> None:
    found = advised(country=reference(Country), towns=referrers(Town.country))
    assert names(found) == [("may-outgrow-1-mib", "SomeView.names")]


def test_a_mapping_to_counts_is_taken_for_one_of_fixed_names() -> None:
    def counts(self: Any) -> dict[str, int]:
        return {"towns": len(self.store.towns), "large": 0, "small": 0}

    found = advised(getter=counts, country=reference(Country), towns=referrers(Town.country))
    assert names(found) == []


def test_a_reference_of_which_getters_name_few_of_many_attributes_is_named_with_its_fields() -> None:
    def initials(self: Any) -> list[str]:
        return [each.whole[0] for each in self.store.staff]

    def dumped(self: Any) -> list[str]:
        return [str(each.to_view_dict()) for each in self.store.staff if each.first]

    (found,) = advised(getter=initials, country=reference(Country), staff=referrers(Employee.country).limit(9))
    assert (found.name, found.about) == ("few-fields-read", "SomeView.store.staff")
    assert "name 2 of the 10 attributes of Employee" in found.text
    assert "`fields=[Employee.first, Employee.last]`" in found.text
    assert names(advised(getter=dumped, country=reference(Country), staff=referrers(Employee.country).limit(9))) == []
    listed = referrers(Employee.country, fields=[Employee.first, Employee.last]).limit(9)
    assert names(advised(getter=initials, country=reference(Country), staff=listed)) == []


@pytest.mark.parametrize(("seconds", "warned"), [(10, []), (1, []), (0.5, ["hot-document"])])
def test_a_single_view_that_is_quiet_enough_is_no_hot_document(seconds: float, warned: list[str]) -> None:
    towns = matching(Town.where(size=1))
    found = advised(at_most_every=timedelta(seconds=seconds), towns=towns)
    assert [each.name for each in found if each.name == "hot-document"] == warned


def test_no_two_pieces_of_advice_contradict_each_other() -> None:
    without = advised(towns=matching(Town.size == 1))
    with_root = advised(country=reference(Country), towns=matching(Town.size == 1))
    assert {each.name for each in without} >= {"hot-document"}
    assert {each.name for each in with_root} >= {"hot-document"}
    assert not any("root" in each.text for each in without)
    assert not any("no root" in each.text for each in with_root)


def test_a_program_that_reads_along_gets_every_name_in_one_piece(
    run: Run, module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    long = "A" + "VeryLongNameOfAView" * 5
    module(APP.replace("CityView", long))
    printed = run("plan").stdout
    assert re.search(r"^  a(_very_long_name_of_a_view){5}_on_cities  ", printed, re.MULTILINE)
    assert f"{long}  " in printed


def test_views_that_share_a_source_are_advised_to_be_grouped(run: Run, module: Write) -> None:
    twice = APP + '\n@app.query\nclass Other(CityView):\n    class Meta:\n        path = "others/{city.doc_id}"\n'
    module(twice)
    warnings = {each["name"]: each for each in json.loads(run("plan", "--json").stdout)["result"]["warnings"]}
    assert warnings["group-by-source"]["about"] == "cities/{doc_id}"
    module(twice.replace('Boiler("towns")', 'Boiler("towns", group_by="source")'))
    assert "group-by-source" not in {
        each["name"] for each in json.loads(run("plan", "--json").stdout)["result"]["warnings"]
    }


def test_an_index_that_the_file_lacks_is_named_until_compile_wrote_it(run: Run, module: Write) -> None:
    module(WITH_AN_INDEX)
    before = {each["name"]: each for each in json.loads(run("plan", "--json").stdout)["result"]["warnings"]}
    assert "cities (name asc, size asc)" in before["index-missing"]["text"]
    assert "boilerMarkers.expire_at" in before["index-missing"]["text"]
    run("compile")
    after = {each["name"] for each in json.loads(run("plan", "--json").stdout)["result"]["warnings"]}
    assert "index-missing" not in after


def test_functions_without_retry_or_far_from_the_database_get_a_warning() -> None:
    found = advised({"retry": False}, country=reference(Country))
    assert names(found) == [("retry-off", "some_view_on_countries")]
    far = advised({"region": "us-central1", "trigger_location": "eur3"}, country=reference(Country))
    assert names(far) == [("far-from-database", "some_view_on_countries")]
    assert advised({"region": "us-east1", "trigger_location": "nam5"}, country=reference(Country)) == []
