"""What a worker is told when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypedDict

import attrs

from tasques.client import times
from tasques.client.times import DurationLike
from tasques.core.errors import Fault, InvalidInput
from tasques.core.queues import queue_name
from tasques.core.values import Duration

DEFAULT_CONCURRENCY: Final = 8
DEFAULT_GRACE: Final = Duration.of_seconds(30)


def _queues(names: Iterable[str]) -> tuple[str, ...]:
    # Once each, in their order.
    return tuple(dict.fromkeys(str(queue_name(name)) for name in names))


def _duration(value: DurationLike) -> Duration:
    return times.duration(value, "worker")


def _limit(value: DurationLike | None) -> Duration | None:
    return times.optional_duration(value, "worker")


def _at_least_one(instance: object, attribute: attrs.Attribute[int], value: int | None) -> None:
    if value is not None and value < 1:
        raise InvalidInput([Fault(attribute.name, "minimum", "must not be less than 1")])


def _weights(given: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType({str(queue_name(name)): weight for name, weight in given.items()})


class WorkerSettings(TypedDict, total=False):
    """The attributes of :class:`WorkerOptions` but the queues, by name, as a program writes them."""

    weights: Mapping[str, int]
    strict: bool
    concurrency: int
    worker_id: str
    grace: DurationLike
    burst: bool
    max_tasks: int
    soft_limit: DurationLike
    hard_limit: DurationLike
    claim_wait: DurationLike
    last_look: DurationLike


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """
    What a worker is told.

    Attributes:
        queues: From which it takes tasks; none named means every queue.
        weights: In which proportion tasks are taken from queues that all have some; 1 for one that is
            not named here. Without any, the server decides, by priority over all queues.
        strict: Take nothing from a queue while one that is named before it has something.
        concurrency: So many tasks at a time.
        worker_id: Who it is; made up if not given. No two workers may have the same at a time.
        grace: How long tasks may go on after the first signal to stop.
        burst: Stop when nothing is left to do.
        max_tasks: Stop after so many tasks; None for never.
        soft_limit: A task that runs longer gets an exception; None for never.
        hard_limit: A task that runs longer has failed, whatever it does; None for never.
        claim_wait: How long one claim waits at the server.
        last_look: With *burst*: how long to wait for another task before nothing is left.

    Raises:
        InvalidInput: If a value makes no sense.
    """

    queues: tuple[str, ...] = attrs.field(default=(), converter=_queues)
    weights: Mapping[str, int] = attrs.field(factory=dict, converter=_weights)
    strict: bool = False
    concurrency: int = attrs.field(default=DEFAULT_CONCURRENCY, validator=_at_least_one)
    worker_id: str | None = None
    grace: Duration = attrs.field(default=DEFAULT_GRACE, converter=_duration)
    burst: bool = False
    max_tasks: int | None = attrs.field(default=None, validator=_at_least_one)
    soft_limit: Duration | None = attrs.field(default=None, converter=_limit)
    hard_limit: Duration | None = attrs.field(default=None, converter=_limit)
    claim_wait: Duration = attrs.field(default=Duration.of_seconds(2), converter=_duration)
    last_look: Duration = attrs.field(default=Duration(0), converter=_duration)

    def __attrs_post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise InvalidInput(faults)

    def _faults(self) -> Iterator[Fault]:
        if any(weight < 1 for weight in self.weights.values()):
            yield Fault("weights", "minimum", "must not be less than 1")
        if not self.weights.keys() <= set(self.queues):
            yield Fault("weights", "queues", "must be of queues that tasks are taken from")
        if self.strict and self.weights:
            yield Fault("strict", "exclusive", "must not be given together with weights")
        if self.strict and not self.queues:
            yield Fault("strict", "queues", "wants queues whose order counts")
        soft, hard = self.soft_limit, self.hard_limit
        if soft is not None and hard is not None and soft > hard:
            yield Fault("soft_limit", "maximum", "must not be longer than the hard limit")


def seconds_or_never(limit: Duration | None) -> float:
    """*limit* in seconds; infinite for None."""
    return math.inf if limit is None else limit.seconds
