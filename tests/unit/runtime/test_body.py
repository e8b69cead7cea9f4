"""A body holds a thread for a limited time, however slowly it is sent."""

import socket
from collections.abc import Iterator
from threading import Semaphore, Thread
from typing import IO, Any, NamedTuple

import pytest
from werkzeug.exceptions import RequestTimeout

from boiler_functions.modes.waiting import places
from boiler_functions.runtime import body
from boiler_functions.runtime.body import Body


class Ends(NamedTuple):
    """The ends of a connection, and what the server reads of it."""

    client: socket.socket
    server: socket.socket
    stream: IO[bytes]

    def body(self, places: Semaphore, length: str | None = "10", **environ: Any) -> Body:
        told = {} if length is None else {"CONTENT_LENGTH": length}
        return Body({"wsgi.input": self.stream, "gunicorn.socket": self.server, **told, **environ}, places)


@pytest.fixture
def ends() -> Iterator[Ends]:
    client, server = socket.socketpair()
    with client, server, server.makefile("rb") as stream:
        yield Ends(client, server, stream)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "GRACE", 0.05)
    monkeypatch.setattr(body, "LATEST", 0.15)


def drip(client: socket.socket) -> None:
    """Sends a byte again and again, until nobody listens any more."""

    def send() -> None:
        try:
            while True:
                client.sendall(b"x")
        except OSError:
            pass

    client.settimeout(0.01)
    Thread(target=send, daemon=True).start()


def test_what_comes_in_time_is_read_and_the_connection_goes_on(ends: Ends) -> None:
    ends.client.sendall(b"0123456789next")
    one = ends.body(Semaphore(1))
    assert (one.read(), one.read()) == (b"0123456789", b"")
    one.close()
    ends.client.sendall(b"!")
    assert ends.server.recv(10) == b"!"


@pytest.mark.parametrize("spare", [0, 1])
def test_a_body_that_does_not_come_is_cut_whether_or_not_it_may_wait_for_a_while(ends: Ends, spare: int) -> None:
    ends.client.sendall(b"012")
    spared = Semaphore(spare)
    one = ends.body(spared)
    with pytest.raises(RequestTimeout):
        one.read()
    one.close()
    ends.server.sendall(b"answered")
    assert ends.client.recv(10) == b"answered"
    assert spared.acquire(blocking=False) == bool(spare)


def test_a_body_without_a_length_that_never_ends_is_cut(ends: Ends) -> None:
    one = ends.body(Semaphore(1), None, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True})
    drip(ends.client)
    with pytest.raises(RequestTimeout):
        list(iter(lambda: one.read(100), b""))


def test_what_is_left_after_the_answer_takes_no_place_and_no_more_than_a_moment(
    ends: Ends,
) -> None:
    ends.client.sendall(b"012")
    spared = Semaphore(1)
    ends.body(spared).close()
    assert ends.server.recv(1) == b""
    assert spared.acquire(blocking=False)


def test_a_request_without_a_body_is_not_waited_for(ends: Ends) -> None:
    one = ends.body(Semaphore(0), None)
    assert one.read() == b""
    one.close()


def test_all_who_wait_in_a_process_share_the_places() -> None:
    assert places({"THREADS": "9"}) is places({"THREADS": "9"})
    spared = places({"THREADS": "7"})
    assert [spared.acquire(blocking=False) for _ in range(4)] == [True, True, True, False]
    for _ in range(3):
        spared.release()
