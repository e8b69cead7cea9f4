"""What a deployment does: the steps from what is there to what the app declares, each a few commands of gcloud.

Nothing is remembered between runs: a function carries its fingerprint in a label, and all else is looked up. So a run
goes on where another one ended, wherever that ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from boiler_functions.cli.gcloud import Command, gcloud
from boiler_functions.cli.upload import PYTHON, RUNTIME, Upload
from boiler_functions.database.firestore import PROJECT
from boiler_functions.manifest import (
    EventTrigger,
    Function,
    HttpTrigger,
    Manifest,
    QueueTrigger,
    ScheduleTrigger,
    Service,
)
from boiler_functions.plan.indexes import BOOKKEEPING, Index, Indexes, Override
from boiler_functions.runtime.queues import QUEUE, SERVICE_ACCOUNT, URL
from boiler_functions.settings.options import Options

DATABASE_PHASE = "database"

APP_LABEL = "boiler-app"
HASH_LABEL = "boiler-hash"
# Of its own: each function is a service of Cloud Run, too, and hands its labels on.
SERVICE_LABEL = "boiler-service"

DEPLOYING_APIS = (
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "iam.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
)

# Pub/Sub gives an event up after so many deliveries; more than 100 it does not take.
_DELIVERIES = 100

_LONGEST_ACCOUNT = 30
_INGRESS = {
    "ALLOW_ALL": "all",
    "ALLOW_INTERNAL_ONLY": "internal-only",
    "ALLOW_INTERNAL_AND_GCLB": "internal-and-gclb",
}
_RUN_INGRESS = {
    **_INGRESS,
    "ALLOW_INTERNAL_ONLY": "internal",
    "ALLOW_INTERNAL_AND_GCLB": "internal-and-cloud-load-balancing",
}
_EGRESS = {"PRIVATE_RANGES_ONLY": "private-ranges-only", "ALL_TRAFFIC": "all"}


@dataclass(frozen=True)
class Step:
    """Something to be there, and the commands that see to it: none when it is there."""

    name: str
    commands: tuple[Command, ...]
    function: bool = False


@dataclass(frozen=True)
class Phase:
    """Steps that need one another in no order, though all need the phases before; `at_once` of them are under way."""

    title: str
    steps: tuple[Step, ...]
    at_once: int = 4


@dataclass(frozen=True)
class Deployed:
    """What is there, as gcloud lists it; nothing, where it was not asked."""

    apis: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    roles: frozenset[tuple[str, str]] = frozenset()
    functions: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    services: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    queues: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    subscriptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    invokers: frozenset[tuple[str, str]] = frozenset()
    """Each function with a member that may invoke it."""
    readers: frozenset[tuple[str, str]] = frozenset()
    """Each secret with a member that may read it."""
    fields: frozenset[tuple[str, str]] = frozenset()
    composite: frozenset[tuple[Any, ...]] = frozenset()
    grouped: frozenset[tuple[str, str]] = frozenset()
    """The fields that are indexed over all collections of a name."""
    location: str | None = None
    number: str | None = None

    def fingerprint(self, name: str, region: str) -> str | None:
        """What the function was deployed from, if that was finished."""
        found = self.functions.get((name, region), {})
        return found.get("labels", {}).get(HASH_LABEL) if found.get("state") == "ACTIVE" else None

    def service_fingerprint(self, name: str, region: str) -> str | None:
        """What the service was deployed from, if that was finished."""
        found = self.services.get((name, region), {})
        conditions = found.get("status", {}).get("conditions", ())
        is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return found.get("metadata", {}).get("labels", {}).get(HASH_LABEL) if is_ready else None

    def has_dead_letters(self, name: str, region: str) -> bool:
        """Whether the subscription of the function's trigger has a topic for what could not be delivered."""
        trigger = self.functions.get((name, region), {}).get("eventTrigger", {}).get("trigger", "")
        _, _, location, _, identifier = trigger.rpartition("projects/")[2].split("/") if trigger else [""] * 5
        # As Eventarc names it: eventarc-LOCATION-TRIGGER-sub-NUMBER
        named = f"eventarc-{location}-{identifier}-sub-"
        return any(
            name.startswith(named) and "deadLetterPolicy" in content for name, content in self.subscriptions.items()
        )


