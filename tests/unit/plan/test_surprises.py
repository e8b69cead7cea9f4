"""What works otherwise than it seems to is said by name: where it is declared, or by `boiler check`."""

import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pytest
from marshmallow import INCLUDE

from boiler_functions import Boiler, DomainModel, Embedded, Store, ViewModel, access, attrs, reference, use
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidValue
from boiler_functions.plan.advice import surprises
from tests.unit.models.cities import fields_of


class Lamp(DomainModel):
    class Meta:
        collection_name = "lamps"

    name = attrs.string(default="")
    note: str

    @property
    def title(self) -> str:
        return self.name.title()


class LampStore(Store):
    lamp = reference(Lamp)


def test_a_property_of_a_view_that_looks_like_an_attribute_is_warned_of() -> None:
    class LampView(ViewModel[LampStore]):
        class Meta:
            path = "lampViews/{lamp.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self._title

        @property
        def _title(self) -> str:
            return self.store.lamp.title

        @property
        def shown(self) -> str:
            return self._title

        @cached_property
        def kept(self) -> str:
            return self._title

    app = Boiler("demo")
    app.query(LampView)
    found = {each.about: each.text for each in surprises(app.declarations)}
    assert found.keys() == {"LampView.shown", "LampView.kept"}
    assert "`@attrs.computed`" in found["LampView.shown"]


def test_a_default_that_is_drawn_is_warned_of_unless_every_document_has_the_field() -> None:
    class Made(DomainModel):
        class Meta:
            collection_name = "made"

        at = attrs.timestamp(default=lambda: datetime.now(UTC))
        key = attrs.string(default=lambda: secrets.token_hex(4), required=True)
        colour = attrs.string(default=lambda: "red")

    class MadeStore(Store):
        made = reference(Made)

    class MadeView(ViewModel[MadeStore]):
        class Meta:
            path = "madeViews/{made.doc_id}"

        @attrs.computed
        def colour(self) -> str:
            return self.store.made.colour

    app = Boiler("demo")
    app.query(MadeView)
    assert [(each.name, each.about) for each in surprises(app.declarations)] == [("default-of-new-ones", "Made.at")]


@pytest.mark.parametrize("write", [None, access.signed_in, access.Nobody()])
def test_a_form_that_nobody_may_send_is_warned_of_unless_it_says_so(write: Any) -> None:
    meta: Any = type("Meta", (), {} if write is None else {"write": write})

    class LampForm(ViewModel[LampStore]):
        Meta = meta

        def propagate_change(self) -> None: ...

    app = Boiler("demo")
    app.task("lamps/{doc_id}/forms/{form_id}", writes=[Lamp])(LampForm)
    found = [(each.name, each.about) for each in surprises(app.declarations)]
    assert found == ([] if write is not None else [("nobody-may-send", "LampForm")])


@pytest.mark.parametrize(
    ("path", "is_warned_of"),
    [
        ("lamps/{lamp_id}/forms/{form_id}", True),
        ("lamps/{doc_id}/forms/{form_id}", False),
        ("lamps/{lamp_id}/next/{doc_id}", False),
        ("users/{user_id}/lamps/{lamp_id}", False),
    ],
)
def test_a_form_below_a_document_of_its_root_whose_own_id_names_the_root_is_warned_of(
    path: str, is_warned_of: bool
) -> None:
    class LampForm(ViewModel[LampStore]):
        class Meta:
            write = access.signed_in

        def propagate_change(self) -> None: ...

    app = Boiler("demo")
    app.task(path, writes=[Lamp])(LampForm)
    found = [(each.name, each.about) for each in surprises(app.declarations)]
    assert found == ([("named-by-the-form", "LampForm.store.lamp")] if is_warned_of else [])


def test_an_assignment_to_what_is_not_declared_is_refused_and_one_to_what_the_class_annotates_is_not() -> None:
    class Shade(Embedded):
        colour = attrs.string()

    lamp: Any = Lamp.new()
    lamp.note, lamp._cache = "mine", {}
    with pytest.raises(InvalidValue, match="Lamp refuses nmae: Undeclared; the declared attributes are name"):
        lamp.nmae = "Desk lamp"
    shade: Any = Shade()
    with pytest.raises(InvalidValue, match="Shade refuses color"):
        shade.color = "red"
    with pytest.raises(AttributeError):
        lamp.title = "A property has no setter."


def test_a_model_that_keeps_undeclared_fields_saves_one_that_is_assigned() -> None:
    class Open(DomainModel):
        class Meta:
            collection_name = "opens"
            unknown = INCLUDE

    database = MemoryDatabase()
    with use(database):
        found: Any = Open.new(doc_id="a")
        found.legacy = 7
        found.save()
    assert fields_of(database, "opens/a")["legacy"] == 7
