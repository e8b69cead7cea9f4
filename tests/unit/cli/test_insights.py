"""`boiler insights` says by the log which documents and views stand out."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.cli.insights import begin_run
from boiler_functions.cli.served import _log_into
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, check_document
from boiler_functions.runtime.logs import log_event
from boiler_functions.testing import MemoryApp
from tests.unit.cli.conftest import APP, Run, Start
from tests.unit.cli.deploy.standin import Standin
from tests.unit.modes.hooked import Hooked


def event(number: int, **fields: Any) -> dict[str, Any]:
    found = {"app": "towns", "function": "city_view_on_cities", "event": f"e{number}", "document": "cities/TOK"}
    costs = {"views": ["CityView"], "reads": 3, "writes": 3, "rpcs": 4, "attempts": 1}
    return {**found, **costs, "outcome": "built", "outcomes": {"built": 1}, **fields}


@pytest.fixture
def insights(folder: Path, run: Run, start: Start) -> Callable[..., Any]:
    start(APP)

    def find(entries: str, *arguments: str) -> Any:
        (folder / "entries").write_text(entries)
        result = run("insights", "entries", "--json", "--project", "demo-towns", *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["result"]

    return find


def lines(*entries: Mapping[str, Any]) -> str:
    return "\n".join(map(json.dumps, entries))


def in_cloud(entry: Mapping[str, Any], time: str) -> dict[str, Any]:
    return {"jsonPayload": dict(entry), "timestamp": time, "resource": {"type": "cloud_run_revision"}}


def test_the_documents_that_change_most_come_first_by_their_busiest_minute(insights: Callable[..., Any]) -> None:
    hot = [in_cloud(event(number), f"2026-11-27T12:00:{number:02}Z") for number in range(5)]
    often = [in_cloud(event(10 + hour, document="cities/OSA"), f"2026-11-27T{hour:02}:00:00Z") for hour in range(8)]
    found = insights(json.dumps([*often, *hot, hot[0]]))
    assert found["hot"] == [
        {"document": "cities/TOK", "changes": 5, "in_a_minute": 5},
        {"document": "cities/OSA", "changes": 8, "in_a_minute": 1},
    ]
    assert (found["events"], found["failed"]) == (14, 0)


def test_a_change_counts_once_however_many_functions_it_reaches(insights: Callable[..., Any]) -> None:
    def reached(function: str, *numbers: int) -> list[dict[str, Any]]:
        return [in_cloud(event(each, function=function), f"2026-11-27T12:00:{each:02}Z") for each in numbers]

    one_id = [*reached("city_view_on_cities", 1, 2, 3), *reached("city_label_on_cities", 2, 3)]
    ids_of_each = [*reached("city_view_on_cities", 1, 2, 3), *reached("city_label_on_cities", 4, 5)]
    for entries in (one_id, ids_of_each):
        assert insights(json.dumps(entries))["hot"] == [{"document": "cities/TOK", "changes": 3, "in_a_minute": 3}]


def test_functions_are_ordered_by_what_their_documents_cost(insights: Callable[..., Any]) -> None:
    cheap = event(1, function="label", views=["CityLabel"], reads=1, writes=0)
    first, second = insights(lines(cheap, cheap, event(2), event(3)))["costly"]
    assert (first["function"], first["views"], first["events"], first["reads"], first["writes"]) == (
        "city_view_on_cities",
        "CityView",
        2,
        6,
        6,
    )
    assert first["price"] > second["price"] > 0


def test_letters_and_wrong_copies_are_counted_and_foreign_lines_are_left_out(insights: Callable[..., Any]) -> None:
    letter = {"app": "towns", "view": "CityView", "kind": "schema", "dead_letter": "boilerDeadLetters/x"}
    wrong = {"app": "towns", "view": "CityView", "verdict": "lost", "subject": "cities/TOK"}
    foreign = {**event(1), "app": "others"}
    found = insights("not JSON\n" + lines(letter, letter, wrong, foreign) + "\n17\n")
    assert found["letters"] == [{"view": "CityView", "kind": "schema", "count": 2}]
    assert found["wrong"] == [{"view": "CityView", "verdict": "lost", "count": 1}]
    assert (found["entries"], found["events"]) == (3, 0)


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """A file with what is logged, as `boiler dev` writes it."""
    root, ours = logging.getLogger(), logging.getLogger("boiler_functions")
    kept, level = root.handlers[:], ours.level
    path = tmp_path / "logged"
    _log_into(path, "towns")
    ours.setLevel(logging.INFO)
    try:
        yield path
    finally:
        for handler in set(root.handlers) - set(kept):
            handler.close()
        root.handlers[:] = kept
        ours.setLevel(level)


def test_an_instance_that_several_builders_change_at_once_is_named_by_its_root(
    logged: Path, start: Start, run: Run
) -> None:
    testing = start(APP)
    testing.write("cities/TOK", {"name": "Tokyo"})
    (delivery,) = [each for each in testing.take() if each.function.entry_point == "city_view_on_cities"]
    log_event(testing.handle(delivery, through=Hooked(testing.database).before("commit", 1, _other(testing))))
    found = json.loads(run("insights", str(logged), "--json").stdout)["result"]
    assert found["contested"] == [{"view": "CityView", "root": "cities/TOK", "conflicts": 1}]
    assert found["hot"][0]["in_a_minute"] == 1


def _other(testing: MemoryApp) -> Callable[[], None]:
    def build() -> None:
        testing.write("cities/TOK", {"name": "Edo"})
        testing.deliver()

    return build


def test_a_document_near_the_limit_is_logged_when_it_is_written(logged: Path, start: Start, run: Run) -> None:
    start(APP)
    check_document("cityView/BIG", {"text": "x" * (MAX_DOCUMENT_BYTES * 4 // 5)})
    check_document("cityView/SMALL", {"text": "x" * (MAX_DOCUMENT_BYTES // 2)})
    found = json.loads(run("insights", str(logged), "--json").stdout)["result"]
    assert [each["document"] for each in found["large"]] == ["cityView/BIG"]
    assert "Near 1 MiB" in run("insights", str(logged)).stdout


def test_with_an_emulator_the_log_of_boiler_dev_is_read(
    folder: Path, start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(APP)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    missing = run("insights")
    assert (missing.exit_code, "`boiler dev` writes it" in missing.stderr) == (2, True)
    (folder / ".boiler").mkdir(exist_ok=True)
    (folder / ".boiler" / "log.jsonl.1").write_text(lines(event(1)) + "\n")
    (folder / ".boiler" / "log.jsonl").write_text(lines(event(2)))
    assert "2 events in 2 entries, 0 failed" in run("insights").stdout


def test_only_the_latest_run_of_boiler_dev_counts_unless_an_age_is_given(
    folder: Path, start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(APP)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    log, hour_ago = folder / ".boiler" / "log.jsonl", datetime.now(UTC) - timedelta(hours=1)
    times = [hour_ago - timedelta(days=1), hour_ago, hour_ago + timedelta(hours=2)]
    older, former, latest = (json.dumps(event(at, time=each.isoformat())) + "\n" for at, each in enumerate(times))
    begin_run(folder)
    log.write_text(older + log.read_text() + former)
    begin_run(folder)
    log.write_text(log.read_text() + latest)
    began = json.loads(log.read_text().splitlines()[-2])["time"]
    assert f"1 events in 1 entries since {began}, 0 failed" in run("insights").stdout
    assert f"2 events in 2 entries since {times[1].isoformat()}, 0 failed" in run("insights", "--since", "2h").stdout
    assert "3 events in 3 entries" in run("insights", "--since", "3d").stdout


def test_the_log_of_the_project_is_read_by_gcloud(
    start: Start, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(APP)
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    standin = Standin(folder)
    standin.answers("logging read", [in_cloud(event(1), "2026-11-27T12:00:00Z")])
    assert "1 events in 1 entries" in run("insights", "--since", "2h", "--project", "my-project").stdout
    (command,) = standin.commands
    assert 'jsonPayload.app="towns"' in command
    assert "--freshness=7200s" in command
