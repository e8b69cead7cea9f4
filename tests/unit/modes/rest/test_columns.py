"""Lists can be filtered and ordered by what the view shows, and by nothing else."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference, references
from boiler_functions.compile.compiler import Compiled
from boiler_functions.exceptions import InvalidRule
from boiler_functions.modes.rest.columns import columns_of


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    name = attrs.string(default="")
    salary = attrs.integer(default=0)
    rating = attrs.integer(default=0)
    tags = attrs.list(str)
    scores = attrs.list(int)
    friends = attrs.relation("Person", many=True)


class PersonStore(Store):
    person = reference(Person)
    friends = references(Person.friends)


def rounded(function: Callable[[Any], int]) -> Callable[[Any], int]:
    @wraps(function)
    def getter(self: Any) -> int:
        return function(self) // 1000 * 1000

    return getter


class PersonView(ViewModel[PersonStore]):
    class Meta:
        path = "personViews/{person.doc_id}"
        read = access.public

    @attrs.computed
    def full_name(self) -> str:
        """A docstring changes nothing."""
        return self.store.person.name

    @attrs.computed
    def salary(self) -> int:
        return self.store.person.salary // 1000 * 1000

    @attrs.computed
    @rounded
    def wage(self) -> int:
        return self.store.person.salary

    @attrs.computed
    def rating(self) -> int | None:
        return self.store.person.rating if self.store.person.salary else None

    @attrs.computed
    def shown(self) -> int:
        if not self.store.person.name:
            return 0
        return self.store.person.salary

    @attrs.computed
    def other_name(self) -> str:
        return str(self.store.friends[0].name)

    @attrs.computed
    def real_rating(self) -> float:
        return self.store.person.rating

    @attrs.computed
    def tags(self) -> list[str]:
        return self.store.person.tags

    @attrs.computed
    def scores(self) -> list[str]:
        return self.store.person.scores  # type: ignore[return-value]  # of another type


def test_a_view_that_is_built_now_has_the_attributes_that_it_shows_as_they_are() -> None:
    columns = columns_of(PersonView, is_stored=False)
    assert {name: (each.key, each.bound.attribute.name) for name, each in columns.items()} == {
        "full_name": ("fullName", "name"),
        "tags": ("tags", "tags"),
    }


def test_a_list_of_copies_has_every_attribute_of_the_view_and_none_of_the_root() -> None:
    columns = columns_of(PersonView, is_stored=True)
    assert columns.keys() == PersonView.exported().keys()
    assert all(each.bound.owner is PersonView for each in columns.values())


@pytest.mark.parametrize("order", ["salary", "-rating", "name", "tags", "salary,name", "salary,-salary"])
@pytest.mark.parametrize("is_stored", [False, True])
def test_an_order_that_the_list_does_not_have_is_refused_when_the_app_is_compiled(order: str, is_stored: bool) -> None:
    class Listed(PersonView):
        class Meta:
            path = "listed/{person.doc_id}"
            read = access.public

    app = Boiler("people")
    if is_stored:
        app.query(Listed)
    if is_stored and order in ("salary", "-rating"):
        app.rest("/people", filtered_orders=[order])(Listed)
        assert app.compiled
        return
    with pytest.raises(InvalidRule, match=f"Listed has filtered_orders {order!r}, by which its list cannot be ordered"):
        _compiled(app, Listed, order)


def _compiled(app: Boiler, view: Any, order: str) -> Compiled:
    app.rest("/people", filtered_orders=[order])(view)
    return app.compiled
