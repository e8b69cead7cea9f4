"""What watches an app: it follows from what the app has, and is in the form that Google Cloud reads."""

import json
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from boiler_functions import Boiler
from boiler_functions.plan.watching import Watch, Watching, runbook
from tests.unit.modes.cities import CityView

_SDK = Path(gcloud).resolve().parents[1] / "lib" if (gcloud := shutil.which("gcloud")) else Path("no-sdk")

# gcloud's own classes of the resources are generated from their published schemas.
_UNREAD = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/third_party"]
from apitools.base.py import encoding
from googlecloudsdk.generated_clients.apis.logging.v2 import logging_v2_messages as logging
from googlecloudsdk.generated_clients.apis.monitoring.v1 import monitoring_v1_messages as dashboards
from googlecloudsdk.generated_clients.apis.monitoring.v3 import monitoring_v3_messages as policies

kinds = {"metric": logging.LogMetric, "dashboard": dashboards.Dashboard, "policy": policies.AlertPolicy}
unread = []
for kind, resource in json.load(sys.stdin):
    message = encoding.JsonToMessage(kinds[kind], json.dumps(resource))
    unread += [[kind, str(edge), names] for edge, names in encoding.UnrecognizedFieldIter(message)]
print(json.dumps(unread))
"""


def watching(*, upkeep: bool = True, **limits: Any) -> Watching:
    app = Boiler("Towns", upkeep=upkeep)
    app.query(CityView)
    return Watching(app.compiled.manifest, Watch(**limits))


def unread(resources: list[tuple[str, Any]]) -> Any:
    """What of the resources Google Cloud's schemas do not know."""
    command = [sys.executable, "-W", "ignore", "-c", _UNREAD, str(_SDK)]
    read = subprocess.run(command, input=json.dumps(resources), capture_output=True, text=True, check=True)
    return json.loads(read.stdout)


@pytest.mark.skipif(not _SDK.is_dir(), reason="the Google Cloud SDK, whose schemas are asked, is not installed")
def test_each_resource_has_the_form_of_its_published_schema() -> None:
    found = watching(channels=("projects/p/notificationChannels/1",))
    resources = [
        *(("metric", each.to_wire()) for each in found.metrics.values()),
        ("dashboard", found.dashboard("p")),
        *(("policy", found.policy(each)) for each in found.alerts),
    ]
    assert unread(resources) == []
    wrong = {**resources[-1][1], "combiner": "EITHER", "colour": "red"}
    assert unread([("policy", wrong)]) == [["policy", "()", ["colour", "combiner"]]]


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    found = watching()
    assert {each.title for each in found.alerts} == set(runbook())
    assert [each.key for each in found.alerts] == ["undelivered", "letters", "lag", "drift", "silent"]
    for each in found.alerts:
        assert found.policy(each)["documentation"]["content"] == runbook()[each.title]


def test_a_metric_that_an_alert_or_a_chart_reads_exists() -> None:
    found = watching()
    texts = json.dumps([*(found.policy(each) for each in found.alerts), found.dashboard("p")])
    read = {*re.findall(r"googleapis\.com/user/(\w+)", texts), *re.findall(r"googleapis_com:user_(\w+)_sum", texts)}
    assert read == {each.name for each in found.metrics.values()}


def test_an_app_without_upkeep_is_not_asked_for_its_runs() -> None:
    assert [each.key for each in watching(upkeep=False).alerts] == ["undelivered", "letters", "lag"]


def test_the_limits_are_those_that_are_given() -> None:
    found = watching(
        lag=timedelta(minutes=5), silent=timedelta(hours=1), channels=("projects/p/notificationChannels/1",)
    )
    policies = {each.key: found.policy(each) for each in found.alerts}
    (lag,), (silent,) = (policies[key]["conditions"] for key in ("lag", "silent"))
    assert lag["conditionThreshold"]["thresholdValue"] == 300_000
    assert silent["conditionAbsent"]["duration"] == "3600s"
    assert policies["lag"]["notificationChannels"] == ["projects/p/notificationChannels/1"]


def test_the_digest_changes_with_what_it_was_made_from() -> None:
    (first, *_), (second, *_) = ([found.policy(each) for each in found.alerts] for found in (watching(), watching()))
    assert first == second
    changed = watching(undelivered=timedelta(hours=1))
    assert changed.policy(changed.alerts[0])["userLabels"] != first["userLabels"]
    assert changed.policy(changed.alerts[1])["userLabels"] == watching().policy(watching().alerts[1])["userLabels"]
