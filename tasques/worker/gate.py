"""The server, as a worker sees it: a place that hands tasks out, and that is told about them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

from tasques.client import Client
from tasques.client.commands.tasks import ClaimTasks, GetTask
from tasques.client.errors import NoSuchRoute, ServerError
from tasques.client.port import Operations
from tasques.client.values import Hold, Task
from tasques.core import errors
from tasques.core.errors import TasquesError
from tasques.core.tasks import State
from tasques.core.values import Duration
from tasques.worker.readings import Accepted
from tasques.worker.together import Saying, SayTogether

#: A request for many is not larger, or it could be too large for a server, or a proxy before it.
_MOST_BYTES: Final = 500_000


class Gate(Protocol):
    """
    Hands tasks out, and is told about them.

    Nothing is tried again here: when to do so is the ledger's to decide.
    """

    def claim(
        self, worker: str, queues: Sequence[str], amount: int, wait: Duration
    ) -> Sequence[Task]:
        """
        Tasks for *worker*, at most *amount*; perhaps none, after *wait*.

        Raises:
            TasquesError: If none came; whether some were claimed may be unknown.
        """
        ...

    def say(self, sayings: Sequence[Saying]) -> list[Accepted | Task | TasquesError]:
        """Tell the server; one outcome each, in their order. What is raised became of none."""
        ...

    def still_holds(self, hold: Hold, task: Task) -> bool:
        """
        Whether the claim by which *task* was handed out still stands.

        Raises:
            TasquesError: If that cannot be found out now.
        """
        ...


class OperationsGate:
    """A :class:`Gate` over whatever carries commands out: one call for many, where it has one."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def claim(
        self, worker: str, queues: Sequence[str], amount: int, wait: Duration
    ) -> Sequence[Task]:
        return self._operations.do(
            ClaimTasks.of(worker, queues, amount=amount, min_amount=1, block_for=wait)
        )

    def say(self, sayings: Sequence[Saying]) -> list[Accepted | Task | TasquesError]:
        return list(self._operations.do_many(list(sayings)))

    def still_holds(self, hold: Hold, task: Task) -> bool:
        try:
            found = self._operations.do(GetTask(queue=hold.queue, id=hold.id))
        except errors.TaskNotFound:
            return False
        before, now = task.last_claimed, found.last_claimed
        return (
            found.state is State.CLAIMED
            and before is not None
            and now is not None
            and (now.worker_id, now.claimed_at) == (before.worker_id, before.claimed_at)
        )


class ServerGate(OperationsGate):
    """
    A :class:`Gate` over HTTP: one request for many, to servers that know it.

    An original server does not; it is told one by one.
    """

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client

    def say(self, sayings: Sequence[Saying]) -> list[Accepted | Task | TasquesError]:
        # An original server's claims have no name.
        if len(sayings) < 2 or any(each.held.claim_id is None for each in sayings):
            return super().say(sayings)
        if sum(map(_size, sayings)) > _MOST_BYTES:
            return self._in_halves(sayings)
        try:
            return list(self._client.do(SayTogether(sayings[0].held.worker, sayings)))
        except NoSuchRoute:
            return super().say(sayings)
        except ServerError as error:
            if error.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            return self._in_halves(sayings)

    def _in_halves(self, sayings: Sequence[Saying]) -> list[Accepted | Task | TasquesError]:
        half = len(sayings) // 2
        return [*self.say(sayings[:half]), *self.say(sayings[half:])]


def _size(saying: Saying) -> int:
    said = getattr(saying, "said", None)
    data = getattr(said, "data", None)
    return 300 + (0 if data is None else len(data.text))


def gate_to(operations: Operations) -> Gate:
    """The gate over *operations*, which shall not try anything again by themselves."""
    if isinstance(operations, Client):
        return ServerGate(operations.of_threads())
    return OperationsGate(operations)
