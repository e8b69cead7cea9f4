"""A project as gcloud lists it: what is deployed already, read from the answers of gcloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boiler_functions.manifest import HASH_LABEL
from boiler_functions.plan.watching import ALERT_LABEL

RECEIVES_LABEL = "boiler-receives"
# Differs from manifest.APP_LABEL, because a function is a Cloud Run service too, and passes its labels on to that.
SERVICE_LABEL = "boiler-service"

# Firestore's state of an index that is being built. An index in NEEDS_REPAIR does not improve by waiting.
_BUILDING = "CREATING"


@dataclass(frozen=True)
class Deployed:
    """What a project has; empty for what was not listed."""

    apis: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    roles: frozenset[tuple[str, str]] = frozenset()
    functions: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    services: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    pinned: frozenset[tuple[str, str]] = frozenset()
    """The names in Cloud Run, and regions, of functions and services whose traffic a former revision has."""
    queues: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    subscriptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    invokers: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a function and a member that may invoke it."""
    readers: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a secret and a member that may read it."""
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dashboards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The app's alert policies, by what they alert of."""
    fields: frozenset[tuple[str, str]] = frozenset()
    composite: frozenset[tuple[Any, ...]] = frozenset()
    grouped: frozenset[tuple[str, str]] = frozenset()
    """The fields that have an index over all collections of one name."""
    building: frozenset[tuple[Any, ...]] = frozenset()
    """The indexes that Firestore was still building."""
    location: str | None = None
    number: str | None = None

    @classmethod
    def of(cls, apis: frozenset[str], answers: Mapping[str, Any], number: str | None) -> Deployed:
        """Reads what gcloud listed, by the name of the listing; `number` is the number of the project."""
        bindings = (answers.get("policy") or {}).get("bindings", ())
        fields = answers.get("fields") or ()
        return cls(
            apis=apis,
            accounts=frozenset(_last(answers.get("accounts"), "email")),
            roles=frozenset((member, each["role"]) for each in bindings for member in each.get("members", ())),
            functions={_place_of_function(each): each for each in answers.get("functions") or ()},
            services={place_of_service(each): each for each in answers.get("services") or ()},
            pinned=frozenset(
                place_of_service(each)
                for listed in ("running", "services")
                for each in answers.get(listed) or ()
                if is_pinned(each)
            ),
            queues=frozenset(_last(answers.get("queues"))),
            jobs=frozenset(_last(answers.get("jobs"))),
            topics=frozenset(_last(answers.get("topics"))),
            subscriptions=_last(answers.get("subscriptions")),
            metrics=_last(answers.get("metrics")),
            dashboards=_last(answers.get("dashboards")),
            policies={each["userLabels"][ALERT_LABEL]: each for each in answers.get("policies") or ()},
            fields=frozenset(map(_field, fields)),
            grouped=frozenset(_field(each) for each in fields if _is_grouped(each)),
            composite=frozenset(composite_key(each) for each in answers.get("composite") or ()),
            building=building(answers),
            location=(answers.get("database") or {}).get("locationId"),
            number=number,
        )

    def fingerprint(self, name: str, region: str) -> str | None:
        """Returns the fingerprint that the function was deployed with; None unless that deployment succeeded."""
        found = self.functions.get((name, region), {})
        return found.get("labels", {}).get(HASH_LABEL) if found.get("state") == "ACTIVE" else None

    def receives(self, name: str, region: str) -> str | None:
        """Returns the label of what the function receives the changes of, if it has one."""
        labels: Mapping[str, str] = self.functions.get((name, region), {}).get("labels", {})
        return labels.get(RECEIVES_LABEL)

    def service_fingerprint(self, name: str, region: str) -> str | None:
        """Returns the fingerprint that the service was deployed with; None unless that deployment succeeded."""
        found = self.services.get((name, region), {})
        return found.get("metadata", {}).get("labels", {}).get(HASH_LABEL) if is_ready(found) else None

    def has_dead_letters(self, name: str, region: str) -> bool:
        """Returns whether the subscription of the function's trigger has a dead-letter topic."""
        trigger = self.functions.get((name, region), {}).get("eventTrigger", {}).get("trigger", "")
        _, _, location, _, identifier = trigger.rpartition("projects/")[2].split("/") if trigger else [""] * 5
        # Eventarc names the subscription: eventarc-LOCATION-TRIGGER-sub-NUMBER
        named = f"eventarc-{location}-{identifier}-sub-"
        return any(
            name.startswith(named) and "deadLetterPolicy" in content for name, content in self.subscriptions.items()
        )


def is_ready(service: Mapping[str, Any]) -> bool:
    """Whether the last deployment of a listed service succeeded."""
    conditions = service.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_pinned(service: Mapping[str, Any]) -> bool:
    """Whether traffic of a listed service stays with a revision whatever is deployed, as after a rollback."""
    return any(each.get("percent") and not each.get("latestRevision") for each in traffic_of(service))


def traffic_of(service: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns how the traffic of a listed service is shared among revisions."""
    shares: Sequence[Mapping[str, Any]] = service.get("status", {}).get("traffic") or ()
    return shares


def building(answers: Mapping[str, Any]) -> frozenset[tuple[Any, ...]]:
    """Returns the listed indexes that Firestore is still building."""
    composite = {composite_key(each) for each in answers.get("composite") or () if each.get("state") == _BUILDING}
    fields = {
        _field(each)
        for each in answers.get("fields") or ()
        if any(index.get("state") == _BUILDING for index in each.get("indexConfig", {}).get("indexes", ()))
    }
    return frozenset({*composite, *fields})


def composite_key(wire: Mapping[str, Any]) -> tuple[Any, ...]:
    """Identifies a composite index of firestore.indexes.json, or of gcloud's listing, without `__name__`.

    Firestore adds `__name__` to the indexes that it lists.
    """
    fields = [
        (each["fieldPath"], each.get("order"), each.get("arrayConfig"))
        for each in wire["fields"]
        if each["fieldPath"] != "__name__"
    ]
    collection = wire.get("collectionGroup") or wire["name"].split("/collectionGroups/")[1].split("/")[0]
    return (collection, wire["queryScope"], *fields)


def _last(listed: Iterable[Mapping[str, Any]] | None, key: str = "name") -> dict[str, Mapping[str, Any]]:
    """Maps the last segment of each resource's name to the resource."""
    return {each[key].rpartition("/")[2]: each for each in listed or ()}


def _field(listed: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the collection and the field of a listed field."""
    collection, _, field = listed["name"].split("/collectionGroups/")[1].split("/")
    return collection, field


def _is_grouped(listed: Mapping[str, Any]) -> bool:
    indexes = listed.get("indexConfig", {}).get("indexes", ())
    return any(each.get("queryScope") == "COLLECTION_GROUP" for each in indexes)


def _place_of_function(function: Mapping[str, Any]) -> tuple[str, str]:
    _, _, _, region, _, name = function["name"].split("/")
    return name, region


def place_of_service(service: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the name and region of a listed service."""
    about = service["metadata"]
    return about["name"], about["labels"]["cloud.googleapis.com/location"]
