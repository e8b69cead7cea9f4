"""Options: how and where functions run, spelled as in firebase-functions, and checked where they are declared.

    app = Boiler("meeting-room", region="europe-west1", memory="512Mi", functions={"api": {"min_instances": 1}})

    @app.query(timeout_sec=120, labels={"team": "rooms"})
    class MeetingSession(ViewModel[MeetingStore]): ...

What a function says goes before what its view says, and that before what the app says; labels are merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

from boiler_functions.exceptions import InvalidOption
from boiler_functions.settings.checks import Check, flag, mapping, one_of, text, texts, whole
from boiler_functions.types import is_name

Ingress: TypeAlias = Literal["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"]
Egress: TypeAlias = Literal["PRIVATE_RANGES_ONLY", "ALL_TRAFFIC"]

# https://cloud.google.com/functions/docs/locations
REGIONS = frozenset(
    f"{area}{number}"
    for area, numbers in {
        "africa-south": (1,),
        "asia-east": (1, 2),
        "asia-northeast": (1, 2, 3),
        "asia-south": (1, 2),
        "asia-southeast": (1, 2),
        "australia-southeast": (1, 2),
        "europe-central": (2,),
        "europe-north": (1, 2),
        "europe-southwest": (1,),
        "europe-west": (1, 2, 3, 4, 6, 8, 9, 10, 12),
        "me-central": (1, 2),
        "me-west": (1,),
        "northamerica-northeast": (1, 2),
        "northamerica-south": (1,),
        "southamerica-east": (1,),
        "southamerica-west": (1,),
        "us-central": (1,),
        "us-east": (1, 4, 5),
        "us-south": (1,),
        "us-west": (1, 2, 3, 4),
    }.items()
    for number in numbers
)

# https://cloud.google.com/firestore/docs/locations, and the region beside each where a function is nearest.
MULTI_REGIONS = {"nam5": "us-central1", "nam7": "us-central1", "eur3": "europe-west1"}

# https://cloud.google.com/functions/docs/configuring/memory
MEMORIES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
CPUS = (1, 2, 4, 6, 8)
_CPU_OF_MEMORY = {4096: 2, 8192: 2, 16384: 4, 32768: 8}
_LEAST_MEMORY = {4: 2048, 6: 3072, 8: 4096}

ANY = "(default)"
"""The database, and the namespace, of whoever names none."""

MAX_EVENT_SECONDS = 540
MAX_HTTP_SECONDS = 3600
MAX_CONCURRENCY = 1000

_MEMORY = r"(\d+) ?(Mi|MiB|M|MB|Gi|GiB|G|GB)"
_LABEL_KEY = r"[a-z][a-z0-9_-]{0,62}"
_LABEL_VALUE = r"[a-z0-9_-]{0,63}"
_RESERVED_LABELS = ("deployment", "goog", "firebase", "boiler-")
_RESERVED_VARIABLES = ("BOILER_", "FIREBASE_", "X_GOOGLE_", "GOOGLE_", "FUNCTION_", "K_", "PORT")
_SERVICE_ACCOUNT = r"[a-z][a-z0-9-]{4,28}[a-z0-9]@([a-z0-9.-]+\.gserviceaccount\.com)?|[0-9]+-compute@\S+"
_CONNECTOR = r"([a-z][a-z0-9-]{0,61}|projects/[^/]+/locations/[^/]+/connectors/[^/]+)"
_DATABASE = r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]"


class FunctionOptions(TypedDict, total=False):
    """What one function may be given."""

    region: str
    memory: int | str
    """In MiB, or as "512Mi" or "1GB"."""
    cpu: float
    concurrency: int
    """Requests that one instance serves at a time; more than one needs a whole CPU."""
    timeout_sec: int
    min_instances: int
    max_instances: int
    service_account: str
    secrets: Sequence[str]
    """Names in Secret Manager; each is an environment variable of that name."""
    labels: Mapping[str, str]
    ingress: Ingress
    vpc_connector: str
    vpc_connector_egress_settings: Egress


class EventOptions(FunctionOptions, total=False):
    """What a function that events invoke may be given."""

    retry: bool
    """Whether a failed event is delivered again; on, unlike Google's default, which drops it."""


class HttpOptions(FunctionOptions, total=False):
    """What the function `api` may be given."""

    invoker: str | Sequence[str]
    """Who may call: "public", "private", or service accounts."""


