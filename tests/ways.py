"""The files that the way of one event, and that of one PATCH, lead through: `python -m tests.ways`.

Whoever wants to know what happens reads these files, so they stay few. What is below the views is not counted: models
and the database are libraries, which a reader takes by their names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference
from boiler_functions.testing import http_client, memory_app

COUNTED = ("modes", "views", "runtime")

PACKAGE = Path(__file__).parents[1] / "boiler_functions"

app = Boiler("ways")


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string()


class CityStore(Store):
    city = reference(City)


@app.query
@app.rest("/cities")
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityViews/{city.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def name(self) -> str:
        return self.store.city.name or ""

    @name.setter
    def set_name(self, name: str) -> None:
        self.store.city.name = name


def files_of(work: Callable[[], object]) -> list[str]:
    """The files of the package in which something runs meanwhile."""
    found: dict[str, None] = {}

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            path = Path(frame.f_code.co_filename)
            if any(path.is_relative_to(PACKAGE / room) for room in COUNTED):
                found[path.relative_to(PACKAGE).as_posix()] = None

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(found)


def of_an_event() -> list[str]:
    """From a change of a document to the copy that follows it."""
    with memory_app(app) as testing:
        testing.write("cities/TOK", {"obj_type": "City", "name": "Tokyo"})
        testing.deliver()
        testing.write("cities/TOK", {"obj_type": "City", "name": "Edo"})
        (delivery,) = testing.take()
        change = delivery.change
        return files_of(lambda: delivery.function.handle(change, testing.database, testing.surroundings))


def of_a_patch() -> list[str]:
    """From a request to the commit, and to the answer."""
    with memory_app(app) as testing:
        testing.write("cities/TOK", {"obj_type": "City", "name": "Tokyo"})
        testing.deliver()
        client = http_client(testing)
        client.get("/cities/TOK")

        def patch() -> None:
            assert client.patch("/cities/TOK", json={"name": "Edo"}).status_code == 200

        return files_of(patch)


if __name__ == "__main__":
    for title, files in (("one event", of_an_event()), ("one PATCH", of_a_patch())):
        print(f"{title}: {len(files)} files", *files, sep="\n  ")
