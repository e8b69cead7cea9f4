"""Google Cloud's APIs on loopback, as far as a deployment calls them: they remember what is created, and record it all.

The real gcloud runs against it, with an account and a configuration of its own; nothing leaves the machine.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from boiler_functions.local.loopback import LOOPBACK

_APIS = (
    "ARTIFACTREGISTRY",
    "CLOUDBILLING",
    "CLOUDBUILD",
    "CLOUDFUNCTIONS",
    "CLOUDRESOURCEMANAGER",
    "CLOUDSCHEDULER",
    "CLOUDTASKS",
    "EVENTARC",
    "FIRESTORE",
    "IAM",
    "LOGGING",
    "MONITORING",
    "PUBSUB",
    "RUN",
    "SECRETMANAGER",
    "SERVICEUSAGE",
    "STORAGE",
)


@dataclass(frozen=True)
class Call:
    """One request of gcloud."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Recorder:
    """The cloud of one project, whose database is in `location`; `refuse` may answer a call with an error instead."""

    def __init__(self, folder: Path, project: str = "my-project", location: str = "nam5") -> None:
        self.project, self.location = project, location
        self.billing = True
        self.calls: list[Call] = []
        self.refuse: Callable[[Call], tuple[int, str] | None] = lambda call: None
        self.resources: dict[str, dict[str, Any]] = {}
        self.apis = {f"{api.lower()}.googleapis.com" for api in _APIS}
        self.members: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._folder = folder
        self._server = _Server((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    @property
    def environment(self) -> dict[str, str]:
        """What leads gcloud here, and to nothing else."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLOUDSDK_", "GOOGLE_", "GCLOUD_", "BOILER_", "FIRE"))
        }
        endpoints = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": self.url for api in _APIS}
        return {
            **inherited,
            **endpoints,
            # Nor is a machine of Google's looked for, that could have credentials.
            "NO_GCE_CHECK": "true",
            "CLOUDSDK_CONFIG": str(self._folder),
            "CLOUDSDK_AUTH_ACCESS_TOKEN": "dummy",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        }

    def forget(self) -> None:
        """Forgets the calls, and keeps what they created."""
        self.calls.clear()

    def deployed(self) -> list[str]:
        """The functions that were deployed since the calls were forgotten, in order of their names."""
        changes = [call for call in self.calls if call.method in ("POST", "PATCH") and _FUNCTION.search(call.path)]
        return sorted((call.query.get("functionId") or [call.path.rpartition("/")[2]])[0] for call in changes)

    def function(self, name: str) -> Any:
        """The request that created the function."""
        return next(
            call.body for call in self.calls if call.method == "POST" and call.query.get("functionId") == [name]
        )

    def answer(self, call: Call) -> tuple[int, Any]:
        with self._lock:
            self.calls.append(call)
            if refused := self.refuse(call):
                status, message = refused
                names = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 400: "INVALID_ARGUMENT", 409: "ABORTED"}
                return status, {"error": {"code": status, "message": message, "status": names.get(status, "UNKNOWN")}}
            return self._answer(call)

    def _answer(self, call: Call) -> tuple[int, Any]:
        path = call.path.strip("/")
        _, _, name = path.partition("/")
        if path == "upload":
            return 200, {}
        if path.endswith(":generateUploadUrl"):
            return 200, {"uploadUrl": f"{self.url}upload", "storageSource": {"bucket": "b", "object": "o"}}
        if path.endswith("/runtimes"):
            return 200, {"runtimes": [{"name": "python313", "stage": "GA", "environment": "GEN_2"}]}
        if path.endswith("/defaultServiceAccount"):
            return 200, {"serviceAccountEmail": "1-compute@developer.gserviceaccount.com"}
        if path.endswith("/billingInfo"):
            return 200, {"billingEnabled": self.billing}
        if "/operations/" in path:
            metadata = {"@type": "type.googleapis.com/google.cloud.functions.v2.OperationMetadata", "stages": []}
            return 200, {"name": name, "done": True, "metadata": metadata, "response": {}}
        if name == f"projects/{self.project}/services" and call.method == "GET":
            return 200, {"services": [self._service(each) for each in sorted(self.apis)]}
        if found := re.fullmatch(r"projects/[^/]+/services/([a-z.]+)", name):
            return 200, self._service(found[1])
        if found := re.fullmatch(r"projects/[^/]+/services(/[a-z.]+)?:(batchEnable|enable)", name):
            self.apis |= set((call.body or {}).get("serviceIds", ())) | ({found[1][1:]} if found[1] else set())
            return 200, self._operation("")
        if re.search(r":(get|set)IamPolicy$", path):
            return 200, self._policy(call, path.rpartition(":")[0].partition("/")[2])
        if re.fullmatch(r"projects/[^/]+", name):
            if name != f"projects/{self.project}":
                return 403, {"error": {"code": 403, "message": "The caller does not have permission", "status": "X"}}
            return 200, {"projectId": self.project, "projectNumber": "123", "name": name, "lifecycleState": "ACTIVE"}
        if re.fullmatch(r"projects/[^/]+/databases/[^/]+", name):
            return 200, {"name": name, "locationId": self.location}
        return self._resource(call, name)

    def _service(self, name: str) -> dict[str, Any]:
        state = "ENABLED" if name in self.apis else "DISABLED"
        return {"name": f"projects/123/services/{name}", "state": state, "config": {"name": name}}

    def _operation(self, name: str) -> dict[str, Any]:
        """An operation on the resource of that name, which is done."""
        place = re.match(r"projects/[^/]+/(locations|databases)/[^/]+", name)
        kind = "type.googleapis.com/google.cloud.functions.v2.Function"
        operation = f"{place[0] if place else name}/operations/1"
        return {"name": operation, "done": True, "response": {"@type": kind, "name": name}}

    def _policy(self, call: Call, name: str) -> dict[str, Any]:
        if call.path.endswith(":setIamPolicy"):
            self.members[name] = call.body["policy"].get("bindings", [])
        return {"version": 1, "etag": "AAAA", "bindings": self.members.get(name, [])}

    def _resource(self, call: Call, name: str) -> tuple[int, Any]:
        """Collections of anything: a POST or PUT creates, a GET lists or shows, as all Google's APIs do."""
        body = call.body if isinstance(call.body, dict) else {}
        is_function = "/functions" in name
        if call.method == "DELETE":
            self.resources.pop(name, None)
            return 200, self._operation(name)
        if call.method == "GET":
            if name in self.resources:
                return 200, self.resources[name]
            if _is_collection(name):
                pattern = re.compile(re.escape(name).replace("/\\-/", "/[^/]+/") + "/[^/]+")
                found = [each for key, each in self.resources.items() if pattern.fullmatch(key)]
                collection = {"serviceAccounts": "accounts"}.get(last := name.rpartition("/")[2], last)
                return 200, {collection: found}
            if "/services/" in name or "/triggers/" in name:
                return 200, _of_function(name)
            return 404, {"error": {"code": 404, "message": f"{name} was not found", "status": "NOT_FOUND"}}
        if call.method == "POST" and _is_collection(name):
            own = body.get("accountId") or body.get("name", "").rpartition("/")[2]
            own = (call.query.get("functionId") or [own])[0] or f"{len(self.resources)}"
            name = f"{name}/{own}"
        if name in self.resources and call.method in ("POST", "PUT") and not name.endswith((":modify", ":patch")):
            return 409, {"error": {"code": 409, "message": f"{name} already exists", "status": "ALREADY_EXISTS"}}
        content = {**self.resources.get(name, {}), **body, "name": name}
        if body.get("accountId"):
            content["email"] = f"{body['accountId']}@{self.project}.iam.gserviceaccount.com"
        if "subscription" in body:
            content = {**self.resources.get(name, {}), **body["subscription"], "name": name}
        if is_function:
            own = name.rpartition("/")[2]
            content |= {"state": "ACTIVE", "environment": "GEN_2"}
            service = f"{name.partition('/functions/')[0]}/services/{own}"
            content["serviceConfig"] = {**content.get("serviceConfig", {}), "service": service}
            if "eventTrigger" in content:
                place = f"projects/{self.project}/locations/{self.location}/triggers/{own}-1"
                content["eventTrigger"] = {**content["eventTrigger"], "trigger": place}
        self.resources[name] = content
        return 200, self._operation(name) if is_function or "/collectionGroups/" in name else content


_FUNCTION = re.compile(r"/functions(/[^/:]+)?$")
_COLLECTIONS = frozenset(
    {
        *("alertPolicies", "dashboards", "fields", "functions", "indexes", "jobs", "metrics", "queues"),
        *("serviceAccounts", "services", "subscriptions", "topics"),
    }
)


def _is_collection(name: str) -> bool:
    return name.rpartition("/")[2] in _COLLECTIONS


def _of_function(name: str) -> dict[str, Any]:
    *_, project, _, location, _, own = ["", *name.split("/")]
    subscription = f"projects/{project}/subscriptions/eventarc-{location}-{own}-sub-9"
    return {"name": name, "metadata": {"name": own}, "transport": {"pubsub": {"subscription": subscription}}}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a gcloud that was ended before it had its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            if len(content) < length:
                # Ctrl-C ended gcloud before it had sent the body: Google's API creates nothing from half a request.
                self.close_connection = True
                return
            split = urlsplit(self.path)
            body = json.loads(content) if content[:1] in (b"{", b"[") else content
            status, answer = recorder.answer(Call(self.command, split.path, parse_qs(split.query), body))
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the calls are recorded."""

    return Handler
