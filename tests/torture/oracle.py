"""The views of the tortured app, computed from the final documents in plain Python, without the package's code."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

Documents = Mapping[str, Mapping[str, Any]]

PREFIXES = (
    "cityViews/", "placeViews/", "countryViews/", "twinViews/", "initialViews/", "dashboards/", "dueViews/",
    "totalsViews/", "keptTotalsViews/", "listedViews/", "bylineViews/",
)  # fmt: skip


def is_view(path: str) -> bool:
    return path.startswith(PREFIXES) or "/meetingViews/" in path


def views(documents: Documents, now: datetime) -> dict[str, dict[str, Any]]:
    """Returns what should be stored, by path; a dashboard without content may be missing, as no event concerned it."""
    return {path: {**content, "doc_ref": path} for path, content in [*_views(documents), *_due(documents, now)]}


def _views(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    cities = _collection(documents, "cities")
    for doc_id, city in cities.items():
        name = city["name"]
        country = documents.get(_path(city["country"])) if city.get("country") else None
        twin = documents.get(_path(city["twin"])) if city.get("twin") else None
        yield f"cityViews/{doc_id}", {"title": name.upper(), "obj_type": "CityView"}
        place = f"{name}, {country['name']}" if country else name
        yield f"placeViews/{doc_id}", {"place": place, "obj_type": "PlaceView"}
        yield f"twinViews/{doc_id}", {"twin": twin["name"] if twin else "none", "obj_type": "TwinView"}
        yield f"initialViews/{doc_id}", {"initial": name[0], "obj_type": "InitialView"}
    for doc_id in _collection(documents, "countries"):
        path = f"countries/{doc_id}"
        own = [each for each in cities.values() if each.get("country") and _path(each["country"]) == path]
        yield f"countryViews/{doc_id}", {"cities": [each["name"] for each in own], "obj_type": "CountryView"}
        totals = {
            "cities": len(own),
            "population": _people(own),
            "inCapitals": _people(each for each in cities.values() if each.get("capital")),
        }
        by_value = {
            "byCapital": {
                str(capital): _people(each for each in own if each.get("capital") is capital)
                for capital in {each["capital"] for each in own if "capital" in each}
            },
            "sizes": dict(Counter(str(each["population"]) for each in cities.values() if "population" in each)),
        }
        listed = [each["name"] for each in own if isinstance(each["name"], str)]
        yield f"listedViews/{doc_id}", {"cities": listed, "obj_type": "ListedView"}
        yield f"totalsViews/{doc_id}", {**totals, "obj_type": "TotalsView"}
        yield f"keptTotalsViews/{doc_id}", {**totals, **by_value, "obj_type": "KeptTotalsView"}
    capitals = [each["name"] for each in cities.values() if each.get("capital")]
    yield "dashboards/capitals", {"names": capitals, "obj_type": "CapitalsView"}
    large = [(each["population"], doc_id) for doc_id, each in cities.items() if each.get("population", 0) > 1_000_000]
    names = [cities[doc_id]["name"] for _, doc_id in sorted(large, reverse=True)[:2]]
    yield "dashboards/large", {"names": names, "obj_type": "LargeView"}
    yield from _meetings(documents)
    yield from _bylines(documents)


def _bylines(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    articles = _collection(documents, "articles")
    for doc_id, article in articles.items():
        path = _path(article["author"]) if article.get("author") else ""
        author = documents.get(path)
        field = {"signed": "name", "friendly": "nickname"}.get(article.get("how", ""))
        by = "" if author is None else author.get(field, "") if field else "somebody"
        # Those who refer to an author are found, too, if it is missing.
        others = [each for each in articles.values() if path and each.get("author") and _path(each["author"]) == path]
        hows = [each.get("how", "") for each in others]
        yield f"bylineViews/{doc_id}", {"by": by, "others": hows, "obj_type": "BylineView"}


def _people(cities: Iterable[Mapping[str, Any]]) -> int:
    return sum(each.get("population", 0) for each in cities)


def _due(documents: Documents, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    for doc_id, deadline in _collection(documents, "deadlines").items():
        left = deadline["dueAt"] - now
        soon = -timedelta(minutes=30) < left <= timedelta(minutes=30)
        yield f"dueViews/{doc_id}", {"passed": left <= timedelta(), "soon": soon, "obj_type": "DueView"}


def _meetings(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    for doc_id, meeting in _collection(documents, "meetings").items():
        tickets = [documents[path] for path in sorted(map(_path, meeting.get("tickets", ()))) if path in documents]
        users = [_path(ticket["user"]) for ticket in tickets if _path(ticket["user"]) in documents]
        attending = [documents[path]["name"] for path in users]
        for user in set(users):
            yield f"{user}/meetingViews/{doc_id}", {"attending": attending, "obj_type": "MeetingView"}


def _collection(documents: Documents, name: str) -> dict[str, Mapping[str, Any]]:
    """Returns the documents of a collection by id, in the order of their ids."""
    found = {path.split("/")[1]: fields for path, fields in documents.items() if path.split("/")[0] == name}
    own = {doc_id for doc_id in found if f"{name}/{doc_id}" in documents}
    return {doc_id: documents[f"{name}/{doc_id}"] for doc_id in sorted(own)}


def _path(reference: Any) -> str:
    return str(reference.path)
