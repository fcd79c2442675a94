"""
Requests that wait without holding a thread.

A request whose answer is not there yet is *parked*: its thread goes on to others, while its
connection stays as it is, so nothing after it is begun and its client's going away is noticed. Once
there is an answer the request is *served again*, from its beginning; its responder then finds the
answer. So there is one way only in which answers are made, with the
same middleware, headers, order and care for clients that are gone, and nobody who comes with an
answer is ever held up by a slow client. The second time costs some 40 µs of a wait's end.

This is the seam between application and server. A server that can park puts a function into the
environment of each request, under :data:`PARKING`. Where there is none, a responder has to wait on
its thread. The environment is the same both times, and the place for what is to be kept.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NoReturn

import falcon

from tasques.server import request_id

#: In the environment: makes a :class:`Parking` for the request.
PARKING: Final = "tasques.parking"


class By(Enum):
    """Who serves a request again."""

    #: One for itself; it may take its time.
    A_THREAD = auto()
    #: The one that does all the I/O: for answers that are made in no time.
    THE_IO_THREAD = auto()
    #: The caller's, for such answers.
    THIS_THREAD = auto()


class Parked(BaseException):
    """
    Leaves the application, which has no answer yet.

    Not an ``Exception``: neither Falcon nor waitress is to make an answer of it.
    """

    def __init__(self, parking: Parking) -> None:
        super().__init__("a request is parked")
        self.parking = parking


class Parking:
    """
    One request's wait; may be used from several threads at once.

    Args:
        serve_again: Has the request served again; called once, on whichever thread, and only after
            the first time has ended. Must not block. Told by whom.
        is_connected: Whether the client is still there, as far as the server can tell. Asked for
            each of those who wait, again and again: better no function of Python's.
        is_at_once: Whether the request is served by the thread that does all the I/O, which must not
            wait for anybody.

    Attributes:
        is_served_again: Whether the application has been told that the wait is over.
        overdue: When the wait is far longer than it should be, on the monotonic clock.
        on_overdue: Called from then on, now and then; must not block.
    """

    __slots__ = (
        "_has_left",
        "_is_over",
        "_lock",
        "_serve_again",
        "is_at_once",
        "is_connected",
        "is_served_again",
        "on_overdue",
        "overdue",
    )

    def __init__(
        self,
        serve_again: Callable[[By], None],
        is_connected: Callable[[], bool],
        *,
        is_at_once: bool = False,
    ) -> None:
        self._serve_again = serve_again
        self.is_connected = is_connected
        self.is_at_once = is_at_once
        self._lock = threading.Lock()
        self._has_left = False
        self._is_over = False
        self.is_served_again = False
        self.overdue = math.inf
        self.on_overdue: Callable[[], None] = self.resume

    def park(self) -> NoReturn:
        """
        Let this thread go on to other requests.

        Raises:
            Parked: Always.
        """
        request_id.end()
        raise Parked(self)

    def move_to_thread(self) -> NoReturn:
        """
        Have a request that is served at once begun anew by a thread, which may wait.

        Raises:
            Parked: Always.
        """
        self.resume()
        self.park()

    def resume(self, by: By = By.A_THREAD) -> None:
        """Have the request served again; doing it twice changes nothing."""
        with self._lock:
            is_first, self._is_over = not self._is_over, True
            has_left = self._has_left
        if is_first and has_left:
            self._serve_again(by)

    def check(self, now: float) -> None:
        """For the server: look whether the wait takes too long."""
        if now > self.overdue:
            self.on_overdue()

    def leave(self) -> bool:
        """
        For the server, once the first time has ended.

        Returns:
            Whether the thread may go; if not, the wait was over meanwhile, and it is the one that has
            the request served again. When it may go, another may do so from that moment on.
        """
        with self._lock:
            self._has_left = not self._is_over
            return self._has_left


def begin_parking(request: falcon.Request) -> Parking | None:
    """What *request* may be parked with; None if its server cannot."""
    make: Callable[[], Parking] | None = request.env.get(PARKING)
    return None if make is None else make()
