"""The producers and the workers of a run, each on a thread and with connections of its own."""

import datetime
import heapq
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from tools.accounting.client import Answer, Client, OutOfTime, task_path
from tools.accounting.ledger import Verb
from tools.rollout.fleet import Fleet
from tools.rollout.ledger import Given, Ledger, Reply
from tools.rollout.plan import Plan, Scheme, Step

WORKER_HEADER = "X-TASQUES-WORKER-ID"
#: A worker that was given nothing asks again after the first, then twice as long, up to the last.
_IDLE_SECONDS = (0.05, 0.4)
_LATE_LOOK_SECONDS = 2.0
_AGAIN_SECONDS = (0.05, 1.0)
#: Beyond the phase in which a task is made that is to run in a later one.
_NEVER_SECONDS = 30 * 24 * 3600.0


class Caller:
    """
    Sends each request to a server of the fleet by chance; for one thread.

    Args:
        stop_at: On the monotonic clock: nothing is asked again after it.
    """

    def __init__(self, fleet: Fleet, ledger: Ledger, *, seed: int, stop_at: float) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._stop_at = stop_at
        self._clients: dict[str, Client] = {}

    def once(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply | None:
        """
        Ask one server once; None if its answer was lost, so that it may have been carried out.

        Raises:
            ConnectionRefusedError: If it was certainly not carried out.
        """
        with self._fleet.one(self._chance) as (server, phase):
            client = self._clients.get(server.url)
            if client is None:
                client = self._clients[server.url] = Client([server.url], stop_at=self._stop_at)
            self._ledger.count(phase, server.kind, "requests")
            try:
                answer = client.once(method, path, body, headers)
            except ConnectionRefusedError:
                self._ledger.error(phase, server.kind, f"{method} {_kind(path)}: refused")
                raise
        if answer is None:
            self._ledger.error(phase, server.kind, f"{method} {_kind(path)}: no answer")
            return None
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = f"{method} {_kind(path)}: {answer.status} {answer.message}"
            self._ledger.error(phase, server.kind, text[:200])
        return Reply(answer=answer, server=server.kind, phase=phase)

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """
        Ask until there is an answer that is no error of a server's.

        Raises:
            OutOfTime: If the run had to end before.
        """
        is_uncertain = False
        pause, longest = _AGAIN_SECONDS
        while time.monotonic() < self._stop_at:
            try:
                reply = self.once(method, path, body, headers)
            except ConnectionRefusedError:
                reply = None
            else:
                if reply is not None and not _is_to_be_repeated(method, reply):
                    return Reply(
                        answer=reply.answer,
                        server=reply.server,
                        phase=reply.phase,
                        is_uncertain=is_uncertain,
                    )
                # A race that was lost changed nothing; all else may have.
                is_uncertain |= reply is None or reply.answer.status != HTTPStatus.CONFLICT
            time.sleep(pause)
            pause = min(2 * pause, longest)
        raise OutOfTime(f"{method} {path} had no answer before the run had to end")

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


def _is_to_be_repeated(method: str, reply: Reply) -> bool:
    if reply.answer.status == HTTPStatus.CONFLICT:
        return method != "POST"  # The original tries once more, then gives up.
    return reply.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _kind(path: str) -> str:
    """A path without the names in it."""
    parts = path.split("/")
    is_known = len(parts) > 2 and parts[2] in {"claims", "reports", "done", "failed"}
    return "/".join(parts[: 3 if is_known else 2])


# -------------------------------------------------------------------------- producers


class Creations:
    """Hands out the plans, in order, to whichever thread asks next."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = iter(plans)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Plan]:
        return self

    def __next__(self) -> Plan:
        with self._lock:
            return next(self._plans)


def produce(
    caller: Caller,
    ledger: Ledger,
    creations: Creations,
    scheme: Scheme,
    await_turn: Callable[[Plan], float | None],
) -> None:
    """
    Create each task when its turn has come.

    Args:
        await_turn: Waits for it; then how many seconds are left of the phase, or None to stop.
    """
    for plan in creations:
        left = await_turn(plan)
        if left is None:
            return
        ledger.created(plan, caller.ask("POST", "/tasques", new_task(plan, scheme, left)))


def arguments(plan: Plan, scheme: Scheme) -> dict[str, Any]:
    """What the task carries: every kind of JSON, all of it to be found unchanged."""
    return {
        "run": scheme.run,
        "number": plan.number,
        "text": 'é日本 <&> "quoted" \\ \u2028',
        "list": [1, -2.5, True, None, {}, []],
        "largest": 2**53,
    }


def new_task(plan: Plan, scheme: Scheme, left: float) -> dict[str, Any]:
    """The body of the request that creates the task of a plan, *left* seconds before the next phase."""
    body: dict[str, Any] = {
        "id": plan.id,
        "queue": plan.queue,
        "kind": "rolled out",
        "retry_times": plan.retry_times,
        "priority": plan.priority,
        "processing_timeout": f"{plan.timeout_seconds}s",
        "args": arguments(plan, scheme),
        "context": {"story": plan.story.name},
    }
    if plan.is_due_later or plan.is_never_due:
        seconds = _NEVER_SECONDS if plan.is_never_due else left + 2
        due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        body["run_at"] = due.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return body


# ---------------------------------------------------------------------------- workers


class Worker:
    """
    Claims tasks and takes the next step of each one's plan, until every plan is at its end.

    Args:
        caller: This worker's own.
        queues: Those of a phase.
        seed: Decides how it claims.
    """

    def __init__(
        self,
        name: str,
        caller: Caller,
        ledger: Ledger,
        fleet: Fleet,
        queues: Callable[[int], Sequence[str]],
        *,
        seed: int,
    ) -> None:
        self._name = name
        self._caller = caller
        self._ledger = ledger
        self._fleet = fleet
        self._queues = queues
        self._chance = random.Random(seed)
        self._idle_seconds, self._longest_idle = _IDLE_SECONDS
        # Tasks to be finished after their time, by when to look next.
        self._late: list[tuple[float, int, Given]] = []
        # Tasks that are kept until the phase is another than this.
        self._held: list[tuple[int, Given]] = []

    def work(self, should_stop: Callable[[], bool]) -> None:
        """Work until *should_stop* says so."""
        while not should_stop():
            given = self._claim()
            # Those with little time first.
            for task in sorted(given, key=_timeout):
                self._take(task)
            self._finish_held_ones()
            self._finish_late_ones()
            self._rest(was_given=bool(given))

    def _rest(self, *, was_given: bool) -> None:
        if was_given:
            self._idle_seconds, _ = _IDLE_SECONDS
        else:
            time.sleep(self._idle_seconds)
            self._idle_seconds = min(2 * self._idle_seconds, self._longest_idle)

    # ------------------------------------------------------------------------ claims

    def _claim(self) -> list[Given]:
        amount = self._chance.choice((1, 1, 2, 5))
        # The original holds what it has found until it has as many as were asked for.
        block_for = self._chance.choice(("500ms", "1s")) if amount < 5 else "300ms"
        body = {
            "queues": self._queues(self._fleet.phase),
            "amount": amount,
            "block_for": block_for,
        }
        try:
            reply = self._caller.once("POST", "/tasques/claims", body, self._header())
        except ConnectionRefusedError:
            time.sleep(0.1)
            return []
        if reply is None or reply.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._ledger.claim_unanswered(amount)
            time.sleep(0.1)
            return []
        if reply.answer.status != HTTPStatus.OK:
            text = f"POST /tasques/claims: {reply.answer.status} {reply.answer.message}"
            self._ledger.error(reply.phase, reply.server, text)
            time.sleep(0.5)
            return []
        given = [self._ledger.claim(self._name, reply, item) for item in reply.answer.body]
        return [task for task in given if task is not None]

    # ------------------------------------------------------------------------- steps

    def _take(self, task: Given) -> None:
        """Take the step; some have no end, or a later one."""
        match task.step:
            case Step.KEEP | Step.DROP:
                # Where this was the last step, the task is at its end when it has timed out.
                return
            case Step.DROP_THEN_LATE:
                self._ledger.add_late(1)
                self._look_later(task)
            case Step.HOLD_THEN_DONE:
                self._held.append((self._fleet.phase, task))
            case Step.REPORT_THEN_DONE:
                self._put(task, Verb.REPORT, {"data": {"half": "way"}})
                self._end(task, Verb.DONE)
            case Step.FAIL:
                self._end(task, Verb.FAILED)
            case Step.UNCLAIM:
                self._end(task, Verb.UNCLAIM)
            case _:
                self._end(task, Verb.DONE)

    def _finish_held_ones(self) -> None:
        """Finish what was held over, now that other servers take requests than those that gave it."""
        phase = self._fleet.phase
        ripe = [task for held_in, task in self._held if held_in != phase]
        self._held = [(held_in, task) for held_in, task in self._held if held_in == phase]
        for task in ripe:
            self._put(task, Verb.REPORT, {"data": {"phase": phase}})
            self._end(task, Verb.DONE)

    def _end(self, task: Given, verb: Verb) -> None:
        """End an attempt."""
        body = None if verb is Verb.UNCLAIM else {"data": result_data(task.plan, verb)}
        reply = self._put(task, verb, body)
        if reply.answer.status != HTTPStatus.OK and not reply.is_uncertain:
            self._ledger.void(task.history)
        elif task.plan is not None and task.is_last_step:
            self._ledger.end(task.plan.number)

    def _put(self, task: Given, verb: Verb, body: object) -> Reply:
        reply = self._caller.ask(*_request(task, verb), body, self._header())
        if reply.answer.status == HTTPStatus.OK:
            self._ledger.record(task.history, verb, self._name, reply)
        else:
            self._ledger.refuse(task.history, verb, self._name, reply)
        return reply

    # --------------------------------------------------------------------- too late

    def _look_later(self, task: Given) -> None:
        number = -1 if task.plan is None else task.plan.number
        heapq.heappush(self._late, (time.monotonic() + _LATE_LOOK_SECONDS, number, task))

    def _finish_late_ones(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, task = heapq.heappop(self._late)
            if self._try_late(task):
                self._ledger.add_late(-1)
            else:
                self._look_later(task)

    def _try_late(self, task: Given) -> bool:
        """Finish a task whose claim has ended, which must be refused; whether it has ended."""
        seen = self._caller.ask("GET", _path("", task)).answer
        if seen.status == HTTPStatus.OK and _is_held_by(seen, self._name):
            return False  # Still held, or held anew by this same worker: it would be accepted.
        body = {"data": {"late": True}}
        reply = self._caller.ask(*_request(task, Verb.DONE), body, self._header())
        if reply.answer.status == HTTPStatus.OK:
            self._ledger.record(task.history, Verb.DONE, self._name, reply)
        else:
            self._ledger.refuse_late(task.history, reply)
        return True

    def _header(self) -> dict[str, str]:
        return {WORKER_HEADER: self._name}


def _timeout(task: Given) -> int:
    return 0 if task.plan is None else task.plan.timeout_seconds


def _is_held_by(seen: Answer, worker: str) -> bool:
    claim = seen.body.get("last_claimed") or {}
    return bool(seen.body["state"] == "claimed" and claim["worker_id"] == worker)


_REQUESTS = {
    Verb.REPORT: ("PUT", "reports"),
    Verb.DONE: ("PUT", "done"),
    Verb.FAILED: ("PUT", "failed"),
    Verb.UNCLAIM: ("DELETE", "claims"),
}


def _request(task: Given, verb: Verb) -> tuple[str, str]:
    method, kind = _REQUESTS[verb]
    return method, _path(kind, task)


def _path(kind: str, task: Given) -> str:
    return task_path(kind, task.claim.task.queue, task.claim.task.id)


def result_data(plan: Plan | None, verb: Verb) -> dict[str, object]:
    """What comes of an attempt; it names the task, so that results cannot be mixed up."""
    return {"number": -1 if plan is None else plan.number, "verb": verb.value}
