"""Telling the server: the ends of attempts, and signs of life."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from tasques.client.commands.tasks import ReportOnTask
from tasques.client.values import Task
from tasques.core import errors
from tasques.core.errors import TasquesError
from tasques.core.json_object import JsonObject
from tasques.worker.attempts import Attempt, Why
from tasques.worker.desk import Desk
from tasques.worker.gate import Gate
from tasques.worker.log_fields import fields
from tasques.worker.readings import Accepted, Meaning, Reading, reading
from tasques.worker.together import Saying
from tasques.worker.troubles import Trouble

_log: Final = logging.getLogger("tasques.worker")

#: While others run, an end waits so long for theirs: one request for several is cheaper than one each.
_LINGER_SECONDS: Final = 0.002

Interrupt = Callable[[Attempt, Why], None]


class Teller:
    """
    One thread that tells the server what the ledger says is to be told.

    Only one, so that of an attempt no two things are under way at once: a report that overtakes, or
    is overtaken by, the end would look like a lost claim.

    Args:
        interrupt: Has the body of an attempt end.
        is_closed: Whether to return.
    """

    def __init__(
        self, desk: Desk, gate: Gate, interrupt: Interrupt, is_closed: Callable[[], bool]
    ) -> None:
        self._desk = desk
        self._gate = gate
        self._interrupt = interrupt
        self._is_closed = is_closed
        self._trouble = Trouble("telling the server", _log)

    def run(self) -> None:
        """Tell, until closed."""
        while not self._is_closed():
            self._desk.wait_for_news(self._is_closed)
            try:
                self._linger()
                self.tell()
            except Exception:  # noqa: BLE001 - a loop that must survive
                _log.exception("telling the server what became of tasks failed")
                time.sleep(1.0)

    def tell(self) -> None:
        """Tell what is to be told now, in one go."""
        with self._desk.look() as (ledger, now):
            ended, alive = ledger.to_deliver(now), ledger.to_report(now)
            said = [ledger.take_said(each) for each in alive]
        if ended:
            self._deliver(ended)
        if alive:
            self._report(alive, said)

    def _linger(self) -> None:
        with self._desk.look() as (ledger, now):
            few = len(ledger.to_deliver(now)) < min(ledger.rules.concurrency, ledger.rules.batch)
            is_idle = ledger.is_idle
        if few and not is_idle:
            time.sleep(_LINGER_SECONDS)

    # ----------------------------------------------------------------------------- ends

    def _deliver(self, ended: Sequence[Attempt]) -> None:
        sendable: list[Attempt] = []
        sayings: list[Saying] = []
        for attempt in ended:
            if attempt.finishing is not None and not self._is_settled(attempt):
                sendable.append(attempt)
                sayings.append(attempt.finishing)
        read = self._say(sayings)
        with self._desk.open() as (ledger, now):
            for attempt, each in zip(sendable, read, strict=True):
                ledger.delivered(attempt, each, now)
        for attempt, each in zip(sendable, read, strict=True):
            _log_delivery(attempt, each)

    def _is_settled(self, attempt: Attempt) -> bool:
        """
        Whether an end that may have arrived need not, or must not, be sent again.

        A claim without a name could be taken for a later one by the same worker, so that one is looked
        at first.
        """
        if not attempt.doubtful or not attempt.is_by_original:
            return False
        try:
            if self._gate.still_holds(attempt.hold, attempt.task):
                return False
            read = Reading(meaning=Meaning.LOST)
        except TasquesError as error:
            read = Reading(meaning=Meaning.AGAIN, error=error)
        with self._desk.open() as (ledger, now):
            ledger.delivered(attempt, read, now)
        return True

    # -------------------------------------------------------------------------- reports

    def _report(self, alive: Sequence[Attempt], said: Sequence[JsonObject | None]) -> None:
        sayings = [ReportOnTask.of(each.hold, data) for each, data in zip(alive, said, strict=True)]
        sent_at = time.monotonic()
        read = self._say(sayings)
        interrupted: list[tuple[Attempt, Why]] = []
        with self._desk.open() as (ledger, now):
            for attempt, data, each in zip(alive, said, read, strict=True):
                why = ledger.reported(attempt, data, each, sent_at=sent_at, now=now)
                if why is not None:
                    interrupted.append((attempt, why))
        for attempt, why in interrupted:
            self._interrupt(attempt, why)

    # --------------------------------------------------------------------------- within

    def _say(self, sayings: Sequence[Saying]) -> list[Reading]:
        if not sayings:
            return []
        try:
            outcomes: Sequence[Accepted | Task | TasquesError] = self._gate.say(sayings)
        except TasquesError as error:
            outcomes = [error] * len(sayings)
        except Exception as error:  # noqa: BLE001 - no error of the server's ends a worker
            _log.exception("telling the server failed unexpectedly")
            unknown = errors.OutcomeUnknown(repr(error))
            outcomes = [unknown] * len(sayings)
        read = [reading(each) for each in outcomes]
        self._note(read)
        return read

    def _note(self, read: Sequence[Reading]) -> None:
        troubled = [each.error for each in read if each.meaning is Meaning.AGAIN and each.error]
        if troubled:
            self._trouble.met(troubled[0])
        elif read:
            self._trouble.over()


def _log_delivery(attempt: Attempt, read: Reading) -> None:
    match read.meaning:
        case Meaning.LOST if not attempt.doubtful:
            message = "the claim was over before the end of the attempt arrived: %s"
            _log.warning(message, read.error, extra=fields(attempt.task))
        case Meaning.REFUSED:
            message = "the server refuses what came of the attempt: %s"
            _log.error(message, read.error, extra=fields(attempt.task))
