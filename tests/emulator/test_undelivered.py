"""The calls to a subscription, on Google's emulator of Pub/Sub."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.cli.pubsub import PulledMessage, Subscription
from boiler_functions.exceptions import ConfigurationError, Unavailable
from boiler_functions.local.firestore_emulator import java
from boiler_functions.local.loopback import answers, free_port, request

PROJECT = "demo-undelivered"
NAME = "towns-undelivered"

# One emulator of Pub/Sub for all of them.
pytestmark = pytest.mark.xdist_group("pubsub")


def jar() -> Path | None:
    """Returns the jar of the Cloud SDK, if that is installed with it."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return next(Path(root).glob("platform/pubsub-emulator/lib/*.jar"), None)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    if (found := jar()) is None:
        pytest.skip("The Cloud SDK has no emulator of Pub/Sub: gcloud components install pubsub-emulator.")
    port = free_port()
    command = [str(java()), "-jar", str(found), "--host=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as emulator:
        try:
            deadline = time.monotonic() + 60
            while not answers(f"127.0.0.1:{port}"):
                assert emulator.poll() is None, "The emulator has ended."
                assert time.monotonic() < deadline, "The emulator does not start."
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            emulator.terminate()


def put(host: str, method: str, path: str, body: Any) -> Any:
    answer = request(host, method, f"/v1/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


@pytest.fixture
def subscription(host: str) -> Iterator[Subscription]:
    """A new subscription, whose messages come again after ten seconds, as of one that `boiler deploy` makes."""
    topic, name = f"projects/{PROJECT}/topics/{NAME}", f"projects/{PROJECT}/subscriptions/{NAME}"
    put(host, "PUT", topic, {})
    put(host, "PUT", name, {"topic": topic, "ackDeadlineSeconds": 10})
    yield Subscription.of(PROJECT, NAME, None, {**os.environ, "PUBSUB_EMULATOR_HOST": host})
    for path in (name, topic):
        request(host, "DELETE", f"/v1/{path}")


def publish(host: str, number: int) -> None:
    sent = [
        {"data": b64encode(f"event {each}".encode()).decode(), "attributes": {"ce-id": str(each)}}
        for each in range(number)
    ]
    put(host, "POST", f"projects/{PROJECT}/topics/{NAME}:publish", {"messages": sent})


def pulled(subscription: Subscription, number: int) -> list[PulledMessage]:
    """Pulls until so many have come: a pull that does not wait may return fewer than there are."""
    found: dict[str, PulledMessage] = {}
    deadline = time.monotonic() + 20
    while len(found) < number and time.monotonic() < deadline:
        found |= {each.id: each for each in subscription.messages()}
    return list(found.values())


def test_messages_are_pulled_once_released_and_acknowledged(subscription: Subscription, host: str) -> None:
    publish(host, 250)
    found = pulled(subscription, 250)
    assert sorted(int(each.attributes["ce-id"]) for each in found) == list(range(250))
    assert {each.data for each in found} == {f"event {each}".encode() for each in range(250)}
    assert list(subscription.messages()) == [], "They are with this command for ten minutes."
    subscription.acknowledge(found[:200])
    subscription.release(found[200:])
    again = pulled(subscription, 50)
    assert {each.id for each in again} == {each.id for each in found[200:]}
    subscription.acknowledge(again)


def test_a_subscription_that_is_missing_is_told_by_name(host: str) -> None:
    missing = Subscription.of(PROJECT, "nobodys", None, {"PUBSUB_EMULATOR_HOST": host})
    with pytest.raises(ConfigurationError, match=r"no subscription .*/nobodys.*`boiler deploy` makes it"):
        list(missing.messages())


def test_a_server_that_does_not_answer_may_be_asked_again() -> None:
    nobody = Subscription.of(PROJECT, NAME, None, {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{free_port()}"})
    with pytest.raises(Unavailable, match="Try again"):
        list(nobody.messages())
