"""Values become protocol messages and come back the same."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud.firestore_v1.types.document import Document as DocumentMessage
from google.cloud.firestore_v1.types.document import Value

from boiler_functions.database import Document
from boiler_functions.database.codec import Codec, set_timestamp, to_nanoseconds
from boiler_functions.types import MISSING, GeoPoint, Reference
from tests.contract.contract import VALUES

CODEC = Codec("projects/p/databases/(default)")


def encoded(value: Any) -> Any:
    message = Value.pb()()
    CODEC.encode(value, message)
    return message


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was_with_its_type(name: str) -> None:
    back = CODEC.decode(encoded(VALUES[name]))
    assert back == VALUES[name]
    assert type(back) is type(VALUES[name])


def test_booleans_are_no_integers_and_integers_no_doubles() -> None:
    kinds = [encoded(value).WhichOneof("value_type") for value in (True, 1, 1.0)]
    assert kinds == ["boolean_value", "integer_value", "double_value"]


def test_a_reference_has_the_full_name_and_one_of_another_database_keeps_its_own() -> None:
    assert encoded(Reference("users/a")).reference_value == "projects/p/databases/(default)/documents/users/a"
    other = "projects/q/databases/(default)/documents/users/a"
    assert encoded(Reference(f"/{other}")).reference_value == other
    assert CODEC.decode(encoded(Reference(f"/{other}"))) == Reference(f"/{other}")


def test_a_path_that_looks_like_a_full_name_stays_in_its_database() -> None:
    path = "projects/q/databases/d/documents/users"
    assert CODEC.name(path) == f"projects/p/databases/(default)/documents/{path}"
    assert CODEC.path(CODEC.name(path)) == path


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j])
def test_what_is_no_value_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(TypeError, match=f"{type(value).__name__} is not a Firestore value"):
        encoded(value)


def test_a_kind_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match="A stored value has the kind None"):
        CODEC.decode(Value.pb()())


def test_a_document_message_is_a_document_with_its_version_in_nanoseconds() -> None:
    message = DocumentMessage.pb()(name="projects/p/databases/(default)/documents/users/a")
    CODEC.encode_fields({"place": GeoPoint(1.0, 2.0)}, message.fields)
    message.update_time.seconds, message.update_time.nanos = 5, 6000
    assert CODEC.decode_document(message) == Document("users/a", {"place": GeoPoint(1.0, 2.0)}, 5_000_006_000)


def test_a_timestamp_is_cut_to_microseconds_and_one_that_is_not_set_is_missing() -> None:
    message = Value.pb()().timestamp_value
    assert to_nanoseconds(message) == MISSING
    set_timestamp(message, 5_000_006_789)
    assert to_nanoseconds(message) == 5_000_006_000


def test_a_time_before_1970_comes_back() -> None:
    moment = datetime(1901, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert CODEC.decode(encoded(moment)) == moment
