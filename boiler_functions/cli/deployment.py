"""A deployment: an app, the project that it goes to, and the steps that take it there.

Nothing is remembered on this machine between two runs: a function carries its fingerprint in a label, and everything
else is listed. So a run continues where another one ended, on whichever machine that was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from boiler_functions.cli.deployed import Deployed
from boiler_functions.cli.gcloud import Command, gcloud
from boiler_functions.cli.traffic import DeployedAs
from boiler_functions.cli.upload import Upload
from boiler_functions.manifest import Function, HttpTrigger, Manifest, Service
from boiler_functions.plan.indexes import Indexes
from boiler_functions.plan.watching import Watch, Watching

# IAM refuses account names that are longer, or shorter than 6.
_LONGEST_ACCOUNT = 30


@dataclass(frozen=True)
class Step:
    """One thing that the project must have, and the commands that make it; no commands if it is there."""

    name: str
    commands: tuple[Command, ...]
    function: bool = False


@dataclass(frozen=True)
class Phase:
    """Steps that run in any order, `at_once` of them in parallel, after all steps of the phases before."""

    title: str
    steps: tuple[Step, ...]
    at_once: int = 4


@dataclass(frozen=True)
class Deployment:
    """An app, the project and region it goes to, what is uploaded, and what the project has already."""

    project: str
    database: str
    region: str
    app: str
    manifest: Manifest
    indexes: Indexes
    upload: Upload
    environment: Mapping[str, str]
    python: str
    number: int = 0
    editions: Mapping[str, str] = field(default_factory=dict)
    """Digests of how each stored view is built."""
    firebase: str | None = None
    staged: str = ""
    """The view of which these functions build a staged version; empty for production."""
    rules: bool = True
    """Whether the security rules are deployed too."""
    watch: Watch = Watch()  # noqa: RUF009  # frozen
    deployed: Deployed = Deployed()  # noqa: RUF009  # frozen

    @cached_property
    def event_account(self) -> str:
        """The service account that the functions of events and queues run as."""
        return self._account("run")

    @cached_property
    def public_account(self) -> str:
        """The service account that the API and the sockets run as; clients reach these, so it may enqueue no tasks."""
        return self._account("web")

    @cached_property
    def invoker_account(self) -> str:
        """The service account that invokes the functions of events and queues."""
        return self._account("invoke")

    def account_of(self, part: Function | Service) -> str:
        """Returns the service account that a function or service runs as."""
        is_public = isinstance(part, Service) or isinstance(part.trigger, HttpTrigger)
        return part.options.service_account or (self.public_account if is_public else self.event_account)

    @cached_property
    def runtime_accounts(self) -> tuple[str, ...]:
        """The service accounts of the app that at least one function or service runs as."""
        used = {self.account_of(each) for each in self.manifest.parts}
        return tuple(each for each in (self.event_account, self.public_account) if each in used)

    @property
    def watching(self) -> Watching | None:
        """What watches the app; None if that is switched off."""
        return Watching(self.manifest, self.watch) if self.watch.enabled else None

    @property
    def label(self) -> str:
        """The value of the label by which the functions and services are found again."""
        app = self.manifest.app.lower()
        return app if not self.staged else f"staged-{sha256(f'{app}/{self.staged}'.encode()).hexdigest()[:20]}"

    @property
    def firestore_parts(self) -> tuple[str, ...]:
        """The parts of Firestore that firebase deploys, because gcloud has no command for them."""
        indexes = ("firestore:indexes",) if self.indexes.singles else ()
        return (*(("firestore:rules",) if self.rules else ()), *indexes)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that a function or service uses."""
        return tuple(sorted({each for part in self.manifest.parts for each in part.options.secrets or ()}))

    @property
    def views(self) -> list[str]:
        """The names of all views that a function or service serves."""
        return [view for each in self.manifest.parts for view in each.views]

    def deployed_as(self, part: Function | Service, *trigger: object) -> DeployedAs:
        """Returns the record for a rollback that a revision of the function or service carries."""
        views = [[view, self.editions[view]] for view in sorted(part.views) if view in self.editions]
        return DeployedAs.of(self.number, views, [str(each) for each in trigger])

    def region_of(self, part: Function | Service) -> str:
        return part.options.region or self.region

    def url_of(self, function: Function) -> str:
        return f"https://{self.region_of(function)}-{self.project}.cloudfunctions.net/{function.name}"

    def stale(self) -> list[tuple[str, str]]:
        """Returns the name and region of each deployed function and service that the app no longer declares."""
        declared = {(each.name, self.region_of(each)) for each in self.manifest.parts}
        return sorted({*self.deployed.functions, *self.deployed.services} - declared)

    def doubled(self) -> Iterator[tuple[Function, str, str]]:
        """Yields each new function that receives what a function receives that is not declared any more.

        With it come the name and region of that function, which may be its former self.
        """
        stale = self.stale()
        for function in self.manifest.functions:
            if function.receives is None or any(function.name == name for name, _ in self.deployed.functions):
                continue
            label = received_label(function.receives)
            yield from ((function, *place) for place in stale if self.deployed.receives(*place) == label)

    def gcloud(self, *arguments: str | Command) -> Command:
        """Makes a command of gcloud in the project."""
        return gcloud(*arguments, f"--project={self.project}")

    @property
    def pubsub_agent(self) -> str | Command:
        """The option `--member=…` that names Pub/Sub's own service account in the project."""
        start, end = "--member=serviceAccount:service-", "@gcp-sa-pubsub.iam.gserviceaccount.com"
        if self.deployed.number:
            return f"{start}{self.deployed.number}{end}"
        return gcloud("projects", "describe", self.project, "--format=value(projectNumber)").within(start, end)

    def _account(self, purpose: str) -> str:
        name = f"{self.manifest.app.lower()}-{purpose}"
        if len(name) > _LONGEST_ACCOUNT:
            # A digest, as two long names of apps may have the same beginning.
            short = sha256(name.encode()).hexdigest()[:6]
            name = f"{name[: _LONGEST_ACCOUNT - 7].rstrip('-')}-{short}"
        return f"{name.ljust(6, 'x')}@{self.project}.iam.gserviceaccount.com"


def received_label(receives: str) -> str:
    """Returns the value of the label by which functions that receive the same changes are found."""
    # A label cannot hold every name of a class.
    return sha256(receives.encode()).hexdigest()[:20]


def unless(done: bool, *commands: Command) -> tuple[Command, ...]:
    """Returns the commands, or none of them if their work is done."""
    return () if done else commands
