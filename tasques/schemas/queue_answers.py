"""What the server says to operators: of queues, of many tasks, of what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from tasques.core.listing import Position, QueueSummary
from tasques.core.operations import Outcome, Overview, Swept, TaskOutcome
from tasques.core.policies import QueuePolicy
from tasques.core.queues import QueueName
from tasques.core.tasks import StoredTask
from tasques.core.values import Instant
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.converter import encode, unstructure
from tasques.schemas.fields import ABOUT, About
from tasques.schemas.positions import position_text
from tasques.schemas.task_json import task_json

_TIME = "2026-11-22T04:01:05.167Z"


def _number_of(state: str) -> int | None:
    found: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                f"Tasks that are {state}; absent if none is.",
                format="int64",
                minimum=1,
                example=12,
            )
        },
    )
    return found


@attrs.frozen(kw_only=True)
class CountsAnswer:
    """How many tasks a queue has, by state."""

    queued: int | None = _number_of("queued")
    claimed: int | None = _number_of("claimed")
    failed: int | None = _number_of("failed")
    done: int | None = _number_of("done")
    dead: int | None = _number_of("dead")


@attrs.frozen(kw_only=True)
class QueueAnswer:
    """How a queue stands."""

    queue: str = attrs.field(metadata={ABOUT: About("Its name.", example="run-later")})
    counts: CountsAnswer = attrs.field(
        metadata={ABOUT: About("Its tasks by state; archived ones are not among them.")}
    )
    ready: int = attrs.field(
        metadata={ABOUT: About("Tasks that are due now.", format="int64", minimum=0, example=3)}
    )
    oldest_ready_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Since when the longest due of these could be claimed, to the millisecond.",
                format="date-time",
                example=_TIME,
            )
        },
    )
    paused_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Since when nothing is handed out from it; absent if it is not paused.",
                format="date-time",
                example=_TIME,
            )
        },
    )


@attrs.frozen(kw_only=True)
class QueuesAnswer:
    """How every queue stands."""

    as_of: Instant = attrs.field(
        metadata={ABOUT: About("When that was.", format="date-time", example=_TIME)}
    )
    queues: tuple[QueueAnswer, ...] = attrs.field(
        metadata={ABOUT: About("By name; queues that were only ever paused are among them.")}
    )


@attrs.frozen(kw_only=True)
class QueuePolicyAnswer:
    """What operators have laid down for a queue."""

    queue: str = attrs.field(metadata={ABOUT: About("Its name.", example="run-later")})
    modified_at: Instant = attrs.field(
        metadata={ABOUT: About("When this was last laid down.", format="date-time", example=_TIME)}
    )
    paused_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Since when nothing is handed out from it; absent if it is not paused.",
                format="date-time",
                example=_TIME,
            )
        },
    )


@attrs.frozen(kw_only=True)
class TasksAnswer:
    """Tasks of a queue, a page of them."""

    tasks: tuple[TaskAnswer, ...] = attrs.field(
        metadata={ABOUT: About("In the order that was asked for.")}
    )
    next: Position | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "To be sent as `after`, for what follows; absent at the end.",
                example="MTc5NTMyMDAwMDAwMDppbnZvaWNlLTQ3MTE",
            )
        },
    )


@attrs.frozen(kw_only=True)
class TaskOutcomeAnswer:
    """What became of one task of many."""

    id: str = attrs.field(metadata={ABOUT: About("The id of the task.", example="invoice-4711")})
    outcome: Outcome = attrs.field(
        metadata={
            ABOUT: About(
                "`changed`, in a dry run: would be; `not_possible`: its state does not allow it;"
                " `gone`: it is not there any more, or not among those that are meant; `failed`: the"
                " store was in trouble, or it kept changing.",
                example="changed",
            )
        }
    )
    reason: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Why it was not changed, for a person.",
                example="A task that is done cannot cancel: [invoice-4711]",
            )
        },
    )


@attrs.frozen(kw_only=True)
class OutcomesAnswer:
    """What became of the tasks that one request looked at."""

    outcomes: tuple[TaskOutcomeAnswer, ...] = attrs.field(
        metadata={ABOUT: About("One for each task, the oldest first.")}
    )
    next: Position | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "To be sent as `after`, for the tasks that follow; absent at the end.",
                example="MTc5NTMyMDAwMDAwMDppbnZvaWNlLTQ3MTE",
            )
        },
    )


def queues_answer(overview: Overview, policies: Mapping[QueueName, QueuePolicy]) -> QueuesAnswer:
    """Every queue that has been used or has a policy, by name."""
    unused = [QueueSummary(queue=queue, counts={}) for queue in policies]
    summaries = {each.queue: each for each in (*unused, *overview.queues)}
    return QueuesAnswer(
        as_of=overview.as_of,
        queues=tuple(
            _queue_answer(summaries[name], policies.get(name)) for name in sorted(summaries)
        ),
    )


def _queue_answer(summary: QueueSummary, policy: QueuePolicy | None) -> QueueAnswer:
    return QueueAnswer(
        queue=summary.queue,
        counts=CountsAnswer(**{state.value: count for state, count in summary.counts.items()}),
        ready=summary.ready,
        oldest_ready_at=summary.oldest_ready,
        paused_at=None if policy is None else policy.paused_at,
    )


def queue_policy_answer(policy: QueuePolicy) -> QueuePolicyAnswer:
    """A policy that somebody has laid down."""
    assert policy.modified_at is not None
    return QueuePolicyAnswer(
        queue=policy.queue, paused_at=policy.paused_at, modified_at=policy.modified_at
    )


def encode_listing(
    tasks: Sequence[StoredTask], next: Position | None, *, is_archived: bool = False
) -> bytes:
    """A :class:`TasksAnswer` as one line of JSON, quickly."""
    fields: dict[str, object] = {
        "tasks": [task_json(each, is_archived=is_archived) for each in tasks]
    }
    if next is not None:
        fields["next"] = position_text(next)
    return encode(fields)


def encode_outcomes(swept: Swept) -> bytes:
    """An :class:`OutcomesAnswer` as one line of JSON."""
    outcomes = tuple(_outcome_answer(each) for each in swept.outcomes)
    return encode(unstructure(OutcomesAnswer(outcomes=outcomes, next=swept.next)))


def _outcome_answer(outcome: TaskOutcome) -> TaskOutcomeAnswer:
    return TaskOutcomeAnswer(
        id=outcome.key.id, outcome=outcome.outcome, reason=outcome.reason or None
    )
