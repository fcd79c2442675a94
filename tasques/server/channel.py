"""
A connection, as waitress has it, with four things added.

1. **A deadline for receiving.** waitress closes connections without activity, but each byte counts
   as activity, so a sender that drips holds its connection for ever. Here a request has to arrive
   within a time counted from its first byte; a body that comes steadily gets more (Apache's
   ``mod_reqtimeout`` does the same). Too late is 408.
2. **Errors of waitress's own** (400, 408, 413, 431, 501, and 500 as a last resort) are JSON, like
   all others.
3. **A refusal that arrives.** A request is refused while its sender still sends. Closing then would
   make the kernel reset the connection, and the sender might never see the answer; so the
   connection first takes and forgets what still comes, for a while (RFC 9112, section 9.6).
4. **Requests that are parked**, as :mod:`tasques.server.parking` describes, and such as are served on
   the I/O thread, since they wait for nobody before they are parked.

The attributes of waitress's that this rests on are not documented; tests hold on to them, and the
package is pinned to its major version.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import Any, Final

from waitress.channel import ClientDisconnected, HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import Error  # type: ignore[import-untyped]

from tasques.schemas.answers import ErrorAnswer
from tasques.schemas.converter import encode, unstructure
from tasques.server.parking import PARKING, By, Parked, Parking

_log: Final = logging.getLogger("tasques.access")

#: A request that comes at least so fast, in bytes a second, may take longer than the deadline.
STEADY_RATE: Final = 16 * 1024


#: Up to so many bytes are copied to save a system call.
_SMALL_BODY: Final = 64 * 1024

#: Errors after which nothing of the request is left to be read.
_ALL_READ: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR)


class RequestTimedOut(Error):  # type: ignore[misc]
    """The sender took too long."""

    code = HTTPStatus.REQUEST_TIMEOUT.value
    reason = HTTPStatus.REQUEST_TIMEOUT.phrase


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what waitress refuses before the application sees it."""

    def execute(self) -> None:
        """Write the answer, and close the connection after it."""
        error = self.request.error
        body = encode(unstructure(ErrorAnswer(message=self._message(error))))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json; charset=utf-8"))
        self.set_close_on_finish()
        self.content_length = len(body)
        # Before the answer is written, since the I/O thread acts on it once it is sent.
        self.channel.lingers_after_answer = error.code not in _ALL_READ
        self.write(body)
        # As the access log: what a stranger can repeat at will is not worth a line each time.
        level = logging.INFO if error.code == HTTPStatus.INTERNAL_SERVER_ERROR else logging.DEBUG
        _log.log(level, "refused before the application saw it: %d %s", error.code, error.reason)

    def _message(self, error: Error) -> str:
        limits = self.channel.adj
        if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return f"The body has more than {limits.max_request_body_size - 1} bytes"
        if error.code == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return f"The headers have more than {limits.max_request_header_size - 1} bytes"
        return f"{error.reason}: {error.body}"


class Request(HTTPRequestParser):  # type: ignore[misc]
    """
    What a client sends.

    Attributes:
        environment: What the application is given; the same when the request is served again.
        is_at_once: Whether the I/O thread serves it, the first time.
        parking: What it is parked with, if it is.
    """

    environment: dict[str, Any] | None = None
    is_at_once = False
    parking: Parking | None = None


class Task(WSGITask):  # type: ignore[misc]
    """Answers with the application's answer."""

    wrote_header: bool

    def get_environment(self) -> dict[str, Any]:
        """What the application is given; to a request that is served again, the same again."""
        request: Request = self.request
        if request.environment is None:
            environment: dict[str, Any] = super().get_environment()
            if self.channel.server.parks:
                environment[PARKING] = partial(self.channel.begin_parking, request)
            request.environment = environment
        elif request.parking is not None:
            request.parking.is_served_again = True
        return request.environment

    def write(self, data: bytes) -> None:
        """Send a small answer's head and body together: each send costs a system call."""
        is_whole = not self.wrote_header and self.content_length == len(data) and self.has_body
        if not is_whole or len(data) > _SMALL_BODY:
            super().write(data)
            return
        self.channel.write_soon(self.build_response_header() + data)
        self.wrote_header = True
        self.content_bytes_written = len(data)

    def build_response_header(self) -> bytes:
        """While draining, each answer is the last on its connection, and says so."""
        if self.channel.server.is_draining:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


_serving = threading.local()


def served_here() -> Channel | None:
    """The connection that is served on this thread, if one is."""
    channel: Channel | None = getattr(_serving, "channel", None)
    return channel


