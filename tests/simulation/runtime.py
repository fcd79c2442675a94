"""
Virtual time and actors: a :class:`~tasques.core.ports.Runtime` in which a seed decides everything.

An *actor* is a greenlet, on a *node* (a process with clocks of its own). Only one runs at a time,
and others run only when it comes to a *switch point*: a call of a port, a lock, a condition, a sleep.
What is next is the head of a heap of (virtual time, random tie-break); while nothing is due, time
jumps.

Guarantees:

- The same seed and the same code give the same order of everything, whatever ``PYTHONHASHSEED`` is.
- A node that was killed never runs again, wherever its actors were. One that is paused runs nothing
  until its pause is over, and its clocks run on meanwhile.
- A lock that is held across a call of a port is reported: with threads it would hold up everybody.
- Nothing is raised into an actor, save ``GreenletExit`` when the history is taken apart.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from types import TracebackType
from typing import Final

import greenlet

from tasques.core.ports import Condition
from tasques.core.values import Instant

#: Virtual time 0 on a clock that is right.
EPOCH: Final = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
_MASK: Final = 2**61 - 1

#: How often a lock is a real switch, and for how long others run then, in seconds.
_LOCK_SWITCHES: Final = 0.08
_LOCK_PAUSE: Final = 0.002
_WAKE_PAUSE: Final = 0.0002

#: An ordinary history takes some thousands.
MOST_STEPS: Final = 200_000

_push: Final = heapq.heappush
_pop: Final = heapq.heappop


class Node:
    """
    A machine with one process on it.

    Attributes:
        offset: How far its wall clock is ahead of the true time at virtual time 0, in seconds.
        rate: Seconds of its clocks to one true second.
        fuse: At so many more switch points :attr:`on_fuse` is called, in place of the step.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.dead = False
        self.paused_until = 0.0
        self.paused_for = 0.0
        self.offset = 0.0
        self.rate = 1.0
        self.fuse: int | None = None
        self.on_fuse: Callable[[], None] = lambda: None

    def wall(self, now: float) -> int:
        """What its wall clock says at virtual time *now*, in nanoseconds since 1970."""
        return EPOCH + round((now * self.rate + self.offset) * 1e9)


class Actor:
    """One thread of execution; :attr:`request` is whatever the world wants to know of it."""

    __slots__ = ("epoch", "greenlet", "holds", "is_over", "name", "node", "number", "request")

    def __init__(self, name: str, number: int, node: Node, request: object) -> None:
        self.name = name
        self.number = number
        self.node = node
        self.request = request
        self.epoch = 0
        self.holds = 0
        self.is_over = False
        self.greenlet: greenlet.greenlet


