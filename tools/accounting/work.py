"""The producers and the workers of a run, each on a thread and a connection of its own."""

import datetime
import heapq
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tools.accounting.client import Answer, Client, task_path
from tools.accounting.ledger import Given, Ledger, Verb
from tools.accounting.plan import KEPT_FOR_SECONDS, KEPT_TIMEOUT_SECONDS, Plan, Scheme, Step

WORKER_HEADER = "X-TASQUES-WORKER-ID"
_STRANGER = "a-stranger"
#: A worker that was given nothing asks again after the first, then twice as long, up to the last:
#: while all wait for a backoff, asking without a pause would only keep the machine busy.
_IDLE_SECONDS = (0.01, 0.32)
#: How often it is looked whether a claim has ended, before its task is finished too late.
_LATE_LOOK_SECONDS = 1.0


class Creations:
    """
    Hands out the plans to whichever thread asks next.

    Args:
        repeats: Each as often as its creation is to be asked for: at once, one after the other, so
            that several producers ask at the same time.
    """

    def __init__(self, plans: Sequence[Plan], *, repeats: bool = True) -> None:
        times = [plan.creations if repeats else 1 for plan in plans]
        self._requests = iter([p for p, n in zip(plans, times, strict=True) for _ in range(n)])
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Plan]:
        return self

    def __next__(self) -> Plan:
        with self._lock:
            return next(self._requests)


def produce(
    client: Client, ledger: Ledger, creations: Creations, scheme: Scheme, start: float
) -> None:
    """
    Create what is left to be created.

    Args:
        start: When the run began, in seconds since 1970; times to run at count from it.
    """
    for plan in creations:
        headers = {} if plan.key is None else {"Idempotency-Key": plan.key}
        answer = client.ask("POST", "/tasques", new_task(plan, scheme, start), headers)
        if answer.status == 201:
            ledger.record(plan.number, Verb.CREATE, "", answer)
        else:
            ledger.refuse(plan.number, Verb.CREATE, "", answer)


def new_task(plan: Plan, scheme: Scheme, start: float) -> dict[str, Any]:
    """The body of the request that creates the task of a plan; the same for every repeat."""
    body: dict[str, Any] = {
        "queue": plan.queue,
        "kind": "accounted",
        "retry_times": plan.retry_times,
        "priority": plan.priority,
        "processing_timeout": f"{plan.timeout_seconds}s",
        "args": {"run": scheme.run, "number": plan.number},
    }
    if plan.id is not None:
        body["id"] = plan.id
    if plan.due_seconds is not None:
        due = datetime.datetime.fromtimestamp(start + plan.due_seconds, datetime.UTC)
        body["run_at"] = due.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return body


