"""Fingerprints tell when a view's fetch plan, or the code that computes it, is another one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, matching, reference, referrers
from boiler_functions.modes.edition import Edition, class_fingerprint, plan_fingerprint
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprint
from tests.unit.modes.cities import City, Country

View = type[ViewModel[Any]]


def view_of(store: type[Store], at: str = "views/{city.doc_id}", schema: int = 1, text: str = "a") -> View:
    class V(ViewModel[store]):  # type: ignore[valid-type]
        class Meta:
            path = at
            schema_version = schema

        @attrs.computed
        def name(self) -> str:
            return text

    return V


class Base(Store):
    city = reference(City)
    others = matching(City.capital == True)  # noqa: E712


class OtherCondition(Store):
    city = reference(City)
    others = matching(City.capital == False)  # noqa: E712


class OtherRelation(Store):
    city = reference(City)
    others = referrers(City.twin)


class OneMore(Store):
    city = reference(City)
    country = reference(City.country)
    others = matching(City.capital == True)  # noqa: E712


class Limited(Store):
    city = reference(City)
    others = matching(City.where(City.capital == True).limit(3))  # noqa: E712


PLANS: dict[str, Callable[[], View]] = {
    "itself": lambda: view_of(Base),
    "another condition": lambda: view_of(OtherCondition),
    "another relation": lambda: view_of(OtherRelation),
    "one more source": lambda: view_of(OneMore),
    "a limit": lambda: view_of(Limited),
    "another path": lambda: view_of(Base, at="elsewhere/{city.doc_id}"),
    "another schema version": lambda: view_of(Base, schema=2),
}


def test_every_other_fetch_plan_has_another_fingerprint() -> None:
    assert len({plan_fingerprint(view()) for view in PLANS.values()}) == len(PLANS)


@pytest.mark.parametrize("plan", PLANS)
def test_an_equal_fetch_plan_has_the_same_fingerprint_whatever_its_getters_do(plan: str) -> None:
    assert plan_fingerprint(PLANS[plan]()) == plan_fingerprint(PLANS[plan]())
    assert plan_fingerprint(view_of(Base, text="a")) == plan_fingerprint(view_of(Base, text="b"))


def test_a_subclass_that_a_model_gains_is_another_fetch_plan() -> None:
    class Ship(DomainModel):
        class Meta:
            collection_name = "ships"

        country = attrs.relation(Country)

    class Ferry(Ship):
        """A subclass, which a query of its own class finds by name."""

    class Fleet(Store):
        country = reference(Country)
        ferries = referrers(Ferry.country)

    view = view_of(Fleet, at="fleets/{country.doc_id}")
    before = plan_fingerprint(view)

    class Catamaran(Ferry):
        """A ferry of another kind."""

    assert plan_fingerprint(view) != before


def test_a_class_has_another_fingerprint_by_its_attributes_getters_and_what_they_close_over() -> None:
    class Longer(view_of(Base)):  # type: ignore[misc]
        note = attrs.string()

    views = [view_of(Base), view_of(Base, text="b"), view_of(Base, schema=2), Longer]
    assert len({class_fingerprint(view) for view in views}) == len(views)
    assert class_fingerprint(view_of(Base)) == class_fingerprint(view_of(Base))


def test_the_code_of_a_release_goes_before_the_fingerprint_of_the_class() -> None:
    view = view_of(Base)
    known = Edition.of("demo", view, Release(7, {"V": "source-abc"}))
    assert (known.code, known.deployment) == ("demo/V/source-abc", 7)
    unknown = Edition.of("demo", view, Release())
    assert unknown.code.startswith("demo/V/class-")
    assert unknown.is_same_code(known)
    assert not unknown.is_same_code(Edition.of("demo", view_of(Base, text="b"), Release()))


MAIN = '''"""A module."""
from project.models import City
from project import helpers
import json

class CityView:
    """A view."""

    def title(self) -> str:
        # says it loud
        return helpers.loud(f"{City.name!r}")
'''

FILES = {
    "project/__init__.py": "",
    "project/views.py": MAIN,
    "project/models.py": "class City:\n    name = 'x'\n",
    "project/helpers.py": "from . import deeper\n\ndef loud(text: str) -> str:\n    return text.upper() + deeper.END\n",
    "project/deeper.py": "END = '!'\n",
    "project/stranger.py": "UNUSED = 1\n",
}

ASK = """
import sys
sys.path[:0] = [{folder!r}]
import project.stranger
from project.views import CityView
from boiler_functions.modes.source_code import code_fingerprint
print(code_fingerprint(CityView))
"""


def fingerprint(folder: Path, seed: str = "0", **changes: Any) -> str:
    """The fingerprint that another process works out, of the files with one text in each changed."""
    for name, text in FILES.items():
        old, new = changes.get(Path(name).stem, ("", ""))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text)
    environ = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = [sys.executable, "-c", ASK.format(folder=str(folder))]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout.strip()


def test_the_fingerprint_of_source_code_is_of_what_runs_and_the_same_everywhere(tmp_path: Path) -> None:
    first = fingerprint(tmp_path / "a")
    assert first.startswith("source-")
    assert fingerprint(tmp_path / "b", seed="7") == first
    assert fingerprint(tmp_path / "c", views=("A view.", "A better view.")) == first
    assert fingerprint(tmp_path / "d", views=("# says it loud\n", "# shouts\n\n")) == first
    assert fingerprint(tmp_path / "e", stranger=("1", "2")) == first


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("views", "loud(f", "loud('' + f"),
        ("models", "'x'", "'y'"),
        ("helpers", "upper", "lower"),
        ("deeper", "'!'", "'?'"),
    ],
)
def test_any_module_of_the_project_that_the_view_leads_to_is_part_of_its_fingerprint(
    tmp_path: Path, module: str, old: str, new: str
) -> None:
    changes: dict[str, Any] = {module: (old, new)}
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b", **changes)


def test_code_without_a_source_has_no_fingerprint() -> None:
    view = view_of(Base)
    view.__module__ = "nowhere"
    assert code_fingerprint(view) == ""