class Scheduler:
    """
    The heap of what happens next.

    Attributes:
        now: True time since the start of the history, in seconds.
        steps: Switch points so far.
        trace: A number that two runs share only if they took the same steps at the same times.
        on_crash: Told of an error that an actor did not catch.
        on_runaway: Told when there were more steps than any history needs.
        stopped: Set to end the history at the next switch point.
        running: Who runs now; None outside of :meth:`run`, and in what was planned by :meth:`at`.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.steps = 0
        self.trace = seed
        self.stopped = False
        self.closed = False
        self.chance = Random(f"{seed}/schedule")
        self.random = self.chance.random
        self.on_crash: Callable[[Actor, Exception], None] = _reraise
        self.on_lock_held: Callable[[Actor], None] = lambda actor: None
        self.on_runaway: Callable[[], None] = lambda: None
        self._heap: list[tuple[float, float, int, Actor | Callable[[], None], int]] = []
        self._entries = count()
        self._actors: list[Actor] = []
        self._hub = greenlet.getcurrent()
        self._until = 0.0
        self.running: Actor | None = None

    @property
    def current(self) -> Actor:
        """Who runs now."""
        assert self.running is not None, "nobody runs"
        return self.running

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Have *action* carried out at *when*, between two steps; it must not come to one."""
        _push(self._heap, (when, self.random(), next(self._entries), action, 0))

    def start(
        self, name: str, node: Node, target: Callable[[], None], request: object = None
    ) -> Actor:
        """A new actor on *node*, beginning about now."""
        actor = Actor(name, len(self._actors), node, request)

        def main() -> None:
            try:
                target()
            except greenlet.GreenletExit:
                pass
            except Exception as error:  # noqa: BLE001 - the world says what it means
                self.on_crash(actor, error)
            actor.is_over = True
            self.running = None

        actor.greenlet = greenlet.greenlet(main, self._hub)
        self._actors.append(actor)
        self._push(actor, self.now + self.random() * _WAKE_PAUSE)
        return actor

    def wake(self, actor: Actor) -> None:
        """Let a blocked *actor* go on, about now."""
        self._push(actor, self.now + self.random() * _WAKE_PAUSE)

    def block(self, timeout: float | None = None) -> None:
        """Let others run until somebody wakes this actor, or *timeout* true seconds are over."""
        if self.closed:
            raise greenlet.GreenletExit
        actor = self.running
        assert actor is not None, "nobody runs"
        if timeout is not None:
            entry = (self.now + timeout, self.random(), next(self._entries), actor, actor.epoch)
            _push(self._heap, entry)
        following = self.running = self._next()
        if following is not actor:
            (following.greenlet if following is not None else self._hub).switch()

    def switch(self, longest: float) -> None:
        """A switch point of a random length."""
        self.block(self.random() * longest)

    def run(self, until: float) -> None:
        """Go on until virtual time *until*, until stopped, or until nothing is left to happen."""
        self._until = until
        while (actor := self._next()) is not None:
            self.running = actor
            actor.greenlet.switch()
        self.running = None
        if not self.stopped:
            self.now = max(self.now, until)

    def close(self) -> None:
        """Take everything apart; nothing that unwinds does anything any more."""
        self.closed = self.stopped = True
        self._heap.clear()
        for actor in self._actors:
            if actor.greenlet and not actor.greenlet.dead:
                self.running = actor
                actor.greenlet.throw()
        self.running = None
        self._actors.clear()

    def _push(self, actor: Actor, when: float) -> None:
        _push(self._heap, (when, self.random(), next(self._entries), actor, actor.epoch))

    def _next(self) -> Actor | None:
        heap = self._heap
        while heap and not self.stopped:
            if heap[0][0] > self._until:
                return None
            when, tie, _, actor, epoch = _pop(heap)
            if not isinstance(actor, Actor):
                self.now = max(self.now, when)
                self.running = None
                actor()
                continue
            node = actor.node
            if epoch != actor.epoch or node.dead:
                continue
            if node.paused_until > when:
                _push(heap, (node.paused_until, tie, next(self._entries), actor, epoch))
                continue
            self.now = max(self.now, when)
            self.steps += 1
            if self.steps > MOST_STEPS:
                self.on_runaway()
            if node.fuse is not None:
                node.fuse -= 1
                if node.fuse <= 0:
                    node.fuse = None
                    _push(heap, (when, tie, next(self._entries), actor, epoch))
                    node.on_fuse()
                    continue
            actor.epoch = epoch + 1
            self.trace = (self.trace * 1_000_003 ^ actor.number ^ int(self.now * 1e9)) & _MASK
            return actor
        return None


def _reraise(actor: Actor, error: Exception) -> None:
    raise error


