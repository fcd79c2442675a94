"""
The judgement of tools.clients convicts: what a server or a worker could do wrong is found.

The exchanges of a run are made up here as they should be, then one thing about them is changed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tools.accounting.audit import Fault, Judgement
from tools.accounting.ledger import Verb
from tools.clients.ciphers import QUEUE, Job, jobs
from tools.clients.database import Messages
from tools.clients.judging import FIELDS, Case, is_done, judged, statuses, verb_of, written
from tools.clients.messages import Message
from tools.clients.proxy import Exchange

JOBS = list(jobs(8))
MEANT = {"error": "on purpose"}


def at(seconds: float) -> str:
    """A time as the server writes it."""
    minutes, rest = divmod(seconds, 60)
    return f"2030-01-01T00:{int(minutes):02}:{rest:06.3f}000Z"


def message(start: tuple[str, str, str], body: object, worker: str = "") -> Message:
    return Message(
        raw=b"",
        start=start,
        headers={"x-tasques-worker-id": worker} if worker else {},
        body=b"" if body is None else json.dumps(body).encode(),
    )


class Tale:
    """What passes when every task is done by a worker of its own."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.version = 0
        self.exchanges: list[Exchange] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        for job in JOBS:
            self.create(job)

    def create(self, job: Job, id: str | None = None) -> None:
        task: dict[str, Any] = {
            "id": id or f"id-{job.number}",
            "queue": QUEUE,
            "kind": job.kind,
            "state": "queued",
            "attempted": 0,
            "retry_times": 25,
            "priority": 0,
            "run_at": at(self.clock),
            "args": {"plain": job.plain},
            "metadata": {"created_at": at(self.clock)},
        }
        self.write(task)
        self.tasks[task["id"]] = task
        self.answer(("POST", "/tasques", "HTTP/1.1"), "", {}, 201, task)

    def write(self, task: dict[str, Any]) -> None:
        self.version += 1
        task["metadata"]["version"] = {"primary_term": 1, "seq_num": self.version}

    def claim(self, job: Job, worker: str = "w") -> None:
        task = self.tasks[f"id-{job.number}"]
        task["state"] = "claimed"
        task["attempted"] += 1
        task["last_claimed"] = {
            "worker_id": worker,
            "claimed_at": at(self.clock),
            "times_out_at": at(self.clock + 30),
        }
        self.write(task)
        start = ("POST", "/tasques/claims", "HTTP/1.1")
        self.answer(start, worker, {"amount": 1}, 200, [task])

    def report(self, job: Job, worker: str = "w") -> None:
        task = self.tasks[f"id-{job.number}"]
        task["last_claimed"]["last_report"] = {"at": at(self.clock)}
        self.write(task)
        self.change("PUT", "reports", task, worker, {})

    def done(self, job: Job, worker: str = "w", result: object = None) -> None:
        task = self.tasks[f"id-{job.number}"]
        task["state"] = "done"
        data = result or success(job)
        task["last_claimed"]["result"] = {"at": at(self.clock), "success": data}
        self.write(task)
        self.change("PUT", "done", task, worker, {"data": data})

    def fail(self, job: Job, worker: str = "w", data: object = None) -> None:
        task = self.tasks[f"id-{job.number}"]
        task["state"] = "failed"
        task["last_claimed"]["result"] = {"at": at(self.clock), "failure": data or MEANT}
        self.write(task)
        self.change("PUT", "failed", task, worker, {"data": data or MEANT})

    def unclaim(self, job: Job, worker: str = "w") -> None:
        task = self.tasks[f"id-{job.number}"]
        task["state"] = "queued"
        task["attempted"] -= 1
        del task["last_claimed"]
        self.write(task)
        self.change("DELETE", "claims", task, worker, None)

    def change(
        self, method: str, what: str, task: Mapping[str, Any], worker: str, body: object
    ) -> None:
        path = f"/tasques/{what}/{task['queue']}/{task['id']}"
        self.answer((method, path, "HTTP/1.1"), worker, body, 200, task)

    def answer(
        self, start: tuple[str, str, str], worker: str, body: object, status: int, answer: object
    ) -> None:
        self.exchanges.append(
            Exchange(
                request=message(start, body, worker),
                answer=message(("HTTP/1.1", str(status), ""), answer),
                sent=self.clock,
                received=self.clock + 0.5,
            )
        )
        self.clock += 1

    def last_is(self, **changes: Any) -> None:
        """Have the last exchange be another one."""
        self.exchanges[-1] = dataclasses.replace(self.exchanges[-1], **changes)

    def all_done(self, *, but: tuple[Job, ...] = ()) -> None:
        for job in JOBS:
            if job not in but:
                self.claim(job)
                self.report(job)
                self.done(job)

    def case(self, **changes: Any) -> Case:
        case = Case(
            exchanges=self.exchanges,
            jobs=JOBS,
            success=success,
            ciphered=lambda job: job.ciphered,
            failure=MEANT,
            plain=lambda args: args.get("plain"),
            look=self.tasks.get,
            timeout_seconds=30,
        )
        return dataclasses.replace(case, **changes)

    def judged(self, **changes: Any) -> Judgement:
        return judged(self.case(**changes))


