"""Fixtures that every test may ask for."""

import gc
import secrets
import signal
from collections.abc import Generator, Iterator

import pytest
from pytest_timeout import Settings

from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator


def pytest_configure() -> None:
    """Ctrl-C reaches the commands that tests start, also where a shell started the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is loaded by now stays, and need not be looked through each time that Python collects garbage."""
    gc.collect()
    gc.freeze()


LIMIT = pytest.StashKey[Settings]()

SECONDS_BETWEEN_ALARMS = 60.0


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> Generator[None, object, object]:
    """Repeats the alarm of a test that hangs: closing what it waited for may hang as well."""
    item.stash[LIMIT] = settings
    is_set = yield
    if settings.method == "signal":
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, SECONDS_BETWEEN_ALARMS)
    return is_set


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Limits the teardown as well: pytest-timeout gives up its alarm once a test fails."""
    if LIMIT in item.stash:
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[LIMIT])


@pytest.fixture(scope="session")
def event_server() -> Iterator[EventServer]:
    """Takes the events of `firestore_emulator`."""
    with EventServer() as server:
        yield server


@pytest.fixture(scope="session")
def firestore_emulator(event_server: EventServer) -> Iterator[FirestoreEmulator]:
    """One emulator per pytest process; tests keep apart by their project."""
    with FirestoreEmulator(functions=event_server.host) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def rules_emulator() -> Iterator[FirestoreEmulator]:
    """One more, for security rules: each of them runs too seldom for Java to gain by compiling it well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        emulator = FirestoreEmulator()
    with emulator:
        yield emulator


@pytest.fixture
def project() -> str:
    """A project id that no other test has."""
    return f"demo-{secrets.token_hex(6)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replaces lone surrogates in what a test logged: xdist sends reports as UTF-8, and ends the run for one."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report