class Channel(HTTPChannel):  # type: ignore[misc]
    """
    One connection.

    Everything but ``service`` and ``is_content`` runs on the I/O thread.
    """

    parser_class = Request
    task_class = Task
    error_task_class = JsonErrorTask
    server: Any  # the waitress server that accepted it
    writable: Callable[[], bool]
    total_outbufs_len: int
    request: Any  # what is being received, a waitress HTTPRequestParser, or None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.receiving_since: float | None = None
        self.lingering_since: float | None = None
        self.lingers_after_answer = False
        self.is_watched = False
        super().__init__(*args, **kwargs)

    def service(self) -> None:
        """Serve the oldest request; see :func:`served_here`."""
        _serving.channel = self
        try:
            self._serve_or_park()
        finally:
            _serving.channel = None

    @property
    def is_content(self) -> bool:
        """
        Whether it needs nothing of the I/O thread, which is for the thread that serves it to ask.

        That is so where its bytes are watched for and none of ours wait to be sent. waitress wakes
        the I/O thread at the end of every request, which nearly always finds nothing to do.
        """
        return self.is_watched and not self.writable()

    def readable(self) -> bool:
        """Whether the I/O thread is to watch for bytes; it asks when that may have changed."""
        # Forgotten first: whoever changes the answer meanwhile has to see that it was asked.
        self.is_watched = False
        self.is_watched = self.lingering_since is not None or bool(super().readable())
        return self.is_watched

    def received(self, data: bytes) -> bool:
        """Take bytes, and note when a request began."""
        before = self.request
        taken: bool = super().received(data)
        if self.request is None:
            self.receiving_since = None
        elif self.request is not before:
            self.receiving_since = time.monotonic()
        return taken

    # ------------------------------------------------------------- who serves a request

    def begins_at_once(self) -> bool:
        """
        Whether the request that is to be served now is the I/O thread's: new, and waiting for nobody.

        What was begun already, and may have to wait, is not.
        """
        request: Request | None = next(iter(self.requests), None)
        if request is None or request.environment is not None:
            return False
        request.is_at_once = self.server.serves_at_once(request)
        return request.is_at_once

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until the client has read most of what it was sent; not on the thread that sends it."""
        is_much = self.total_outbufs_len > self.adj.outbuf_high_watermark
        if is_much and threading.get_ident() != self.server.io_thread:
            super()._flush_outbufs_below_high_watermark()

    # ------------------------------------------------------------- requests that are parked

    def begin_parking(self, request: Request) -> Parking:
        """For *request*, which is being served."""
        is_connected = partial(attrgetter("connected"), self)
        return Parking(self._have_served, is_connected, is_at_once=request.is_at_once)

    def _have_served(self, by: By) -> None:
        # A thread may have to wait for a client that does not read what it was sent before.
        if by is By.A_THREAD or self.total_outbufs_len:
            self.server.add_task(self)
        elif by is By.THIS_THREAD:
            self.server.answer_here(self)
        else:
            self.server.add_answer(self)

    def _serve_or_park(self) -> None:
        """
        Serve the oldest request, up to its answer or until it is parked.

        A parked one stays the oldest: waitress begins nothing after it, and watches its client.
        """
        request: Request = self.requests[0]
        try:
            super().service()
        except Parked as parked:
            request.parking = parked.parking
            if parked.parking.leave():
                return  # another thread may be here already
            if parked.parking.is_at_once:
                request.is_at_once = False
                self.server.add_task(self)
                return
            super().service()
        if request.parking is not None and not request.parking.is_served_again:
            self._tell_of_the_end(request)

    def _check_parking(self, now: float) -> None:
        # What is served next may just have been taken away.
        parking = next((request.parking for request in tuple(self.requests)[:1]), None)
        if parking is not None:
            parking.check(now)

    def _tell_of_the_end(self, request: Request) -> None:
        # waitress asks nothing of the application on behalf of a client that is gone; but it holds
        # what it has for the request until it is served again.
        if request.environment is not None:
            # There is nobody left to wait for.
            request.environment.pop(PARKING, None)
        try:
            self.task_class(self, request).service()
        except ClientDisconnected:
            pass

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being received, worked on or sent."""
        return not self.requests and self.request is None and not self.total_outbufs_len

    def is_quiet(self, seconds: float) -> bool:
        """Whether it is idle, has been for so long, and brings nothing just now."""
        return self.is_idle and self._is_silent(seconds) and not self.has_input()

    def has_input(self) -> bool:
        """Whether bytes wait to be read; for telling a quiet connection from an unread one."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def check_deadline(self, now: float, timeout: float) -> None:
        """
        Refuse a request that is late, and close a connection on which nothing moves.

        Args:
            now: On the monotonic clock.
            timeout: For a request and for silence alike, in seconds.
        """
        if self.lingering_since is not None:
            self.will_close |= now - self.lingering_since > timeout
        elif self.total_outbufs_len:
            # Its client does not read. Beside a thread that writes just now nothing is known.
            if self.outbuf_lock.acquire(False):
                self.will_close |= bool(self.total_outbufs_len) and self._is_silent(timeout)
                self.outbuf_lock.release()
            self._excuse(now)
        elif self.requests:
            self._excuse(now)
            self._check_parking(now)
        elif self.receiving_since is None:
            self.will_close |= self._is_silent(timeout)
        elif now - self.receiving_since > timeout + self._bytes_received() / STEADY_RATE:
            self._refuse_late()

    def _excuse(self, now: float) -> None:
        """It is we who keep the sender waiting: its time begins when it may go on."""
        if self.receiving_since is not None:
            self.receiving_since = now

    def _is_silent(self, timeout: float) -> bool:
        # waitress notes activity on the wall clock; should that jump, quiet connections close.
        return bool(time.time() - self.last_activity > timeout)

    def _bytes_received(self) -> int:
        received: int = self.request.header_bytes_received + self.request.body_bytes_received
        return received

    def _refuse_late(self) -> None:
        with self.requests_lock:
            late, self.request, self.receiving_since = self.request, None, None
            late.error = RequestTimedOut("the request did not arrive in time")
            late.completed = True
            self.requests.append(late)
        self.server.add_task(self)

    # ------------------------------------------------------------- a refusal that arrives

    def handle_read(self) -> None:
        """While lingering what comes is forgotten."""
        if self.lingering_since is None:
            super().handle_read()
        else:
            self.recv(self.adj.recv_bytes)

    def handle_write(self) -> None:
        """Flush, and instead of closing after a refusal begin to linger."""
        if self.lingers_after_answer and self.close_when_flushed and self.lingering_since is None:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and not self.will_close and self.connected:
                self._begin_to_linger()
                return
        super().handle_write()

    def _begin_to_linger(self) -> None:
        self.lingering_since = time.monotonic()
        # For this one only: all others are asked both for every request.
        self.readable = lambda: True  # type: ignore[method-assign]
        self.writable = lambda: self.will_close
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.will_close = True  # gone already
