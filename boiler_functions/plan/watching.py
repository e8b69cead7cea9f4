"""What watches a deployed app: metrics from its log, one dashboard, and alert policies, as Cloud Monitoring reads them.

All of it follows from the manifest. The metrics read the entry that a function logs for each event
(`runtime.logs`); the forms are those of the REST resources `LogMetric`, `Dashboard` and `AlertPolicy`.

https://cloud.google.com/monitoring/api/ref_v3/rest
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from boiler_functions.manifest import APP_LABEL, HASH_LABEL, EventTrigger, Manifest

AsJson: TypeAlias = dict[str, Any]

RUNBOOK = Path(__file__).with_name("alerts.md")
"""What to do for each alert; an incident shows the section of its policy."""

ALERT_LABEL = "boiler-alert"

APIS = {
    "logging.googleapis.com": "Keeps the log, and makes metrics of it.",
    "monitoring.googleapis.com": "Shows the dashboard, and alerts.",
}

_FUNCTION = "cloud_run_revision"
_SUBSCRIPTION = "pubsub_subscription"

# Boundaries from a millisecond to eleven days, and from 1 to a billion reads.
_BUCKETS = {"exponentialBuckets": {"numFiniteBuckets": 30, "growthFactor": 2, "scale": 1}}

_COLUMNS = 48
"""The width of a dashboard."""


@dataclass(frozen=True)
class Watch:
    """Whether an app is watched, whom an alert notifies, and the limits.

    [tool.boiler_functions.watch]
    channels = ["projects/my-project/notificationChannels/123"]
    lag = "2m"
    """

    enabled: bool = True
    channels: tuple[str, ...] = ()
    lag: timedelta = timedelta(minutes=2)
    """The most time between a change and 95 of 100 copies that show it."""
    undelivered: timedelta = timedelta(minutes=10)
    """The most time that an event may wait to be delivered."""
    silent: timedelta = timedelta(minutes=15)
    """The most time between two runs of upkeep, which comes once a minute."""


class Metric(NamedTuple):
    """A metric made of log entries; `field` is the number whose values it distributes, empty if it counts entries."""

    name: str
    description: str
    filter: str
    labels: tuple[str, ...]
    field: str = ""
    unit: str = "1"

    def to_wire(self) -> AsJson:
        """Returns the LogMetric."""
        descriptor = {
            "metricKind": "DELTA",
            "valueType": "DISTRIBUTION" if self.field else "INT64",
            "unit": self.unit,
            "labels": [{"key": each, "valueType": "STRING"} for each in self.labels],
        }
        wire: AsJson = {
            "name": self.name,
            "filter": self.filter,
            "metricDescriptor": descriptor,
            "labelExtractors": {each: f"EXTRACT(jsonPayload.{each})" for each in self.labels},
        }
        if self.field:
            wire |= {"valueExtractor": f"EXTRACT(jsonPayload.{self.field})", "bucketOptions": _BUCKETS}
        # A metric has no labels of its own, so the description says what it was made from.
        return {**wire, "description": f"{self.description} {marked(wire)}"}

    @property
    def selected(self) -> str:
        """The filter of its time series."""
        return f'metric.type="logging.googleapis.com/user/{self.name}" resource.type="{_FUNCTION}"'


class Alert(NamedTuple):
    """An alert policy; its section in the runbook has the title `title`."""

    key: str
    title: str
    conditions: tuple[AsJson, ...]


class Watching(NamedTuple):
    """All that watches an app in a project."""

    manifest: Manifest
    watch: Watch

    @property
    def app(self) -> str:
        return self.manifest.app.lower()

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics, by what they measure."""
        entries = f'resource.type="{_FUNCTION}" jsonPayload.app="{self.manifest.app}"'
        events = f"{entries} jsonPayload.outcome:*"
        function = ("function",)
        found = {
            "lag": (
                "From a change to the commit that shows it.",
                f"{events} jsonPayload.lag_milliseconds>=0",
                function,
                "lag_milliseconds",
                "ms",
            ),
            "outcomes": ("Events by what became of them.", events, ("function", "outcome"), "", "1"),
            "letters": (
                "Dead letters: work that fails again until something is mended.",
                f"{entries} jsonPayload.dead_letter:*",
                ("function", "kind", "code"),
                "",
                "1",
            ),
            "drift": (
                "Copies that upkeep compared, and that are not as a fresh build.",
                f"{entries} jsonPayload.verdict:*",
                ("view", "verdict"),
                "",
                "1",
            ),
            "conflicts": (
                "Events that were tried again because another writer came first.",
                f"{events} jsonPayload.attempts>1",
                function,
                "",
                "1",
            ),
            "reads": ("Documents read for an event.", events, function, "reads", "1"),
            "writes": ("Documents written for an event.", events, function, "writes", "1"),
        }
        return {key: Metric(f"{self.app}_{key}", *about) for key, about in found.items()}

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alert policies; those alone whose work the app has."""
        return tuple(self._alerts())

    def policy(self, alert: Alert) -> AsJson:
        """Returns the AlertPolicy, with its section of the runbook."""
        wire: AsJson = {
            "displayName": f"{self.manifest.app}: {alert.title.lower()}",
            "combiner": "OR",
            "conditions": list(alert.conditions),
            "documentation": {"content": runbook()[alert.title], "mimeType": "text/markdown"},
            # An incident about something that happened once would stay open for a week.
            "alertStrategy": {"autoClose": "86400s"},
            "notificationChannels": list(self.watch.channels),
        }
        labels = {APP_LABEL: self.app, ALERT_LABEL: alert.key, HASH_LABEL: digest_of(wire)}
        return {**wire, "userLabels": labels}

    def told(self) -> Iterator[tuple[str, str]]:
        """Yields each alert, and when it is raised."""
        for each in self.alerts:
            yield each.title, "; ".join(condition["displayName"] for condition in each.conditions)

    def to_json(self) -> AsJson:
        """Returns the names of metrics and alerts, as `boiler plan --json` shows them."""
        return {"metrics": [each.name for each in self.metrics.values()], "alerts": dict(self.told())}

    @property
    def dashboard_id(self) -> str:
        return f"{self.app}-boiler"

    def dashboard(self, project: str) -> AsJson:
        """Returns the Dashboard: lag and outcomes, what is wrong, and what it costs."""
        charts = list(self._charts())
        tiles = [
            {
                "xPos": number % 2 * _COLUMNS // 2,
                "yPos": number // 2 * 16,
                "width": _COLUMNS // 2,
                "height": 16,
                "widget": chart,
            }
            for number, chart in enumerate(charts)
        ]
        wire: AsJson = {
            "name": f"projects/{project}/dashboards/{self.dashboard_id}",
            "displayName": f"{self.manifest.app}: views",
            "mosaicLayout": {"columns": _COLUMNS, "tiles": tiles},
        }
        return {**wire, "labels": {APP_LABEL: self.app, HASH_LABEL: digest_of(wire)}}

    def _alerts(self) -> Iterator[Alert]:
        metrics, watch = self.metrics, self.watch
        if any(isinstance(each.trigger, EventTrigger) for each in self.manifest.functions):
            age = _threshold(
                f"an event waits over {_shown(watch.undelivered)}",
                f'metric.type="pubsub.googleapis.com/subscription/oldest_unacked_message_age" {self._subscriptions}',
                watch.undelivered.total_seconds(),
                "ALIGN_MAX",
            )
            kept = _threshold(
                "an event was given up",
                f'metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages" '
                f'resource.type="{_SUBSCRIPTION}" resource.label.subscription_id="{self.manifest.undelivered}"',
                0,
                "ALIGN_MAX",
            )
            yield Alert("undelivered", "Events wait to be delivered", (age, kept))
        letters = _threshold("a dead letter is written", metrics["letters"].selected, 0, "ALIGN_DELTA", "REDUCE_SUM")
        yield Alert("letters", "Dead letters are written", (letters,))
        lag = _threshold(
            f"5 of 100 copies take more than {_shown(watch.lag)}",
            metrics["lag"].selected,
            watch.lag.total_seconds() * 1000,
            "ALIGN_PERCENTILE_95",
            "REDUCE_MAX",
            lasting=timedelta(minutes=10),
        )
        yield Alert("lag", "Views are late", (lag,))
        if self.manifest.schedules:
            drift = _threshold(
                "a copy is not as a fresh build", metrics["drift"].selected, 0, "ALIGN_DELTA", "REDUCE_SUM"
            )
            yield Alert("drift", "Copies are wrong", (drift,))
            yield Alert("silent", "Upkeep is silent", tuple(self._silences()))

    def _silences(self) -> Iterator[AsJson]:
        for each in self.manifest.schedules:
            runs = (
                f'metric.type="run.googleapis.com/request_count" resource.type="{_FUNCTION}" '
                f'resource.label.service_name="{each.cloud_run_name}" metric.label.response_code_class="2xx"'
            )
            absence = {
                "filter": runs,
                "aggregations": [_aligned("ALIGN_DELTA", "REDUCE_SUM")],
                "duration": _seconds(self.watch.silent),
            }
            yield {
                "displayName": f"{each.name} did not succeed for {_shown(self.watch.silent)}",
                "conditionAbsent": absence,
            }

    @property
    def _subscriptions(self) -> str:
        """The filter of the subscriptions of the app's triggers, which Eventarc names after the functions."""
        names = f"eventarc-.*-{re.escape(self.app)}-.*"
        return f'resource.type="{_SUBSCRIPTION}" resource.label.subscription_id=monitoring.regex.full_match("{names}")'

    def _charts(self) -> Iterator[AsJson]:
        metrics = self.metrics
        lag, outcomes = metrics["lag"].selected, metrics["outcomes"].selected
        yield _chart("Lag of 95 of 100 copies, ms", lag, "ALIGN_PERCENTILE_95", "REDUCE_MAX", "function")
        yield _chart("Events by outcome", outcomes, "ALIGN_DELTA", "REDUCE_SUM", "outcome", stacked=True)
        yield _chart("Dead letters by kind", metrics["letters"].selected, "ALIGN_DELTA", "REDUCE_SUM", "kind")
        if any(isinstance(each.trigger, EventTrigger) for each in self.manifest.functions):
            oldest = (
                f'metric.type="pubsub.googleapis.com/subscription/oldest_unacked_message_age" {self._subscriptions}'
            )
            yield _chart("Age of the oldest undelivered event, s", oldest, "ALIGN_MAX", "REDUCE_MAX")
        if self.manifest.schedules:
            yield _chart("Wrong copies", metrics["drift"].selected, "ALIGN_DELTA", "REDUCE_SUM", "view")
        conflicts = metrics["conflicts"].selected
        yield _chart("Events with a conflict", conflicts, "ALIGN_DELTA", "REDUCE_SUM", "function", stacked=True)
        for key in ("reads", "writes"):
            yield _sum_chart(f"Documents: {key}", metrics[key])


