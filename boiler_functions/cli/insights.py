"""`boiler insights`: what the log of an app says of hot documents, conflicts, large documents and costly views.

The log is that of the project, by gcloud; or what `boiler dev` has logged in its latest run, if an emulator is
configured; or a file, as gcloud or a function has written it. Nothing is read from the database.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from boiler_functions.cli.context import Context
from boiler_functions.cli.folder import FOLDER, LOG, own_folder
from boiler_functions.cli.gcloud import Gcloud, gcloud
from boiler_functions.cli.output import Output, table
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan.prices import Prices

STANDARD_INPUT = "-"

OF_PROJECT = timedelta(days=1)
"""How far back the log of a project is read, unless an option says otherwise."""

MOST_ENTRIES = 20_000
"""The most entries that gcloud is asked for; it reads the latest, some thousand in a second."""

_MINUTE = len("2026-11-27T06:40")

_RUN = "boiler_dev"
"""The field of the entry with which a run of `boiler dev` begins."""


class Entry(NamedTuple):
    """One entry of the log; `time` is empty if the log does not say it."""

    fields: Mapping[str, Any]
    time: str = ""

    @classmethod
    def of(cls, found: Any) -> Entry | None:
        """Returns the entry that Cloud Logging, or a function, has written; None for what is not JSON of an app."""
        if not isinstance(found, Mapping):
            return None
        fields = found.get("jsonPayload", found)
        time = found.get("timestamp") or found.get("time") or ""
        return cls(fields, str(time)) if isinstance(fields, Mapping) else None

    def is_since(self, oldest: datetime) -> bool:
        """Whether it is not older; an entry without a time may be."""
        try:
            found = datetime.fromisoformat(self.time)
        except ValueError:
            return False
        return found.replace(tzinfo=found.tzinfo or UTC) >= oldest

    @property
    def is_event(self) -> bool:
        return "outcomes" in self.fields

    @property
    def conflicts(self) -> int:
        return int(self.fields.get("attempts") or 1) - 1


def begin_run(folder: Path) -> None:
    """Notes in the log of `boiler dev` that a run begins, so that those before it are not added to it."""
    entry = {"message": "boiler dev begins", "time": datetime.now(UTC).isoformat(), _RUN: "begins"}
    with (own_folder(folder) / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def insights(context: Context, file: str | None, since: timedelta | None, top: int) -> Output:
    """Returns the documents and views that stand out in the log, the most important first; no contents."""
    found = _entries(context, file, since)
    entries = [each for each in found if _RUN not in each.fields and each.fields.get("app") in (None, context.app.name)]
    location = context.app.compiled.declarations.options.trigger_location
    result = {
        "since": min((each.time for each in found if each.time), default=None),
        "entries": len(entries),
        "events": sum(each.is_event for each in entries),
        "failed": sum(each.fields.get("outcome") == "failed" for each in entries),
        "hot": _hot(entries)[:top],
        "contested": _contested(entries)[:top],
        "large": _large(entries)[:top],
        "costly": _costly(entries, Prices.read(), location)[:top],
        "letters": _counted(entries, "dead_letter", ("view", "kind"))[:top],
        "wrong": _counted(entries, "verdict", ("view", "verdict"))[:top],
    }
    return Output("insights", result, list(_lines(result)))


def _entries(context: Context, file: str | None, since: timedelta | None) -> list[Entry]:
    is_text = file is not None or context.emulator is not None
    found = _of_text(_text(context, file)) if is_text else _of_project(context, since or OF_PROJECT)
    entries = [entry for each in found if (entry := Entry.of(each)) is not None]
    if since is not None:
        oldest = datetime.now(UTC) - since
        return [each for each in entries if each.is_since(oldest)] if is_text else entries
    began = max((at for at, each in enumerate(entries) if _RUN in each.fields), default=0)
    return entries[began:]


def _text(context: Context, file: str | None) -> str:
    if file == STANDARD_INPUT:
        return sys.stdin.read()
    if file:
        return _read(Path(file), "Name a file with entries of the log, or - for the standard input.")
    path = context.project.folder / FOLDER / LOG
    # The former half comes first.
    former = path.with_name(f"{LOG}.1")
    hint = "`boiler dev` writes it; or name a file with entries of the log."
    return (former.read_text("utf-8") if former.is_file() else "") + _read(path, hint)


def _read(path: Path, hint: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The log {path} cannot be read: {error}. {hint}") from error


def _of_text(text: str) -> Iterator[Any]:
    """Yields the entries of a JSON array, or of one line each; a line that is not JSON is somebody else's."""
    if text.lstrip().startswith("["):
        try:
            yield from json.loads(text)
        except ValueError as error:
            raise ConfigurationError(
                f"The log begins like a JSON array, and cannot be read as one: {error}."
            ) from error
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _of_project(context: Context, since: timedelta) -> Sequence[Any]:
    selected = f'resource.type="cloud_run_revision" jsonPayload.app="{context.app.name}"'
    read = gcloud(
        "logging",
        "read",
        selected,
        f"--freshness={int(since.total_seconds())}s",
        f"--limit={MOST_ENTRIES}",
        f"--project={context.project_id}",
    )
    found: Sequence[Any] = Gcloud(attempts=1).read(read, "Reading the log") or ()
    return found


