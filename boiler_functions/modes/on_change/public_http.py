"""HTTP to public addresses only: a URL that a user may have chosen must not reach internal hosts, or be redirected."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import SWITCHING_PROTOCOLS, HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from socket import SHUT_RDWR, SOCK_STREAM, create_connection, getaddrinfo, socket
from threading import Thread, Timer
from urllib.parse import SplitResult

from boiler_functions.exceptions import Undeliverable

# https://www.iana.org/assignments/ipv6-address-space: the IPv6 addresses that are routed. The others translate to IPv4
# (NAT64), stand for IPv4 (compatible addresses), or are internal (unique and site-local, link-local).
_GLOBAL_UNICAST = ip_network("2000::/3")

# https://www.iana.org/assignments/iana-ipv6-special-registry and iana-ipv4-special-registry: networks among the public
# ones that are not public. Teredo is in 2001::/23; 2002::/16 is 6to4, and 192.88.99.0/24 leads to it.
_SPECIAL = [
    *map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")),
    *map(ip_network, ("100.64.0.0/10", "198.18.0.0/15", "240.0.0.0/4")),
]


def post(url: SplitResult, headers: Mapping[str, str], body: bytes, timeout: float, *, local: bool) -> int:
    """Posts the body and returns the status of the answer; raises OSError without an answer.

    Raises Undeliverable if the host has an address that is not public, or, with `local`, is not this machine. `timeout`
    covers everything from the look-up of the name to the end of the answer's headers. Redirects are not followed.
    """
    connection = _Connection(url, timeout, local)
    # A socket's own timeout would start again with every byte that arrives.
    alarm = Timer(timeout, connection.cut)
    alarm.daemon = True
    alarm.start()
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        status = connection.getresponse().status
        if connection.is_cut:
            # http.client takes the cut for the end of the headers.
            raise TimeoutError
        return status
    except (OSError, HTTPException) as error:
        if connection.is_cut:
            raise TimeoutError(f"it took longer than {timeout:g} seconds") from error
        # The error's text is left out, as it quotes the answer, and an answer may echo the URL into the log.
        raise error if isinstance(error, OSError) else OSError(f"no HTTP: {type(error).__name__}") from error
    finally:
        alarm.cancel()
        connection.close()


def is_public(address: str) -> bool:
    """Whether the address is public, so that it leads to a host that anybody can reach."""
    ip: IPv4Address | IPv6Address | None = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST:
        ip = ip.ipv4_mapped
    if ip is None or ip.is_multicast or not ip.is_global:
        return False
    return not any(ip in network for network in _SPECIAL)


class _Response(HTTPResponse):
    """The final answer to a request, after any number of informational (1xx) answers."""

    def begin(self) -> None:
        super().begin()
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.2: any number of 1xx; http.client handles only 100.
        while self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            # `begin` does nothing while there are headers.
            self.headers = None  # type: ignore[assignment]
            super().begin()


class _Connection(HTTPConnection):
    """Connects to the address that was checked, as a second look-up might return another one."""

    response_class = _Response

    def __init__(self, url: SplitResult, timeout: float, local: bool) -> None:
        self.default_port = 443 if url.scheme == "https" else 80
        super().__init__(str(url.hostname), url.port or self.default_port, timeout=timeout)
        self.context = ssl.create_default_context() if url.scheme == "https" else None
        self.ends = time.monotonic() + timeout
        self.local = local
        self.is_cut = False

    def connect(self) -> None:
        self.sock = self._connected()
        if self.context:
            # The handshake comes after this assignment, so that `cut` can end it, too.
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def cut(self) -> None:
        """Closes the connection, so that a thread that waits for it fails."""
        self.is_cut = True
        if self.sock is not None:
            with suppress(OSError):
                # Not SSLSocket.shutdown, after which the socket would go on without TLS.
                socket.shutdown(self.sock, SHUT_RDWR)

    @property
    def _left(self) -> float:
        if self.is_cut or (left := self.ends - time.monotonic()) <= 0:
            raise TimeoutError("the time is up")
        return left

    def _connected(self) -> socket:
        found = self._found()
        if inside := [address for address in found if not self._may_reach(address)]:
            raise Undeliverable(f"{self.host} is {inside[0]}, which is not a public address; give a public URL.")
        failed: OSError = OSError(f"{self.host} has no address")
        for address in dict.fromkeys(found):
            try:
                return create_connection((address, self.port), self._left)
            except OSError as error:
                failed = error
        raise failed

    def _found(self) -> list[str]:
        """Returns the addresses of the host."""
        answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def look_up() -> None:
            try:
                found = getaddrinfo(self.host, self.port, type=SOCK_STREAM)
                answers.put([str(each[4][0]) for each in found])
            except Exception as error:
                answers.put(error)

        # In a thread, because a look-up has no timeout of its own.
        Thread(target=look_up, daemon=True).start()
        try:
            answer = answers.get(timeout=self._left)
        except Empty:
            raise TimeoutError(f"{self.host} is not found in time") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _may_reach(self, address: str) -> bool:
        if not self.local:
            return is_public(address)
        ip = ip_address(address.partition("%")[0])
        return bool(((ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip).is_loopback)
