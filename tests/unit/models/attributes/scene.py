"""What the tests of this folder share."""

from datetime import UTC, datetime
from enum import Enum

from marshmallow import validate

from boiler_functions import DomainModel, Embedded, ViewModel, attrs

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Status(Enum):
    OPEN = "open"
    SHUT = "shut"


class Address(Embedded):
    street_name = attrs.string(required=True)
    zip_code = attrs.string(validate=validate.Length(max=5))


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string()


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string()
    population = attrs.integer()
    area = attrs.float()
    capital = attrs.boolean()
    founded = attrs.timestamp()
    seal = attrs.bytes()
    place = attrs.geopoint()
    status = attrs.enum(Status)
    regions = attrs.list(str)
    scores = attrs.mapping(int)
    address = attrs.embedded(Address)
    former = attrs.list(Address)
    country = attrs.relation(Country)
    twins = attrs.relation("City", many=True)
    anything = attrs.bproperty()


class Properties(ViewModel):
    class Meta:
        case_conversion = False

    own_name = attrs.bproperty()
    other_name = attrs.bproperty(data_key="other")
    plain = attrs.bproperty()

    @own_name.getter  # type: ignore[no-redef]
    def own_name(self):
        return self.values.get("kept", "nothing")

    @own_name.setter  # type: ignore[no-redef]
    def own_name(self, value):  # type: ignore[no-untyped-def]
        self.values["kept"] = value

    @other_name.getter
    def get_other(self):  # type: ignore[no-untyped-def]
        return [1, "a"]
