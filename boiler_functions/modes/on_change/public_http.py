"""HTTP to public addresses: a URL that somebody else may have chosen leads neither inside nor elsewhere."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv6Address, ip_address
from socket import SOCK_STREAM, create_connection, getaddrinfo, socket
from urllib.parse import SplitResult

from boiler_functions.exceptions import Undeliverable


def post(url: SplitResult, headers: Mapping[str, str], body: bytes, timeout: float, *, local: bool) -> int:
    """The status that the URL answers; raises OSError when it does not, Undeliverable when it leads inside.

    Redirects are not followed. `local` admits this machine, and nothing else.
    """
    connection = _Connection(url, timeout, local)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse().status
    except HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from error
    finally:
        connection.close()


class _Connection(HTTPConnection):
    """Connects to the very address that was checked: a second look-up might give another."""

    def __init__(self, url: SplitResult, timeout: float, local: bool) -> None:
        self.default_port = 443 if url.scheme == "https" else 80
        super().__init__(str(url.hostname), url.port or self.default_port, timeout=timeout)
        self.context = ssl.create_default_context() if url.scheme == "https" else None
        self.seconds = timeout
        self.local = local

    def connect(self) -> None:
        self.sock = self._connected()
        if self.context:
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)

    def _connected(self) -> socket:
        found = [str(each[4][0]) for each in getaddrinfo(self.host, self.port, type=SOCK_STREAM)]
        if inside := [address for address in found if not self._may_reach(address)]:
            raise Undeliverable(f"{self.host} is {inside[0]}, which is no public address; give a public URL.")
        failed: OSError = OSError(f"{self.host} has no address")
        for address in dict.fromkeys(found):
            try:
                return create_connection((address, self.port), self.seconds)
            except OSError as error:
                failed = error
        raise failed

    def _may_reach(self, address: str) -> bool:
        ip = ip_address(address.partition("%")[0])
        real = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
        return real.is_loopback if self.local else real.is_global and not real.is_multicast