def runbook() -> Mapping[str, str]:
    """Returns the sections of the runbook, by title."""
    sections = (each.partition("\n\n") for each in RUNBOOK.read_text("utf-8").split("\n## ")[1:])
    return {title: section.strip() for title, _, section in sections}


def digest_of(wire: AsJson) -> str:
    """Digests a resource, so that a deployment sees whether it has changed."""
    return sha256(json.dumps(wire, sort_keys=True).encode()).hexdigest()[:40]


def marked(wire: AsJson) -> str:
    """Returns the digest in the form in which a metric's description ends."""
    return f"[boiler {digest_of(wire)}]"


def _threshold(
    title: str, selected: str, limit: float, aligner: str, reducer: str = "", *, lasting: timedelta = timedelta()
) -> AsJson:
    """Returns a condition that holds while the value is above the limit."""
    threshold = {
        "filter": selected,
        "aggregations": [_aligned(aligner, reducer)],
        "comparison": "COMPARISON_GT",
        "thresholdValue": limit,
        "duration": _seconds(lasting),
        "trigger": {"count": 1},
    }
    return {"displayName": title, "conditionThreshold": threshold}


def _aligned(aligner: str, reducer: str = "", *by: str) -> AsJson:
    wire: AsJson = {"alignmentPeriod": "300s", "perSeriesAligner": aligner}
    if reducer:
        wire |= {"crossSeriesReducer": reducer, "groupByFields": [f"metric.label.{each}" for each in by]}
    return wire