def success(job: Job) -> Mapping[str, str]:
    return {"ciphered": job.ciphered}


FIRST, SECOND = JOBS[:2]


def test_a_run_as_it_should_be_is_acquitted() -> None:
    """Failures that were meant, and returns, included."""
    tale = Tale()
    tale.claim(FIRST)
    tale.fail(FIRST)
    tale.claim(FIRST, "another")
    tale.done(FIRST, "another")
    tale.claim(SECOND)
    tale.unclaim(SECOND)
    tale.claim(SECOND)
    tale.done(SECOND)
    tale.all_done(but=(FIRST, SECOND))
    judgement = tale.judged()
    assert judgement.discrepancies == []
    expected = {"created": 8, "claims": 10, "done": 8, "failed": 1, "unclaimed": 1, "reports": 6}
    assert {name: judgement.counts[name] for name in expected} == expected


def test_a_task_may_be_handed_out_before_its_creation_is_answered() -> None:
    """As a claim that waits is given it at once."""
    tale = Tale()
    tale.all_done()
    creation = tale.exchanges.pop(0)
    tale.exchanges.append(dataclasses.replace(creation, received=tale.clock))
    assert tale.judged().discrepancies == []


def never_done(tale: Tale) -> None:
    tale.all_done(but=(FIRST,))


def handed_out_when_done(tale: Tale) -> None:
    tale.all_done()
    tale.claim(FIRST)
    tale.done(FIRST)


def done_with_another_result(tale: Tale) -> None:
    tale.all_done(but=(FIRST,))
    tale.claim(FIRST)
    tale.done(FIRST, result={"ciphered": "?"})


def held_by_two(tale: Tale) -> None:
    tale.all_done(but=(FIRST,))
    tale.claim(FIRST, "one")
    tale.claim(FIRST, "two")
    tale.done(FIRST, "two")


def gone_at_the_end(tale: Tale) -> None:
    tale.all_done()
    del tale.tasks["id-0"]


def not_created(tale: Tale) -> None:
    tale.all_done()
    tale.exchanges = [each for each in tale.exchanges if "id-0" not in str(each)]


def made_from_nowhere(tale: Tale) -> None:
    tale.all_done(but=(FIRST,))
    tale.claim(FIRST)
    tale.done(FIRST)
    del tale.exchanges[0]


def created_twice(tale: Tale) -> None:
    tale.all_done()
    tale.create(FIRST, "another-id")


def failed_without_being_meant(tale: Tale) -> None:
    tale.all_done(but=(FIRST,))
    tale.claim(FIRST)
    tale.fail(FIRST, data={"error": "connection reset by peer"})
    tale.claim(FIRST)
    tale.done(FIRST)


def a_done_refused(tale: Tale) -> None:
    tale.all_done()
    tale.done(FIRST)
    tale.last_is(answer=message(("HTTP/1.1", "503", ""), {"message": "later"}))


def a_done_unanswered(tale: Tale) -> None:
    tale.all_done()
    tale.last_is(answer=None, unanswered=1)


def a_claim_refused(tale: Tale) -> None:
    tale.all_done()
    start = ("POST", "/tasques/claims", "HTTP/1.1")
    tale.answer(start, "w", {"amount": 1}, 400, {"message": "oh"})


def a_claim_unanswered(tale: Tale) -> None:
    a_claim_refused(tale)
    tale.last_is(answer=None, unanswered=1)


def a_done_repeated(tale: Tale) -> None:
    tale.all_done()
    tale.last_is(unanswered=1)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (never_done, Fault.LOST),
        (gone_at_the_end, Fault.LOST),
        (handed_out_when_done, Fault.ILLEGAL),
        (done_with_another_result, Fault.WRONG_END),
        (held_by_two, Fault.HELD_TWICE),
        (not_created, Fault.ANSWER),
        (made_from_nowhere, Fault.NOT_CREATED),
        (created_twice, Fault.ANSWER),
        (failed_without_being_meant, Fault.ANSWER),
        (a_done_refused, Fault.ANSWER),
        (a_done_unanswered, Fault.ANSWER),
        (a_claim_refused, Fault.ANSWER),
        (a_claim_unanswered, Fault.ANSWER),
        (a_done_repeated, Fault.DISTURBED),
    ],
)
def test_what_is_wrong_is_found(wrong: Callable[[Tale], None], fault: Fault) -> None:
    """Each by the name of its kind."""
    tale = Tale()
    wrong(tale)
    assert tale.judged().faults(fault) > 0


