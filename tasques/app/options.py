"""What may be said of tasks: once for a kind, and for each that is enqueued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

import attrs

from tasques.app.retrying import RetryPolicy
from tasques.client import times
from tasques.client.times import DurationLike, InstantLike
from tasques.client.values import Object, TaskOptions
from tasques.core.queues import queue_name
from tasques.core.values import Duration

#: How long a worker has for a task of which nobody says it. A worker of this package reports long
#: before; so it is how soon a task comes back whose worker was killed.
DEFAULT_TASK_TIMEOUT: Final = Duration.of_seconds(60)

#: Which of a server's work in the background is done by an application that holds its backend.
Background: TypeAlias = Literal["none", "all"]
#: Of such an application, for asynchronous calls, where nothing is said.
DEFAULT_THREADS: Final = 8


class EnqueueOptions(TypedDict, total=False):
    """
    What may be said of one task that is enqueued; what is not, is as its kind has it.

    Attributes:
        queue: Another queue than its kind's.
        id: Unique within the queue. Enqueuing it twice is refused.
        priority: The higher, the sooner it is claimed.
        retries: How often it is tried again after a failure.
        timeout: How long a worker has, from its claim or its last report.
        run_in: Not to be claimed before so long from now.
        run_at: Not to be claimed before.
        expires_in: Not worth starting after so long from now.
        expires_at: Not worth starting from then on.
        context: What else goes with it, such as a trace.
        idempotency_key: Enqueued twice with the same key it is one task.
    """

    queue: str
    id: str
    priority: int
    retries: int
    timeout: DurationLike
    run_in: DurationLike
    run_at: InstantLike
    expires_in: DurationLike
    expires_at: InstantLike
    context: Object
    idempotency_key: str


def _queue(name: str) -> str:
    return queue_name(name)


def _timeout(value: DurationLike | None) -> Duration | None:
    return times.optional_duration(value, "timeout")


def _expiry(value: DurationLike | None) -> Duration | None:
    return times.optional_duration(value, "expires_in")


def _limit(value: DurationLike | None) -> Duration | None:
    return times.optional_duration(value, "limit")


@attrs.frozen(kw_only=True)
class KindOptions:
    """
    What is said of every task of a kind.

    Attributes:
        retries: None for the server's default.
        timeout: How long a worker has, from its claim or its last report; None for the
            application's.
        expires_in: Not worth starting after so long from being enqueued; None for never.
        retry: Decides what follows a failure; None for the server's growing pause.
        soft_limit: A body that runs longer gets an exception; None for the worker's limit.
        hard_limit: An attempt that takes longer has failed; None for the worker's limit.

    Raises:
        InvalidInput: If no queue can have that name, or a duration is none.
    """

    kind: str = attrs.field(validator=attrs.validators.min_len(1))
    queue: str = attrs.field(converter=_queue)
    retries: int | None = None
    timeout: Duration | None = attrs.field(default=None, converter=_timeout)
    priority: int = 0
    expires_in: Duration | None = attrs.field(default=None, converter=_expiry)
    retry: RetryPolicy | None = None
    soft_limit: Duration | None = attrs.field(default=None, converter=_limit)
    hard_limit: Duration | None = attrs.field(default=None, converter=_limit)

    def of_task(self, said: EnqueueOptions, *, timeout: Duration | None = None) -> TaskOptions:
        """
        The options of one task, of which *said* is said in particular.

        Args:
            timeout: Where neither that nor the kind has one; None for the server's.
        """
        options: dict[str, Any] = {
            "retry_times": self.retries,
            "processing_timeout": timeout if self.timeout is None else self.timeout,
            "priority": self.priority or None,
        }
        if self.expires_in is not None and "expires_at" not in said:
            options["expires_in"] = self.expires_in
        return task_options(said, options)


def task_options(said: EnqueueOptions, base: Mapping[str, Any] | None = None) -> TaskOptions:
    """*said* in the words of the wire, over *base*; the queue is not among them."""
    options = dict(base or {})
    for name, value in said.items():
        if name != "queue":
            options[_WIRE.get(name, name)] = value
    return cast("TaskOptions", options)


_WIRE = {"retries": "retry_times", "timeout": "processing_timeout"}
