"""How a worker is, for people and for whoever measures."""

from __future__ import annotations

import attrs

from tasques.worker.attempts import Attempt
from tasques.worker.counters import Counters
from tasques.worker.ledger import Ledger


@attrs.frozen(kw_only=True)
class Running:
    """
    A task that takes a slot.

    Attributes:
        seconds: For how long its body has run; 0 if it has not begun.
        unwanted: Why its body should end; None while it should not.
    """

    queue: str
    id: str
    kind: str
    attempt: int
    phase: str
    seconds: float
    unwanted: str | None = None


@attrs.frozen(kw_only=True)
class Snapshot:
    """
    A worker at one moment.

    Attributes:
        running: The oldest first.
        undelivered: How many ends of attempts the server has not accepted yet.
        abandoned: How many bodies run on although their attempts have ended.
        is_reached: Whether the server answered the last claim.
    """

    worker: str
    concurrency: int
    running: tuple[Running, ...]
    undelivered: int
    abandoned: int
    is_stopping: bool
    is_reached: bool
    counters: Counters

    def document(self) -> dict[str, object]:
        """The same, as JSON has it."""
        return attrs.asdict(self)

    def exposition(self) -> str:
        """The same for Prometheus, in its text format 0.0.4."""
        counted = {f"{name}_total": number for name, number in attrs.asdict(self.counters).items()}
        gauges = {
            "slots": self.concurrency,
            "running": len(self.running),
            "undelivered": self.undelivered,
            "abandoned": self.abandoned,
            "server_reached": int(self.is_reached),
        }
        lines = [
            f"# TYPE tasques_worker_{name} {kind}\ntasques_worker_{name} {number}\n"
            for kind, numbers in (("counter", counted), ("gauge", gauges))
            for name, number in numbers.items()
        ]
        return "".join(lines)


def snapshot(worker: str, ledger: Ledger, now: float) -> Snapshot:
    """*ledger* at *now*."""
    return Snapshot(
        worker=worker,
        concurrency=ledger.rules.concurrency,
        running=tuple(_running(each, now) for each in ledger.busy),
        undelivered=ledger.undelivered,
        abandoned=len(ledger.abandoned),
        is_stopping=ledger.is_stopping,
        is_reached=ledger.is_reached,
        counters=attrs.evolve(ledger.counters),
    )


def _running(attempt: Attempt, now: float) -> Running:
    task = attempt.task
    return Running(
        queue=str(task.queue),
        id=str(task.id),
        kind=str(task.kind),
        attempt=task.attempted,
        phase=attempt.phase.value,
        seconds=round(max(now - attempt.started_at, 0.0), 3),
        unwanted=None if attempt.unwanted is None else attempt.unwanted.value,
    )
