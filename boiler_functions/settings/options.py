"""Options: how and where functions run, spelled as in firebase-functions, and checked where they are declared.

    app = Boiler("meeting-room", region="europe-west1", memory="512Mi", functions={"api": {"min_instances": 1}})

    @app.query(timeout_sec=120, labels={"team": "rooms"})
    class MeetingSession(ViewModel[MeetingStore]): ...

An option of a function (`functions={…}`) overrides that of its view, and that overrides the app's; labels are merged.
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

# https://cloud.google.com/firestore/docs/locations, and for each the nearest region for functions.
MULTI_REGIONS = {"nam5": "us-central1", "nam7": "us-central1", "eur3": "europe-west1"}

# https://cloud.google.com/functions/docs/configuring/memory
MEMORIES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
CPUS = (1, 2, 4, 6, 8)
_CPU_OF_MEMORY = {4096: 2, 8192: 2, 16384: 4, 32768: 8}
_LEAST_MEMORY = {4: 2048, 6: 3072, 8: 4096}

ANY = "(default)"
"""The database, and the namespace, if an app names none."""

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
    """The options of any function."""

    region: str
    memory: int | str
    """MiB, or a size as "512Mi" or "1GB"."""
    cpu: float
    concurrency: int
    """Requests that one instance serves at a time; more than 1 needs a whole CPU."""
    timeout_sec: int
    min_instances: int
    max_instances: int
    service_account: str
    secrets: Sequence[str]
    """Names in Secret Manager; the function finds each in the environment variable of that name."""
    labels: Mapping[str, str]
    ingress: Ingress
    vpc_connector: str
    vpc_connector_egress_settings: Egress


class EventOptions(FunctionOptions, total=False):
    """The options of a function that events invoke."""

    retry: bool
    """Whether a failed event is delivered again; True, unlike Google's default, which drops the event."""


class HttpOptions(FunctionOptions, total=False):
    """The options of the function `api`."""

    invoker: str | Sequence[str]
    """The permitted callers: "public", "private", or service accounts."""


class AnyOptions(EventOptions, HttpOptions, total=False):
    """The options of a function that is named by its entry point: `functions={"api": {"invoker": "private"}}`."""


class AppOptions(AnyOptions, total=False):
    """The options of an app: those of all its functions, and where its database is."""

    database: str
    namespace: str
    trigger_location: str
    """The location of the database, as "nam5"; without it, the deployer asks Firestore."""


class Options(NamedTuple):
    """Checked options; None means not given, which leaves Google's default."""

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
        """Returns the given options; raises InvalidOption for one that is unknown or has an impossible value."""
        for name in mapping(where, given):
            if name not in allowed.__annotations__:
                raise InvalidOption(f"{where}: {_unknown('an option', name, allowed.__annotations__)}")
        values = {name: value for name, value in given.items() if value is not None}
        return cls(**{name: _CHECKS[name](f"{where}: {name}", value) for name, value in values.items()})

    def merged(self, over: Options) -> Options:
        """Returns these options overridden by those given in `over`; labels are merged."""
        said = {name: value for name, value in over.given().items() if name != "labels"}
        return self._replace(**said, labels={**(self.labels or {}), **(over.labels or {})} or None)

    def given(self) -> dict[str, Any]:
        """Returns the options that were given, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def differing(self, others: Options) -> str | None:
        """Returns the name of the first option that both give, with different values, or None."""
        said = others.given()
        return next((name for name, value in self.given().items() if name in said and said[name] != value), None)

    @property
    def time_limit(self) -> int:
        """The seconds after which the platform ends an invocation."""
        return self.timeout_sec or 60

    def settled(self, where: str, longest: int = MAX_EVENT_SECONDS) -> Options:
        """Returns the options with `memory`, `cpu` and `concurrency` filled in, for which each deployer has defaults.

        Raises InvalidOption if options do not fit together.
        """
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
            raise InvalidOption(f"{where}: timeout_sec must be 1 to {longest} for {kind}; found {self.timeout_sec}.")
        if self.concurrency > 1 and self.cpu < 1:
            raise InvalidOption(
                f"{where}: concurrency={self.concurrency} needs a whole CPU, and cpu is {self.cpu:g}; "
                f"set concurrency=1, or cpu=1."
            )
        # The same checks as those of firebase-tools and Cloud Run, but before anything is built.
        least = 0.5 if self.memory > 512 else 0.08
        if self.cpu < (least := 1 if self.memory > 1024 else least):
            raise InvalidOption(f"{where}: memory={self.memory} needs cpu={least:g} or more; found {self.cpu:g}.")
        if self.memory < (needed := _LEAST_MEMORY.get(int(self.cpu), 0)):
            raise InvalidOption(f"{where}: cpu={self.cpu:g} needs memory={needed} or more; found {self.memory}.")
        if self.min_instances and self.max_instances and self.min_instances > self.max_instances:
            raise InvalidOption(
                f"{where}: min_instances={self.min_instances} is more than max_instances={self.max_instances}; "
                f"raise max_instances, or lower min_instances."
            )
        if self.vpc_connector_egress_settings and not self.vpc_connector:
            raise InvalidOption(
                f"{where}: vpc_connector_egress_settings says what goes through a vpc_connector, and none is set; set "
                f"vpc_connector, or leave it out."
            )


DEFAULTS = Options(region="us-central1", memory=512, timeout_sec=300, retry=True, database=ANY, namespace=ANY)
"""The options of an app that gives none."""


def _unknown(what: str, value: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(value, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(names)}."
    return f"{value!r} is not {what}; {hint}"


def _region(where: str, value: Any) -> str:
    text(where, value)
    if value in MULTI_REGIONS:
        raise InvalidOption(
            f"{where}: {value!r} is a location of databases; functions run in a single region, the nearest of which is "
            f"{MULTI_REGIONS[value]!r}. Set region={MULTI_REGIONS[value]!r} and trigger_location={value!r}."
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
        raise InvalidOption(f'{where}: {value!r} is not a size; use one of {sizes} (MiB), or as "512Mi", "1Gi".')
    return int(size)


def _cpu(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0.08 <= value < 1 or value in CPUS):
        raise InvalidOption(f"{where}: {value!r} is not a number of CPUs; use 0.08 to 1, or 2, 4, 6, 8.")
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
                f"{where}: {key!r} is not a key; use lower-case letters, digits, '_' and '-', and no prefix that the "
                f"deployers use ({', '.join(_RESERVED_LABELS)})."
            )
        if not isinstance(label, str) or not re.fullmatch(_LABEL_VALUE, label):
            raise InvalidOption(
                f"{where}[{key!r}]: {label!r} is not a value; use lower-case letters, digits, '_' and '-'."
            )
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
