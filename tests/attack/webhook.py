"""The surface of webhooks: names that lead anywhere, and receivers that answer anything.

Nothing is sent inside; every answer is a success or one of two errors, in time, and no message repeats the path.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from random import Random
from threading import Thread
from typing import Any, NamedTuple
from unittest.mock import patch

from boiler_functions import Changed, DomainModel, Webhook, attrs
from boiler_functions.exceptions import Undeliverable, Undelivered
from boiler_functions.modes.on_change import public_http
from tests.attack.surface import Judge

SECRET_PATH = "s3cret"

TIMEOUT = 2.0


class Leads(NamedTuple):
    """The addresses that a name has, and whether all of them are public."""

    addresses: tuple[str, ...]
    is_public: bool


class Answers(NamedTuple):
    """What a receiver sends, in pieces, and whether that is a success; None where a text says nothing of it."""

    pieces: tuple[bytes, ...]
    is_success: bool | None


PUBLIC: tuple[IPv4Network | IPv6Network, ...] = tuple(
    map(ip_network, ("8.0.0.0/9", "93.184.0.0/16", "1.1.1.0/24", "2606:4700::/32", "2a00::/16", "2001:4860::/32"))
)

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, and what holds an IPv4
# address. None of them is taken from the module that is attacked.
INSIDE = {
    *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(ip_network, ("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15")),
    *map(ip_network, ("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32")),
    *map(ip_network, ("::/128", "::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32")),
    *map(ip_network, ("2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20")),
    *map(ip_network, ("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "4000::/3", "::ffff:0:0:0/96")),
}
ORDERED = sorted(INSIDE, key=str)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string()


def inputs(random: Random) -> Iterator[Leads | Answers]:
    while True:
        yield _leads(random) if random.random() < 0.8 else _answers(random)


def _leads(random: Random) -> Leads:
    if random.random() < 0.5:
        return Leads(tuple(_address(random, random.choice(PUBLIC)) for _ in range(random.randint(1, 3))), True)
    addresses = [_address(random, random.choice(PUBLIC)) for _ in range(random.randrange(3))]
    addresses.insert(random.randint(0, len(addresses)), _address(random, random.choice(ORDERED)))
    return Leads(tuple(addresses), False)


def _address(random: Random, network: IPv4Network | IPv6Network) -> str:
    number = int(network.network_address) + random.choice((0, 1, random.randrange(network.num_addresses)))
    number = min(number, int(network.broadcast_address))
    if isinstance(network, IPv6Network):
        zone = "%eth0" if network.is_link_local and random.random() < 0.5 else ""
        return f"{IPv6Address(number)}{zone}"
    return f"::ffff:{IPv4Address(number)}" if random.random() < 0.2 else str(IPv4Address(number))


def _answers(random: Random) -> Answers:
    status = random.choice((200, 201, 204, 299, 300, 301, 307, 400, 404, 408, 409, 410, 429, 500, 503, 599))
    location = f"Location: http://127.0.0.1/{SECRET_PATH}\r\n" if random.random() < 0.3 else ""
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" if random.random() < 0.2 else b""
    whole = hints + f"HTTP/1.1 {status} {SECRET_PATH}\r\n{location}Content-Length: 0\r\n\r\n".encode()
    is_success: bool | None = 200 <= status < 300
    if random.random() < 0.5:
        at = random.randrange(len(whole))
        torn = whole[:at] + random.randbytes(5) + whole[at:]
        broken = (whole[:at], torn, b"HTTP/1.1 99999 x\r\n\r\n", b"", b"\0" * 99, f"POST /{SECRET_PATH}\r\n".encode())
        whole, is_success = random.choice(broken), None
    many = b"".join(b"x%d: y\r\n" % number for number in range(200))
    if random.random() < 0.1:
        whole, is_success = whole.replace(b"\r\n", b"\r\n" + many, 1), None
    at = random.randint(0, len(whole))
    return Answers((whole[:at], whole[at:]), is_success)


@contextmanager
def judge() -> Iterator[Judge]:
    city = City.new(doc_id="TOK", name="Tokyo")
    change = Changed("key-1", "City", "cities/TOK", None, city, datetime(2026, 11, 24, tzinfo=UTC))
    # One for all: to make it reads every certificate of this machine.
    context = ssl.create_default_context()
    with (
        patch.dict("os.environ", {"HOOK_SECRET": "x"}),
        patch.object(ssl, "create_default_context", lambda: context),
    ):
        yield lambda each: _led(each, change) if isinstance(each, Leads) else _answered(each, change)


def _notified(url: str, change: Changed[City]) -> Undelivered | Undeliverable | None:
    try:
        Webhook(url, secret_env="HOOK_SECRET", timeout_sec=TIMEOUT).notify(change)
    except (Undelivered, Undeliverable) as error:
        return error
    return None


def _led(leads: Leads, change: Changed[City]) -> str | None:
    """Looks up these addresses; connections to them are refused, and noted."""
    reached: list[str] = []

    def found(*_: Any, **__: Any) -> list[Any]:
        return [(None, None, None, "", (address, 443)) for address in leads.addresses]

    def refuse(address: tuple[str, int], _: float) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    with patch.object(public_http, "getaddrinfo", found), patch.object(public_http, "create_connection", refuse):
        error = _notified(f"https://hooks.example.com/{SECRET_PATH}", change)
    if error is None or SECRET_PATH in str(error):
        return f"the error is {error!r}"
    if leads.is_public:
        return None if set(reached) == set(leads.addresses) else f"only {reached} is tried: {error}"
    return f"{reached} is reached" if reached else None if isinstance(error, Undeliverable) else f"tried again: {error}"


def _answered(answers: Answers, change: Changed[City]) -> str | None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Thread(target=_answer, args=(server, answers.pieces))
        receiver.start()
        error = _notified(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET_PATH}", change)
        receiver.join()
    if SECRET_PATH in str(error):
        return f"the message repeats what is secret: {error}"
    if answers.is_success is not None and answers.is_success != (error is None):
        return f"{error!r}"
    return None


def _answer(server: socket.socket, pieces: tuple[bytes, ...]) -> None:
    taken, _ = server.accept()
    with taken:
        taken.settimeout(TIMEOUT)
        taken.recv(65536)
        for piece in pieces:
            taken.sendall(piece)
