"""`boiler openapi` prints the document of the HTTP function, without it."""

import json
from pathlib import Path

from tests.unit.cli.conftest import APP, Run, Write

RULE = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference

app = Boiler("towns")

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    name = attrs.string(required=True)

class CityStore(Store):
    city = reference(City)

@app.rest("/cities")
class CityView(ViewModel[CityStore]):
    @attrs.computed
    def title(self) -> str:
        return self.store.city.name
"""


def test_the_document_is_printed(run: Run, module: Write) -> None:
    module(RULE)
    found = json.loads(run("openapi").stdout)
    assert (found["openapi"], list(found["paths"])) == ("3.1.0", ["/cities", "/cities/{doc_id}"])


def test_the_document_goes_into_a_file(run: Run, module: Write, folder: Path) -> None:
    module(RULE)
    printed = run("openapi").stdout
    assert run("openapi", "--output", "openapi.json").stdout == "openapi.json is written\n"
    assert (folder / "openapi.json").read_text() == printed


def test_an_app_without_rest_rules_is_refused_with_the_decorator_to_add(run: Run, module: Write) -> None:
    module(APP)
    result = run("openapi")
    assert result.exit_code == 2
    assert "towns has no REST rule; decorate a view model with `@app.rest('/path')`." in result.stderr