@dataclass(frozen=True)
class Deployment:
    """An app, where it goes, and what is uploaded."""

    project: str
    database: str
    region: str
    app: str
    manifest: Manifest
    indexes: Indexes
    upload: Upload
    environment: Mapping[str, str]
    firebase: str | None = None
    rules: bool = True
    """Whether the security rules are deployed, too."""
    deployed: Deployed = Deployed()  # frozen

    @cached_property
    def event_account(self) -> str:
        """The service account that the functions of events and queues run as."""
        return self._account("run")

    @cached_property
    def public_account(self) -> str:
        """The service account of what strangers reach, the API and the sockets; it may enqueue nothing."""
        return self._account("web")

    @cached_property
    def invoker_account(self) -> str:
        """The service account that invokes the functions of events and queues."""
        return self._account("invoke")

    def account_of(self, part: Function | Service) -> str:
        """The service account that a function or service runs as."""
        is_public = isinstance(part, Service) or isinstance(part.trigger, HttpTrigger)
        return part.options.service_account or (self.public_account if is_public else self.event_account)

    @cached_property
    def runtime_accounts(self) -> tuple[str, ...]:
        """The service accounts of the app that anything runs as."""
        used = {self.account_of(each) for each in self.manifest.parts}
        return tuple(each for each in (self.event_account, self.public_account) if each in used)

    @property
    def undelivered(self) -> str:
        """The topic, and its subscription, of events that could not be delivered."""
        return f"{self.manifest.app.lower()}-undelivered"

    @property
    def firestore_parts(self) -> tuple[str, ...]:
        """What of Firestore is left to firebase, as gcloud cannot deploy it."""
        indexes = ("firestore:indexes",) if self.indexes.singles else ()
        return (*(("firestore:rules",) if self.rules else ()), *indexes)

    def phases(self, only: frozenset[str] | None = None) -> Iterator[Phase]:
        """All that is done, in order; `only` are the functions and services, all by default."""
        functions = [each for each in self.manifest.functions if only is None or each.name in only]
        yield Phase("APIs", (self._apis(),))
        yield Phase("accounts, topics, queues", tuple(self._resources()))
        # A policy is read and written as a whole, so that two at once would get into each other's way.
        yield Phase("roles", tuple(self._roles()), at_once=1)
        yield Phase(DATABASE_PHASE, tuple(self._database()))
        # The triggers first, so that no change is missed by what the API shows.
        for title, is_public in (("functions", False), ("API", True)):
            chosen = [each for each in functions if isinstance(each.trigger, HttpTrigger) is is_public]
            if chosen:
                yield Phase(title, tuple(self._function(each) for each in chosen))
        if services := [each for each in self.manifest.services if only is None or each.name in only]:
            yield Phase("services", tuple(self._service(each) for each in services))

    def stale(self) -> list[tuple[str, str]]:
        """The functions and services of the app that are deployed and not declared any more, by name and region."""
        declared = {(each.name, self.region_of(each)) for each in self.manifest.parts}
        return sorted({*self.deployed.functions, *self.deployed.services} - declared)

    def removal(self, stale: Iterable[tuple[str, str]]) -> Phase:
        """The removal of functions and services."""
        steps = (Step(f"remove {name}", tuple(self._delete(name, region)), True) for name, region in stale)
        return Phase("removal", tuple(steps))

    def _delete(self, name: str, region: str) -> Iterator[Command]:
        if name in self.deployed.jobs:
            yield self._gcloud("scheduler", "jobs", "delete", name, f"--location={region}", "--quiet")
        where = f"--region={region}"
        if (name, region) in self.deployed.functions:
            yield self._gcloud("functions", "delete", name, "--gen2", where)
        else:
            yield self._gcloud("run", "services", "delete", name, where)

    # The steps

    def _apis(self) -> Step:
        missing = sorted({*self.manifest.apis, *DEPLOYING_APIS} - self.deployed.apis)
        return Step("APIs", (self._gcloud("services", "enable", *missing),) if missing else ())

    def _resources(self) -> Iterator[Step]:
        accounts = {
            self.event_account: f"{self.manifest.app} functions",
            self.public_account: f"{self.manifest.app} API",
            self.invoker_account: f"{self.manifest.app} triggers",
        }
        for account, told in accounts.items():
            if account not in (*self.runtime_accounts, self.invoker_account) or not self.manifest.parts:
                continue
            create = self._gcloud("iam", "service-accounts", "create", account.partition("@")[0])
            command = Command((*create.arguments, f"--display-name={told}"))
            yield Step(f"account {account}", _unless(account in self.deployed.accounts, command))
        if self._events:
            topic = self._gcloud("pubsub", "topics", "create", self.undelivered)
            subscription = self._gcloud(
                "pubsub",
                "subscriptions",
                "create",
                self.undelivered,
                f"--topic={self.undelivered}",
                "--expiration-period=never",
                "--message-retention-duration=31d",
            )
            commands = (
                *_unless(self.undelivered in self.deployed.topics, topic),
                *_unless(self.undelivered in self.deployed.subscriptions, subscription),
            )
            yield Step(f"topic {self.undelivered}", commands)
        for function in self.manifest.queues:
            trigger = function.trigger
            assert isinstance(trigger, QueueTrigger)
            create = self._gcloud(
                "tasks",
                "queues",
                "create",
                function.name,
                f"--location={self.region_of(function)}",
                "--max-attempts=unlimited",
                f"--min-backoff={trigger.min_backoff_seconds}s",
                f"--max-backoff={trigger.max_backoff_seconds}s",
                f"--max-concurrent-dispatches={trigger.max_concurrent_dispatches}",
                f"--max-dispatches-per-second={trigger.max_dispatches_per_second}",
            )
            yield Step(f"queue {function.name}", _unless(function.name in self.deployed.queues, create))

    def _roles(self) -> Iterator[Step]:
        invokes = f"serviceAccount:{self.invoker_account}"
        for account in self.runtime_accounts:
            yield self._role(f"serviceAccount:{account}", "roles/datastore.user")
            yield self._role(f"serviceAccount:{account}", "roles/logging.logWriter")
        if self._events:
            yield self._role(invokes, "roles/eventarc.eventReceiver")
            publish = self._gcloud(
                "pubsub", "topics", "add-iam-policy-binding", self.undelivered, "--role=roles/pubsub.publisher"
            )
            agent = Command((*publish.arguments, self._pubsub_agent))
            events = [each for each in self.manifest.functions if isinstance(each.trigger, EventTrigger)]
            done = all(self.deployed.has_dead_letters(each.name, self.region_of(each)) for each in events)
            yield Step("undelivered events may be published", _unless(done, agent))
        for function in self.manifest.queues:
            deployed = self.deployed.fingerprint(function.name, self.region_of(function)) is not None
            done = deployed and function.name in self.deployed.queues
            yield Step(f"tasks of {function.name}", _unless(done, *self._enqueuing(function)))
        for secret in self.secrets:
            yield Step(f"secret {secret}", tuple(self._readers(secret)))

    def _enqueuing(self, queue: Function) -> Iterator[Command]:
        """Lets whoever builds views put the rest into the queue, as work that the triggers' account invokes."""
        for account in sorted({self.account_of(each) for each in self.manifest.functions if each.hands_on}):
            yield self._gcloud(
                "tasks",
                "queues",
                "add-iam-policy-binding",
                queue.name,
                f"--location={self.region_of(queue)}",
                f"--member=serviceAccount:{account}",
                "--role=roles/cloudtasks.enqueuer",
            )
            yield self._gcloud(
                "iam",
                "service-accounts",
                "add-iam-policy-binding",
                self.invoker_account,
                f"--member=serviceAccount:{account}",
                "--role=roles/iam.serviceAccountUser",
            )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that a function or service uses."""
        return tuple(sorted({each for part in self.manifest.parts for each in part.options.secrets or ()}))

    def _readers(self, secret: str) -> Iterator[Command]:
        """Grants the secret to the accounts of what uses it, and takes it from the app's others."""
        using = {self.account_of(each) for each in self.manifest.parts if secret in (each.options.secrets or ())}
        for account in (self.event_account, self.public_account):
            is_needed, is_granted = account in using, (secret, f"serviceAccount:{account}") in self.deployed.readers
            if is_needed != is_granted:
                yield self._gcloud(
                    "secrets",
                    "add-iam-policy-binding" if is_needed else "remove-iam-policy-binding",
                    secret,
                    f"--member=serviceAccount:{account}",
                    "--role=roles/secretmanager.secretAccessor",
                )

    def _role(self, member: str, role: str) -> Step:
        command = gcloud(
            "projects",
            "add-iam-policy-binding",
            self.project,
            f"--member={member}",
            f"--role={role}",
            "--condition=None",
            "--format=none",
        )
        return Step(f"{role} for {member}", _unless((member, role) in self.deployed.roles, command))

    def _database(self) -> Iterator[Step]:
        for index in self.indexes.composite:
            yield Step(
                f"index {index}",
                _unless(
                    composite_key(index.to_wire()) in self.deployed.composite,
                    *[self._in_database("indexes", "composite", "create", *_index(index))],
                ),
            )
        for override in self.indexes.overrides:
            if override in BOOKKEEPING:
                done = (override.collection, override.field) in self.deployed.fields
                yield Step(f"field {override.collection}.{override.field}", _unless(done, *self._override(override)))
        if self.firebase and self.firestore_parts:
            only = ",".join(self.firestore_parts)
            deploy = Command(
                (self.firebase, "deploy", f"--only={only}", f"--project={self.project}", "--non-interactive")
            )
            yield Step(only, (deploy,))

    def _override(self, override: Override) -> Iterator[Command]:
        place = (override.field, f"--collection-group={override.collection}")
        if override.ttl:
            yield self._in_database("fields", "ttls", "update", *place, "--enable-ttl", "--async")
        kinds = ["--index=array-config=contains" for index in override.indexes if index.contains]
        yield self._in_database("indexes", "fields", "update", *place, *(kinds or ["--disable-indexes"]), "--async")

    def _function(self, function: Function) -> Step:
        region = self.region_of(function)
        fingerprint = self.fingerprint(function)
        is_current = self.deployed.fingerprint(function.name, region) == fingerprint
        if isinstance(function.trigger, EventTrigger):
            # The last thing that is done for it.
            is_finished = self.deployed.has_dead_letters(function.name, region)
        else:
            is_finished = {(function.name, each) for each in self.invokers(function)} <= self.deployed.invokers
            if isinstance(function.trigger, ScheduleTrigger):
                is_finished = is_finished and function.name in self.deployed.jobs
        commands = (
            *_unless(is_current, self._deploy(function, fingerprint)),
            *_unless(is_finished, *self._finish(function)),
            *self._revoke(function),
        )
        return Step(function.name, commands, function=True)

    def fingerprint(self, function: Function) -> str:
        """What the function comes to: its code, and all that it is deployed with."""
        views = [view for each in self.manifest.parts for view in each.views]
        code = self.upload.fingerprint(function, views)
        labels = _pairs(function.options.labels or {})
        told = (code, labels, *self._settings(function), *self._trigger(function))
        return sha256("\n".join(told).encode()).hexdigest()[:40]

    def invokers(self, function: Function) -> tuple[str, ...]:
        """Who may invoke the function, by name; nobody, where everybody may."""
        if isinstance(function.trigger, EventTrigger | QueueTrigger | ScheduleTrigger):
            return (f"serviceAccount:{self.invoker_account}",)
        return tuple(f"serviceAccount:{each}" for each in function.trigger.invoker if "@" in each)

    def _revoke(self, function: Function) -> Iterator[Command]:
        """Takes the right to invoke from everybody who is not declared, also when everybody could."""
        is_public = isinstance(function.trigger, HttpTrigger) and function.trigger.invoker == ("public",)
        declared = {*self.invokers(function), *(("allUsers",) if is_public else ())}
        where = (function.name, f"--region={self.region_of(function)}")
        for name, member in sorted(self.deployed.invokers):
            if name == function.name and member not in declared:
                yield self._gcloud(
                    "functions", "remove-invoker-policy-binding", *where, f"--member={member}", "--format=none"
                )

    def region_of(self, function: Function | Service) -> str:
        return function.options.region or self.region

    def _service(self, service: Service) -> Step:
        region = self.region_of(service)
        views = [view for each in self.manifest.parts for view in each.views]
        told = (self.upload.fingerprint(service, views), _pairs(service.options.labels or {}), *self._run(service))
        fingerprint = sha256("\n".join(told).encode()).hexdigest()[:40]
        own = {SERVICE_LABEL: self.manifest.app.lower(), HASH_LABEL: fingerprint}
        deploy = self._gcloud(
            "run",
            "deploy",
            service.name,
            f"--region={region}",
            f"--source={self.upload.folder}",
            *self._run(service),
            "--clear-labels",
            f"--update-labels={_pairs({**(service.options.labels or {}), **own})}",
        )
        is_current = self.deployed.service_fingerprint(service.name, region) == fingerprint
        return Step(service.name, _unless(is_current, deploy))

    def _run(self, service: Service) -> Iterator[str]:
        """What the service runs, and with what; in Cloud Run's own words."""
        options = service.options
        command = f"python -m boiler_functions.websocket {self.app}"
        yield f"--set-build-env-vars=GOOGLE_ENTRYPOINT={command},GOOGLE_RUNTIME_VERSION={PYTHON}.x"
        yield f"--service-account={self.account_of(service)}"
        yield f"--memory={options.memory}Mi"
        yield f"--cpu={options.cpu:g}"
        yield f"--concurrency={options.concurrency}"
        yield f"--timeout={options.time_limit}s"
        yield f"--min-instances={'default' if options.min_instances is None else options.min_instances}"
        yield f"--max-instances={'default' if options.max_instances is None else options.max_instances}"
        yield f"--ingress={_RUN_INGRESS[options.ingress or 'ALLOW_ALL']}"
        # A browser has no account of Google's: the service checks its token.
        yield "--allow-unauthenticated"
        # A socket stays where it is by itself, and a full instance sends the next one elsewhere.
        yield "--no-session-affinity"
        yield _or_clear("vpc-connector", options.vpc_connector)
        if options.vpc_connector:
            yield f"--vpc-egress={_EGRESS[options.vpc_connector_egress_settings or 'PRIVATE_RANGES_ONLY']}"
        yield _secrets(options)
        yield f"--set-env-vars={_pairs({PROJECT: self.project, **self.environment})}"

    def _deploy(self, function: Function, fingerprint: str) -> Command:
        labels = {**(function.options.labels or {}), APP_LABEL: self.manifest.app.lower(), HASH_LABEL: fingerprint}
        location = (self._location(function),) if isinstance(function.trigger, EventTrigger) else ()
        return self._gcloud(
            "functions",
            "deploy",
            function.name,
            "--gen2",
            f"--region={self.region_of(function)}",
            f"--source={self.upload.folder}",
            *self._settings(function),
            *self._trigger(function),
            *location,
            "--clear-labels",
            f"--update-labels={_pairs(labels)}",
        )

    def _settings(self, function: Function) -> Iterator[str]:
        """What the function runs with; what nobody said is cleared, or an older deployment would go on saying it."""
        options = function.options
        yield f"--runtime={RUNTIME}"
        yield f"--entry-point={function.entry_point}"
        yield f"--service-account={self.account_of(function)}"
        yield f"--memory={options.memory}Mi"
        yield f"--cpu={options.cpu:g}"
        yield f"--concurrency={options.concurrency}"
        yield f"--timeout={options.time_limit}s"
        yield _or_clear("min-instances", options.min_instances)
        yield _or_clear("max-instances", options.max_instances)
        yield f"--ingress-settings={_INGRESS[options.ingress or 'ALLOW_ALL']}"
        yield _or_clear("vpc-connector", options.vpc_connector)
        if options.vpc_connector:
            yield f"--egress-settings={_EGRESS[options.vpc_connector_egress_settings or 'PRIVATE_RANGES_ONLY']}"
        yield _secrets(options)
        environment = self._environment(function)
        yield f"--set-env-vars={_pairs(environment)}"

    def _environment(self, function: Function) -> dict[str, str]:
        # Cloud Run tells no function its project; logs name their trace by it.
        environment = {PROJECT: self.project, **self.environment}
        queue = next(iter(self.manifest.queues), None)
        if queue is not None and function.hands_on:
            region = self.region_of(queue)
            environment[QUEUE] = f"projects/{self.project}/locations/{region}/queues/{queue.name}"
            environment[URL] = self._url_of(queue)
            environment[SERVICE_ACCOUNT] = self.invoker_account
        return environment

    def _trigger(self, function: Function) -> Iterator[str]:
        trigger = function.trigger
        if not isinstance(trigger, EventTrigger):
            yield "--trigger-http"
            yield "--allow-unauthenticated" if trigger.invoker == ("public",) else "--no-allow-unauthenticated"
            return
        yield f"--trigger-event-filters=type={trigger.event_type}"
        yield f"--trigger-event-filters=database={trigger.database}"
        yield f"--trigger-event-filters=namespace={trigger.namespace}"
        yield f"--trigger-event-filters-path-pattern=document={trigger.document}"
        yield f"--trigger-service-account={self.invoker_account}"
        if trigger.retry:
            yield "--retry"

    def _location(self, function: Function) -> str | Command:
        trigger = function.trigger
        assert isinstance(trigger, EventTrigger)
        if location := trigger.location or self.deployed.location:
            return f"--trigger-location={location}"
        describe = self._gcloud(
            "firestore", "databases", "describe", f"--database={self.database}", "--format=value(locationId)"
        )
        return describe.within("--trigger-location=")

    def _finish(self, function: Function) -> Iterator[Command]:
        """Who may invoke the function, and where what cannot be delivered to it goes."""
        trigger = function.trigger
        where = (function.name, f"--region={self.region_of(function)}")
        for member in self.invokers(function):
            yield self._gcloud("functions", "add-invoker-policy-binding", *where, f"--member={member}", "--format=none")
        if isinstance(trigger, ScheduleTrigger) and function.name not in self.deployed.jobs:
            yield self._job(function, trigger)
        if isinstance(trigger, EventTrigger):
            name = self._gcloud("functions", "describe", *where, "--gen2", "--format=value(eventTrigger.trigger)")
            subscription = gcloud(
                "eventarc", "triggers", "describe", name, "--format=value(transport.pubsub.subscription)"
            )
            yield self._gcloud(
                "pubsub",
                "subscriptions",
                "add-iam-policy-binding",
                subscription,
                self._pubsub_agent,
                "--role=roles/pubsub.subscriber",
                "--format=none",
            )
            yield self._gcloud(
                "pubsub",
                "subscriptions",
                "update",
                subscription,
                f"--dead-letter-topic={self.undelivered}",
                f"--max-delivery-attempts={_DELIVERIES}",
            )

    def _job(self, function: Function, trigger: ScheduleTrigger) -> Command:
        url = self._url_of(function)
        return self._gcloud(
            "scheduler",
            "jobs",
            "create",
            "http",
            function.name,
            f"--location={self.region_of(function)}",
            f"--schedule={trigger.schedule}",
            "--time-zone=Etc/UTC",
            f"--uri={url}",
            "--http-method=post",
            f"--oidc-service-account-email={self.invoker_account}",
            f"--oidc-token-audience={url}",
            f"--attempt-deadline={function.options.time_limit}s",
            # The next run does what this one could not.
            "--max-retry-attempts=0",
        )

    def _url_of(self, function: Function) -> str:
        return f"https://{self.region_of(function)}-{self.project}.cloudfunctions.net/{function.name}"

    # The words

    @property
    def _events(self) -> bool:
        return any(isinstance(each.trigger, EventTrigger) for each in self.manifest.functions)

    @property
    def _pubsub_agent(self) -> str | Command:
        start, end = "--member=serviceAccount:service-", "@gcp-sa-pubsub.iam.gserviceaccount.com"
        if self.deployed.number:
            return f"{start}{self.deployed.number}{end}"
        return gcloud("projects", "describe", self.project, "--format=value(projectNumber)").within(start, end)

    def _account(self, purpose: str) -> str:
        name = f"{self.manifest.app.lower()}-{purpose}"
        if len(name) > _LONGEST_ACCOUNT:
            short = sha256(name.encode()).hexdigest()[:6]
            name = f"{name[: _LONGEST_ACCOUNT - 7].rstrip('-')}-{short}"
        return f"{name.ljust(6, 'x')}@{self.project}.iam.gserviceaccount.com"

    def _gcloud(self, *arguments: str | Command) -> Command:
        return gcloud(*arguments, f"--project={self.project}")

    def _in_database(self, *arguments: str) -> Command:
        return self._gcloud("firestore", *arguments, f"--database={self.database}")


