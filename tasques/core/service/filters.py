"""
Filters: what is asked for, as plugins let it pass.

A filter runs inline, before anything is decided or stored, and may change a request or refuse it.
It has a budget of time. One that raises, or takes longer, has failed, and what that means it declares
itself: an *open* filter is then passed over, a *closed* one lets nothing pass (503). A filter that
fails several times in a row is not asked for a while, and counts as failed meanwhile, so that it
cannot slow every request down.

The breaker is that of M. Nygard, "Release It!", 2007.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

import attrs

from tasques.core import errors
from tasques.core.ports import Runtime
from tasques.core.service.meter import Meter
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask
from tasques.core.values import Duration

_log = logging.getLogger(__name__)

T = TypeVar("T")

_FAILURES_IN_A_ROW: Final = 3
_PAUSE_SECONDS: Final = 30.0


class Failing(StrEnum):
    """What the failure of a filter means for the request."""

    OPEN = "open"
    CLOSED = "closed"


@attrs.frozen
class Veto:
    """The request is refused; *reason* is for the one who asked."""

    reason: str


@attrs.frozen(kw_only=True)
class _Filter(Generic[T]):
    """
    What both kinds have in common.

    Attributes:
        name: For errors, logs and metrics.
        decide: Gives the request changed, a :class:`Veto`, or None to leave it alone. Called on the
            thread of the request, from several threads at once.
        failing: What happens to requests when it fails.
        budget: It has failed if it takes longer.
    """

    name: str
    decide: Callable[[T], T | Veto | None]
    failing: Failing = Failing.OPEN
    budget: Duration = Duration.of_seconds(0.05)


@attrs.frozen(kw_only=True)
class EnqueueFilter(_Filter[NewTask]):
    """Sees every task that a producer wants to create; those of recurring tasks do not pass."""


@attrs.frozen(kw_only=True)
class ClaimFilter(_Filter[ClaimRequest]):
    """
    Sees every claim before it waits.

    A veto is 403, on which an original's worker in Go ends.
    """


Filter: TypeAlias = EnqueueFilter | ClaimFilter


class Filters:
    """Every filter in its turn; each sees what the one before it made. Safe between threads."""

    def __init__(self, filters: Sequence[Filter], runtime: Runtime, meter: Meter) -> None:
        self._enqueue = tuple(
            _Guarded(each, runtime, meter) for each in filters if isinstance(each, EnqueueFilter)
        )
        self._claim = tuple(
            _Guarded(each, runtime, meter) for each in filters if isinstance(each, ClaimFilter)
        )

    def enqueue(self, new: NewTask) -> NewTask:
        """
        What is to be created.

        Raises:
            Vetoed: If a filter refuses it.
            FilterFailed: If one that fails closed does.
        """
        for each in self._enqueue:
            new = each.passed(new)
        return new

    def claim(self, request: ClaimRequest) -> ClaimRequest:
        """
        What is to be claimed.

        Raises:
            Vetoed: If a filter refuses it.
            FilterFailed: If one that fails closed does.
        """
        for each in self._claim:
            request = each.passed(request)
        return request


class _Guarded(Generic[T]):
    """A filter with its budget and its breaker."""

    def __init__(self, filter_: _Filter[T], runtime: Runtime, meter: Meter) -> None:
        self._filter = filter_
        self._runtime = runtime
        self._failed = meter.counter(
            "tasques_filter_errors_total",
            "Filters that raised or took longer than they may, by filter.",
            filter=filter_.name,
        )
        # Both are hints: a race between threads costs a call more or less.
        self._in_a_row = 0
        self._resting_until = float("-inf")

    def passed(self, asked: T) -> T:
        """*asked* as the filter lets it pass."""
        began = self._runtime.monotonic()
        if began < self._resting_until:
            return self._without(asked)
        try:
            answer = self._filter.decide(asked)
        except Exception as error:  # noqa: BLE001 - whatever a plugin does
            return self._without(asked, f"it raised {type(error).__name__}: {error}", error)
        took = self._runtime.monotonic() - began
        if took > self._filter.budget.seconds:
            return self._without(asked, f"it took {took:.3f} s, and has {self._filter.budget}")
        self._in_a_row = 0
        if isinstance(answer, Veto):
            raise errors.Vetoed(self._filter.name, answer.reason)
        return asked if answer is None else answer

    def _without(self, asked: T, why: str = "", error: Exception | None = None) -> T:
        if why:
            self._note(why, error)
        if self._filter.failing is Failing.OPEN:
            return asked
        raise errors.FilterFailed(self._filter.name)

    def _note(self, why: str, error: Exception | None) -> None:
        self._failed.add()
        self._in_a_row += 1
        if self._in_a_row % _FAILURES_IN_A_ROW == 0:
            self._resting_until = self._runtime.monotonic() + _PAUSE_SECONDS
            _log.error(
                "the filter %s failed %d times in a row, and is not asked for %g s: %s",
                self._filter.name,
                self._in_a_row,
                _PAUSE_SECONDS,
                why,
                exc_info=error,
            )
        else:
            _log.warning("the filter %s failed: %s", self._filter.name, why)
