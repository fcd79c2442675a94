"""
One dispatcher for everybody who waits for work.

Workers do not search; they register what they want and wait, and the dispatcher searches for all
of them at once, in rounds (:mod:`~tasques.core.service.rounds`).

What a waiter can rely on:

- It is answered when ``min_amount`` tasks are ready, with all that are, up to ``amount``; at the end
  of ``block_for`` with what there is then, or a little later where many wait: 18 ms with 1,000.
  A ``block_for`` of zero looks once.
- While it waits it holds no task. Each task it gets was claimed by an acknowledged compare-and-set.
- Nothing that a search can show is overtaken by a lower priority for longer than two search periods,
  save what is left to another server for a while because it falls to that one's share.
- Tasks lost to another server between search and confirmation may leave it with fewer than
  ``min_amount``: it gets those at once rather than hold them.
- A waiter known to be gone is dropped before the compare-and-set.

Rounds run one at a time: on the thread of a caller that finds none under way, and, once somebody
has to wait, on a thread of the dispatcher's own. Where the store shows every write at once, a claim
that nobody waits beside takes the place of a round with less; see
:mod:`~tasques.core.service.short_way`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tasques.core import errors
from tasques.core.policies import QueuePolicy
from tasques.core.ports import Runtime, TaskStore
from tasques.core.queues import QueueName
from tasques.core.service.allotment import Policies
from tasques.core.service.group_commit import HandIn
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.meter import Meter
from tasques.core.service.returns import Returns
from tasques.core.service.rounds import Rounds
from tasques.core.service.short_way import ShortWay, paused
from tasques.core.service.waiting import ClaimAnswer, ClaimRequest, Waiter
from tasques.core.service.waiting_line import Group
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration

_log = logging.getLogger(__name__)

#: How long past its deadline a caller waits for a round that hangs.
_GRACE_SECONDS: Final = 5.0
#: The pause after a round that failed unexpectedly.
_AFTER_ERROR: Final = Duration.of_seconds(1)


def _always() -> bool:
    return True


def _no_policies() -> Mapping[QueueName, QueuePolicy]:
    return {}


def _as_it_is(request: ClaimRequest) -> ClaimRequest:
    """No filter changes it."""
    return request


def _open_gate() -> None:
    """Nothing speaks against claiming."""


class ClaimDispatcher:
    """
    Hands out tasks to those who wait; see the module's text for what it guarantees.

    Args:
        policies: The policies of queues; asked for in every round, so it must not block.
        prepare: Called before each claim is entered; may block, and may raise an
            :class:`~tasques.core.errors.Unavailable`.
        is_prepared: Whether *prepare* would not block now.
        held: Told of every task that is handed out.
        gate: Raises an :class:`~tasques.core.errors.Unavailable` while nothing may be claimed.
        let_pass: Gives a claim as plugins let it pass, or raises.
        hand_in: Has writes done that nobody waits for; None if they have to be waited for.
    """

    def __init__(
        self,
        store: TaskStore,
        runtime: Runtime,
        *,
        policies: Policies = _no_policies,
        prepare: Callable[[], None] = _open_gate,
        is_prepared: Callable[[], bool] = _always,
        gate: Callable[[], None] = _open_gate,
        let_pass: Callable[[ClaimRequest], ClaimRequest] = _as_it_is,
        held: HeldTasks | None = None,
        hand_in: HandIn | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._held = held or HeldTasks(runtime)
        self._store = store
        self._runtime = runtime
        self._policies = policies
        self._gate = gate
        self._let_pass = let_pass
        self._prepare = prepare
        self._is_prepared = is_prepared
        self._returns = Returns(store, runtime, hand_in=hand_in, on_waiting=self.offer)
        # What can be found at once need not be remembered for those who come later.
        self._keeps_unwanted = store.traits.visibility_lag.nanoseconds > 0
        self._lock = runtime.condition()
        self._wake = runtime.condition(self._lock)
        self._rounds = Rounds(
            store,
            runtime,
            self._lock,
            policies=policies,
            gate=gate,
            hand_over=self._keep,
            give_back=self.give_back,
            meter=meter,
        )
        self._waiters = self._rounds.line
        self._candidates = self._rounds.candidates
        self._schedule = self._rounds.schedule
        self._short_way = ShortWay(
            store=store,
            runtime=runtime,
            policies=policies,
            confirmation=self._rounds.confirmation,
        )
        self._stepping = False
        self._urgent = False
        self._has_loop = False
        # Until when the loop sleeps if nobody wakes it; it is awake if that is over.
        self._asleep_until = float("-inf")

    # ------------------------------------------------------------------ for those who wait

    def claim(
        self, request: ClaimRequest, *, is_connected: Callable[[], bool] = _always
    ) -> Sequence[StoredTask]:
        """
        Wait for tasks, and take them; see :class:`ClaimRequest`.

        Args:
            is_connected: Whether somebody is still there to take the answer; must not block.

        Returns:
            The claimed tasks in claim order, perhaps none.

        Raises:
            Unavailable: If the store could not be searched even once, the gate is shut, or this
                server is stopping.
        """
        if request.amount <= 0:
            return ()
        request = self._let_in(request)
        claimed = self._take_at_once(request, is_connected)
        if claimed is not None:
            return claimed
        answers: list[ClaimAnswer] = []
        answered = self._runtime.condition(self._lock)

        def deliver(answer: ClaimAnswer) -> None:
            with self._lock:
                answers.append(answer)
                answered.notify()

        waiter = self._enter(request, deliver, is_connected)
        self.step()
        with self._lock:
            give_up_at = max(waiter.deadline, self._runtime.monotonic()) + _GRACE_SECONDS
            while not answers and (left := give_up_at - self._runtime.monotonic()) > 0:
                answered.wait(left)
            if not answers and self._rounds.close(waiter):
                raise errors.StoreUnavailable("the search for tasks does not come to an end")
            while not answers:  # it is being delivered just now
                answered.wait()
        if isinstance(answers[0], errors.Unavailable):
            raise answers[0]
        return answers[0]

    def register(
        self,
        request: ClaimRequest,
        deliver: Callable[[ClaimAnswer], None],
        is_connected: Callable[[], bool] = _always,
    ) -> Waiter:
        """
        Enter a claim; *deliver* is called once, on whichever thread; if its caller is gone, too.

        Raises:
            Unavailable: If this server is stopping, or the gate is shut.
            Vetoed: If a plugin's filter refuses it.
        """
        return self._enter(self._let_in(request), deliver, is_connected)

    def _let_in(self, request: ClaimRequest) -> ClaimRequest:
        request = self._let_pass(request)
        self._gate()
        self._prepare()
        return request

    def _take_at_once(
        self, request: ClaimRequest, is_connected: Callable[[], bool]
    ) -> Sequence[StoredTask] | None:
        """The claimed tasks by the short way, in place of a round; None if there is to be one."""
        with self._lock:
            if not self._may_take_at_once():
                return None
            self._stepping = True
            # Nobody waits for what is remembered, and it would not hear of what is taken here.
            self._candidates.forget_all()
        try:
            claimed = self._short_way.take(request, is_connected)
        finally:
            with self._lock:
                self._end_step()
        self._keep(claimed or ())
        return claimed

    def _may_take_at_once(self) -> bool:
        return not (
            self._keeps_unwanted
            or self._stepping
            or self._waiters
            or self._rounds.is_over
            # A round leaves to others what falls to them, and a store in trouble alone.
            or self._rounds.rivalries.are_known
            or self._schedule.is_quiet
        )

    def _enter(
        self,
        request: ClaimRequest,
        deliver: Callable[[ClaimAnswer], None],
        is_connected: Callable[[], bool],
    ) -> Waiter:
        with self._lock:
            if self._rounds.is_over:
                raise errors.ShuttingDown("this server is stopping")
            self._rounds.last += 1
            waiter = Waiter(
                number=self._rounds.last,
                request=request,
                deadline=self._runtime.monotonic() + max(request.block_for.seconds, 0.0),
                deliver=deliver,
                is_connected=is_connected,
            )
            group = self._waiters.add(waiter)
            if self._wants_round(waiter, group):
                self._call()
            elif waiter.deadline < self._asleep_until:
                self._wake.notify()
        return waiter

    def _wants_round(self, waiter: Waiter, group: Group) -> bool:
        """Whether there may be something to do for one who has just come."""
        at = self._runtime.monotonic()
        return (
            self._asleep_until <= at
            or waiter.deadline <= at
            or self._schedule.next_moment([group]) <= at
            or self._candidates.has_any(group.queues, at=at)
        )

    def serve_at_once(self) -> None:
        """Do a round on this thread, if somebody wants one."""
        if self._urgent:
            self.step()

    def takes_at_once(self) -> bool:
        """Whether :meth:`register` would not block now, plugins apart."""
        return self._is_prepared()

    def serve_soon(self) -> None:
        """Have a round done by the dispatcher's own thread, if somebody wants one; does not block."""
        with self._lock:
            if self._urgent:
                self._ensure_loop()

    def offer(self, stored: StoredTask) -> None:
        """Tell of a task that waits since just now, so that nobody has to search for it."""
        with self._lock:
            if not self._waiters and not self._keeps_unwanted:
                return
            at = self._runtime.monotonic()
            self._candidates.put(stored, now=self._runtime.wall(), at=at, is_ours=True)
            queue = stored.document.queue
            if any(not queues or queue in queues for queues in self._waiters.groups):
                self._call()

    def give_back(self, claimed: Sequence[StoredTask]) -> None:
        """
        Return tasks whose delivery definitely failed, at no cost of an attempt.

        What cannot be returned now comes back by its time-out.
        """
        self._returns.give_back(claimed)

    def _keep(self, claimed: Sequence[StoredTask]) -> None:
        for stored in claimed:
            self._held.keep(stored)

    def close(self) -> None:
        """Answer everybody with nothing and claim no more; what is being confirmed is delivered."""
        with self._lock:
            self._rounds.is_over = True
            self._call()
        self.step()

    @property
    def is_closed(self) -> bool:
        """Whether it hands out no more."""
        return self._rounds.is_over

    @property
    def waiting(self) -> int:
        """How many claims wait."""
        return len(self._waiters)

    # ------------------------------------------------------------- for the sake of neighbours

    def awaits(self, queue: QueueName) -> bool:
        """Whether somebody waits here for tasks of *queue*."""
        with self._lock:
            return any(not queues or queue in queues for queues in self._waiters.groups)

    def unmet(self, *, limit: int) -> Mapping[QueueName | None, int]:
        """
        How many tasks of each queue those would take for whom nothing is here; None: of any queue.

        Args:
            limit: Of more queues, only about so many.
        """
        left_out = paused(self._policies())
        wanted: Counter[QueueName | None] = Counter()
        with self._lock:
            if self._rounds.is_over or self._rounds.is_shut():
                return {}
            at = self._runtime.monotonic()
            for queues, group in self._waiters.groups.items():
                if len(wanted) >= limit:
                    break
                if not self._candidates.has_any(queues, at=at):
                    for queue in queues or (None,):
                        wanted[queue] += group.wanted
        return {queue: count for queue, count in wanted.items() if queue not in left_out}

    # ---------------------------------------------------------------------------- rounds

    def step(self) -> None:
        """Do a round; where one is under way, have another one follow it."""
        with self._lock:
            if self._stepping:
                self._urgent = True
                return
            self._stepping = True
            self._urgent = False
        try:
            self._rounds.run()
        finally:
            with self._lock:
                self._end_step()

    def _end_step(self) -> None:
        self._stepping = False
        if self._waiters:
            self._ensure_loop()
        # If it is there and nobody waits, the loop has nothing to do: let it sleep.
        if self._waiters or self._urgent:
            self._wake.notify()

    def _ensure_loop(self) -> None:
        if not self._has_loop:
            self._has_loop = True
            self._runtime.spawn("claims", self._loop)

    def _call(self) -> None:
        """Have a round soon."""
        self._urgent = True
        self._wake.notify()

    def _loop(self) -> None:
        while True:
            try:
                self.step()
            except Exception:  # noqa: BLE001 - a later round must answer those who wait
                _log.exception("a round of claims failed, and the next one is tried")
                self._runtime.sleep(_AFTER_ERROR.seconds)
            with self._lock:
                while self._stepping:  # a caller does
                    self._wake.wait()
                if not self._waiters and self._rounds.is_over:
                    self._has_loop = False
                    return
                if not self._urgent:
                    # As it is now: since the loop's own round others may have come, and had one.
                    self._sleep(self._rounds.pause().seconds if self._waiters else None)

    def _sleep(self, seconds: float | None) -> None:
        self._asleep_until = (
            float("inf") if seconds is None else self._runtime.monotonic() + seconds
        )
        self._wake.wait(seconds)
        self._asleep_until = float("-inf")
