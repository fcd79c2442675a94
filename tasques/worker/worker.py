"""
The worker: claims tasks, runs their bodies, and tells the server what came of them.

Which thread does what:

- one claims: it waits at the server while slots are free;
- one tells: it sends ends of attempts and signs of life, many with one request where it can;
- one watches, the one that called :meth:`Worker.run`: time limits, the end of the grace, signals;
- bodies run in threads of their own, asynchronous ones in one event loop, also on its own thread.

Threads, and not one event loop for everything: a body that holds up the loop would hold up the signs
of life of all others, and the blocking form of our HTTP client costs half of the asynchronous one.
What is to be done is decided by the :class:`~tasques.worker.ledger.Ledger`, under one lock; nobody holds
it while asking the server or running a body.
"""

from __future__ import annotations

import collections
import logging
import math
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

import attrs

from tasques.app.declared import DeclaredTask
from tasques.client.port import Operations
from tasques.client.values import Task
from tasques.core.errors import InvalidInput
from tasques.core.values import Duration
from tasques.worker.attempts import Attempt, Why
from tasques.worker.bodies import Bodies, Runner
from tasques.worker.desk import Desk
from tasques.worker.event_loop import LoopRunner
from tasques.worker.gate import Gate, gate_to
from tasques.worker.ledger import Ledger
from tasques.worker.limits import HardTimeLimitExceeded
from tasques.worker.log_fields import fields
from tasques.worker.options import WorkerOptions
from tasques.worker.readings import wish_of
from tasques.worker.rules import Rules
from tasques.worker.snapshot import Snapshot, snapshot
from tasques.worker.telling import Teller
from tasques.worker.threads import ThreadRunner
from tasques.worker.troubles import Trouble
from tasques.worker.turns import turns_of

_log: Final = logging.getLogger("tasques.worker")

#: With less than half of the slots free a claim waits so long for more of them to become free: one
#: request for several tasks is cheaper than one for each.
_LINGER_SECONDS: Final = 0.002
#: Once the grace is over, so long for telling the server.
_LAST_WORDS_SECONDS: Final = 10.0

_ORIGINAL: Final = (
    "this is an original server: there giving up is an ordinary failure, a failure's own pause is "
    "ignored, and a snooze is a failure with the server's growing pause"
)


class App(Protocol):
    """What a worker needs of an application; :class:`tasques.app.Tasques` is one."""

    @property
    def tasks(self) -> Mapping[str, DeclaredTask[..., Any]]:
        """What is declared, by kind."""
        ...

    @property
    def operations(self) -> Operations:
        """What carries commands out."""
        ...

    @property
    def periodic_tasks(self) -> Mapping[str, Any]:
        """What is declared to be done by a schedule."""
        ...

    def sync_periodic(self) -> Any:
        """Have these on the server."""
        ...


