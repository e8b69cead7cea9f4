"""HTTP requests to 127.0.0.1, which bypass any proxy in the environment."""

import http.client
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a local server."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def free_ports(number: int) -> list[int]:
    """Returns different TCP ports of 127.0.0.1 that are free at this moment."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(number)]
        for probe in sockets:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in sockets]


def free_port() -> int:
    """Returns a TCP port of 127.0.0.1 that is free at this moment."""
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """Returns whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def request(
    host: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = 30.0,
) -> Response:
    """Returns the answer of the server at HOST:PORT; raises OSError or http.client.HTTPException without one."""
    connection = http.client.HTTPConnection(host, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Response(answer.status, answer.read())
    finally:
        connection.close()


def answers(host: str, path: str = "/") -> bool:
    """Returns whether the server at HOST:PORT answers a GET, with any status."""
    try:
        request(host, "GET", path, timeout=2)
    except (OSError, http.client.HTTPException):
        return False
    return True
