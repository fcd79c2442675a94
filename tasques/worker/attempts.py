"""An attempt at a task that this worker has claimed, as the ledger knows it."""

from __future__ import annotations

import math
from enum import Enum
from typing import TypeAlias

import attrs

from tasques.app.outcomes import for_original
from tasques.client.commands.tasks import CompleteTask, FailTask, UnclaimTask, finish
from tasques.client.values import Done, Ending, Hold, Task
from tasques.core.json_object import JsonObject

#: What ends an attempt, ready to be sent.
Finishing: TypeAlias = CompleteTask | FailTask | UnclaimTask


class Phase(Enum):
    """
    Where an attempt stands.

    ::

        WAITING ──> RUNNING ──> ENDED ──> GONE
           │           └──────> STRAY ──────┘
           └─────────────────> ENDED
    """

    #: Claimed, and not begun: the shell has still to find it a thread.
    WAITING = "waiting"
    #: Its body runs.
    RUNNING = "running"
    #: Its end is known, and not yet delivered.
    ENDED = "ended"
    #: The claim is lost, and its body runs on; what comes of it is of no interest.
    STRAY = "stray"
    #: Nothing is left to be said of it.
    GONE = "gone"


class Why(Enum):
    """Why an attempt's body is to end before its time."""

    CANCELLED = "somebody cancelled the task"
    LOST = "the claim is lost"
    SHUTTING_DOWN = "the worker stops"
    SOFT_LIMIT = "the soft time limit is over"
    HARD_LIMIT = "the hard time limit is over"


@attrs.define(kw_only=True, eq=False)
class Attempt:
    """
    An attempt at a task; changed by the ledger alone, save for what is *said*.

    Instants are seconds of a monotonic clock.

    Attributes:
        timeout: How long the server waits for a sign of life.
        alive_at: When the last sign of life that arrived was sent, or the claim was answered.
        heard_at: When the server's answer to that was there.
        next_report_at: No report before.
        said: What the body reported last, unless that is delivered.
        started_at: When its body began; infinite before.
        unwanted: Why its body should end; None while it should not.
        finishing: How it ended, to be sent.
        next_try_at: Its end is not sent before.
        tries: How often sending its end has failed.
        doubtful: Whether its end may have arrived without anybody having heard so.
        is_abandoned: Its body runs on beyond the hard limit, or beyond the worker's grace.
    """

    task: Task
    hold: Hold
    timeout: float
    alive_at: float
    heard_at: float
    next_report_at: float
    phase: Phase = Phase.WAITING
    said: JsonObject | None = None
    started_at: float = math.inf
    soft_at: float = math.inf
    hard_at: float = math.inf
    unwanted: Why | None = None
    finishing: Finishing | None = None
    next_try_at: float = -math.inf
    tries: int = 0
    refusals: int = 0
    doubtful: bool = False
    is_abandoned: bool = False

    @property
    def is_held(self) -> bool:
        """Whether the server is to be told that it is alive."""
        return self.phase in (Phase.WAITING, Phase.RUNNING)

    @property
    def is_by_original(self) -> bool:
        """Whether an original server made the claim; ours give each a name."""
        return self.hold.claim_id is None

    def __str__(self) -> str:
        return f"[{self.task.id}] ({self.task.kind}, attempt {self.task.attempted})"


def ending_of(finishing: Finishing) -> str:
    """What a finish says, in a word: ``done``, ``failed`` or ``returned``."""
    match finishing:
        case CompleteTask():
            return "done"
        case FailTask():
            return "failed"
        case _:
            return "returned"


def finishing_of(attempt: Attempt, ending: Ending) -> Finishing:
    """
    The command that ends *attempt* as *ending* says.

    Raises:
        InvalidInput: If its data is not what JSON can say.
    """
    if attempt.is_by_original and not isinstance(ending, Done):
        ending = for_original(ending)
    return finish(attempt.hold, ending)