def test_a_repeat_is_no_fault_where_answers_may_be_lost() -> None:
    """Nor is a claim that reached nobody, if one went unanswered: its task comes back later."""
    tale = Tale()
    tale.all_done(but=(FIRST,))
    tale.last_is(unanswered=1)
    tale.claim(FIRST)
    answered = tale.exchanges.pop()  # that claim was never answered
    tale.clock += 60  # its time is over, and the pause before the next attempt
    tale.claim(FIRST, "another")
    tale.done(FIRST, "another")
    start = ("POST", "/tasques/claims", "HTTP/1.1")
    tale.answer(start, answered.request.headers["x-tasques-worker-id"], {"amount": 1}, 200, [])
    tale.last_is(unanswered=1)
    judgement = tale.judged(undisturbed=False)
    assert judgement.discrepancies == []
    assert judgement.counts["claims that reached nobody"] == 1
    assert tale.judged(undisturbed=True).faults(Fault.DISTURBED) > 0


def test_a_worker_may_send_no_result() -> None:
    """Then none is to be found."""
    tale = Tale()
    tale.all_done()
    assert tale.judged(success=lambda job: None).faults(Fault.WRONG_END) == 8
    for exchange in tale.exchanges:
        if is_done(exchange):
            id = exchange.request.start[1].rpartition("/")[2]
            del tale.tasks[id]["last_claimed"]["result"]["success"]
            answer = message(("HTTP/1.1", "200", ""), tale.tasks[id])
            tale.exchanges[tale.exchanges.index(exchange)] = dataclasses.replace(
                exchange, answer=answer
            )
    assert tale.judged(success=lambda job: None).discrepancies == []
    assert tale.judged().faults(Fault.WRONG_END) == 8


def test_a_claim_by_a_client_that_went_away_is_no_fault() -> None:
    """At the end of a run all workers are stopped while they wait."""
    tale = Tale()
    tale.all_done()
    start = ("POST", "/tasques/claims", "HTTP/1.1")
    tale.answer(start, "w", {"amount": 1}, 200, [])
    tale.last_is(answer=None, is_abandoned=True)
    assert tale.judged().discrepancies == []
    assert statuses(tale.exchanges)["none"] == 0


def test_a_claim_that_is_to_come_later_is_no_fault() -> None:
    """The original's workers ask again after a 5xx."""
    tale = Tale()
    tale.all_done()
    start = ("POST", "/tasques/claims", "HTTP/1.1")
    tale.answer(start, "w", {"amount": 1}, 503, {"message": "stopping"})
    assert tale.judged().discrepancies == []
    assert statuses(tale.exchanges)["5xx"] == 1


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "/tasques", Verb.CREATE),
        ("POST", "/tasques/claims", Verb.CLAIM),
        ("DELETE", "/tasques/claims/q/1?run_in=5s", Verb.UNCLAIM),
        ("PUT", "/tasques/reports/q/1", Verb.REPORT),
        ("PUT", "/tasques/done/q/1", Verb.DONE),
        ("PUT", "/tasques/failed/q/1", Verb.FAILED),
        ("GET", "/tasques/q/1", None),
        ("GET", "/swagger/doc.json", None),
    ],
)
def test_requests_are_recognised(method: str, path: str, verb: Verb | None) -> None:
    """By method and path; what changes nothing is nobody's event."""
    answer = message(("HTTP/1.1", "200", "OK"), {})
    request = message((method, path, "HTTP/1.1"), None)
    exchange = Exchange(request=request, answer=answer, sent=0, received=0)
    assert verb_of(exchange) is verb
    assert is_done(exchange) is (verb is Verb.DONE)


def filled() -> Messages:
    """The example's database as it is at the end."""
    messages = Messages()
    for job in JOBS:
        id = f"message-{job.number // 4}"
        messages.create(id, {"plain": job.plain})
        messages.update(id, {FIELDS[job.kind]: job.ciphered, "modified_at": "now"})
    return messages


def test_results_in_the_database_are_looked_at() -> None:
    """Each is there once, as it should be."""
    writes = written(Tale().case(), filled())
    assert (writes.once, writes.wrong) == (8, [])


def test_results_that_are_wrong_in_the_database_are_found() -> None:
    """Missing, different, or written twice; the last is no fault where answers may be lost."""
    messages = filled()
    messages.update("message-0", {FIELDS[SECOND.kind]: SECOND.ciphered})
    messages.update("message-1", {FIELDS[JOBS[4].kind]: "?"})
    writes = written(Tale().case(), messages)
    assert writes.once == 6
    assert [found.text for found in writes.wrong] == [
        "was written 2 times into the example's database",
        "is in the example's database with another result",
        "was written 2 times into the example's database",
    ]
    disturbed = written(Tale().case(undisturbed=False), messages)
    assert [found.text for found in disturbed.wrong] == [
        "is in the example's database with another result"
    ]
    assert len(written(Tale().case(), Messages()).wrong) == 8
