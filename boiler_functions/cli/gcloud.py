"""Prints and runs commands of gcloud, and explains what a failure means."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from boiler_functions.exceptions import (
    ApiDisabled,
    BillingDisabled,
    ConfigurationError,
    DeploymentFailed,
    NoGcloud,
    NoSuchProject,
    NotPermitted,
    NotSignedIn,
    WrongLocation,
)

GCLOUD = "gcloud"

POLICIES = ("alpha", "monitoring", "policies")
"""The commands of alert policies; gcloud has them as alpha commands alone."""

Argument: TypeAlias = "str | Command"

_PLAIN = re.compile(r"(--[a-z-]+=)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command line. An argument may be a command: it stands for its output between `prefix` and `suffix`."""

    arguments: tuple[Argument, ...]
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return " ".join(_quoted(each) for each in self.arguments)

    def within(self, prefix: str, suffix: str = "") -> Command:
        """Returns this command as part of an argument: `--location="$(gcloud …)"`."""
        return Command(self.arguments, prefix, suffix)

    def filled(self, run: Callable[[Command], str]) -> list[str]:
        """Returns the arguments, with each command among them replaced by its output."""
        return [
            each if isinstance(each, str) else f"{each.prefix}{run(each).strip()}{each.suffix}"
            for each in self.arguments
        ]


def gcloud(*arguments: Argument) -> Command:
    return Command((GCLOUD, *arguments))


def _quoted(argument: Argument) -> str:
    if isinstance(argument, Command):
        return f'{argument.prefix}"$({argument})"{argument.suffix}'
    found = _PLAIN.fullmatch(argument)
    assert found
    # `--filter='a b'` reads better than `'--filter=a b'`.
    return (found[1] or "") + shlex.quote(found[2])


@dataclass(frozen=True)
class Symptom:
    """A pattern in the output of gcloud, and what it means; `waits` if the same command succeeds after a while."""

    pattern: re.Pattern[str]
    error: type[ConfigurationError]
    step: str
    waits: bool = False


def _symptom(pattern: str, error: type[ConfigurationError], step: str, waits: bool = False) -> Symptom:
    return Symptom(re.compile(pattern, re.IGNORECASE | re.DOTALL), error, step, waits)


# The first match counts: temporary failures come first, then the most specific.
SYMPTOMS = (
    _symptom(
        r"eventarc service agent|validating trigger.*permission denied|permission.*service-\d+@gcp-sa-",
        DeploymentFailed,
        "The service agent of Eventarc is new in the project and takes some minutes to get its rights. Run it again.",
        waits=True,
    ),
    _symptom(
        r"unable to queue the operation|operation.{0,80}already in progress|another operation|"
        r"concurrent policy changes",
        DeploymentFailed,
        "Another operation changes the same resource. Run it again.",
        waits=True,
    ),
    _symptom(
        r"quota exceeded.*per minute|resource_exhausted|rate ?limit|\b429\b",
        DeploymentFailed,
        "Too many changes a minute for the project's quota. Run it again in a minute.",
        waits=True,
    ),
    _symptom(
        r"service account \S+ (does not exist|was not found)",
        DeploymentFailed,
        "A new service account is visible everywhere only after some seconds. Run it again.",
        waits=True,
    ),
    _symptom(
        r"cannot find metric that matches",
        DeploymentFailed,
        "A metric that was just created can be used after up to ten minutes. Run it again.",
        waits=True,
    ),
    _symptom(
        r"do not currently have an active account|no credentialed accounts|reauthentication|invalid_grant|"
        r"unauthenticated|problem refreshing|invalid authentication credential",
        NotSignedIn,
        "Run: gcloud auth login",
    ),
    _symptom(
        r"billing",
        BillingDisabled,
        "Link a billing account: gcloud billing projects link PROJECT --billing-account=ACCOUNT",
    ),
    _symptom(
        r"has not been used in project|service_disabled|is not enabled|api .{0,80}disabled",
        ApiDisabled,
        "Enable it: gcloud services enable NAME.googleapis.com; somebody with the role Service Usage Admin can.",
    ),
    _symptom(
        r"secret.{0,120}not found",
        ConfigurationError,
        "Create it: gcloud secrets create NAME --data-file=-",
    ),
    _symptom(
        r"project.{0,80}(not found|does not exist)|may not exist|consumer_invalid|invalid project|"
        r"not have permission to access projects instance",
        NoSuchProject,
        "Correct the project (--project), or ask its owner for access. `gcloud projects list` shows yours.",
    ),
    _symptom(
        r"trigger.{0,80}(location|region)|(location|region).{0,80}(trigger|database)|"
        r"database.{0,120}(location|region)|different (location|region)",
        WrongLocation,
        "The trigger belongs where the database is: leave trigger_location out, or set it to "
        "what `gcloud firestore databases describe` says, for example 'nam5'.",
    ),
    _symptom(
        r"database.{0,80}(does not exist|not found)|/databases/\S+ .{0,20}not found",
        ConfigurationError,
        "Create it; its location cannot be changed later: gcloud firestore databases create --location=nam5",
    ),
    _symptom(
        r"permission_?denied|permission denied|does not have permission|\b403\b",
        NotPermitted,
        "Ask the project's owner for the roles that `boiler plan` lists, or for Editor and Project IAM Admin.",
    ),
)

