"""Values of stored documents that do not fit their attributes: they are checked where they are read."""

from typing import Any

import pytest

from boiler_functions import DomainModel, attrs, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidDocument, InvalidValue
from boiler_functions.types import Reference
from tests.unit.models.cities import fields_of


class Owner(DomainModel):
    class Meta:
        collection_name = "owners"


class Shop(DomainModel):
    class Meta:
        collection_name = "shops"

    name = attrs.string(required=True)
    seats = attrs.integer(default=4)
    tags = attrs.list(str)
    owner = attrs.relation(Owner)
    guests = attrs.relation(Owner, many=True)

    @attrs.computed
    def is_large(self) -> bool:
        return self.seats > 100


def stored(database: MemoryDatabase, **fields: Any) -> Shop:
    database.commit([Put("shops/a", fields)])
    with use(database):
        found = Shop.get("a")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({}, "name", "shops/a does not fit Shop: name: Missing data for required field."),
        ({"name": None}, "name", "name: Field may not be null."),
        ({"seats": "four"}, "seats", "seats: Not a valid integer."),
        ({"seats": "four"}, "is_large", "seats: Not a valid integer."),
        ({"tags": ["a", 1]}, "tags", r"tags\.1: Not a valid string."),
        ({"owner": "ann"}, "owner", "owner: Not a reference"),
        ({"guests": [Reference("owners/ann"), 5]}, "guests", r"guests\.1: Not a reference"),
    ],
)
def test_a_value_that_does_not_fit_raises_when_it_is_read_and_no_earlier(
    database: MemoryDatabase, fields: dict[str, Any], name: str, reason: str
) -> None:
    shop = stored(database, **{"name": "Corner", **fields} if fields else {})
    others = shop.attributes.keys() - {name, "is_large", "seats", "owner", "guests"}
    assert [getattr(shop, each) for each in sorted(others)]
    with pytest.raises(InvalidDocument, match=reason):
        getattr(shop, name)


def test_the_whole_as_a_view_shows_it_names_every_value_that_does_not_fit(database: MemoryDatabase) -> None:
    with pytest.raises(InvalidDocument, match=r"name: Missing data.*seats: Not a valid integer\."):
        stored(database, seats="four").to_view_dict()


def test_a_value_that_does_not_fit_survives_a_save_and_an_assignment_mends_it(database: MemoryDatabase) -> None:
    shop = stored(database, seats="four", tags=["a", 1])
    shop.owner = "ann"
    with use(database), pytest.raises(InvalidDocument, match="seats"):
        shop.save()  # `is_large` is stored, too, and reads the seats.
    shop.seats = 200
    with use(database):
        shop.save()
    assert fields_of(database, "shops/a").items() >= {"seats": 200, "isLarge": True, "tags": ["a", 1]}.items()
    assert "name" not in fields_of(database, "shops/a")
    assert shop.is_large
    shop.name = None  # type: ignore[assignment]
    with use(database), pytest.raises(InvalidValue, match="name"):
        shop.save()


def test_a_model_with_a_value_that_does_not_fit_is_unchanged_until_somebody_changes_it(
    database: MemoryDatabase,
) -> None:
    shop = stored(database, name="Corner", tags=[1])
    assert not shop.is_changed
    shop.tags = []
    assert shop.is_changed
