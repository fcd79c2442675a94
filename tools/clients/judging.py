"""
What passed the proxy, as :mod:`tools.accounting.audit` judges it.

The workers are not ours and tell nothing, so their requests and the answers to them do: who was
given which task when, and what was said about it. The audit wants a plan of each task. Here that is:
created once, failed as often as workers meant to, given back as often as they did, and done once,
with the result that its cipher gives. Whatever else is seen differs from that.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.accounting.audit import Discrepancy, Fault, Judgement, Observed, judge
from tools.accounting.ledger import Event, Facts, History, Refusal, Verb, facts
from tools.accounting.plan import Plan, Step, Story
from tools.clients.ciphers import Job
from tools.clients.database import Messages
from tools.clients.proxy import Exchange

_WORKER = "x-tasques-worker-id"
_STORY = Story(name="enciphered", share=1000, variants=((Step.DONE,),))
_STEPS = {Verb.FAILED: Step.FAIL_WITH_BACKOFF, Verb.UNCLAIM: Step.UNCLAIM, Verb.DONE: Step.DONE}

#: The field of a message that a worker writes, by kind of task.
FIELDS = {"Rot1": "rot_1", "Rot13": "rot_13", "Base64": "base_64", "Md5": "md_5"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """
    What there is to judge.

    Attributes:
        success: The result that is to be found, of each job; None for none.
        ciphered: What is to be made of each job's message.
        failure: What workers say about a failure that is meant.
        plain: The text that a task is about, by its arguments.
        look: Finds a task by its id; None where there is none.
        timeout_seconds: How long a worker has for a task.
        undisturbed: No answer was to be lost.
    """

    exchanges: Sequence[Exchange]
    jobs: Sequence[Job]
    success: Callable[[Job], Mapping[str, str] | None]
    ciphered: Callable[[Job], str]
    failure: Mapping[str, str]
    plain: Callable[[Mapping[str, Any]], str | None]
    look: Callable[[str], Mapping[str, Any] | None]
    timeout_seconds: int
    undisturbed: bool = True


def verb_of(exchange: Exchange) -> Verb | None:
    """What was asked for; None if it changes nothing."""
    method, path, _ = exchange.request.start
    match method, path.partition("?")[0].strip("/").split("/"):
        case "POST", ["tasques"]:
            return Verb.CREATE
        case "POST", ["tasques", "claims"]:
            return Verb.CLAIM
        case "DELETE", ["tasques", "claims", _, _]:
            return Verb.UNCLAIM
        case "PUT", ["tasques", "reports", _, _]:
            return Verb.REPORT
        case "PUT", ["tasques", "done", _, _]:
            return Verb.DONE
        case "PUT", ["tasques", "failed", _, _]:
            return Verb.FAILED
    return None


def is_done(exchange: Exchange) -> bool:
    """Whether a worker was told that its task is done."""
    answer = exchange.answer
    return verb_of(exchange) is Verb.DONE and answer is not None and answer.status == 200


def judged(case: Case) -> Judgement:
    """Hold what was seen, what is found and what was to be against each other."""
    seen = _Seen(case)
    found = {number: seen.found(case.look(id)) for id, number in seen.numbers.items()}
    plans = {job.number: seen.plan(job) for job in case.jobs}
    return judge(
        Observed(
            plans=plans,
            histories={number: seen.histories[number] for number in plans},
            found=found,
            strangers=seen.strangers,
            remarks=seen.remarks,
            unanswered_claims=seen.unanswered_claims,
            undisturbed=case.undisturbed,
        )
    )


class _Seen:
    """The exchanges, as events of the tasks that they are about."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._jobs = {(job.kind, job.plain): job for job in case.jobs}
        self.numbers: dict[str, int] = {}
        self.histories = {job.number: History() for job in case.jobs}
        self.created: dict[int, Mapping[str, Any]] = {}
        self.strangers: list[str] = []
        self.remarks: list[str] = []
        self.unanswered_claims: list[int] = []
        requests = [(verb, each) for each in case.exchanges if (verb := verb_of(each)) is not None]
        # A task may be handed out before its creation is answered.
        requests.sort(key=lambda request: request[0] is not Verb.CREATE)
        for verb, exchange in requests:
            self._note(verb, exchange)

    def _note(self, verb: Verb, exchange: Exchange) -> None:
        if verb is Verb.CREATE:
            self._note_create(exchange)
        elif verb is Verb.CLAIM:
            self._note_claim(exchange)
        else:
            self._note_change(verb, exchange)

    def _note_create(self, exchange: Exchange) -> None:
        answer = exchange.answer
        if answer is None or answer.status != 201:
            self.remarks.append(f"a create was answered {_said(exchange)}")
            return
        job = self._job(answer.json)
        if job is None:
            self.strangers.append(answer.json["id"])
            return
        self.numbers.setdefault(answer.json["id"], job.number)
        self.created.setdefault(job.number, answer.json)
        self._add(Verb.CREATE, exchange, answer.json)

    def _note_claim(self, exchange: Exchange) -> None:
        answer = exchange.answer
        nobody = exchange.unanswered + (answer is None)
        if nobody:
            amount = exchange.request.json.get("amount") or 1
            self.unanswered_claims += [amount] * nobody
        if answer is None:
            if not exchange.is_abandoned:
                self.remarks.append("a claim was not answered")
        elif answer.status >= 500:
            pass  # the original's workers ask again
        elif answer.status != 200:
            self.remarks.append(f"a claim was answered {_said(exchange)}")
        else:
            for body in answer.json:
                if body["id"] in self.numbers:
                    # One that was lost is counted above; this one was not repeated.
                    self._add(Verb.CLAIM, exchange, body, is_uncertain=False)
                else:
                    self.strangers.append(body["id"])

    def _note_change(self, verb: Verb, exchange: Exchange) -> None:
        answer = exchange.answer
        id = exchange.request.start[1].partition("?")[0].rpartition("/")[2]
        if id not in self.numbers:
            self.strangers.append(id)
        elif answer is not None and answer.status == 200:
            self._add(verb, exchange, answer.json)
            if verb is Verb.FAILED:
                self._note_failure(id, exchange.request.json.get("data"))
        else:
            self.histories[self.numbers[id]].refusals.append(
                Refusal(
                    verb=verb,
                    worker=exchange.request.headers.get(_WORKER, ""),
                    status=0 if answer is None else answer.status,
                    message=_said(exchange),
                    sent=exchange.sent,
                    received=exchange.received,
                    is_uncertain=answer is None or exchange.unanswered > 0,
                )
            )

    def _note_failure(self, id: str, data: object) -> None:
        if data != self._case.failure:
            self.histories[self.numbers[id]].remarks.append(f"its worker could not do it: {data}")

    def _add(
        self,
        verb: Verb,
        exchange: Exchange,
        body: Mapping[str, Any],
        *,
        is_uncertain: bool | None = None,
    ) -> None:
        number = self.numbers[body["id"]]
        event = Event(
            verb=verb,
            worker=exchange.request.headers.get(_WORKER, ""),
            sent=exchange.sent,
            received=exchange.received,
            task=self._facts(body),
            is_uncertain=exchange.unanswered > 0 if is_uncertain is None else is_uncertain,
        )
        self.histories[number].events.append(event)

    def _job(self, body: Mapping[str, Any]) -> Job | None:
        plain = self._case.plain(body.get("args") or {})
        return None if plain is None else self._jobs.get((body["kind"], plain))

    def _facts(self, body: Mapping[str, Any]) -> Facts:
        """A task's facts, in which the right result is what the audit takes for it."""
        known = dataclasses.replace(facts(body), number=self.numbers.get(body["id"], -1))
        job = self._job(body)
        is_ended = known.result_at is not None and known.state == "done"
        if job is not None and is_ended and known.result == self._case.success(job):
            known = dataclasses.replace(known, result={"number": job.number, "verb": "done"})
        return known

    def found(self, body: Mapping[str, Any] | None) -> Facts | None:
        """The facts of a task as it is at the end."""
        return None if body is None else self._facts(body)

    def plan(self, job: Job) -> Plan:
        """
        What should have become of a task.

        Each attempt but the last has to be ended by a failure or a return that its worker asked
        for; a claim that ends otherwise, or a second end, is beyond the plan.
        """
        ends = {
            event.task.version: event.verb
            for event in self.histories[job.number].events
            if event.verb in {Verb.FAILED, Verb.UNCLAIM}
        }
        body = self.created.get(job.number, {})
        return Plan(
            number=job.number,
            story=_STORY,
            steps=(*(_STEPS[ends[version]] for version in sorted(ends)), Step.DONE),
            queue=body.get("queue", ""),
            id=body.get("id"),
            key=None,
            creations=1,
            priority=body.get("priority", 0),
            retry_times=body.get("retry_times", 0),
            timeout_seconds=self._case.timeout_seconds,
            due_seconds=None,
        )


