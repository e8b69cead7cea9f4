"""A world of sub-collections and subclasses: collections of one name at several places, documents that change class.

Its views are recomputed by plain Python from the final documents, as those of the large world are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from boiler_functions import (
    Boiler,
    DomainModel,
    Store,
    ViewModel,
    attrs,
    children,
    matching,
    parent,
    parents,
    reference,
    references,
    referrers,
)
from boiler_functions.database import Delete, Put
from boiler_functions.database.faults import Faults
from boiler_functions.models.session import use
from boiler_functions.modes import dead_letter
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from tests.torture.figures import Figure
from tests.torture.unlogged import unlogged

SEEDS = 1_000
SHORT_SEEDS = 8
BURSTS = 6
ACTS = 5

PLACES = ("users/u/notes", "users/v/notes", "aaa/x/notes", "users/u/deep/x/notes", "notes", "zzz/x/notes")
OWN = PLACES[:2]
CODES = ("a1", "a2", "b1", "b2", "c1", "c2", "d1")
FIGURES = ("views_that_differ", "ghost_views", "dead_letters", "oracles_that_disagree")


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    text = attrs.string(required=True)
    rank = attrs.integer(required=True)


class Pinned(Note):
    pass


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    name = attrs.string(required=True)
    boss = attrs.relation("Manager")
    mentor = attrs.relation("Person", by="id")
    friends = attrs.relation("Person", many=True, by="path")
    code = attrs.string()
    deputy = attrs.relation("Person", by=code)
    crew = attrs.relation("Person", many=True, by=code)
    fans = attrs.relation("Person", many=True, by="keys")


class Manager(Person):
    pass


class Guest(Person):
    pass


class Badge(DomainModel):
    class Meta:
        collection_name = "people/{person_id}/badges"

    title = attrs.string(required=True)


class FirstStore(Store):
    notes = matching(Note.all().order_by(Note.text).limit(2))


class FirstView(ViewModel[FirstStore]):
    class Meta:
        path = "dashboards/first"

    @attrs.computed
    def texts(self) -> list[str]:
        return [note.text for note in self.store.notes]


class PinnedStore(Store):
    notes = matching(Pinned.where(Pinned.rank > 1).order_by(Pinned.rank.desc()).limit(2))


class PinnedView(ViewModel[PinnedStore]):
    class Meta:
        path = "dashboards/pinned"

    @attrs.computed
    def texts(self) -> list[str]:
        return [note.text for note in self.store.notes]


class PinnedNoteStore(Store):
    note = reference(Pinned)


class NoteView(ViewModel[PinnedNoteStore]):
    class Meta:
        path = "readers/{note.user_id}/noteViews/{note.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text


class PersonStore(Store):
    person = reference(Person)
    boss = reference(Person.boss)
    chief = reference(Person.boss, via=boss)
    colleagues = referrers(Person.boss, via=boss)
    reports = referrers(Person.boss, via=person)
    last = referrers(Person.boss, via=boss).where(Person.name > "A").order_by(Person.name.desc()).limit(1)
    alone = referrers(Person.boss, via=boss).where(mentor=None).count()


class PersonView(ViewModel[PersonStore]):
    class Meta:
        path = "personViews/{person.doc_id}"

    @attrs.computed
    def above(self) -> list[str]:
        return [each.name for each in (self.store.boss, self.store.chief) if each]

    @attrs.computed
    def colleagues(self) -> list[str]:
        return [each.name for each in self.store.colleagues]

    @attrs.computed
    def reports(self) -> list[str]:
        return [each.name for each in self.store.reports]

    @attrs.computed
    def last(self) -> list[str]:
        return [each.doc_id for each in self.store.last]

    @attrs.computed
    def alone(self) -> int:
        return self.store.alone


class FriendStore(Store):
    person = reference(Person)
    mentor = reference(Person.mentor, via=person)
    pupils = referrers(Person.mentor, via=person)
    friends = references(Person.friends, via=person)
    near = references(Person.friends, via=person).where(Person.name != "B", mentor=None).order_by(Person.name.desc())
    near_badges = children(Badge, via=near)
    admirers = referrers(Person.friends, via=person)
    badges = children(Badge, via=person)
    latest = children(Badge, via=person).where(Badge.title != "B").order_by(Badge.title.desc()).limit(1)
    honours = children(Badge, via=mentor)


class FriendView(ViewModel[FriendStore]):
    class Meta:
        path = "personFriends/{person.doc_id}"

    @attrs.computed
    def mentor(self) -> str | None:
        return self.store.mentor.name if self.store.mentor else None

    @attrs.computed
    def pupils(self) -> list[str]:
        return [each.name for each in self.store.pupils]

    @attrs.computed
    def friends(self) -> list[str]:
        return [each.name for each in self.store.friends]

    @attrs.computed
    def near(self) -> list[str]:
        return [each.doc_id for each in self.store.near]

    @attrs.computed
    def near_badges(self) -> list[str]:
        return [each.title for each in self.store.near_badges]

    @attrs.computed
    def badges(self) -> list[str]:
        return [each.title for each in self.store.badges]

    @attrs.computed
    def latest(self) -> list[str]:
        return [each.title for each in self.store.latest]

    @attrs.computed
    def honours(self) -> list[str]:
        return [each.title for each in self.store.honours]

    @attrs.computed
    def admirers(self) -> list[str]:
        return [each.name for each in self.store.admirers]


class CrewStore(Store):
    person = reference(Person)
    deputy = reference(Person.deputy, via=person)
    crew = references(Person.crew, via=person)
    near = references(Person.crew, via=person).where(Person.name != "B").order_by(Person.name.desc())
    near_badges = children(Badge, via=near)
    seniors = referrers(Person.deputy, via=person)
    above = referrers(Person.crew, via=deputy)
    fans = references(Person.fans, via=person)
    idols = referrers(Person.fans, via=person)
    fame = referrers(Person.crew, via=deputy).count()
    heard = referrers(Person.fans, via=deputy).count()


class CrewView(ViewModel[CrewStore]):
    class Meta:
        path = "personCrews/{person.doc_id}"

    @attrs.computed
    def deputy(self) -> str | None:
        deputy = self.store.person.deputy
        return deputy.name if deputy else None

    @attrs.computed
    def crew(self) -> list[str]:
        return [each.name for each in self.store.crew]

    @attrs.computed
    def near(self) -> list[str]:
        return [each.doc_id for each in self.store.near]

    @attrs.computed
    def near_badges(self) -> list[str]:
        return [each.title for each in self.store.near_badges]

    @attrs.computed
    def seniors(self) -> list[str]:
        return [each.name for each in self.store.seniors]

    @attrs.computed
    def above(self) -> list[str]:
        return [each.name for each in self.store.above]

    @attrs.computed
    def fans(self) -> list[str]:
        return [each.name for each in self.store.person.fans]

    @attrs.computed
    def idols(self) -> list[str]:
        return [each.name for each in self.store.idols]

    @attrs.computed
    def counted(self) -> list[int]:
        return [self.store.fame, self.store.heard]


class BadgeStore(Store):
    badge = reference(Badge)
    owner = parent(Person)
    boss = reference(Person.boss, via=owner)
    others = children(Badge, via=boss)
    holders = parents(Person, via=others)


class BadgeView(ViewModel[BadgeStore]):
    class Meta:
        path = "personBadges/{badge.person_id}/badges/{badge.doc_id}"

    @attrs.computed
    def text(self) -> str:
        owner = self.store.owner
        return f"{self.store.badge.title} of {owner.name if owner else None}"

    @attrs.computed
    def holders(self) -> list[str]:
        return [each.name for each in self.store.holders]


VIEWS: tuple[type[ViewModel[Any]], ...] = (FirstView, PinnedView, NoteView, PersonView, FriendView, CrewView, BadgeView)


def family_app() -> Boiler:
    app = Boiler("family")
    for view in VIEWS:
        app.query(view)
    return app


Stored = Mapping[str, Mapping[str, Any]]
"""Documents by path."""


def expected(documents: Stored) -> dict[str, dict[str, Any]]:
    """Returns what should be stored, by path, given the documents by path."""
    views = {**_of_notes(documents), **Family(documents).views()}
    return {path: {**fields, "doc_ref": path} for path, fields in views.items()}


def _of_notes(documents: Stored) -> dict[str, dict[str, Any]]:
    notes = {path: each for path, each in documents.items() if path.rpartition("/")[0] in OWN}
    pinned = {path: each for path, each in notes.items() if each["obj_type"] == "Pinned"}
    first = sorted((each["text"], path) for path, each in notes.items())[:2]
    high = sorted(((each["rank"], path) for path, each in pinned.items() if each["rank"] > 1), reverse=True)[:2]
    views: dict[str, dict[str, Any]] = {
        "dashboards/first": {"texts": [text for text, _ in first], "obj_type": "FirstView"},
        "dashboards/pinned": {"texts": [pinned[path]["text"] for _, path in high], "obj_type": "PinnedView"},
    }
    for path, note in pinned.items():
        _, user, _, doc_id = path.split("/")
        views[f"readers/{user}/noteViews/{doc_id}"] = {"text": note["text"], "obj_type": "NoteView"}
    return views


class Family:
    """The people, and the views of them, in plain Python."""

    def __init__(self, documents: Stored) -> None:
        self.documents = documents
        self.people = {p: each for p, each in documents.items() if p.startswith("people/") and p.count("/") == 1}

    def views(self) -> dict[str, dict[str, Any]]:
        views = {}
        for path in self.people:
            views[path.replace("people", "personViews")] = self._person(path)
            views[path.replace("people", "personFriends")] = self._friends(path)
            views[path.replace("people", "personCrews")] = self._crew(path)
        for path, badge in self.documents.items():
            if path.startswith("people/") and path.endswith(("/x", "/y")):
                views[path.replace("people", "personBadges")] = self._badge(path.rsplit("/", 2)[0], badge)
        return views

    def _person(self, path: str) -> dict[str, Any]:
        boss = self._manager(path)
        return {
            "above": [self._name(each) for each in (boss, self._manager(boss)) if each],
            "colleagues": self._below(boss) if boss else [],
            "last": self._last(boss) if boss else [],
            "alone": sum(self.people[each]["mentor"] is None for each in self._paths_below(boss)) if boss else 0,
            "reports": self._below(path) if self.people[path]["obj_type"] == "Manager" else [],
            "obj_type": "PersonView",
        }

    def _friends(self, path: str) -> dict[str, Any]:
        person, everybody = self.people[path], sorted(self.people)
        mentor = self.people.get(f"people/{person['mentor']}")
        alone = [each for each in everybody if each in person["friends"] and self.people[each]["mentor"] is None]
        ordered = sorted(((self._name(each), each) for each in alone if self._name(each) != "B"), reverse=True)
        near = [each for _, each in ordered]
        return {
            "mentor": mentor["name"] if mentor else None,
            "pupils": [self._name(each) for each in everybody if f"people/{self.people[each]['mentor']}" == path],
            "friends": [self._name(each) for each in everybody if each in person["friends"]],
            "near": [each.removeprefix("people/") for each in near],
            "nearBadges": [title for each in sorted(near) for title in self._badges(each)],
            "admirers": [self._name(each) for each in everybody if path in self.people[each]["friends"]],
            "badges": self._badges(path),
            "latest": sorted((each for each in self._badges(path) if each != "B"), reverse=True)[:1],
            "honours": self._badges(f"people/{person['mentor']}") if person["mentor"] else [],
            "obj_type": "FriendView",
        }

    def _crew(self, path: str) -> dict[str, Any]:
        person, everybody = self.people[path], sorted(self.people)
        crew = [each for each in everybody if self.people[each]["code"] in person["crew"]]
        near = sorted(((self._name(each), each) for each in crew if self._name(each) != "B"), reverse=True)
        found = [each for each in everybody if person["deputy"] and self.people[each]["code"] == person["deputy"]]
        deputy = found[0] if found else None
        above = self._with_code("crew", deputy)
        return {
            "deputy": self._name(deputy) if deputy else None,
            "crew": [self._name(each) for each in crew],
            "near": [each.removeprefix("people/") for _, each in near],
            "nearBadges": [title for each in sorted(each for _, each in near) for title in self._badges(each)],
            "seniors": [self._name(each) for each in self._with_code("deputy", path)],
            "above": [self._name(each) for each in above],
            "fans": [self._name(each) for each in everybody if self._is_fan(each, path)],
            "idols": [self._name(each) for each in everybody if self._is_fan(path, each)],
            "counted": [len(above), sum(self._is_fan(deputy, each) for each in everybody) if deputy else 0],
            "obj_type": "CrewView",
        }

    def _with_code(self, field: str, person: str | None) -> list[str]:
        """Returns the people in whose field, which has one code or a list, that of the person is."""
        code = self.people[person]["code"] if person else None
        held = {
            path: each[field] if isinstance(each[field], list) else [each[field]] for path, each in self.people.items()
        }
        return [path for path in sorted(self.people) if code is not None and code in held[path]]

    def _is_fan(self, person: str, of: str) -> bool:
        return self.people[of]["fans"].get(person.removeprefix("people/")) is not None

    def _badge(self, owner: str, badge: Mapping[str, Any]) -> dict[str, Any]:
        boss = self._manager(owner) if owner in self.people else None
        return {
            "text": f"{badge['title']} of {self._name(owner) if owner in self.people else None}",
            "holders": [self._name(boss)] if boss and self._badges(boss) else [],
            "obj_type": "BadgeView",
        }

    def _name(self, person: str) -> str:
        return str(self.people[person]["name"])

    def _manager(self, person: str | None) -> str | None:
        """Returns the boss of a person, if that is a manager."""
        boss = self.people[person].get("boss") if person else None
        is_one = boss is not None and self.people.get(boss.path, {}).get("obj_type") == "Manager"
        return str(boss.path) if boss is not None and is_one else None

    def _paths_below(self, boss: str | None) -> list[str]:
        return [path for path in sorted(self.people) if (self.people[path].get("boss") or Reference("")).path == boss]

    def _below(self, boss: str | None) -> list[str]:
        return [self._name(path) for path in self._paths_below(boss)]

    def _last(self, boss: str) -> list[str]:
        found = sorted((self._name(path), path) for path in self._paths_below(boss) if self._name(path) > "A")
        return [path.removeprefix("people/") for _, path in found[-1:]]

    def _badges(self, person: str) -> list[str]:
        found = sorted(self.documents.items())
        return [each["title"] for path, each in found if path.startswith(f"{person}/badges/")]


def acts(testing: MemoryApp, chance: Random) -> list[Callable[[], object]]:
    """Yields what clients do, each drawn only when it happens."""

    def note() -> None:
        path = f"{chance.choice(PLACES)}/{chance.choice('abc')}"
        text = chance.choice("abcdefgh")
        kind = chance.choice(["Note", "Pinned"])
        testing.database.commit([Put(path, {"text": text, "rank": chance.randint(0, 4), "obj_type": kind})])

    def person() -> None:
        boss = chance.choice([None, *(Reference(f"people/{name}") for name in "abcd")])
        kind = chance.choice(["Person", "Manager", "Guest"])
        doc_id = chance.choice("abc")
        path = f"people/{doc_id}"
        mentor = chance.choice([None, *"abcd"])
        friends = [f"people/{name}" for name in chance.sample("abcd", chance.randint(0, 2))]
        fields = {"name": chance.choice("ABC"), "boss": boss, "mentor": mentor, "friends": friends}
        # No two people have one code at any time, as each draws from codes of its own.
        by_code = {
            "code": f"{doc_id}{chance.choice('12')}",
            "deputy": chance.choice([None, *CODES]),
            "crew": chance.sample(CODES, chance.randint(0, 3)),
            "fans": {
                name: chance.choice([True, False, None]) for name in chance.sample("abcd", chance.choice([0, 0, 1, 2]))
            },
        }
        testing.database.commit([Put(path, {**fields, **by_code, "obj_type": kind})])

    def rename() -> None:
        path = f"people/{chance.choice('abc')}"
        if (fields := testing.fields(path)) is not None:
            code = f"{path[-1]}{chance.choice('12')}"
            testing.database.commit([Put(path, {**fields, "code": code, "name": chance.choice("ABCDEFGH")})])

    def badge() -> None:
        path = f"people/{chance.choice('abcd')}/badges/{chance.choice('xy')}"
        testing.database.commit([Put(path, {"title": chance.choice("ABC")})])

    def delete() -> None:
        places = ["people/a", "people/b", "people/a/badges/x", "people/b/badges/y", f"{chance.choice(PLACES)}/a"]
        path = chance.choice(places)
        testing.database.commit([Delete(path)])

    return [chance.choice([note, person, person, *[rename] * 3, badge, delete]) for _ in range(ACTS)]


@unlogged()
def torture(seed: int) -> Counter[str]:
    """Returns what is wrong after one seed."""
    chance, clock, wrong = Random(seed), VirtualClock(), Counter[str]()
    with memory_app(family_app(), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
        # In bursts: within one, most views are built from what all its acts left, and few changes meet a built view.
        for burst in range(BURSTS):
            testing.deliver(
                duplicates=chance.choice([0, 1, 2]),
                shuffle=seed * BURSTS + burst,
                at_once=chance.randint(1, 5),
                crashes=chance.choice([0.0, 0.05]),
                drops=chance.choice([0.0, 0.1]),
                faults=Faults(0.03, 0.03, 0.03, 0.2),
                meanwhile=acts(testing, chance),
            )
        with use(testing.database):
            _compare(testing, seed, wrong)
    return wrong


def _compare(testing: MemoryApp, seed: int, wrong: Counter[str]) -> None:
    documents = {path: dict(each.fields or {}) for path, each in testing.documents().items()}
    right = expected(documents)
    stored = {
        path: fields
        for path, fields in documents.items()
        if path.startswith(("dashb", "readers", "personV", "personF", "personC", "personB"))
    }
    for path, fields in right.items():
        # A dashboard without content may be missing, as no event concerned it.
        if stored.get(path) != fields and not (path not in stored and fields.get("texts") == []):
            wrong["views_that_differ"] += 1
            print(f"    seed {seed}: {path} is {stored.get(path)}, and should be {fields}")
    wrong["ghost_views"] += len(stored.keys() - right.keys())
    wrong["dead_letters"] += sum(path.startswith(dead_letter.COLLECTION) for path in documents)
    try:
        assert_views_equal_rebuild(testing)
    except AssertionError as error:
        wrong["oracles_that_disagree"] += 1
        print(f"    seed {seed}: {error}")


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of the world of sub-collections and subclasses."""
    seeds = SHORT_SEEDS if short else SEEDS
    wrong: Counter[str] = Counter()
    for each in range(seed, seed + seeds):
        wrong += torture(each)
    yield Figure("seeds", seeds, note=f" {seed} … {seed + seeds - 1}")
    for name in FIGURES:
        yield Figure(name, wrong[name], "=", 0)
