"""Reads the body of a request within a limited time, so that a slow client cannot hold a thread."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock, Semaphore, Timer
from typing import Any

from werkzeug.exceptions import RequestTimeout
from werkzeug.wsgi import LimitedStream, get_input_stream

GRACE = 1.0
"""Seconds in which a body must arrive, and in which the rest of it is read after the answer."""

LATEST = 10.0
"""Seconds in which a body must arrive that has one of the limited places to wait."""

MOST_DISCARDED = 8 * 1024 * 1024
"""The most bytes of a body that are read after the answer; if there are more, the connection is cut."""

_PIECE = 64 * 1024

_LATE = "The body did not arrive in time. Send it again, all at once."

log = logging.getLogger(__name__)


class Body:
    """The body of a request as a stream that ends in time.

    A server's own timeout, if it has one, starts again with every byte that arrives. So the connection is shut for
    reading when the time is over: a read that waits for more returns, and the answer can still be sent.
    """

    def __init__(self, environ: Mapping[str, Any], places: Semaphore) -> None:
        self._stream = get_input_stream(environ)  # type: ignore[arg-type]
        # The sockets of gunicorn and of Flask's own server; a test client has none, and never waits.
        self._connection: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
        self._places = places
        self._lock = Lock()
        self._alarm: Timer | None = None
        self._is_answered = False
        self._has_place = False
        self._is_cut = False
        self._has_ended = not (environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING"))

    def read(self, size: int = -1) -> bytes:
        """Reads from the stream; raises RequestTimeout if the time for the whole body is over."""
        if self._has_ended:
            return b""
        if self._alarm is None:
            self._ring(GRACE)
        try:
            piece = self._stream.read(size)
        except Exception as error:
            if self._is_cut:
                raise RequestTimeout(_LATE) from error
            raise
        if self._is_cut:
            raise RequestTimeout(_LATE)
        self._has_ended = not piece or (isinstance(self._stream, LimitedStream) and self._stream.is_exhausted)
        return piece

    def close(self) -> None:
        """Reads the rest of the body after the answer, and drops it.

        If the connection was cut instead, a client that is still sending would not see the answer.
        """
        self._is_answered = True
        self._quit()
        left = MOST_DISCARDED
        try:
            while left > 0 and (piece := self.read(_PIECE)):
                left -= len(piece)
        except Exception:
            log.debug("A request breaks off before its end.", exc_info=True)
        finally:
            self._quit()

    def _ring(self, seconds: float) -> None:
        if self._connection is not None:
            self._alarm = Timer(seconds, self._time_is_up)
            self._alarm.daemon = True
            self._alarm.start()

    def _time_is_up(self) -> None:
        with self._lock:
            # The alarm may ring while another thread cancels it.
            if self._alarm is None or self._has_ended:
                return
            if self._is_answered or self._has_place or not self._places.acquire(blocking=False):
                self._cut()
            else:
                self._has_place = True
                self._ring(LATEST - GRACE)

    def _cut(self) -> None:
        self._is_cut = True
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RD)

    def _quit(self) -> None:
        """Cancels the alarm, and releases the place."""
        with self._lock:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            if self._has_place:
                self._places.release()
                self._has_place = False
