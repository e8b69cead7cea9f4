"""Threads, processes and `sys.exit()` in user code: refused by name, or harmless, in every mode."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Thread
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    Store,
    ViewModel,
    access,
    attrs,
    matching,
    operation,
    reference,
    use,
)
from boiler_functions.exceptions import ForeignThread
from boiler_functions.models import session
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.modes.dead_letter import COLLECTION as LETTERS
from boiler_functions.testing import MemoryApp, http_client, memory_app
from tests.unit.modes.cities import put


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(default="")


class CityStore(Store):
    city = reference(City)
    cities = matching(City.name == "x")


def write() -> None:
    City.new(doc_id="stray", name="stray").save()


def read() -> None:
    City.get("TOK")


def query() -> None:
    list(City.all())


def in_a_pool(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


def in_a_pool_with_the_context(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(copy_context().run, work).result()


def by_asyncio(work: Callable[[], None]) -> None:
    async def main() -> None:
        await asyncio.to_thread(work)

    asyncio.run(main())


def in_a_fork(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        except ForeignThread:
            os._exit(1)
        finally:
            os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1:
        raise ForeignThread("in the child")


WAYS = (in_a_pool, in_a_pool_with_the_context, by_asyncio, in_a_fork)
WORKS = (write, read, query)


@pytest.fixture(autouse=True)
def no_default_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        pytest.fail("the default database was reached for")

    monkeypatch.setattr(session, "default_database", refuse)


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == LETTERS]


def app_of(work: Callable[[], None], where: str) -> Boiler:
    """An app of all modes, in which one place of user code does the work."""
    app = Boiler("threads")

    def at(place: str) -> None:
        if place == where:
            work()

    @app.query
    @app.rest("/cities", create=True)
    @app.document()
    class CityView(ViewModel[CityStore]):
        class Meta:
            path = "cityViews/{city.doc_id}"
            read = write = access.public

        @attrs.computed
        def name(self) -> str:
            at("getter")
            return self.store.city.name

        @name.setter
        def set_name(self, value: str) -> None:
            at("setter")
            self.store.city.name = value

        @operation
        def clear(self) -> None:
            at("operation")
            self.store.city.name = ""

    @app.task("forms/{form_id}", writes=[City])
    class Form(ViewModel[Store]):
        def propagate_change(self) -> None:
            at("task")

    @app.on_change(City)
    def tell(change: Changed[City]) -> None:
        at("sink")

    return app


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["task", "getter", "setter", "sink"])
def test_models_in_another_thread_of_user_code_are_refused_with_a_dead_letter_and_nothing_is_written(
    where: str, way: Callable[[Callable[[], None]], None], work: Callable[[], None]
) -> None:
    with memory_app(app_of(lambda: way(work), where)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        put(testing, "forms/f")
        put(testing, "cityViews/TOK/_PATCH_CityView/m", name="Edo")
        for each in testing.take():
            function = each.function
            concerned = (function.mode == "on_change") is (where == "sink")
            if concerned:
                testing.handle(each)
        assert {each["code"] for each in letters(testing)} == {"BF514"}
        assert testing.fields("cities/stray") is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["getter", "setter", "operation"])
def test_models_in_another_thread_of_a_request_are_a_500_and_nothing_is_written(
    where: str, way: Callable[[Callable[[], None]], None]
) -> None:
    with memory_app(app_of(lambda: way(write), where)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        client = http_client(testing)
        if where == "operation":
            answer = client.post("/cities/TOK:clear", json={})
        else:
            answer = client.patch("/cities/TOK", json={"name": "Edo"})
        assert answer.status_code == 500
        assert testing.fields("cities/stray") is None
        assert (testing.fields("cities/TOK") or {})["name"] == "Tokyo"


def test_the_error_names_the_thread_and_what_to_do() -> None:
    def work() -> None:
        with pytest.raises(ForeignThread, match=r"in the thread 'mine' .* `with use\(database\):`"):
            read()

    with memory_app(app_of(read, "nowhere")) as testing, active(UnitOfWork(testing.database, {})):
        thread = Thread(target=work, name="mine")
        thread.start()
        thread.join()


def test_an_event_loop_in_the_handlers_own_thread_is_fine() -> None:
    async def main() -> None:
        write()

    with memory_app(app_of(lambda: asyncio.run(main()), "task")) as testing:
        put(testing, "forms/f")
        testing.deliver()
        assert (testing.fields("cities/stray") or {})["name"] == "stray"


def test_a_thread_of_the_users_own_names_its_database_while_functions_are_at_work(
    errors: list[BaseException],
) -> None:
    with memory_app(app_of(read, "nowhere")) as testing, active(UnitOfWork(testing.database, {})):

        def work() -> None:
            with use(testing.database):
                write()

        thread = Thread(target=work)
        thread.start()
        thread.join()
        assert (testing.fields("cities/stray") or {})["name"] == "stray"
    assert errors == []


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    found: list[BaseException] = []
    monkeypatch.setattr("threading.excepthook", lambda told: found.append(told.exc_value))
    return found


def test_a_thread_without_a_session_goes_to_the_default_database_once_no_function_is_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with memory_app(app_of(read, "nowhere")) as testing:
        monkeypatch.setattr(session, "default_database", lambda: testing.database)
        with active(UnitOfWork(testing.database, {})):
            pass
        in_a_pool(write)
        assert (testing.fields("cities/stray") or {})["name"] == "stray"


# sys.exit() and Ctrl-C.


def exits() -> None:
    raise SystemExit(3)


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("where", "code"), [("task", "BF511"), ("setter", "BF511"), ("getter", "BF505")])
def test_a_system_exit_in_user_code_is_a_bug_like_any_other(where: str, code: str) -> None:
    with memory_app(app_of(exits, where)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        put(testing, "forms/f")
        put(testing, "cityViews/TOK/_PATCH_CityView/m", name="Edo")
        for each in testing.take():
            if each.function.mode != "on_change":
                testing.handle(each)
        assert {each["code"] for each in letters(testing)} == {code}


@pytest.mark.parametrize("where", ["getter", "setter", "operation"])
def test_a_system_exit_in_a_request_is_a_500_and_ends_no_process(where: str) -> None:
    with memory_app(app_of(exits, where)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        path, body = ("/cities/TOK:clear", {}) if where == "operation" else ("/cities/TOK", {"name": "Edo"})
        send = http_client(testing).post if where == "operation" else http_client(testing).patch
        assert send(path, json=body).status_code == 500


def test_a_system_exit_in_a_function_of_on_change_is_not_acknowledged() -> None:
    with memory_app(app_of(exits, "sink")) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        (delivery,) = (each for each in testing.take() if each.function.mode == "on_change")
        with pytest.raises(Exception, match="SystemExit 3"):
            testing.handle(delivery)


@pytest.mark.parametrize("where", ["task", "setter", "getter", "sink"])
def test_a_keyboard_interrupt_in_user_code_ends_the_process_and_acknowledges_nothing(where: str) -> None:
    with memory_app(app_of(interrupted, where)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        put(testing, "forms/f")
        put(testing, "cityViews/TOK/_PATCH_CityView/m", name="Edo")
        ended = 0
        for each in testing.take():
            try:
                testing.handle(each)
            except KeyboardInterrupt:
                ended += 1
        assert ended >= 1
        assert letters(testing) == []
