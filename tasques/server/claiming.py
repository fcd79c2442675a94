"""The resource that hands out tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import falcon

from tasques.core.errors import Fault, InvalidInput, ShuttingDown
from tasques.core.queues import WorkerId
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.defaults import Defaults
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import StoredTask
from tasques.schemas.requests import ClaimBody
from tasques.schemas.task_json import encode_tasks
from tasques.server import reading
from tasques.server.delivery import when_undelivered
from tasques.server.waiting import WaitingClaims


class ClaimsResource:
    """``/tasques/claims``: tasks for those who have time for them."""

    def __init__(self, claims: ClaimDispatcher, defaults: Defaults, waiting: WaitingClaims) -> None:
        self._claims = claims
        self._defaults = defaults
        self._waiting = waiting

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Claim tasks, waiting for them if that is wanted."""
        worker = reading.worker_id(request)
        wanted = self._wanted(worker, reading.body(request, ClaimBody))
        with self._waiting.place(wanted.block_for):
            claimed = self._claim(wanted, request)
        if claimed:
            when_undelivered(response, lambda: self._claims.give_back(claimed))
        response.data = encode_tasks(claimed)

    def _claim(self, wanted: ClaimRequest, request: falcon.Request) -> Sequence[StoredTask]:
        try:
            return self._claims.claim(wanted, is_connected=_is_connected(request))
        except ShuttingDown:
            # As those who wait are answered when the server stops: some of the original's workers
            # end at any error, and all of them ask again.
            return ()

    def _wanted(self, worker: WorkerId, body: ClaimBody) -> ClaimRequest:
        """What is asked for, with the server's defaults for what is not said."""
        amount = self._defaults.claim_amount if body.amount is None else body.amount
        default = amount if self._defaults.min_amount is None else self._defaults.min_amount
        if body.min_amount is not None and body.min_amount > amount:
            message = f"must not be more than the amount, {amount}"
            raise InvalidInput(
                [Fault("min_amount", "maximum", message)], f"min_amount: {message} (maximum)"
            )
        return ClaimRequest(
            worker=worker,
            queues=body.queues,
            amount=amount,
            min_amount=body.min_amount or min(default, amount),
            block_for=self._defaults.block_for if body.block_for is None else body.block_for,
        )


def _is_connected(request: falcon.Request) -> Callable[[], bool]:
    """Whether the client is still there, as far as the WSGI server can tell."""
    is_gone = request.env.get("waitress.client_disconnected", lambda: False)
    return lambda: not is_gone()