class _Lock:
    """Excludes actors; whoever waits gets it in no particular order."""

    __slots__ = ("owner", "scheduler", "waiting")

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.owner: Actor | None = None
        self.waiting: list[Actor] = []

    def acquire(self) -> None:
        scheduler = self.scheduler
        actor = scheduler.running
        if scheduler.closed or actor is None:
            return  # Nobody else runs: servers are put together between two steps.
        if scheduler.random() < _LOCK_SWITCHES:
            scheduler.block(scheduler.random() * _LOCK_PAUSE)
        if self.owner is not None:
            self.take()
            return
        self.owner = actor
        actor.holds += 1

    def take(self) -> None:
        actor = self.scheduler.running
        assert actor is not None, "nobody runs"
        while self.owner is not None:
            if self.owner is actor:
                raise RuntimeError("this actor has the lock already: a thread would hang")
            self.waiting.append(actor)
            self.scheduler.block()
        self.owner = actor
        actor.holds += 1

    def release(self) -> None:
        scheduler = self.scheduler
        if scheduler.closed or scheduler.running is None:
            return
        owner = self.owner
        if owner is None or owner is not scheduler.running:
            raise RuntimeError("only its owner gives a lock back")
        owner.holds -= 1
        self.owner = None
        if self.waiting:
            chosen = int(scheduler.random() * len(self.waiting))
            scheduler.wake(self.waiting.pop(chosen))


class SimulatedCondition:
    """A :class:`~tasques.core.ports.Condition` among actors."""

    __slots__ = ("_acquire", "_node", "_release", "_waiting", "lock")

    def __init__(self, lock: _Lock, node: Node) -> None:
        self.lock = lock
        self._node = node
        self._waiting: list[Actor] = []
        # Looked up once: of all that a history does, this is done most often.
        self._acquire = lock.acquire
        self._release = lock.release

    def __enter__(self) -> bool:
        self._acquire()
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        self._release()

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back until notified, or until the node's clock says that it is over."""
        scheduler = self.lock.scheduler
        if scheduler.closed:
            raise greenlet.GreenletExit
        actor = scheduler.current
        self._waiting.append(actor)
        self.lock.release()
        scheduler.block(None if timeout is None else max(timeout, 0.0) / self._node.rate)
        was_notified = actor not in self._waiting
        if not was_notified:
            self._waiting.remove(actor)
        self.lock.take()
        return was_notified

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* that wait, the longest first."""
        if self.lock.scheduler.closed:
            return
        assert self.lock.owner is self.lock.scheduler.current, "take the lock before notifying"
        for actor in self._waiting[:n]:
            self.lock.scheduler.wake(actor)
        del self._waiting[:n]

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiting))


class SimulatedRuntime:
    """
    The :class:`~tasques.core.ports.Runtime` of one node.

    Args:
        on_new_id: Told of every id that is made, and by whom.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        node: Node,
        on_new_id: Callable[[str, Actor | None], None] = lambda id, actor: None,
    ) -> None:
        self._scheduler = scheduler
        self._node = node
        self._on_new_id = on_new_id
        self._said = (-1.0, 0.0)
        self._instant = Instant(EPOCH)

    def wall(self) -> Instant:
        """What this node's wall clock says."""
        # It is asked several times between two steps, when no time passes.
        node, asked = self._node, (self._scheduler.now, self._node.offset)
        if asked != self._said:
            self._said, self._instant = asked, Instant(node.wall(asked[0]))
        return self._instant

    def monotonic(self) -> float:
        """Seconds on this node; time in pauses counts, and wall clocks that are set do not."""
        return self._scheduler.now * self._node.rate

    def sleep(self, seconds: float) -> None:
        """Let so much of this node's time pass."""
        self._scheduler.block(max(seconds, 0.0) / self._node.rate)

    def condition(self, sharing: Condition | None = None) -> Condition:
        """A condition, with a lock of its own or that of *sharing*."""
        if sharing is None:
            return SimulatedCondition(_Lock(self._scheduler), self._node)
        assert isinstance(sharing, SimulatedCondition), "not of this runtime"
        return SimulatedCondition(sharing.lock, self._node)

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """A new actor on this node."""
        if not self._scheduler.closed:
            self._scheduler.start(name, self._node, target)

    def random(self) -> float:
        """A number in ``[0, 1)``, from the seed."""
        return self._scheduler.random()

    def new_id(self) -> str:
        """32 hexadecimal digits, from the seed."""
        id = f"{self._scheduler.chance.getrandbits(128):032x}"
        self._on_new_id(id, self._scheduler.running)
        return id
