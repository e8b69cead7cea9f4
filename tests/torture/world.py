"""The app that is tortured, and what its clients do: views of every shape, tasks of every completion, bad data."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, referrers
from boiler_functions.database import Delete, Put, Write
from boiler_functions.modes.forms.task import Completion
from boiler_functions.types import Instant, Reference, to_datetime
from tests.unit.modes.cities import QUERIES, City, CityStore, Country

COMPLETIONS: tuple[Completion, ...] = ("stamp", "keep", "delete")

SOON = timedelta(minutes=30)

POISON = 7
"""A name that is no string, so that the document does not fit its model."""


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    balance = attrs.integer(default=0)
    applied = attrs.list(str)


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    rate = attrs.integer(default=1)


class SettingsStore(Store):
    settings = reference(Settings, doc_id="main")


class InitialView(ViewModel[CityStore]):
    """A view whose getter has a bug: it raises for a city with an empty name."""

    class Meta:
        path = "initialViews/{city.doc_id}"

    @attrs.computed
    def initial(self) -> str:
        return self.store.city.name[0]


class Deadline(DomainModel):
    class Meta:
        collection_name = "deadlines"

    due_at = attrs.timestamp(required=True)


class DeadlineStore(Store):
    deadline = reference(Deadline)


class DueView(ViewModel[DeadlineStore]):
    """A view that changes because time passes."""

    class Meta:
        path = "dueViews/{deadline.doc_id}"

    @attrs.computed
    def passed(self) -> bool:
        return self.store.now.has_passed(self.store.deadline.due_at)

    @attrs.computed
    def soon(self) -> bool:
        return self.store.now.is_within(self.store.deadline.due_at, SOON)


class TotalsStore(Store):
    country = reference(Country)
    cities = referrers(City.country).count()
    population = referrers(City.country).sum(City.population)
    in_capitals = matching(City.capital == True).sum(City.population)  # noqa: E712


class TotalsView(ViewModel[TotalsStore]):
    """Numbers over cities that the view does not read, in which they come, change, move and go."""

    class Meta:
        path = "totalsViews/{country.doc_id}"

    @attrs.computed
    def cities(self) -> int:
        return self.store.cities

    @attrs.computed
    def population(self) -> int:
        return self.store.population

    @attrs.computed
    def in_capitals(self) -> int:
        return self.store.in_capitals


class KeptTotalsStore(Store):
    country = reference(Country)
    cities = referrers(City.country).count(kept=True, shards=2)
    population = referrers(City.country).sum(City.population, kept=True, shards=3)
    in_capitals = matching(City.capital == True).sum(City.population, kept=True, shards=1)  # noqa: E712
    by_capital = referrers(City.country).sum(City.population, by=City.capital, kept=True, shards=2)
    sizes = matching(City.all()).count(by=City.population, kept=True, shards=3)


class KeptTotalsView(ViewModel[KeptTotalsStore]):
    """The same numbers, and some by value, which commits keep up to date."""

    class Meta:
        path = "keptTotalsViews/{country.doc_id}"

    @attrs.computed
    def cities(self) -> int:
        return self.store.cities

    @attrs.computed
    def population(self) -> int:
        return self.store.population

    @attrs.computed
    def in_capitals(self) -> int:
        return self.store.in_capitals

    @attrs.computed
    def by_capital(self) -> dict[str, int]:
        return {str(capital): number for capital, number in self.store.by_capital.items()}

    @attrs.computed
    def sizes(self) -> dict[str, int]:
        return {str(size): number for size, number in self.store.sizes.items()}


class ListedStore(Store):
    country = reference(Country)
    cities = referrers(City.country, on_invalid="skip")


class ListedView(ViewModel[ListedStore]):
    """The names of the cities whose names can be read; a name that does not fit leaves out its city alone."""

    class Meta:
        path = "listedViews/{country.doc_id}"

    @attrs.computed
    def cities(self) -> list[str]:
        return [city.name for city in self.store.cities]


class Author(DomainModel):
    class Meta:
        collection_name = "authors"

    name = attrs.string(default="")
    nickname = attrs.string(default="")
    seen = attrs.integer(default=0)


class Article(DomainModel):
    class Meta:
        collection_name = "articles"

    author = attrs.relation(Author)
    how = attrs.string(default="")
    visits = attrs.integer(default=0)


class BylineStore(Store):
    article = reference(Article)
    author = reference(Article.author)
    others = referrers(Article.author, via=author)


class BylineView(ViewModel[BylineStore]):
    """Reads this field or that, as another document says; many changes are of fields that nobody has read."""

    class Meta:
        path = "bylineViews/{article.doc_id}"

    @attrs.computed
    def by(self) -> str:
        author, how = self.store.author, self.store.article.how
        if author is None:
            return ""
        return author.nickname if how == "friendly" else author.name if how == "signed" else "somebody"

    @attrs.computed
    def others(self) -> list[str]:
        return [each.how for each in self.store.others]


class _Deposit(ViewModel[SettingsStore]):
    """Adds to an account, and records which version of which form did, so that doubled and lost effects show."""

    amount = attrs.integer(required=True)

    def propagate_change(self) -> None:
        account = Account.get(self.params["user_id"]) or Account.new(doc_id=self.params["user_id"], applied=[])
        account.balance += self.amount
        account.applied = [*(account.applied or []), applied(type(self).__name__, self.params["doc_id"], self.amount)]
        account.save()


class Stamped(_Deposit):
    pass


class Kept(_Deposit):
    pass


class Deleted(_Deposit):
    pass


FORMS: dict[str, tuple[type[ViewModel[Any]], Completion]] = {
    "stamped": (Stamped, "stamp"),
    "kept": (Kept, "keep"),
    "deleted": (Deleted, "delete"),
}


def applied(view: str, doc_id: str, amount: int) -> str:
    """Returns how an account records one version of one form."""
    return f"{view} {doc_id} {amount}"


def tortured_app() -> Boiler:
    app = Boiler("torture", max_retries=8)
    for view in (*QUERIES, InitialView, DueView, TotalsView, KeptTotalsView, ListedView, BylineView):
        app.query(view)
    for collection, (form, completion) in FORMS.items():
        path = f"users/{{user_id}}/{collection}/{{form_id}}"
        app.task(path, writes=[Account], on_completion=completion)(form)
    return app


class Clients:
    """Random acts of clients; `forms` holds what they last wrote into each form (None: deleted)."""

    def __init__(self, commit: Callable[[list[Write]], object], chance: Random, clock: Callable[[], Instant]) -> None:
        self.forms: dict[str, int | None] = {}
        self.poisoned: set[str] = set()
        self.poisonings = 0
        self._commit = commit
        self._chance = chance
        self._clock = clock
        self._amounts = 0

    def acts(self, count: int) -> list[Callable[[], object]]:
        """Returns acts for `MemoryApp.deliver(meanwhile=…)`; each is drawn only when it happens."""
        kinds = (
            [self._city] * 6 + [self._country] * 3 + [self._meeting] * 3 + [self._form] * 4 + [self._settings]
            + [self._delete] * 3 + [self._together] * 2 + [self._deadline] * 3
            + [self._author] * 4 + [self._article] * 4
        )  # fmt: skip
        return [self._chance.choice(kinds) for _ in range(count)]

    def heal(self) -> None:
        """Repairs all bad data, and nothing else: the repair alone must bring the views up to date."""
        for path in sorted(self.poisoned):
            self._put(path, name="Healed")
        self.poisoned.clear()

    def _put(self, path: str, **fields: Any) -> None:
        self._commit([Put(path, fields)])

    def _mark(self, path: str, poisoned: bool) -> None:
        self.poisonings += poisoned
        (self.poisoned.add if poisoned else self.poisoned.discard)(path)

    def _any(self, names: str) -> str:
        return self._chance.choice(names)

    def _city_write(self) -> Put:
        chance = self._chance
        path = f"cities/{self._any('abcd')}"
        name = chance.choices([self._any("ABCD") * chance.randint(1, 3), POISON, ""], [20, 1, 1])[0]
        self._mark(path, name in (POISON, ""))
        fields = {
            "name": name,
            "population": chance.choice([1, 1_000_001, 2_000_000, 3_000_000]),
            "capital": chance.random() < 0.5,
            "country": chance.choice([None, Reference("countries/x"), Reference("countries/y")]),
            "twin": chance.choice([None, *(Reference(f"cities/{each}") for each in "abcd")]),
        }
        return Put(path, fields)

    def _city(self) -> None:
        self._commit([self._city_write()])

    def _country_write(self) -> Put:
        path = f"countries/{self._any('xy')}"
        poison = self._chance.random() < 0.05
        self._mark(path, poison)
        return Put(path, {"name": POISON if poison else self._any("XYZ")})

    def _country(self) -> None:
        self._commit([self._country_write()])

    def _together(self) -> None:
        """Writes two documents in one commit; a torn read sees the old state of one."""
        self._commit([self._city_write(), self._country_write()])

    def _meeting(self) -> None:
        chance = self._chance
        match chance.randrange(3):
            case 0:
                tickets = [Reference(f"tickets/{each}") for each in "pqr" if chance.random() < 0.6]
                self._put(f"meetings/{self._any('mn')}", title="Monday", tickets=tickets)
            case 1:
                self._put(f"tickets/{self._any('pqr')}", user=Reference(f"users/{self._any('uv')}"))
            case _:
                self._put(f"users/{self._any('uv')}", name=self._any("UV"))

    def _form(self) -> None:
        collection = self._chance.choice(list(FORMS))
        path = f"users/{self._any('uv')}/{collection}/{self._any('fg')}"
        if self._chance.random() < 0.1:
            self.forms[path] = None
            self._commit([Delete(path)])
            return
        self._amounts += 1
        self.forms[path] = self._amounts
        self._put(path, amount=self._amounts)

    def _settings(self) -> None:
        self._put("settings/main", rate=self._chance.randint(1, 5))

    def _deadline(self) -> None:
        due_at = to_datetime(self._clock()) + timedelta(minutes=self._chance.randint(-60, 300))
        self._put(f"deadlines/{self._any('hij')}", dueAt=due_at)

    def _author(self) -> None:
        values: dict[str, Any] = {
            "name": self._any("AB"),
            "nickname": self._any("ab"),
            "seen": self._chance.randint(0, 99),
        }
        field = self._chance.choice(list(values))
        self._commit([Put(f"authors/{self._any('st')}", values, mask=(field,))])

    def _article(self) -> None:
        values: dict[str, Any] = {
            "author": self._chance.choice([None, Reference("authors/s"), Reference("authors/t")]),
            "how": self._chance.choice(["", "signed", "friendly"]),
            "visits": self._chance.randint(0, 99),
        }
        field = self._chance.choice(list(values))
        self._commit([Put(f"articles/{self._any('kl')}", values, mask=(field,))])

    def _delete(self) -> None:
        path = self._chance.choice(
            ["cities/a", "cities/b", "countries/x", "users/u", "meetings/m", "tickets/p", "deadlines/h", "authors/s"]
        )
        self.poisoned.discard(path)
        self._commit([Delete(path)])

    @staticmethod
    def _noted(path: str, amount: int) -> str:
        _, _, collection, doc_id = path.split("/")
        return applied(FORMS[collection][0].__name__, doc_id, amount)

    def expected(self) -> dict[str, set[str]]:
        """Returns, by user, the records of the forms that must have taken effect, as they were written last."""
        wanted: dict[str, set[str]] = {}
        for path, amount in self.forms.items():
            if amount is not None:
                wanted.setdefault(path.split("/")[1], set()).add(self._noted(path, amount))
        return wanted
