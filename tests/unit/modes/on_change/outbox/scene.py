"""What the tests of this folder share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from boiler_functions import Boiler, Changed, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.modes.outbox import COLLECTION
from boiler_functions.modes.run import Report
from boiler_functions.testing import Delivery, MemoryApp


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    population = attrs.integer(default=0)


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityViews/{city.doc_id}"

    suffix = ""

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name.upper() + self.suffix


class Receiver:
    """Runs the next function in `plan`, which may raise, and then notes the change."""

    def __init__(self, *plan: Callable[[], object]) -> None:
        self.told: list[Changed[Any]] = []
        self.plan = list(plan)

    def __call__(self, change: Changed[Any]) -> None:
        if self.plan:
            self.plan.pop(0)()
        self.told.append(change)

    @property
    def keys(self) -> list[str]:
        return [change.key for change in self.told]

    @property
    def titles(self) -> list[tuple[str | None, str | None]]:
        return [tuple(view and view.title for view in (each.before, each.after)) for each in self.told]  # type: ignore[misc]

    @property
    def names(self) -> list[tuple[str | None, str | None]]:
        return [tuple(city and city.name for city in (each.before, each.after)) for each in self.told]  # type: ignore[misc]


def telling(receiver: Receiver, target: type[Any] = CityView, *, max_attempts: int | None = None) -> Boiler:
    """An app with a stored view, and a receiver of the target's changes."""
    app = Boiler("demo", max_event_age=timedelta(hours=23))
    app.query(CityView)

    @app.on_change(target, max_attempts=max_attempts)
    def tell(change: Changed[Any]) -> None:
        receiver(change)

    return app


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]


def records(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().values()
    return [dict(each.fields or {}) for each in found if each.collection.endswith(f"/{COLLECTION}")]


def outcomes(reports: list[Report]) -> list[str]:
    return [outcome for report in reports for outcome in report.outcomes]


def sent(testing: MemoryApp) -> Delivery:
    """The one event of the sink that is pending; those of the view are handled."""
    while views := [each for each in testing.pending if each.function.mode != "on_change"]:
        testing.pending = [each for each in testing.pending if each.function.mode == "on_change"]
        for each in views:
            testing.handle(each)
    (delivery,) = testing.take()
    return delivery
