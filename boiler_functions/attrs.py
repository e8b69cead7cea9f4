"""Declares the attributes of models, by the names of Firestore's types.

    class City(DomainModel):
        city_name = attrs.string(required=True)     # str
        population = attrs.integer()                # int | None
        regions = attrs.list(str)                   # list[str], empty unless given
        country = attrs.relation(Country)           # Country | None

Use it as `attrs.list`; never star-import it.
"""

from boiler_functions.models.attributes import (
    Attribute,
    Relation,
    boolean,
    bproperty,
    bytes,
    computed,
    embedded,
    enum,
    float,
    geopoint,
    integer,
    list,
    mapping,
    relation,
    string,
    timestamp,
)

__all__ = [
    "Attribute",
    "Relation",
    "boolean",
    "bproperty",
    "bytes",
    "computed",
    "embedded",
    "enum",
    "float",
    "geopoint",
    "integer",
    "list",
    "mapping",
    "relation",
    "string",
    "timestamp",
]