class AnyOptions(EventOptions, HttpOptions, total=False):
    """What a function may be given that is named by its entry point: `functions={"api": {"invoker": "private"}}`."""


class AppOptions(AnyOptions, total=False):
    """What an app may be given: what all of its functions have, and where its database is."""

    database: str
    namespace: str
    trigger_location: str
    """Where the database is, as "nam5"; without it the deployer asks Firestore."""


class Options(NamedTuple):
    """Options, checked; None is what nobody said, which is Google's default in the end."""

    region: str | None = None
    memory: int | None = None
    cpu: float | None = None
    concurrency: int | None = None
    timeout_sec: int | None = None
    min_instances: int | None = None
    max_instances: int | None = None
    service_account: str | None = None
    secrets: tuple[str, ...] | None = None
    labels: Mapping[str, str] | None = None
    ingress: Ingress | None = None
    vpc_connector: str | None = None
    vpc_connector_egress_settings: Egress | None = None
    retry: bool | None = None
    invoker: tuple[str, ...] | None = None
    database: str | None = None
    namespace: str | None = None
    trigger_location: str | None = None

    @classmethod
    def of(cls, where: str, given: Mapping[str, Any], allowed: type[Any] = AnyOptions) -> Options:
        """The options as they were given; raises InvalidOption for one that is unknown or cannot be."""
        for name in mapping(where, given):
            if name not in allowed.__annotations__:
                raise InvalidOption(f"{where}: {_unknown('an option', name, allowed.__annotations__)}")
        values = {name: value for name, value in given.items() if value is not None}
        return cls(**{name: _CHECKS[name](f"{where}: {name}", value) for name, value in values.items()})

    def merged(self, over: Options) -> Options:
        """These with those of `over` before them; labels are merged."""
        said = {name: value for name, value in over.given().items() if name != "labels"}
        return self._replace(**said, labels={**(self.labels or {}), **(over.labels or {})} or None)

    def given(self) -> dict[str, Any]:
        """What was said, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def differing(self, others: Options) -> str | None:
        """The first option of which both say something, and not the same."""
        said = others.given()
        return next((name for name, value in self.given().items() if name in said and said[name] != value), None)

    @property
    def time_limit(self) -> int:
        """Seconds after which the platform ends an invocation."""
        return self.timeout_sec or 60

    def settled(self, where: str, longest: int = MAX_EVENT_SECONDS) -> Options:
        """With what both deployers would leave to defaults of their own spelled out; raises for what does not fit."""
        memory = self.memory or DEFAULTS.memory
        assert memory is not None
        cpu = self.cpu if self.cpu is not None else _CPU_OF_MEMORY.get(memory, 1)
        concurrency = self.concurrency or (80 if cpu >= 1 else 1)
        settled = self._replace(memory=memory, cpu=cpu, concurrency=concurrency)
        settled._check(where, longest)
        return settled

    def _check(self, where: str, longest: int) -> None:
        assert self.memory is not None
        assert self.cpu is not None
        assert self.concurrency is not None
        if self.timeout_sec and self.timeout_sec > longest:
            kind = "event functions" if longest == MAX_EVENT_SECONDS else "HTTP functions"
            raise InvalidOption(f"{where}: timeout_sec is 1 to {longest} for {kind}; found {self.timeout_sec}.")
        if self.concurrency > 1 and self.cpu < 1:
            raise InvalidOption(
                f"{where}: concurrency={self.concurrency} needs a whole CPU, and cpu is {self.cpu:g}; "
                f"say concurrency=1, or cpu=1."
            )
        # As firebase-tools checks them, and Cloud Run after it.
        least = 0.5 if self.memory > 512 else 0.08
        if self.cpu < (least := 1 if self.memory > 1024 else least):
            raise InvalidOption(f"{where}: memory={self.memory} needs cpu={least:g} or more; found {self.cpu:g}.")
        if self.memory < (needed := _LEAST_MEMORY.get(int(self.cpu), 0)):
            raise InvalidOption(f"{where}: cpu={self.cpu:g} needs memory={needed} or more; found {self.memory}.")
        if self.min_instances and self.max_instances and self.min_instances > self.max_instances:
            raise InvalidOption(
                f"{where}: min_instances={self.min_instances} is more than max_instances={self.max_instances}."
            )
        if self.vpc_connector_egress_settings and not self.vpc_connector:
            raise InvalidOption(f"{where}: vpc_connector_egress_settings says what goes through a vpc_connector.")


DEFAULTS = Options(region="us-central1", memory=512, timeout_sec=300, retry=True, database=ANY, namespace=ANY)
"""What an app has that says nothing."""


def _unknown(what: str, value: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(value, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(names)}."
    return f"{value!r} is not {what}; {hint}"


def _region(where: str, value: Any) -> str:
    text(where, value)
    if value in MULTI_REGIONS:
        raise InvalidOption(
            f"{where}: {value!r} is where a database is; a function runs in one region, nearest to it in "
            f"{MULTI_REGIONS[value]!r}. Say region={MULTI_REGIONS[value]!r} and trigger_location={value!r}."
        )
    if value not in REGIONS:
        raise InvalidOption(f"{where}: {_unknown('a region', value, REGIONS)}")
    return str(value)


def _trigger_location(where: str, value: Any) -> str:
    text(where, value)
    known = REGIONS | MULTI_REGIONS.keys()
    if value not in known:
        raise InvalidOption(f"{where}: {_unknown('a location of a database', value, known)}")
    return str(value)


def _memory(where: str, value: Any) -> int:
    found = re.fullmatch(_MEMORY, value) if isinstance(value, str) else None
    size = int(found[1]) * (1024 if found[2].startswith("G") else 1) if found else value
    if size not in MEMORIES or isinstance(size, bool):
        sizes = ", ".join(map(str, MEMORIES))
        raise InvalidOption(f'{where}: {value!r} is not a size; it is one of {sizes} (MiB), or as "512Mi", "1Gi".')
    return int(size)


def _cpu(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0.08 <= value < 1 or value in CPUS):
        raise InvalidOption(f"{where}: {value!r} is not a number of CPUs; it is 0.08 to 1, or 2, 4, 6, 8.")
    return value


def _matching(pattern: str, expected: str) -> Check:
    def check(where: str, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise InvalidOption(f"{where}: {value!r} is not {expected}.")
        return value

    return check


def _secrets(where: str, value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else texts(where, value)
    for name in names:
        if not is_name(name) or name.startswith(_RESERVED_VARIABLES):
            raise InvalidOption(
                f"{where}: {name!r} is not a name for an environment variable; use letters, digits and '_', and no "
                f"prefix that the platform reserves ({', '.join(_RESERVED_VARIABLES)})."
            )
    return tuple(dict.fromkeys(names))


def _labels(where: str, value: Any) -> dict[str, str]:
    labels = dict(mapping(where, value))
    for key, label in labels.items():
        if not isinstance(key, str) or not re.fullmatch(_LABEL_KEY, key) or key.startswith(_RESERVED_LABELS):
            raise InvalidOption(
                f"{where}: {key!r} is not a key; lower-case letters, digits, '_' and '-', and none that begins with "
                f"{', '.join(_RESERVED_LABELS)}, which the deployers use."
            )
        if not isinstance(label, str) or not re.fullmatch(_LABEL_VALUE, label):
            raise InvalidOption(f"{where}[{key!r}]: {label!r} is not a value; lower-case letters, digits, '_' and '-'.")
    return labels


def _invoker(where: str, value: Any) -> tuple[str, ...]:
    invokers = (value,) if isinstance(value, str) else texts(where, value)
    if invokers not in (("public",), ("private",)):
        for each in invokers or ("",):
            _service_account(where, each)
    return invokers


_service_account = _matching(_SERVICE_ACCOUNT, "a service account, as 'boiler@my-project.iam.gserviceaccount.com'")

_CHECKS: Mapping[str, Check] = {
    "region": _region,
    "memory": _memory,
    "cpu": _cpu,
    "concurrency": whole(1, MAX_CONCURRENCY),
    "timeout_sec": whole(1, MAX_HTTP_SECONDS),
    "min_instances": whole(0, 1000),
    "max_instances": whole(1, 3000),
    "service_account": _service_account,
    "secrets": _secrets,
    "labels": _labels,
    "ingress": one_of(Ingress),
    "vpc_connector": _matching(_CONNECTOR, "a connector's name, or projects/P/locations/L/connectors/C"),
    "vpc_connector_egress_settings": one_of(Egress),
    "retry": flag,
    "invoker": _invoker,
    "database": _matching(_DATABASE, "a database's id, as '(default)' or 'orders'"),
    "namespace": _matching(r"\(default\)", "a namespace; Firestore has '(default)' alone"),
    "trigger_location": _trigger_location,
}