def _chart(title: str, selected: str, aligner: str, reducer: str, *by: str, stacked: bool = False) -> AsJson:
    query = {"timeSeriesFilter": {"filter": selected, "aggregation": _aligned(aligner, reducer, *by)}}
    return _drawn(title, query, stacked=stacked)


def _sum_chart(title: str, metric: Metric) -> AsJson:
    # Only PromQL adds up the values of a distribution; it writes / and . of a metric's type as : and _.
    name = re.sub(r"[^a-zA-Z0-9_]", "_", metric.name)
    series = f'logging_googleapis_com:user_{name}_sum{{monitored_resource="{_FUNCTION}"}}'
    query = {"prometheusQuery": f"sum by (function) (increase({series}[${{__interval}}]))"}
    return _drawn(title, query, stacked=True)


def _drawn(title: str, query: AsJson, *, stacked: bool) -> AsJson:
    kind = "STACKED_BAR" if stacked else "LINE"
    return {"title": title, "xyChart": {"dataSets": [{"plotType": kind, "timeSeriesQuery": query}]}}


def _shown(time: timedelta) -> str:
    minutes = time.total_seconds() / 60
    return f"{minutes:g} minutes" if minutes != 1 else "a minute"


def _seconds(time: timedelta) -> str:
    return f"{int(time.total_seconds())}s"