def _hot(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Returns the documents whose changes came most often, with the most within one minute."""
    # One change reaches several functions, under ids that may differ, and one of them several times. So the changes
    # are those that the function with the most has seen.
    events: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    minutes: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in entries:
        if each.is_event and (document := each.fields.get("document")):
            event, function = str(each.fields.get("event")), str(each.fields.get("function"))
            events[document][function].add(event)
            if each.time:
                minutes[document][function, each.time[:_MINUTE]].add(event)
    found = [
        {
            "document": document,
            "changes": max(map(len, seen.values())),
            "in_a_minute": max(map(len, minutes[document].values()), default=None),
        }
        for document, seen in events.items()
    ]
    return sorted(found, key=lambda each: (-(each["in_a_minute"] or 0), -each["changes"], each["document"]))


def _contested(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Returns the instances whose ledgers several builders changed at once; forms by their documents."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in entries:
        named = each.fields.get("contested") or ()
        for one in named:
            counts[one["view"], one["root"]] += one["count"]
        if each.is_event and not named and each.conflicts:
            counts[str(each.fields.get("function")), str(each.fields.get("document"))] += each.conflicts
    return [{"view": view, "root": root, "conflicts": count} for (view, root), count in counts.most_common()]


def _large(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Returns the documents that were written near the size that a document may have."""
    sizes: dict[str, int] = {}
    for each in entries:
        if path := each.fields.get("large"):
            sizes[path] = max(sizes.get(path, 0), int(each.fields.get("bytes") or 0))
    return [{"document": path, "bytes": size} for path, size in sorted(sizes.items(), key=lambda each: -each[1])]


def _costly(entries: Iterable[Entry], prices: Prices, location: str | None) -> list[dict[str, Any]]:
    """Returns what the events of each function cost, by the list prices of documents."""
    usages: dict[tuple[str, str], Usage] = defaultdict(Usage)
    events: Counter[tuple[str, str]] = Counter()
    for each in entries:
        if each.is_event:
            key = (str(each.fields.get("function")), ", ".join(each.fields.get("views") or ()))
            usages[key] += Usage(*(int(each.fields.get(name) or 0) for name in Usage._fields))
            events[key] += 1
    found = [
        {
            "function": function,
            "views": views,
            "events": events[function, views],
            **usage._asdict(),
            "price": round(prices.of_documents(usage, location), 6),
        }
        for (function, views), usage in usages.items()
    ]
    return sorted(found, key=lambda each: -each["price"])


def _counted(entries: Iterable[Entry], having: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    found = (each.fields for each in entries if each.fields.get(having))
    counts = Counter(tuple(str(fields.get(name, "")) for name in names) for fields in found)
    return [{**dict(zip(names, values, strict=True)), "count": count} for values, count in counts.most_common()]


_TITLES = {
    "hot": "Documents that change most",
    "contested": "Most conflicts: other builders were faster",
    "large": "Near 1 MiB, the most that a document may have",
    "costly": "Most expensive, by list prices of documents",
    "letters": "Dead letters",
    "wrong": "Copies that are not as a fresh build",
}


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    since = f" since {result['since']}" if result["since"] else ""
    yield f"{result['events']} events in {result['entries']} entries{since}, {result['failed']} failed"
    for key, title in _TITLES.items():
        if rows := result[key]:
            yield title
            shown = [tuple(rows[0]), *(tuple(_told(value) for value in row.values()) for row in rows)]
            yield from (f"  {line}" for line in table(shown))


def _told(value: object) -> str:
    return "-" if value in (None, "") else f"{value:.2f}" if isinstance(value, float) else str(value)