class Worker:
    """
    Claims tasks and takes the next step of each one's plan, until every plan is at its end.

    Args:
        client: This worker's own.
        seed: Decides what it claims, and how.
    """

    def __init__(
        self, name: str, client: Client, ledger: Ledger, scheme: Scheme, *, seed: int
    ) -> None:
        self._name = name
        self._client = client
        self._ledger = ledger
        self._queues = scheme.queues
        self._chance = random.Random(seed)
        self._idle_seconds, self._longest_idle = _IDLE_SECONDS
        # Tasks to be finished after their time, by when to look next.
        self._late: list[tuple[float, int, Given]] = []

    def work(self, should_stop: Callable[[], bool]) -> None:
        """Work until *should_stop* says so."""
        while not should_stop():
            tasks = self._claim()
            kept = [task for task in tasks if task.step is Step.KEEP_THEN_DONE]
            for task in tasks:
                if task not in kept:
                    self._take(task)
            if kept:
                self._keep(kept)
            self._finish_late_ones()
            self._rest(was_given=bool(tasks))

    def _rest(self, *, was_given: bool) -> None:
        if was_given:
            self._idle_seconds, _ = _IDLE_SECONDS
        else:
            time.sleep(self._idle_seconds)
            self._idle_seconds = min(2 * self._idle_seconds, self._longest_idle)

    # ------------------------------------------------------------------------ claims

    def _claim(self) -> list[Given]:
        amount = self._chance.choice((1, 1, 2, 5, 10))
        queues = self._chance.sample(self._queues, self._chance.randint(1, len(self._queues)))
        body = {
            "queues": queues,
            "amount": amount,
            "block_for": self._chance.choice(("0s", "200ms", "500ms", "1s")),
        }
        try:
            answer = self._client.once("POST", "/tasques/claims", body, self._header())
        except ConnectionRefusedError:
            time.sleep(0.1)
            return []
        if answer is None or answer.status == 503:
            self._ledger.claim_unanswered(amount)
            time.sleep(0.1)
            return []
        if answer.status != 200 or not isinstance(answer.body, list):
            self._ledger.remark(None, f"a claim was answered {answer.status}: {answer.message}")
            time.sleep(0.5)
            return []
        self._look_at(answer, amount, queues)
        if not answer.body:
            self._ledger.claim_empty()
        given = [self._ledger.claim(self._name, answer, item) for item in answer.body]
        return [task for task in given if task is not None]

    def _look_at(self, answer: Answer, amount: int, queues: Sequence[str]) -> None:
        """Remark on what no answer to a claim may be."""
        items: list[Mapping[str, Any]] = answer.body
        if len(items) > amount:
            self._ledger.remark(None, f"a claim for {amount} was answered with {len(items)} tasks")
        # The time to run is written with as many decimals as needed: not to be compared as a text.
        priorities = [item["priority"] for item in items]
        if priorities != sorted(priorities, reverse=True):
            self._ledger.remark(None, f"a claim was answered out of order: {priorities}")
        for item in items:
            if item["queue"] not in queues or item["state"] != "claimed":
                self._ledger.remark(
                    None, f"a claim of {queues} was given {item['queue']}/{item['id']}"
                )

    # ------------------------------------------------------------------------- steps

    def _take(self, task: Given) -> None:
        """Take the step; some have something before or after the end of the attempt, some no end."""
        if task.step.is_dropped:
            self._drop(task)
            return
        if task.step is Step.DONE_DISPUTED:
            self._dispute(task)
        if task.step is Step.REPORT_THEN_DONE:
            self._put(task, Verb.REPORT, {"data": {"half": "way"}})
        verb, more = _ENDS.get(task.step, (Verb.DONE, {}))
        agreed = self._end(task, verb, more)
        if agreed and task.step is Step.DONE_TWICE:
            self._end(task, verb, more)

    def _drop(self, task: Given) -> None:
        # Where this was the last step, the task is at its end when it is seen to have timed out.
        if task.step is Step.DROP_THEN_LATE:
            self._ledger.add_late(1)
            self._look_later(task)

    def _keep(self, tasks: Sequence[Given]) -> None:
        """Report on tasks for much longer than each would have without, then finish them."""
        until = time.monotonic() + KEPT_FOR_SECONDS
        while time.monotonic() < until:
            for task in tasks:
                self._put(task, Verb.REPORT, {"data": {"left": until - time.monotonic()}})
            time.sleep(KEPT_TIMEOUT_SECONDS / 5)
        for task in tasks:
            self._end(task, Verb.DONE)

    def _end(
        self, task: Given, verb: Verb, more: Mapping[str, object] = MappingProxyType({})
    ) -> bool:
        """End an attempt; whether the server agreed."""
        body = None if verb is Verb.UNCLAIM else {"data": result_data(task.plan, verb), **more}
        answer = self._put(task, verb, body)
        if answer.status != 200 and not (answer.is_uncertain and verb is not Verb.DONE):
            # Refused, and it is not that the first sending was heard and the repeat came too late.
            self._ledger.void(task.plan.number)
            return False
        if task.is_last_step:
            self._ledger.end(task.plan.number)
        return True

    def _put(self, task: Given, verb: Verb, body: object) -> Answer:
        answer = self._client.ask(*_request(task, verb), body, self._header())
        if answer.status == 200:
            self._ledger.record(task.plan.number, verb, self._name, answer)
        else:
            self._ledger.refuse(task.plan.number, verb, self._name, answer)
        return answer

    def _dispute(self, task: Given) -> None:
        """Try to finish the task as somebody who does not hold it."""
        path = task_path("done", task.claim.task.queue, task.claim.task.id)
        answer = self._client.ask(
            "PUT", path, {"data": {"by": _STRANGER}}, {WORKER_HEADER: _STRANGER}
        )
        if answer.status == 200:
            self._ledger.record(task.plan.number, Verb.DONE, _STRANGER, answer)
        elif answer.status not in {400, 403}:  # 400: it has timed out, which its worker will see
            self._ledger.refuse(task.plan.number, Verb.DONE, _STRANGER, answer)

    # --------------------------------------------------------------------- too late

    def _look_later(self, task: Given) -> None:
        at = time.monotonic() + max(_LATE_LOOK_SECONDS, task.plan.timeout_seconds)
        heapq.heappush(self._late, (at, task.plan.number, task))

    def _finish_late_ones(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, task = heapq.heappop(self._late)
            if self._try_late(task):
                self._ledger.add_late(-1)
            else:
                self._look_later(task)

    def _try_late(self, task: Given) -> bool:
        """Finish a task whose claim has ended, which must be refused; whether it has ended."""
        answer = self._client.ask("GET", task_path("", task.claim.task.queue, task.claim.task.id))
        if answer.status != 200:
            self._ledger.refuse(task.plan.number, Verb.DONE, self._name, answer)
            return True
        if answer.body["state"] == "claimed":
            held = answer.body["last_claimed"]
            if held["worker_id"] == self._name:
                return False  # Still held, or held anew by this same worker: it would be accepted.
        late = self._client.ask(
            *_request(task, Verb.DONE), {"data": {"late": True}}, self._header()
        )
        if late.status not in {400, 403}:
            self._ledger.remark(
                task.plan.number, f"was finished too late and the answer was {late.status}"
            )
        return True

    def _header(self) -> dict[str, str]:
        return {WORKER_HEADER: self._name}


#: How attempts end that do not succeed, and what the request says beside its data.
_ENDS: Mapping[Step, tuple[Verb, Mapping[str, object]]] = {
    Step.FAIL: (Verb.FAILED, {"retry_in": "0s"}),
    Step.FAIL_WITH_BACKOFF: (Verb.FAILED, {}),
    Step.GIVE_UP: (Verb.FAILED, {"give_up": True}),
    Step.UNCLAIM: (Verb.UNCLAIM, {}),
}

_REQUESTS = {
    Verb.REPORT: ("PUT", "reports"),
    Verb.DONE: ("PUT", "done"),
    Verb.FAILED: ("PUT", "failed"),
    Verb.UNCLAIM: ("DELETE", "claims"),
}


def _request(task: Given, verb: Verb) -> tuple[str, str]:
    method, kind = _REQUESTS[verb]
    return method, task_path(kind, task.claim.task.queue, task.claim.task.id)


def result_data(plan: Plan, verb: Verb) -> dict[str, object]:
    """What comes of an attempt; it names the task, so that results cannot be mixed up."""
    return {"number": plan.number, "verb": verb.value}
