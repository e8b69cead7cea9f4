"""The step that deploys a service of Cloud Run, such as the one that holds websockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from boiler_functions.cli.deployed import SERVICE_LABEL
from boiler_functions.cli.deployment import Deployment, Step, unless
from boiler_functions.cli.steps.flags import EGRESS, compute, or_clear, pairs, secrets
from boiler_functions.cli.traffic import LATEST, VARIABLE, move_traffic
from boiler_functions.database.variables import PROJECT
from boiler_functions.manifest import HASH_LABEL, Service

_INGRESS = {
    "ALLOW_ALL": "all",
    "ALLOW_INTERNAL_ONLY": "internal",
    "ALLOW_INTERNAL_AND_GCLB": "internal-and-cloud-load-balancing",
}


def service_step(deployment: Deployment, service: Service) -> Step:
    """Returns the step that deploys the service, unless its fingerprint is deployed already."""
    region = deployment.region_of(service)
    labels, fingerprint = service.options.labels or {}, fingerprint_of_service(deployment, service)
    own = {SERVICE_LABEL: deployment.manifest.app.lower(), HASH_LABEL: fingerprint}
    record = {VARIABLE: deployment.deployed_as(service).to_text()}
    deploy = deployment.gcloud(
        "run",
        "deploy",
        service.name,
        f"--region={region}",
        f"--source={deployment.upload.folder}",
        *_settings(deployment, service, record),
        "--clear-labels",
        f"--update-labels={pairs({**labels, **own})}",
    )
    is_current = deployment.deployed.service_fingerprint(service.name, region) == fingerprint
    is_pinned = (service.name, region) in deployment.deployed.pinned
    forward = unless(not is_pinned, move_traffic(deployment.project, service.name, region, LATEST))
    return Step(service.name, (*unless(is_current, deploy), *forward))


def fingerprint_of_service(deployment: Deployment, service: Service) -> str:
    """Digests the service's code and everything that it is deployed with."""
    code = deployment.upload.fingerprint(service, deployment.views)
    parts = (code, pairs(service.options.labels or {}), *_settings(deployment, service))
    return sha256("\n".join(parts).encode()).hexdigest()[:40]


def _settings(deployment: Deployment, service: Service, record: Mapping[str, str] = {}) -> Iterator[str]:
    options = service.options
    command = f"python -m boiler_functions.websocket {deployment.app}"
    yield f"--set-build-env-vars=GOOGLE_ENTRYPOINT={command},GOOGLE_RUNTIME_VERSION={deployment.python}.x"
    yield from compute(options, deployment.account_of(service))
    yield f"--min-instances={'default' if options.min_instances is None else options.min_instances}"
    yield f"--max-instances={'default' if options.max_instances is None else options.max_instances}"
    yield f"--ingress={_INGRESS[options.ingress or 'ALLOW_ALL']}"
    # Browsers have no Google account that Cloud Run could check: the service checks their tokens itself.
    yield "--allow-unauthenticated"
    # A socket stays on its instance without affinity, and affinity would send new sockets to a full instance.
    yield "--no-session-affinity"
    yield or_clear("vpc-connector", options.vpc_connector)
    if options.vpc_connector:
        yield f"--vpc-egress={EGRESS[options.vpc_connector_egress_settings or 'PRIVATE_RANGES_ONLY']}"
    yield secrets(options)
    yield f"--set-env-vars={pairs({PROJECT: deployment.project, **deployment.environment, **record})}"
