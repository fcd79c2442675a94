"""
A task that nobody waits for here, handed to who waits for it at another server.

The store shows a new task up to a second after it was made. Servers that know of each other need not
wait for that. Who has claims that wait in vain says so to its *neighbours*: of which queues, and of
how many tasks it would like to hear. Where a task begins to wait at one server and nobody there wants
it, one neighbour that does is *nudged*: told its queue and its id. That one reads the task as it is
now and hands it out as one of its own.

Nothing depends on it. What is told may be lost, repeated, late or untrue: who is nudged believes only
what it reads, and claims by compare-and-set, as ever. A task whose nudge leads nowhere is found by a
search, as without nudges.

What it may cost is bounded by what was asked for:

- Nothing is told to who has not asked for it within three seconds, nor more tasks than it asked for
  the last time. It asks when its claims wait and nothing is there for them, of one queue some twenty
  times a second at most. So a flood of creations costs a nudge only where it spares a wait.
- One neighbour is told of a task, each in turn, so that they do not race for it. Nor does this server
  race: what it told of, it leaves to its neighbour for a moment, and then takes it up like one that
  was nudged, should somebody wait here by then.
- What gathers for a neighbour goes together. Who creates a task never sends, it leaves a note.
- A nudge for a queue that nobody waits for any more is not read. All that have come are read in one
  request; and reading takes half of the time at most, while further ones wait, or are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs

from tasques.core import errors, lifecycle
from tasques.core.documents import Stored
from tasques.core.ports import (
    Appetite,
    Neighbour,
    Neighbours,
    Runtime,
    TaskStore,
    Unreadable,
    Words,
)
from tasques.core.queues import QueueName
from tasques.core.service.appetites import Appetites
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.meter import Meter
from tasques.core.tasks import StoredTask, TaskKey
from tasques.core.values import ZERO, Duration

#: How often to look who waits here, and how soon after being told of a task: what wakes a thread for
#: nothing costs about 0.2 ms.
_LOOK_SECONDS: Final = 0.1
_LOOK_SOON_SECONDS: Final = 0.05
#: How long to wait for words of others; stopping waits as long.
_HEAR_SECONDS: Final = 0.5
#: Looking takes a twentieth of the time at most.
_OF_THE_TIME: Final = 20
#: What was said is said anew after so long, in case it was lost, and taken back if it has not been so
#: for so long: a worker that asks again and again is away for moments only.
_SAY_AGAIN_SECONDS: Final = 1.0
_TAKE_BACK_SECONDS: Final = 0.2
#: Queues to speak of; a server whose claims wait for more is nudged for some of them.
_MOST_QUEUES: Final = 2_000
#: Who asks for so many asks again before they have come.
_MOST_TASKS: Final = 200
#: Tasks that are read in one request, and notes that may gather for a neighbour.
_MOST_READ: Final = 200
#: What was told of is left to the neighbour for so long; later a search shows it.
_LEFT_SECONDS: Final = 0.1
_REMEMBERED_SECONDS: Final = 1.5
_MOST_REMEMBERED: Final = 1_000


@attrs.define(eq=False)
class _Said:
    """
    The last word about a queue.

    Attributes:
        tasks: So many are wanted.
        at: When it was said; on the monotonic clock.
        true_at: When it was last so.
    """

    tasks: int
    at: float
    true_at: float


class Nudges:
    """
    Tells neighbours of tasks, and hands out what they tell of; see the module's text.

    :meth:`speak` and :meth:`listen` are called again and again, each by one thread at a time.

    Args:
        store: Sees a task as it is now.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        claims: ClaimDispatcher,
        store: TaskStore,
        runtime: Runtime,
        meter: Meter | None = None,
    ) -> None:
        self._neighbours = neighbours
        self._claims = claims
        self._store = store
        self._runtime = runtime
        meter = meter or Meter(runtime)
        self._sent = meter.counter(
            "tasques_nudges_sent_total", "Tasks that another server was told of."
        )
        self._received = {
            outcome: meter.counter(
                "tasques_nudges_received_total",
                "Tasks that another server told of, by what came of it.",
                outcome=outcome,
            )
            for outcome in ("offered", "unwanted", "over", "unread")
        }
        self._lock = runtime.condition()
        self._noted = runtime.condition(self._lock)
        self._appetites = Appetites()
        self._notes: dict[Neighbour, list[TaskKey]] = {}
        self._said: dict[QueueName | None, _Said] = {}
        # Told of, and when.
        self._left: dict[TaskKey, float] = {}
        self._look_at = self._rested_at = float("-inf")

    def offer(self, stored: StoredTask) -> None:
        """Hand on a task that waits since just now: to who waits here, or else to a neighbour."""
        if not self._is_left_to_a_neighbour(stored):
            self._claims.offer(stored)

    def _is_left_to_a_neighbour(self, stored: StoredTask) -> bool:
        # Mostly nobody asks; then nothing more is looked at.
        if not self._appetites:
            return False
        task = stored.document
        if task.run_at > self._runtime.wall() or self._claims.awaits(task.queue):
            return False
        with self._lock:
            at = self._runtime.monotonic()
            neighbour = self._appetites.take(task.queue, at=at)
            if neighbour is None:
                return False
            self._notes.setdefault(neighbour, []).append(task.key)
            self._leave(task.key, at)
            self._noted.notify()
        return True

    def _leave(self, key: TaskKey, at: float) -> None:
        self._left[key] = at
        if len(self._left) > _MOST_REMEMBERED:
            del self._left[next(iter(self._left))]

    # -------------------------------------------------------------------------------- speaking

    def speak(self) -> Duration:
        """Wait for something to say, or until it is time to look who waits here, and say it."""
        with self._lock:
            pause = self._look_at - self._runtime.monotonic()
            if not self._notes and pause > 0:
                self._noted.wait(pause)
            notes, self._notes = self._notes, {}
        for neighbour, keys in notes.items():
            self._neighbours.tell(Words(waiting=tuple(keys)), neighbour)
            self._sent.add(len(keys))
        began = self._runtime.monotonic()
        if began >= self._look_at:
            self._look(began)
            took = self._runtime.monotonic() - began
            with self._lock:
                self._rested_at = began + _OF_THE_TIME * took
                self._look_at = max(began + _LOOK_SECONDS, self._rested_at)
        return ZERO

    def _look(self, at: float) -> None:
        unmet = self._claims.unmet(limit=_MOST_QUEUES)
        with self._lock:
            appetites = self._to_be_said(unmet, at)
            left = self._no_longer_left(unmet, at)
        if appetites:
            self._neighbours.tell(Words(appetites=appetites))
        self._take_up(left, unmet)

    def _to_be_said(self, unmet: Mapping[QueueName | None, int], at: float) -> tuple[Appetite, ...]:
        """What neighbours do not know, have forgotten, or have used up."""
        appetites = []
        for queue, tasks in unmet.items():
            said = self._said.get(queue)
            # Some more than wanted now: those who get a task come back for the next.
            wish = min(2 * tasks + 2, _MOST_TASKS)
            if said is None or wish > said.tasks or at >= said.at + _SAY_AGAIN_SECONDS:
                self._said[queue] = _Said(wish, at, at)
                appetites.append(Appetite(queue=queue, tasks=wish))
            else:
                said.true_at = at
        for queue, said in list(self._said.items()):
            if said.true_at + _TAKE_BACK_SECONDS <= at:
                del self._said[queue]
                appetites.append(Appetite(queue=queue, tasks=0))
        return tuple(appetites)

    def _no_longer_left(
        self, unmet: Mapping[QueueName | None, int], at: float
    ) -> Collection[TaskKey]:
        """What was left to neighbours for long enough, as far as it is wanted here."""
        taken = []
        for key, since in list(self._left.items()):
            wanted = since + _LEFT_SECONDS <= at and _wants(unmet, key.queue)
            if wanted:
                taken.append(key)
            if wanted or since + _REMEMBERED_SECONDS <= at:
                del self._left[key]
        return taken

    # ------------------------------------------------------------------------------- listening

    def listen(self) -> Duration:
        """Wait for words of neighbours, for a moment, and act on them; returns how long to rest."""
        waiting: list[TaskKey] = []
        for heard in self._neighbours.hear(_HEAR_SECONDS):
            waiting += heard.words.waiting
            if heard.words.appetites:
                with self._lock:
                    at = self._runtime.monotonic()
                    self._appetites.note(heard.neighbour, heard.words.appetites, at=at)
        if not waiting:
            return ZERO
        began = self._runtime.monotonic()
        self._ask_again(waiting, began)
        self._take_up(waiting, self._claims.unmet(limit=_MOST_QUEUES))
        return Duration.of_seconds(self._runtime.monotonic() - began)

    def _ask_again(self, waiting: Iterable[TaskKey], at: float) -> None:
        """What was asked for may be used up: if it is wanted still, it is to be said soon."""
        with self._lock:
            for queue in {None, *(key.queue for key in waiting)} & self._said.keys():
                self._said[queue].tasks = 0
            soon = max(at + _LOOK_SOON_SECONDS, self._rested_at)
            if soon < self._look_at:
                self._look_at = soon
                self._noted.notify()

    def _take_up(self, waiting: Iterable[TaskKey], unmet: Mapping[QueueName | None, int]) -> None:
        """Have handed out what is *waiting*, as far as that is so, and wanted here."""
        told = list(dict.fromkeys(waiting))
        wanted = [key for key in told if _wants(unmet, key.queue)][:_MOST_READ]
        self._received["unwanted"].add(len(told) - len(wanted))
        if not wanted:
            return
        try:
            found = self._store.get(wanted)
        except errors.StoreUnavailable:
            self._received["unread"].add(len(wanted))
            return
        now = self._runtime.wall()
        for each in found:
            if isinstance(each, Stored) and lifecycle.is_due(each.document, now):
                self._claims.offer(each)
                self._received["offered"].add()
            else:
                self._received["unread" if isinstance(each, Unreadable) else "over"].add()


def _wants(unmet: Mapping[QueueName | None, int], queue: QueueName) -> bool:
    return queue in unmet or None in unmet