def composite_key(wire: Mapping[str, Any]) -> tuple[Any, ...]:
    """A composite index, as firestore.indexes.json or gcloud has it, without what Firestore adds by itself."""
    fields = [
        (each["fieldPath"], each.get("order"), each.get("arrayConfig"))
        for each in wire["fields"]
        if each["fieldPath"] != "__name__"
    ]
    collection = wire.get("collectionGroup") or wire["name"].split("/collectionGroups/")[1].split("/")[0]
    return (collection, wire["queryScope"], *fields)


def _index(index: Index) -> Iterator[str]:
    yield f"--collection-group={index.collection}"
    yield f"--query-scope={index.scope.lower().replace('_', '-')}"
    for each in index.fields:
        kind = "array-config=contains" if each.contains else f"order={'descending' if each.descending else 'ascending'}"
        yield f"--field-config=field-path={each.path},{kind}"


def _unless(done: bool, *commands: Command) -> tuple[Command, ...]:
    return () if done else commands


def _or_clear(flag: str, value: object) -> str:
    return f"--clear-{flag}" if value is None else f"--{flag}={value}"


def _secrets(options: Options) -> str:
    secrets = ",".join(f"{name}={name}:latest" for name in options.secrets or ())
    return f"--set-secrets={secrets}" if secrets else "--clear-secrets"


def _pairs(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))
