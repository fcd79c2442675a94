"""What the judge of a roll-out is told: the ledger, the fleet, and what Elasticsearch holds."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from tools.accounting.client import Answer
from tools.accounting.ledger import Verb
from tools.rollout.documents import document
from tools.rollout.ending import Left, same
from tools.rollout.fleet import Fleet, OurServer, Server
from tools.rollout.ledger import Kind, Ledger, Reply
from tools.rollout.plan import Plan, Scheme, Step, plans

SCHEME = Scheme(tasks=500, seed=7, run="test")
PLANS = plans(SCHEME)
AT = "2026-11-22T04:00:10.5Z"
TASK: dict[str, Any] = {
    "id": "test-000001",
    "queue": "q",
    "state": "queued",
    "attempted": 0,
    "retry_times": 3,
    "priority": 1,
    "run_at": AT,
    "args": {"run": "test", "number": 1},
    "metadata": {"created_at": AT, "version": {"primary_term": 1, "seq_num": 0}},
}
DOCUMENT: dict[str, Any] = {
    "id": "test-000001",
    "queue": "q",
    "state": "done",
    "remaining_attempts": 2,
    "retry_times": 3,
    "priority": 1,
    "run_at": AT,
    "args": {"run": "test", "number": 1},
    "last_claimed": {
        "worker_id": "w",
        "claimed_at": AT,
        "times_out_at": AT,
        "result": {"at": AT, "success": {"number": 1}},
    },
    "metadata": {"created_at": AT},
}


def plan_of(*steps: Step) -> Plan:
    return next(plan for plan in PLANS if plan.steps == steps)


def reply(body: object, *, status: int = 200, server: Kind = Kind.OURS, phase: int = 2) -> Reply:
    answer = Answer(status=status, body=body, headers={}, sent=1.0, first_sent=1.0, received=2.0)
    return Reply(answer=answer, server=server, phase=phase)


def claimed(plan: Plan, seq_num: int) -> dict[str, Any]:
    body = copy.deepcopy(TASK)
    body["state"] = "claimed"
    body["args"]["number"] = plan.number
    body["metadata"]["version"]["seq_num"] = seq_num
    body["last_claimed"] = {"worker_id": "w", "claimed_at": AT, "times_out_at": AT}
    return body


def test_a_worker_is_told_the_next_step_of_the_plan() -> None:
    """One for each time the task is handed out; the same again where a worker was too slow."""
    plan = plan_of(Step.UNCLAIM, Step.DONE)
    ledger = Ledger(PLANS, SCHEME.run)
    first = ledger.claim("w", reply([]), claimed(plan, 1))
    assert first is not None
    ledger.void(first.history)
    again = ledger.claim("w", reply([]), claimed(plan, 2))
    last = ledger.claim("w", reply([]), claimed(plan, 3))

    assert (first.step, first.is_last_step) == (Step.UNCLAIM, False)
    assert again is not None
    assert again.step is Step.UNCLAIM
    assert last is not None
    assert (last.step, last.is_last_step) == (Step.DONE, True)
    assert ledger.counts[2, Kind.OURS, Verb.CLAIM.value] == 3


def test_a_task_that_is_over_is_for_nobody() -> None:
    """Nor one that never was to be handed out, nor one of another run."""
    plan = plan_of(Step.DONE)
    ledger = Ledger(PLANS, SCHEME.run)
    given = ledger.claim("w", reply([]), claimed(plan, 1))
    assert given is not None
    done = {**claimed(plan, 2), "state": "done"}
    ledger.record(given.history, Verb.DONE, "w", reply(done))

    assert ledger.claim("w", reply([]), claimed(plan, 3)) is None
    assert ledger.histories[plan.number].remarks == ["was given to w after its end"]
    assert ledger.claim("w", reply([]), claimed(plan_of(), 1)) is None
    strange = claimed(plan, 1)
    strange["args"]["run"] = "another"
    assert ledger.claim("w", reply([]), strange) is None
    assert ledger.strangers == ["q/test-000001"]


def test_a_task_of_a_recurring_task_is_done() -> None:
    """It has no plan, and a history of its own."""
    ledger = Ledger(PLANS, SCHEME.run)
    body = {**claimed(plan_of(Step.DONE), 1), "id": "rec-1-7", "recurring_task_id": "r"}

    given = ledger.claim("w", reply([]), body)

    assert given is not None
    assert (given.plan, given.step) == (None, Step.DONE)
    assert ledger.slots["rec-1-7"].claims == 1


def test_a_document_is_read_as_an_answer_would_be() -> None:
    """An original's has neither of the two fields that only ours writes."""
    hit = {"_primary_term": 1, "_seq_no": 9, "_source": DOCUMENT}
    original = document(hit)
    ours = document({**hit, "_source": {**DOCUMENT, "rank": 7, "ext": {"v": 1}}})

    assert original.task == ours.task
    assert (original.task.attempted, original.task.result) == (2, {"number": 1})
    assert original.task.version == (1, 9)
    assert (original.has_ext, original.has_rank) == (False, False)
    assert (ours.has_ext, ours.has_rank) == (True, True)


def test_what_is_left_is_put_together() -> None:
    """A task may be in its queue and in the archive, even twice; what was fired is counted once."""
    it = document(
        {
            "_primary_term": 1,
            "_seq_no": 9,
            "_source": {**DOCUMENT, "id": "rec-1-7", "recurring_task_id": "r"},
        }
    )
    left = Left(queued=[it], archived=[it, it])

    (found,) = left.places().values()
    assert found.queued is it
    assert len(found.archived) == 2
    (fired,) = left.fired()
    assert (fired.recurring_task_id, fired.slot) == ("r", 7)


def test_answers_are_compared_in_what_an_original_knows() -> None:
    """What only ours says is no difference; what is missing is one."""
    assert same(TASK, {**TASK, "claim_id": "1"})
    assert not same(TASK, {**TASK, "priority": 2})
    assert not same(TASK, {name: it for name, it in TASK.items() if name != "args"})


@pytest.fixture
def server() -> Server:
    """One that is not started."""
    server = OurServer("http://127.0.0.1:9", "30s")
    server.close()
    return server


def test_a_request_knows_its_phase_and_is_waited_for(server: Server) -> None:
    """A server is drained when the last request that went there has its answer."""
    fleet = Fleet()
    fleet.become(3, [server])
    with fleet.one(random.Random(1)) as (chosen, phase):
        assert (chosen, phase) == (server, 3)
        fleet.become(4, [])
        assert not fleet.drain(server, seconds=0)
    assert fleet.drain(server, seconds=0)
