"""When a worker claims, reports and tries again: its numbers, and the formulas over them; pure."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import attrs

from tasques.client.values import Task
from tasques.worker.options import WorkerOptions, seconds_or_never

#: Of reports that a body asks for there is one in so many seconds at most.
REPORT_EVERY_SECONDS: Final = 5.0
#: A body that says nothing is reported on as often: a request to cancel is seen in the answer.
KEEP_ALIVE_SECONDS: Final = 15.0
#: A third of the timeout leaves two more tries, should a report be lost.
SHARE_OF_TIMEOUT: Final = 3.0
#: A server's reaper is this late at the most, by which a claim has surely timed out.
REAPER_SECONDS: Final = 120.0

#: Seconds until a body gets an exception, and until its attempt has failed; None where nothing is said.
Limits: TypeAlias = tuple[float | None, float | None]
NO_LIMITS: Final[Limits] = (None, None)

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 10.0
_MOST_DOUBLINGS: Final = 30
#: What a server asks for is heeded up to here.
_LONGEST_WISH_SECONDS: Final = 60.0


@attrs.frozen(kw_only=True)
class Rules:
    """
    A worker's numbers; durations are seconds.

    Attributes:
        most_undelivered: With so many ends that could not be delivered nothing more is claimed.
        most_abandoned: So many threads that cannot be ended are replaced by new ones; each further
            one costs a slot.
        batch: So much is said in one request at most.
    """

    concurrency: int = 8
    burst: bool = False
    max_tasks: float = math.inf
    soft_limit: float = math.inf
    hard_limit: float = math.inf
    most_undelivered: int = 32
    most_abandoned: int = 8
    batch: int = 100

    @classmethod
    def of(cls, options: WorkerOptions) -> Rules:
        """Those that *options* imply."""
        return cls(
            concurrency=options.concurrency,
            burst=options.burst,
            max_tasks=math.inf if options.max_tasks is None else options.max_tasks,
            soft_limit=seconds_or_never(options.soft_limit),
            hard_limit=seconds_or_never(options.hard_limit),
            most_undelivered=max(4 * options.concurrency, 16),
            most_abandoned=options.concurrency,
            batch=min(max(2 * options.concurrency, 16), 200),
        )


def report_pause(timeout: float) -> float:
    """
    So long after a report there is no other, in seconds.

    Five, or a third of the *timeout* where that is shorter.
    """
    return min(REPORT_EVERY_SECONDS, _third(timeout))


def keep_alive_pause(timeout: float) -> float:
    """
    So long after a sign of life there is another, though the body says nothing, in seconds.

    Fifteen, or a third of the *timeout* where that is shorter.
    """
    return min(KEEP_ALIVE_SECONDS, _third(timeout))


def _third(timeout: float) -> float:
    # A timeout of nothing is over whatever is done; it must not keep the worker busy with it.
    return max(timeout / SHARE_OF_TIMEOUT, 0.1)


def surely_over_at(heard_at: float, timeout: float) -> float:
    """When a claim that was heard of at *heard_at* has timed out, however late the reaper is."""
    return heard_at + timeout + REAPER_SECONDS


def pause(failures: int, chance: float) -> float:
    """
    How long to wait after so many failures in a row, in seconds.

    Doubles from 100 ms to 10 s; half of it by chance, so that the workers of a server that comes
    back do not all come at once, and none comes in the same moment again ("equal jitter").
    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        failures: 1 after the first.
        chance: In ``[0, 1)``.

    >>> pause(3, chance=0.0)
    0.2
    """
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    longest: float = min(_FIRST_PAUSE_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS)
    return longest / 2 + longest / 2 * chance


def heeded(wish: float) -> float:
    """How much of a server's *wish* not to be asked is granted, in seconds."""
    return min(max(wish, 0.0), _LONGEST_WISH_SECONDS)


def timeout_of(task: Task) -> float:
    """How long the server waits for a sign of life of *task*, in seconds."""
    return max(task.processing_timeout.seconds, 0.0)
