"""The recurring tasks of a run, and the slots that they have: whole seconds since 1970."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.accounting.ledger import NANOSECONDS


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    A recurring task to be made.

    Attributes:
        every_seconds: The period of ``@every``; None for each full minute, ``* * * * *``.
        catch_up: What is to become of slots that came while nobody led.
        wants_one: It wants no second task while one is not finished; it has a worker.
    """

    id: str
    every_seconds: int | None
    catch_up: str
    wants_one: bool = False

    @property
    def expression(self) -> str:
        """The schedule as the server takes it."""
        return "* * * * *" if self.every_seconds is None else f"@every {self.every_seconds}s"

    @property
    def period_seconds(self) -> int:
        """From one slot to the next."""
        return self.every_seconds or 60

    @property
    def queue(self) -> str:
        """Where its tasks go: a queue of its own."""
        return self.id

    def body(self) -> dict[str, Any]:
        """The request that makes it."""
        return {
            "id": self.id,
            "schedule_expression": self.expression,
            "skip_if_outstanding_tasks_exist": self.wants_one,
            "catch_up": self.catch_up,
            "task_definition": {
                "queue": self.queue,
                "kind": "slot",
                # A claim whose answer died with a server is to be over soon, and its task with it.
                "processing_timeout": "5s",
                "retry_times": 0,
            },
        }


def plans(run: str) -> Sequence[Plan]:
    """The recurring tasks of the run of that name."""
    return (
        Plan(id=f"{run}-all-1s", every_seconds=1, catch_up="all"),
        Plan(id=f"{run}-all-2s", every_seconds=2, catch_up="all"),
        Plan(id=f"{run}-all-minute", every_seconds=None, catch_up="all"),
        Plan(id=f"{run}-last-1s", every_seconds=1, catch_up="last"),
        Plan(id=f"{run}-skip-1s", every_seconds=1, catch_up="skip"),
        Plan(id=f"{run}-one-2s", every_seconds=2, catch_up="last", wants_one=True),
    )


@dataclass(frozen=True, kw_only=True)
class Slots:
    """
    The slots of a recurring task up to a moment.

    Args:
        created_at: Of the recurring task, in nanoseconds since 1970; its own second has no slot.
        until: The last second to look at.
    """

    plan: Plan
    created_at: int
    until: int

    @property
    def all(self) -> range:
        """Each of them, ascending."""
        if self.plan.every_seconds is None:
            first = self.created_at // NANOSECONDS // 60 * 60 + 60
        else:
            first = self.created_at // NANOSECONDS + self.plan.every_seconds
        return range(first, self.until + 1, self.plan.period_seconds)

    def latest(self, second: int) -> int | None:
        """The latest slot at or before *second*; None if there is none."""
        slots = range(self.all.start, min(second, self.until) + 1, self.plan.period_seconds)
        return slots[-1] if slots else None
