"""Planted errors in what hands out tasks and takes them back."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import attrs

from tasques.core import admission, lifecycle
from tasques.core.documents import Stored
from tasques.core.ports import (
    Conflict,
    Exists,
    Rejected,
    Written,
)
from tasques.core.service import allotment
from tasques.core.service.allotment import claiming
from tasques.core.service.candidates import Candidates
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.confirmation import Confirmation
from tasques.core.service.returns import Returns
from tasques.core.service.rivalry import Rivalries
from tasques.core.service.short_way import ShortWay
from tasques.core.tasks import State, Task
from tasques.server.claiming import ParkedClaim
from tests.simulation.mutants.planting import Swap, mutant


@mutant("P2", "a claim that nobody confirmed is handed out")
def hands_out_unconfirmed(swap: Swap) -> None:
    def won(self: Any, write: Any, outcome: Any, until: float) -> Any:
        if isinstance(outcome, Rejected | Conflict | Exists):
            return None
        if isinstance(outcome, Written):
            return outcome.stored
        return Stored(document=write.document, version=write.expected)

    swap(Confirmation, "_won", won)


@mutant("P2", "a lone claim is handed out that was not written", begin=1001)
def hands_out_what_was_decided(swap: Swap) -> None:
    def confirmed(self: Any, request: Any, ready: Any, is_connected: Any) -> Any:
        now = self.runtime.wall()
        writes = [claiming(stored, request.worker, now, self.runtime) for stored in ready]
        self.store.write(writes)
        return [Stored(document=write.document, version=write.expected) for write in writes]

    swap(ShortWay, "_confirmed", confirmed)


@mutant("P4", "what was claimed for one goes to another who waits")
def delivers_to_the_wrong_waiter(swap: Swap) -> None:
    right = Confirmation.confirm

    def confirm(self: Any, allotment: Any) -> Any:
        won = right(self, allotment)
        waiters = list(won)
        return dict(zip(waiters[1:] + waiters[:1], won.values(), strict=True))

    swap(Confirmation, "confirm", confirm)


@mutant("P5", "what was handed to one who has just gone is looked at by nobody before its time-out")
def loses_handoffs_with_their_waiters(swap: Swap) -> None:
    swap(ClaimDispatcher, "give_back", lambda self, claimed: None)


@mutant("P13", "a claim that is parked is not served again when there is something for it")
def forgets_who_is_parked(swap: Swap) -> None:
    def deliver(self: Any, answer: Any) -> None:
        self._answer = answer

    swap(ParkedClaim, "deliver", deliver)


@mutant("P20", "a server that stops goes on claiming")
def claims_while_stopping(swap: Swap) -> None:
    swap(ClaimDispatcher, "close", lambda self: None)


@mutant("P5", "what is not due yet is handed out")
def hands_out_early(swap: Swap) -> None:
    def admit(candidates: Any, policies: Any, now: Any) -> Any:
        return admission.Admitted(ready=tuple(candidates))

    swap(allotment, "admit", admit)
    right = lifecycle.claim

    def claim(task: Task, *, now: Any, **more: Any) -> Task:
        claimed = right(task, now=max(now, task.run_at), **more)
        assert claimed.last_claim is not None
        times_out_at = now.plus(task.processing_timeout)
        held = attrs.evolve(claimed.last_claim, claimed_at=now, times_out_at=times_out_at)
        return attrs.evolve(claimed, last_claim=held)

    swap(lifecycle, "claim", claim)


@mutant("P15", "a task that was lost to another server is never looked at again")
def never_looks_twice(swap: Swap) -> None:
    right = Candidates.put

    def put(self: Any, stored: Any, **more: Any) -> bool:
        seen = self.__dict__.setdefault("seen", {})
        if stored.document.key in seen:
            return False
        seen[stored.document.key] = None
        return right(self, stored, **more)

    swap(Candidates, "put", put)


@mutant("P15", "what falls to another server is left to it for good")
def leaves_to_others_for_good(swap: Swap) -> None:
    swap(Rivalries, "falls_to_others", lambda self, queue, id: crc32(id.encode()) % 2 == 0)
    swap(Rivalries, "leftovers", lambda self, queue: 0)


@mutant("P15", "once a task was handed in, what searches show finds no place in the buffer")
def lets_its_buffer_starve_the_rest(swap: Swap) -> None:
    right = Candidates.put

    def put(self: Any, stored: Any, *, is_ours: bool = False, **more: Any) -> Any:
        self.__dict__["is_in_use"] = self.__dict__.get("is_in_use", False) or is_ours
        if self.__dict__["is_in_use"] and not is_ours:
            return False
        return right(self, stored, is_ours=is_ours, **more)

    swap(Candidates, "put", put)


@mutant("P5", "what was confirmed meanwhile is not given back", begin=8400)
def gives_back_once(swap: Swap) -> None:
    swap(Returns, "_give_back_again", lambda self, overtaken: None)


@mutant("P4", "what was reported on is given back all the same")
def gives_back_what_is_in_use(swap: Swap) -> None:
    right = ClaimDispatcher.give_back

    def give_back(self: Any, claimed: Any) -> None:
        current = self._store.get([stored.document.key for stored in claimed])
        held = [c for c in current if isinstance(c, Stored) and c.document.state is State.CLAIMED]
        right(self, held)

    swap(ClaimDispatcher, "give_back", give_back)
    # Nearly every undelivered claim is one whose worker is gone: pretend that all others are, too.
    register = ClaimDispatcher.claim

    def claim(self: Any, request: Any, **more: Any) -> Any:
        claimed = register(self, request, **more)

        def later() -> None:
            self._runtime.sleep(1.5)
            self.give_back(claimed)

        if claimed:
            self._runtime.spawn("gives back", later)
        return claimed

    swap(ClaimDispatcher, "claim", claim)