class Worker:
    """
    Runs the tasks of *app*, until it is stopped or has nothing left to do.

    Either :meth:`run` it, or use it as a context manager, which runs it in a thread. Either can be
    done once.
    """

    def __init__(
        self, app: App, options: WorkerOptions | None = None, *, gate: Gate | None = None
    ) -> None:
        self.options = options or WorkerOptions()
        self.id = self.options.worker_id or made_up_id()
        self._app = app
        self._gate = gate or gate_to(app.operations)
        self._ledger = Ledger(Rules.of(self.options), chance=random.random)
        self._desk = Desk(self._ledger)
        bodies = Bodies(app.tasks, self._desk, lambda: self._ledger.is_stopping)
        self._bodies = bodies
        self._threads: Runner = ThreadRunner(bodies)
        self._loop: Runner = LoopRunner(bodies)
        self._teller = Teller(self._desk, self._gate, self._interrupt, lambda: self._is_closed)
        self._turns = turns_of(self.options)
        self._claim_trouble = Trouble("claiming", _log)
        self._is_closed = False
        self._last_words_until = math.inf
        self._background: threading.Thread | None = None
        self._is_synced = not app.periodic_tasks
        self._knows_original = False
        self._helpers: Sequence[threading.Thread] = ()
        self.ended = threading.Event()

    # ------------------------------------------------------------------------ for users

    def run(self) -> None:
        """
        Work until :meth:`stop`, or until nothing is left in a burst, or ``max_tasks`` are done.

        Never raises over an error of the server's. When this returns, everything that could be told
        to the server has been told.
        """
        _log.info(
            "worker %s takes %s, %d at a time",
            self.id,
            ", ".join(self.options.queues) or "from every queue",
            self.options.concurrency,
        )
        self._helpers = [
            threading.Thread(target=self._claim, name="tasques-claims", daemon=True),
            threading.Thread(target=self._teller.run, name="tasques-tells", daemon=True),
        ]
        for helper in self._helpers:
            helper.start()
        try:
            self._watch()
        finally:
            self._close()

    def stop(self, *, grace: Duration | None = None) -> None:
        """
        Claim nothing more, finish within the grace, and give the rest back.

        Args:
            grace: Instead of that of the options; of two the shorter one counts.
        """
        seconds = (self.options.grace if grace is None else grace).seconds
        with self._desk.open() as (ledger, now):
            ledger.stop(now, seconds)
            # With nothing in hand only a claim is waited for, whose server may hang.
            waits = 0.0 if ledger.is_empty_handed else seconds
            until = now + waits + _LAST_WORDS_SECONDS
            self._last_words_until = min(self._last_words_until, until)

    def is_alive(self) -> bool:
        """Whether its own threads run as they should."""
        has_ended = (each.ident is not None and not each.is_alive() for each in self._helpers)
        return self._is_closed or not any(has_ended)

    def seen(self) -> Snapshot:
        """How it is now."""
        with self._desk.look() as (ledger, now):
            return snapshot(self.id, ledger, now)

    def stacks(self) -> Mapping[Attempt, str]:
        """Where each body is, for people."""
        return {**self._threads.stacks(), **self._loop.stacks()}

    def __enter__(self) -> Self:
        self._background = threading.Thread(target=self.run, name="tasques-worker", daemon=True)
        self._background.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self._background is not None:
            self._background.join()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped by itself; whether it has."""
        return self.ended.wait(timeout)

    # ------------------------------------------------------------------------- claiming

    def _claim(self) -> None:
        while not self._is_closed:
            if self._desk.wait_for_room(lambda: self._is_closed):
                self._linger()
                with self._desk.look() as (ledger, now):
                    wanted = ledger.to_claim(now)
                    if wanted:
                        ledger.ask()
                if wanted:
                    self._claim_once(wanted)

    def _linger(self) -> None:
        with self._desk.look() as (ledger, now):
            wanted = ledger.to_claim(now)
        if 2 * wanted < self.options.concurrency:
            time.sleep(_LINGER_SECONDS)

    def _claim_once(self, wanted: int) -> None:
        try:
            self._sync()
            tasks = self._ask(wanted)
        except Exception as error:  # noqa: BLE001 - no error of the server's ends a worker
            with self._desk.open() as (ledger, now):
                pause = ledger.claim_failed(now, wish_of(error))
            self._claim_trouble.met(error, pause)
            return
        self._claim_trouble.over()
        with self._desk.open() as (ledger, now):
            attempts = ledger.claimed(tasks, now)
        self._notice_original(attempts)
        self._start(attempts)

    def _ask(self, wanted: int) -> Sequence[Task]:
        tasks: Sequence[Task] = ()
        empty: list[str] = []
        for turn in self._turns.next(wanted):
            tasks = self._gate.claim(self.id, [turn.queue], turn.amount, Duration(0))
            if tasks or self._ledger.is_stopping:
                break
            empty.append(turn.queue)
        else:
            wait = self._claim_wait()
            tasks = self._gate.claim(self.id, self.options.queues, wanted, wait)
        self._turns.taken(empty, collections.Counter(str(task.queue) for task in tasks))
        return tasks

    def _claim_wait(self) -> Duration:
        return self.options.last_look if self.options.burst else self.options.claim_wait

    def _start(self, attempts: Sequence[Attempt]) -> None:
        awaited = [each for each in attempts if self._bodies.is_async(each)]
        others = [each for each in attempts if not self._bodies.is_async(each)]
        if awaited:
            self._loop.start(awaited)
        if others:
            self._threads.start(others)

    def _sync(self) -> None:
        if self._is_synced:
            return
        try:
            self._app.sync_periodic()
        except InvalidInput:
            _log.exception("the periodic tasks cannot be declared on the server")
        self._is_synced = True

    def _notice_original(self, attempts: Sequence[Attempt]) -> None:
        if not self._knows_original and any(each.is_by_original for each in attempts):
            self._knows_original = True
            _log.warning("%s", _ORIGINAL)

    # ------------------------------------------------------------------------- watching

    def _watch(self) -> None:
        while not self._is_over():
            self._enforce_limits()
            self._desk.wait_to_watch(self._last_words_until, self._is_over)

    def _is_over(self) -> bool:
        # Called with and without the lock; it only reads.
        return self._ledger.is_finished or time.monotonic() >= self._last_words_until

    def _enforce_limits(self) -> None:
        with self._desk.look() as (ledger, now):
            soft, hard = ledger.over_soft_limit(now), ledger.over_hard_limit(now)
            rest = ledger.give_up_waiting(now)
        for attempt in soft:
            self._interrupt(attempt, Why.SOFT_LIMIT)
        for attempt in hard:
            self._abandon(attempt)
        for attempt in rest:
            self._interrupt(attempt, Why.SHUTTING_DOWN)
        if rest:
            self._desk.wake()

    def _abandon(self, attempt: Attempt) -> None:
        seconds = attempt.hard_at - attempt.started_at
        error = HardTimeLimitExceeded(f"it ran longer than {seconds:g} seconds")
        finishing = self._bodies.finishing_of_error(attempt, error)
        with self._desk.open() as (ledger, _):
            ledger.abandon(attempt, finishing)
        self._interrupt(attempt, Why.HARD_LIMIT)

    def _interrupt(self, attempt: Attempt, why: Why) -> None:
        _log.warning("a body is to end: %s", why.value, extra=fields(attempt.task))
        runner = self._loop if self._bodies.is_async(attempt) else self._threads
        runner.interrupt(attempt, why)

    def _close(self) -> None:
        self._is_closed = True
        self._desk.wake()
        self._threads.close()
        self._loop.close()
        for helper in self._helpers:
            # One that hangs at a server that hangs is a daemon, and ends with the program.
            helper.join(_LAST_WORDS_SECONDS if self._ledger.is_finished else 0.1)
        seen = self.seen()
        if seen.undelivered:
            _log.error("%d ends could not be delivered; these tasks time out", seen.undelivered)
        _log.info("worker %s has stopped: %s", self.id, attrs.asdict(seen.counters))
        self.ended.set()


def made_up_id() -> str:
    """An id that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
