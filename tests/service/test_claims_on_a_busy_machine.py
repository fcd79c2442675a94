"""A machine with too much to do may pause a round of claims anywhere; nobody is answered wrongly."""

from __future__ import annotations

from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.waiting import ClaimRequest
from tasques.core.values import ZERO
from tests.service.conftest import QuickRuntime, ScriptedStore, make_task


def test_what_was_just_found_is_not_too_old_to_be_given(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """
    A worker that looks once gets the task that its own search has shown, however long the round
    takes from there to the decision.
    """

    def pause() -> None:
        runtime.sleep(30)

    # The gate is asked right before each decision.
    dispatcher = ClaimDispatcher(store, runtime, gate=pause)
    store.ready.append(store.put(make_task("a")).stored)
    looking_once = ClaimRequest(
        worker=WorkerId("w"),
        queues=[QueueName("mail")],
        amount=1,
        min_amount=1,
        block_for=ZERO,
    )
    assert [stored.document.id for stored in dispatcher.claim(looking_once)] == ["a"]