EXISTS = re.compile(r"already[ _]exists|alreadyexists", re.IGNORECASE)


def diagnosed(command: Command | str, said: str, what: str | None = None) -> ConfigurationError:
    """Makes an error from the output of gcloud: what failed, what gcloud said, what to do next."""
    symptom = symptom_of(said)
    error = symptom.error if symptom else DeploymentFailed
    step = symptom.step if symptom else "Correct that, and run it again; completed steps are not repeated."
    lines = "\n".join(f"    {line}" for line in said.strip().splitlines()[-12:])
    return error(f"{what or command} failed. gcloud says:\n{lines}\n  {step}")


def symptom_of(said: str) -> Symptom | None:
    return next((each for each in SYMPTOMS if each.pattern.search(said)), None)


class Gcloud:
    """Runs the gcloud of this machine. Temporary failures are tried `attempts` times, with `pause` seconds between."""

    def __init__(self, *, attempts: int = 8, pause: float = 20.0, environ: Mapping[str, str] = os.environ) -> None:
        self._program = shutil.which(GCLOUD, path=environ.get("PATH"))
        if self._program is None:
            raise NoGcloud(
                "gcloud is not on PATH. Install the Google Cloud SDK (https://cloud.google.com/sdk/docs/install) and "
                "run `gcloud auth login`; `boiler deploy --dry-run` shows the commands without it."
            )
        self._environ = {**environ, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
        self._attempts, self._pause = attempts, pause
        self._stopped = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()
        self._values: dict[tuple[Argument, ...], str] = {}
        self._lock = threading.Lock()

    def run(self, command: Command, what: str | None = None, told: Callable[[str], None] = lambda text: None) -> str:
        """Returns what the command prints; raises `diagnosed` if it fails, unless it creates what exists already."""
        said = ""
        for attempt in range(1, self._attempts + 1):
            arguments = command.filled(self._value)
            status, output, said = self._call(arguments)
            if status == 0 or ("create" in arguments and EXISTS.search(said)):
                return output
            symptom = symptom_of(said)
            if symptom is None or not symptom.waits or attempt == self._attempts or self._stopped.is_set():
                break
            told(f"waits: {symptom.step}")
            self._stopped.wait(self._pause)
        raise diagnosed(command, said, what)

    def read(self, command: Command, what: str) -> Any:
        """Runs the command with --format=json, and returns the parsed output."""
        output = self.run(Command((*command.arguments, "--format=json")), what)
        return json.loads(output) if output.strip() else None

    def _value(self, command: Command) -> str:
        """Returns what a command within another prints; it runs once."""
        if command.arguments not in self._values:
            self._values[command.arguments] = self.run(command)
        return self._values[command.arguments]

    def wait(self) -> None:
        """Waits as long as between two attempts, or until `stop` is called."""
        self._stopped.wait(self._pause)

    def stop(self) -> None:
        """Terminates the running commands; no command starts after it."""
        self._stopped.set()
        with self._lock:
            for process in self._running:
                # The whole process group, because gcloud is a shell script that starts Python.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)

    def _call(self, arguments: list[str]) -> tuple[int, str, str]:
        program = self._program if arguments[0] == GCLOUD else arguments[0]
        assert program is not None
        with self._started([program, *arguments[1:]]) as process:
            output, said = process.communicate()
        return process.returncode, output, said

    @contextmanager
    def _started(self, arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
        with self._lock:
            if self._stopped.is_set():
                raise DeploymentFailed("The deployment was stopped before this step started.")
            # In a session of its own, so that Ctrl-C reaches only this process, which then stops the commands in order.
            process = subprocess.Popen(
                arguments,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)
