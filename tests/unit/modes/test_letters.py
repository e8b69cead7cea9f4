"""Dead letters are retried without a second effect, and end once their work was done."""

import itertools
import logging
from functools import partial
from random import Random
from threading import Thread

import pytest

from boiler_functions import Boiler, Changed, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.modes.dead_letter import COLLECTION, Letter, letters_of
from boiler_functions.modes.forms.task import Completion
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.letters import EACH_RUN, Retry
from boiler_functions.modes.run import Report
from boiler_functions.testing import MemoryApp, VirtualClock, memory_app

FORM = "users/ann/deposits/one"

COMPLETIONS: tuple[Completion, ...] = ("stamp", "keep", "delete")


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    balance = attrs.integer(default=0)


class AccountStore(Store):
    account = reference(Account)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)


class CityStore(Store):
    city = reference(City)


class Weather:
    """What makes the code of these apps fail, until it is mended."""

    is_bad = True


@pytest.fixture(autouse=True)
def weather(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")
    Weather.is_bad = True


def bank(on_completion: Completion = "stamp") -> Boiler:
    app = Boiler("bank")

    @app.task("users/{user_id}/deposits/{deposit_id}", writes=[Account], on_completion=on_completion)
    class Deposit(ViewModel):
        amount = attrs.integer(required=True)

        def propagate_change(self) -> None:
            if Weather.is_bad:
                raise ValueError("The bank is closed.")
            account = Account.get(self.params["user_id"]) or Account.new(doc_id=self.params["user_id"])
            account.balance += self.amount
            account.save()

    return app


def towns(*, told: list[str] | None = None) -> Boiler:
    app = Boiler("towns")

    @app.query
    class CityView(ViewModel[CityStore]):
        class Meta:
            path = "cityView/{city.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.city.name

    if told is not None:

        @app.on_change(CityView, max_attempts=1)
        def tell(change: Changed[CityView]) -> None:
            if Weather.is_bad:
                raise ValueError("The line is busy.")
            told.append(change.key)

        @app.on_change(City, max_attempts=1)
        def tell_city(change: Changed[City]) -> None:
            if Weather.is_bad:
                raise ValueError("The line is busy.")
            told.append(change.key)

    return app


def letters(testing: MemoryApp) -> list[Letter]:
    return list(letters_of(testing.database, testing.compiled.declarations.app))


def retried(testing: MemoryApp, letter: Letter) -> Report:
    declarations = testing.compiled.declarations
    report = Retry(declarations.app, letter).run(declarations, testing.through, testing.surroundings)
    assert report is not None
    return report


def balance(testing: MemoryApp) -> object:
    return (testing.fields("accounts/ann") or {}).get("balance")


def failed_form(testing: MemoryApp) -> Letter:
    testing.write(FORM, {"amount": 10})
    testing.deliver()
    (letter,) = letters(testing)
    return letter


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_takes_effect_once_however_often_its_letter_is_retried(on_completion: Completion) -> None:
    with memory_app(bank(on_completion)) as testing:
        testing.write(FORM, {"amount": 10})
        (event,) = testing.take()
        testing.handle(event)
        (letter,) = letters(testing)
        assert retried(testing, letter).outcomes == {"dead letter": 1}
        Weather.is_bad = False
        (letter,) = letters(testing)
        assert retried(testing, letter).outcomes == {"done": 1}
        assert letters(testing) == []
        for _ in range(2):
            assert retried(testing, letter).outcomes.keys() <= {"ignored", "duplicate"}
        # The event whose failure the letter told of is delivered once more, as the platform may.
        testing.handle(event)
        testing.deliver()
        assert balance(testing) == 10


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_two_retries_at_once_and_a_late_delivery_have_one_effect(on_completion: Completion) -> None:
    for seed in range(8):
        Weather.is_bad = True
        with memory_app(bank(on_completion), Surroundings(random=Random(seed), sleep=lambda _: None)) as testing:
            testing.write(FORM, {"amount": 10})
            (event,) = testing.take()
            testing.handle(event)
            (letter,) = letters(testing)
            Weather.is_bad = False
            again = partial(retried, testing, letter)
            works = [again, again, partial(testing.handle, event)]
            threads = [Thread(target=work) for work in works]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            testing.deliver()
            assert balance(testing) == 10, f"seed {seed}"


def test_a_form_that_was_touched_after_it_took_effect_takes_none_again() -> None:
    with memory_app(bank("keep")) as testing:
        letter = failed_form(testing)
        Weather.is_bad = False
        retried(testing, letter)
        testing.write(FORM, {"amount": 10, "migrated": True})
        assert retried(testing, letter).outcomes == {"duplicate": 1}
        assert balance(testing) == 10


def test_a_form_too_old_for_its_event_takes_effect_by_its_letter() -> None:
    clock = VirtualClock()
    with memory_app(bank(), Surroundings(clock.now, clock.sleep, Random(1))) as testing:
        testing.write(FORM, {"amount": 10})
        clock.sleep(24 * 3600)
        testing.deliver()
        (letter,) = letters(testing)
        assert letter.kind == "age"
        Weather.is_bad = False
        assert retried(testing, letter).outcomes == {"done": 1}
        assert balance(testing) == 10


def test_the_letter_of_a_form_that_is_gone_ends_without_an_effect() -> None:
    with memory_app(bank()) as testing:
        letter = failed_form(testing)
        Weather.is_bad = False
        testing.write(FORM, None)
        assert retried(testing, letter).outcomes == {"ignored": 1}
        assert (letters(testing), balance(testing)) == ([], None)


def test_a_change_that_was_given_up_is_delivered_again_under_its_key() -> None:
    told: list[str] = []
    with memory_app(towns(told=told)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        assert sorted(each.view for each in letters(testing)) == ["tell", "tell_city"]
        subjects = {each.subject.rpartition("/")[2] for each in letters(testing)}
        Weather.is_bad = False
        for letter in letters(testing):
            assert retried(testing, letter).outcomes == {"delivered": 1}
            assert retried(testing, letter).outcomes == {"duplicate": 1}
        assert set(told) == subjects
        assert len(told) == 2
        assert letters(testing) == []


def test_a_letter_that_fails_for_now_is_kept() -> None:
    with memory_app(towns(told=[])) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        found = letters(testing)
        # A record that is as new has all of its attempts left.
        for letter in found:
            assert retried(testing, letter).outcomes == {"dead letter": 1}
        assert len(letters(testing)) == len(found)


def test_upkeep_ends_the_letters_of_views_that_were_built_since_and_no_other() -> None:
    with memory_app(towns()) as testing:
        for name in ("PAR", "TOK", "ROM"):
            testing.write(f"cities/{name}", {})
        testing.deliver()
        testing.upkeep()
        assert {each.subject for each in letters(testing)} == {"cities/PAR", "cities/TOK", "cities/ROM"}
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.write("cities/ROM", None)
        testing.deliver()
        testing.upkeep()
        assert {each.subject for each in letters(testing)} == {"cities/PAR"}


def test_upkeep_ends_the_letter_of_a_form_that_took_effect_since() -> None:
    app = bank()

    @app.query
    class AccountView(ViewModel[AccountStore]):
        class Meta:
            path = "accountView/{account.doc_id}"

    with memory_app(app) as testing:
        failed_form(testing)
        testing.upkeep()
        assert len(letters(testing)) == 1
        Weather.is_bad = False
        testing.write(FORM, {"amount": 20})
        testing.deliver()
        testing.upkeep()
        assert letters(testing) == []
        assert balance(testing) == 20


def test_upkeep_looks_at_every_letter_in_time_however_many_stay() -> None:
    with memory_app(towns()) as testing:
        number = 3 * EACH_RUN
        for each in range(number):
            testing.write(f"cities/c{each}", {})
        testing.deliver()
        assert len(letters(testing)) == number
        City.new(doc_id="c7", name="Seven").save()
        testing.deliver()
        for runs in itertools.count(1):
            if len(letters(testing)) == number - 1:
                break
            # Debts fail again, and their letters stay.
            testing.upkeep()
            assert runs < 200
        assert "cities/c7" not in {each.subject for each in letters(testing)}


def test_a_letter_that_counts_another_failure_meanwhile_is_kept() -> None:
    with memory_app(towns()) as testing:
        testing.write("cities/TOK", {})
        testing.deliver()
        (letter,) = letters(testing)
        testing.write("cities/TOK", {"other": 1})
        testing.deliver()
        (newer,) = letters(testing)
        testing.write("cities/TOK", {"name": "Tokyo"})
        assert retried(testing, letter).outcomes == {"built": 1}
        assert [each.attempts for each in letters(testing)] == [newer.attempts] == [2]
        assert testing.documents()[f"{COLLECTION}/{newer.id}"].exists
