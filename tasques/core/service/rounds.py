"""
Rounds of the dispatcher: what is done again and again for all who stand in the line.

A round is: one search for each distinct set of queues that is due for it; every candidate through
:func:`tasques.core.admission.admit`; the oldest waiter served first; the decisions confirmed in one
batch; whoever lost a race served from the next candidates. What its waiters can rely on is in
:mod:`~tasques.core.service.claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from tasques.core import errors
from tasques.core.ports import ClaimableQuery, Runtime, TaskStore
from tasques.core.ports.runtime import Condition
from tasques.core.queues import QueueName
from tasques.core.service.allotment import Allotment, Policies, allot
from tasques.core.service.candidates import Candidates
from tasques.core.service.confirmation import Confirmation
from tasques.core.service.meter import Meter
from tasques.core.service.rivalry import Rivalries
from tasques.core.service.search_schedule import News, SearchSchedule, search_period
from tasques.core.service.settlement import Settlement
from tasques.core.service.short_way import paused
from tasques.core.service.waiting import ClaimAnswer, Waiter
from tasques.core.service.waiting_line import WaitingLine
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration

#: Beyond so many who wait, for each further one: how much later than its time one is answered with
#: nothing, at most. With 1,000 it is 18 ms.
_FEW_WAITERS: Final = 100
_BREATHER_SECONDS: Final = 0.000_02
#: Beyond so many, too, it is asked only so often who is still there.
_LET_GO_SECONDS: Final = 1.0
#: How often a round serves those who lost a race from the next candidates.
_TRIES_PER_ROUND: Final = 4


class Rounds:
    """
    Serves those who wait; one round at a time, which its caller sees to.

    Args:
        lock: Guards the line, and all that is known here.
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while nothing may be claimed.
        hand_over: Told of tasks that were claimed for somebody who is still there, before they are
            delivered.
        give_back: Given tasks that were claimed for somebody who has gone.

    Attributes:
        line: Who waits.
        last: The number of the last who came.
        is_over: Claim no more, and let nobody wait.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        lock: Condition,
        *,
        policies: Policies,
        gate: Callable[[], None],
        hand_over: Callable[[Sequence[StoredTask]], None],
        give_back: Callable[[Sequence[StoredTask]], None],
        meter: Meter | None,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._lock = lock
        self._policies = policies
        self._gate = gate
        self._hand_over = hand_over
        self._give_back = give_back
        self.line = WaitingLine()
        self.last = 0
        self.is_over = False
        self._let_go_at = float("-inf")
        lag = store.traits.visibility_lag
        self.rivalries = Rivalries(runtime)
        period = search_period(lag)
        self.candidates = Candidates(
            keep_seconds=2 * max(lag.seconds, period),
            patience_seconds=lag.seconds + 2 * period,
            shares=self.rivalries,
        )
        self.schedule = SearchSchedule(runtime, lag, self.candidates, self.rivalries.slots)
        self.confirmation = Confirmation(
            store,
            runtime,
            Settlement(store, runtime, meter),
            lock=lock,
            candidates=self.candidates,
            schedule=self.schedule,
            rivalries=self.rivalries,
        )

    def run(self) -> None:
        """Do one."""
        self._let_go()
        self._serve(before_search=True)
        # What the search has shown counts in this round, however long a busy machine takes from here
        # to there: those who look once would be answered with nothing.
        self._serve(shown_at=self._search())
        self._answer_overdue()

    def _let_go(self) -> None:
        """
        Drop those whose callers are gone; where many wait, not in every round.

        They wanted tasks that others may have, and nobody else is to be held up by asking a thousand.
        Whoever is to be served is asked in any case.
        """
        with self._lock:
            at = self._runtime.monotonic()
            if len(self.line) > _FEW_WAITERS and at < self._let_go_at:
                return
            self._let_go_at = at + _LET_GO_SECONDS
            gone = [waiter for waiter in self.line if not waiter.is_connected()]
            for waiter in gone:
                self.close(waiter)
        for waiter in gone:
            waiter.deliver(())  # nobody reads it, but a thread may be waiting for it

    def close(self, waiter: Waiter) -> bool:
        """Let nothing more be delivered to *waiter*; whether that was still open."""
        if waiter.closed:
            return False
        waiter.closed = True
        self.line.remove(waiter)
        return True

    def is_shut(self) -> bool:
        """Whether the gate is."""
        try:
            self._gate()
        except errors.Unavailable:
            return True
        return False

    def pause(self) -> Duration:
        """How long until something is to be done, should nobody call before; the lock is held."""
        at = self._runtime.monotonic()
        # Somebody whose time was over in this round, and was not answered, waits for a search.
        next_moment = min(
            self.line.next_deadline,
            self.schedule.next_moment(self.line.groups.values()),
            at + 60.0,
        )
        due = self.candidates.next_due
        if due is not None:
            next_moment = min(next_moment, at + due.since(self._runtime.wall()).seconds)
        return Duration.of_seconds(max(next_moment - at, self._breather, 0.0))

    @property
    def _breather(self) -> float:
        """How long to let deadlines gather, in seconds: a round looks at all who wait."""
        crowd = len(self.line) - _FEW_WAITERS
        return crowd * _BREATHER_SECONDS if crowd > 0 else 0.0

    def _serve(self, *, before_search: bool = False, shown_at: float | None = None) -> None:
        """
        Hand out what is known.

        Args:
            before_search: Only to those who are not to be searched for first.
            shown_at: The age of what is known is what it was then, rather than now.
        """
        for _ in range(_TRIES_PER_ROUND):
            with self._lock:
                at = self._runtime.monotonic() if shown_at is None else shown_at
                allotment = self._allot(at, before_search=before_search)
            if not allotment:
                break
            self._confirm(allotment)

    def _search(self) -> float | None:
        """Search for those for whom it is time; returns when there was an answer, if one was wanted."""
        with self._lock:
            queries = [] if self.is_over else self._queries()
            last = self.last
        if not queries:
            return None
        began = self._runtime.monotonic()
        try:
            found = self._store.find_claimable(queries)
        except errors.Unavailable as failure:
            with self._lock:
                self.schedule.failed(queries, failure)
            return None
        else:
            with self._lock:
                at = self._runtime.monotonic()
                news = self._absorb(
                    {q.queues: hits for q, hits in zip(queries, found, strict=True)}, last, at
                )
                self.schedule.answered(queries, found, news, began)
            return at

    def _queries(self) -> list[ClaimableQuery]:
        left_out = paused(self._policies())
        queries = self.schedule.queries(self.line.groups)
        return [attrs.evolve(query, paused=left_out) for query in queries] if left_out else queries

    def _absorb(
        self, found: Mapping[tuple[QueueName, ...], Sequence[StoredTask]], last: int, at: float
    ) -> list[News]:
        """Remember what was *found*; returns what of it is news."""
        now = self._runtime.wall()
        self.candidates.prune(at=at)
        self.rivalries.forget_old()
        news = [
            News(
                new=sum(self.candidates.put(stored, now=now, at=at) for stored in hits),
                over=sum(self.candidates.is_over(stored) for stored in hits),
            )
            for hits in found.values()
        ]
        # Whoever registered after the search began was not looked for.
        for queues in found.keys() & self.line.groups.keys():
            self.line.groups[queues].note_looked(last)
        return news

    def _allot(self, at: float, *, before_search: bool) -> Allotment:
        if self.is_over or self.schedule.is_quiet or self.is_shut():
            return Allotment()
        self.candidates.ripen(now=self._runtime.wall(), at=at)
        # Whether something is there, and who is to be served of it: by whether they are new.
        served = {
            queues: [
                not (before_search and self.schedule.is_due(queues, is_new=is_new))
                for is_new in (False, True)
            ]
            for queues in self.line.groups
            if self.candidates.has_any(queues, at=at)
        }
        if not served:
            return Allotment()
        waiters = [
            waiter
            for waiter in self.line
            if waiter.request.queues in served
            and served[waiter.request.queues][not waiter.looked]
            and waiter.is_connected()
        ]
        return allot(
            waiters, self.candidates, self._policies, self._runtime, at=at, may_look=before_search
        )

    def _confirm(self, allotment: Allotment) -> None:
        """Have the decisions written, and deliver what was won."""
        won = self.confirmation.confirm(allotment)
        with self._lock:
            present = [waiter for waiter in won if self.close(waiter)]
        for waiter in present:
            claimed = won.pop(waiter)
            self._hand_over(claimed)
            waiter.deliver(claimed)
        for undelivered in won.values():
            self._give_back(undelivered)

    def _answer_overdue(self) -> None:
        """Answer those whose time is over, with nothing, or with why nobody could look."""
        answers: list[tuple[Waiter, ClaimAnswer]] = []
        with self._lock:
            at = self._runtime.monotonic()
            for waiter in list(self.line) if self.is_over else self.line.overdue(at):
                failure = self.schedule.failure_of(waiter)
                if self.is_over or waiter.looked or failure:
                    self.close(waiter)
                    nothing_known = failure is not None and not waiter.looked
                    answers.append((waiter, failure if nothing_known and failure else ()))
        for waiter, answer in answers:
            waiter.deliver(answer)