def _said(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return "by nothing"
    return f"{answer.status}: {answer.body[:200].decode(errors='replace').strip()}"


@dataclass(kw_only=True)
class Writes:
    """
    What workers wrote into the example's database.

    Attributes:
        once: How many results were written exactly once.
        wrong: Those written never, or otherwise; or more often, where no answer was to be lost.
    """

    once: int = 0
    wrong: list[Discrepancy] = field(default_factory=list)


def written(case: Case, messages: Messages) -> Writes:
    """Whether each result is in the database, and was written once."""
    by_plain = {plain: id for id, plain in messages.plains().items()}
    writes = Writes()
    for job in case.jobs:
        times, value = messages.field(by_plain.get(job.plain, ""), FIELDS[job.kind])
        writes.once += times == 1
        is_right = value == case.ciphered(job)
        for text in _faults_of_write(times, is_right, case.undisturbed):
            name = f"{job.kind} of {job.plain!r}"
            writes.wrong.append(Discrepancy(fault=Fault.WRONG_END, task=name, text=text))
    return writes


def _faults_of_write(times: int, is_right: bool, undisturbed: bool) -> Iterator[str]:
    if times == 0:
        yield "is not in the example's database"
    elif not is_right:
        yield "is in the example's database with another result"
    if times > 1 and undisturbed:
        yield f"was written {times} times into the example's database"


def statuses(exchanges: Sequence[Exchange]) -> Counter[str]:
    """
    How often each class of answers was given: ``2xx``, or ``none`` where the client waited for one.

    At the end of a run workers are stopped while they wait for a claim.
    """
    return Counter(
        "none" if each.answer is None else f"{each.answer.status // 100}xx"
        for each in exchanges
        if not each.is_abandoned
    )
