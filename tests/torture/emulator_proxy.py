"""A TCP proxy that can fail as a network does: it refuses connections, stalls, and drops requests under way."""

import socket
import threading
import time
from contextlib import suppress
from typing import Self

from boiler_functions.local.loopback import LOOPBACK

_CHUNK = 65_536


class Proxy:
    """Forwards connections to HOST:PORT until it is stopped.

    with Proxy(emulator.host) as proxy:
        proxy.refuse(seconds=2)
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.host = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join()

    def drop(self) -> None:
        """Cuts every connection, so that requests under way get no answer."""
        with self._lock:
            cut, self._open = self._open, set()
        for each in cut:
            _close(each)

    def refuse(self, seconds: float) -> None:
        """Drops all connections and accepts none for a while, like a database that is down."""
        self._refusing = True
        self.drop()
        time.sleep(seconds)
        self._refusing = False

    def stall(self, seconds: float) -> None:
        """Keeps the connections but forwards nothing for a while, like a database that hangs."""
        self._flowing.clear()
        time.sleep(seconds)
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                incoming, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _close(incoming)
                continue
            self._forward(incoming)

    def _forward(self, incoming: socket.socket) -> None:
        host, _, port = self._target.rpartition(":")
        outgoing = socket.create_connection((host, int(port)), timeout=10)
        outgoing.settimeout(None)
        with self._lock:
            self._open |= {incoming, outgoing}
        for source, sink in ((incoming, outgoing), (outgoing, incoming)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _close(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
