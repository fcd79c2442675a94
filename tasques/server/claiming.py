"""The resource that hands out tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import falcon

from tasques.core.errors import (
    ShuttingDown,
    StoreUnavailable,
    Unavailable,
)
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.defaults import Defaults
from tasques.core.service.waiting import ClaimAnswer, ClaimRequest
from tasques.core.tasks import StoredTask
from tasques.schemas.defaulted import claim_request
from tasques.schemas.requests import ClaimBody
from tasques.schemas.task_json import encode_tasks
from tasques.server import reading
from tasques.server.delivery import when_undelivered
from tasques.server.parking import By, Parking, begin_parking
from tasques.server.waiting import WaitingClaims

#: In the environment of a claim that was parked.
_PARKED_CLAIM: Final = "tasques.parked_claim"
#: In the environment of one that was read.
_WANTED: Final = "tasques.wanted_claim"
#: How long past its deadline a claim waits for a search that hangs.
_GRACE_SECONDS: Final = 5.0
#: An answer with more tasks, or larger ones, is made by a thread, beside all others.
_SMALL_ANSWER: Final = 20
_SMALL_BYTES: Final = 64 * 1024


class ClaimsResource:
    """``/tasques/claims``: tasks for those who have time for them."""

    def __init__(self, claims: ClaimDispatcher, defaults: Defaults, waiting: WaitingClaims) -> None:
        self._claims = claims
        self._defaults = defaults
        self._waiting = waiting

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Claim tasks, waiting for them if that is wanted."""
        try:
            claimed = self._claim(request)
        except ShuttingDown:
            # As those who wait are answered when the server stops: some of the original's workers
            # end at any error, and all of them ask again.
            claimed = ()
        if claimed:
            when_undelivered(response, lambda: self._claims.give_back(claimed))
        response.data = encode_tasks(claimed)

    def _claim(self, request: falcon.Request) -> Sequence[StoredTask]:
        parked: ParkedClaim | None = request.env.get(_PARKED_CLAIM)
        if parked is not None:
            return parked.tasks()
        wanted = self._wanted(request)
        parking = begin_parking(request)
        if parking is not None and parking.is_at_once and not self._claims.takes_at_once():
            parking.move_to_thread()
        if parking is None:
            with self._waiting.place(wanted.block_for):
                return self._claims.claim(wanted, is_connected=_is_connected(request))
        return self._park(wanted, request, parking)

    def _wanted(self, request: falcon.Request) -> ClaimRequest:
        # A body can be read once, and is gone with its client.
        wanted: ClaimRequest | None = request.env.get(_WANTED)
        if wanted is None:
            worker = reading.worker_id(request)
            wanted = claim_request(worker, reading.body(request, ClaimBody), self._defaults)
            request.env[_WANTED] = wanted
        return wanted

    def _park(
        self, wanted: ClaimRequest, request: falcon.Request, parking: Parking
    ) -> Sequence[StoredTask]:
        """The tasks, if there are any at once; else this thread is let go."""
        if wanted.amount <= 0:
            return ()
        parked = ParkedClaim(parking, self._waiting.take(wanted.block_for), self._claims.give_back)
        try:
            self._claims.register(wanted, parked.deliver, parking.is_connected)
        except BaseException:
            parked.free_place()
            raise
        if parking.is_at_once:
            self._claims.serve_soon()
        else:
            self._claims.serve_at_once()
        if parked.is_answered:
            return parked.tasks()
        parking.overdue = time.monotonic() + max(wanted.block_for.seconds, 0.0) + _GRACE_SECONDS
        parking.on_overdue = parked.give_up
        request.env[_PARKED_CLAIM] = parked
        return parking.park()


class ParkedClaim:
    """
    A claim that may have to wait, and its answer once there is one.

    Args:
        free_place: Called once there is.
        give_back: Called with tasks that come too late.
    """

    def __init__(
        self,
        parking: Parking,
        free_place: Callable[[], None],
        give_back: Callable[[Sequence[StoredTask]], None],
    ) -> None:
        self.free_place = free_place
        self._parking = parking
        self._give_back = give_back
        self._lock = threading.Lock()
        self._answer: ClaimAnswer | None = None

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    def deliver(self, answer: ClaimAnswer) -> None:
        """Take the answer; on whichever thread, which no client holds up."""
        if self._take(answer):
            return
        if not isinstance(answer, Unavailable) and answer:
            self._give_back(answer)

    def give_up(self) -> None:
        """End a wait that the dispatcher does not end in time."""
        self._take(StoreUnavailable("the search for tasks does not come to an end"))

    def _take(self, answer: ClaimAnswer) -> bool:
        """Have *answer* sent, unless there is another already; whether it is the one."""
        with self._lock:
            if self._answer is not None:
                return False
            self._answer = answer
        self.free_place()
        self._parking.resume(By.THE_IO_THREAD if _is_small(answer) else By.A_THREAD)
        return True

    def tasks(self) -> Sequence[StoredTask]:
        """
        What the answer says.

        Raises:
            Unavailable: If it says why there are none.
        """
        if self._answer is None:
            raise RuntimeError("a claim was served again before it had an answer")
        if isinstance(self._answer, Unavailable):
            raise self._answer
        return self._answer


def _is_small(answer: ClaimAnswer) -> bool:
    if isinstance(answer, Unavailable):
        return True
    return (
        len(answer) <= _SMALL_ANSWER
        and sum(stored.document.approximate_bytes for stored in answer) <= _SMALL_BYTES
    )


def _is_connected(request: falcon.Request) -> Callable[[], bool]:
    """Whether the client is still there, as far as the WSGI server can tell."""
    is_gone = request.env.get("waitress.client_disconnected", lambda: False)
    return lambda: not is_gone()
