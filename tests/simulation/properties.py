"""What is demanded: the properties P1–P21, what each verb may do to a task, and the numbers behind them."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.tasks import State

#: What the properties say, in short; a violation repeats it.
PROPERTIES: Final = {
    "P1": "no acknowledged task is lost",
    "P2": "a task has at most one live claim",
    "P3": "an acknowledged end never reverts, save by an operator's retry",
    "P4": "only the current claim finishes a task",
    "P5": "every transition is legal, and attempts are counted",
    "P6": "nothing is deleted from a queue before its copy is in the archive",
    "P7": "the archive holds one copy of each life of a task",
    "P8": "one task is made for a slot",
    "P9": "every due slot is fired or recorded as left out",
    "P10": "no claim is ended before its time",
    "P11": "at most one leader believes itself valid",
    "P12": "a former leader's writes are refused",
    "P13": "every request ends in time, with an answer that means something",
    "P14": "a repeated request is answered with what it made the first time",
    "P15": "everything drains once nothing goes wrong any more",
    "P16": "poison blocks nobody else",
    "P17": "what is unknown is reported neither as done nor as definitely not done",
    "P18": "memory and queues are bounded",
    "P20": "nothing is claimed once a drain began",
    "P21": "a queue whose shard is gone delays the others by at most two seconds",
}

WAITING: Final = frozenset({State.QUEUED, State.FAILED})
CLAIMED: Final = frozenset({State.CLAIMED})


@attrs.frozen
class Rule:
    """What a verb may do."""

    before: frozenset[State]
    after: frozenset[State]
    attempts: int = 0


_ENDED: Final = frozenset({State.FAILED, State.DEAD})
_RETURNED: Final = frozenset({State.QUEUED, State.DEAD})
#: By verb; the operators' verbs are the workload's own.
RULES: Final = {
    "claim": Rule(WAITING, CLAIMED, +1),
    "report": Rule(CLAIMED, CLAIMED),
    "done": Rule(CLAIMED, frozenset({State.DONE})),
    "failed": Rule(CLAIMED, _ENDED),
    "time_out": Rule(CLAIMED, _ENDED),
    "unclaim": Rule(CLAIMED, _RETURNED, -1),
    "give_back": Rule(CLAIMED, _RETURNED, -1),
    "expire": Rule(WAITING, frozenset({State.DEAD})),
    "cancel": Rule(WAITING | CLAIMED, frozenset({State.DEAD, State.CLAIMED})),
    "delay": Rule(WAITING, WAITING),
    "reprioritise": Rule(WAITING, WAITING),
}
#: The worker that asks must be the one that holds the task.
BY_WORKERS: Final = frozenset({"report", "done", "failed", "unclaim"})
#: These leave the claim as it is, but for its end.
KEEP_CLAIM: Final = BY_WORKERS | {"time_out", "give_back", "cancel"}


@attrs.frozen
class Violation:
    """A property that did not hold."""

    name: str
    message: str
    at: float

    def __str__(self) -> str:
        return f"{self.name} ({PROPERTIES[self.name]}) at {self.at:.3f} s: {self.message}"


@attrs.frozen(kw_only=True)
class Demands:
    """
    The numbers behind the properties, in seconds.

    Attributes:
        margin: A claim is ended no sooner than so long after its time.
        red: How far off a clock may be that decides anything.
        amber: How far a clock may jump without being compared, and still end claims.
        others_delayed: P21; None where other faults may delay them, too.
    """

    margin: float
    red: float = 30.0
    amber: float = 5.0
    others_delayed: float | None = None


#: What reached nobody is given back within so many seconds, if all was well for as long before.
GIVEN_BACK_WITHIN: Final = 1.0
#: In the quiet phase, a task that is due is claimed and a claim that is over is ended by then.
LEGAL_WAIT: Final = 15.0
