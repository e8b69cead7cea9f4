"""The steps for what watches the app: metrics made of its log, a dashboard, and alert policies.

gcloud reads each of them from a file, which is written beside the upload. Each carries a digest of what it was made
from, and only one that differs is written again. A policy keeps the channels that somebody gave it by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from boiler_functions.cli.deployment import Deployment, Step, unless
from boiler_functions.cli.gcloud import POLICIES
from boiler_functions.manifest import HASH_LABEL
from boiler_functions.plan.watching import Metric, Watching

FOLDER = "watching"


def metric_steps(deployment: Deployment) -> Iterator[Step]:
    """Yields a step for each metric. They come early: an alert can use a metric some minutes after it was made."""
    for metric in deployment.watching.metrics.values() if deployment.watching else ():
        yield _metric(deployment, metric)


def watching_steps(deployment: Deployment) -> Iterator[Step]:
    """Yields a step for the dashboard, and one for each alert policy."""
    if watching := deployment.watching:
        yield _dashboard(deployment, watching)
        for alert in watching.alerts:
            yield _policy(deployment, alert.key, watching.policy(alert))


def _metric(deployment: Deployment, metric: Metric) -> Step:
    wire, found = metric.to_wire(), deployment.deployed.metrics.get(metric.name)
    done = found is not None and found.get("description") == wire["description"]
    doing = "create" if found is None else "update"
    config = f"--config-from-file={_file(deployment, metric.name, wire)}"
    return Step(
        f"metric {metric.name}", unless(done, deployment.gcloud("logging", "metrics", doing, metric.name, config))
    )


def _dashboard(deployment: Deployment, watching: Watching) -> Step:
    wire = watching.dashboard(deployment.project)
    found = deployment.deployed.dashboards.get(watching.dashboard_id)
    done = found is not None and found.get("labels", {}).get(HASH_LABEL) == wire["labels"][HASH_LABEL]
    # Monitoring refuses a change that does not name the state which it changes.
    config = f"--config-from-file={_file(deployment, 'dashboard', {**wire, **_picked(found, 'etag')})}"
    doing = ("create",) if found is None else ("update", watching.dashboard_id)
    return Step(
        f"dashboard {wire['displayName']}", unless(done, deployment.gcloud("monitoring", "dashboards", *doing, config))
    )


def _policy(deployment: Deployment, key: str, wire: dict[str, Any]) -> Step:
    found = deployment.deployed.policies.get(key)
    done = found is not None and found["userLabels"].get(HASH_LABEL) == wire["userLabels"][HASH_LABEL]
    kept = _picked(found, "enabled")
    if found and not wire["notificationChannels"]:
        kept |= _picked(found, "notificationChannels")
    policy = f"--policy-from-file={_file(deployment, f'alert-{key}', {**wire, **kept})}"
    doing = ("create",) if found is None else ("update", found["name"])
    return Step(f"alert {wire['displayName']}", unless(done, deployment.gcloud(*POLICIES, *doing, policy)))


def _picked(found: Any, name: str) -> dict[str, Any]:
    return {name: found[name]} if found and name in found else {}


def _file(deployment: Deployment, name: str, wire: dict[str, Any]) -> str:
    folder = deployment.upload.folder.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(wire, indent=2) + "\n", "utf-8")
    return str(path)
