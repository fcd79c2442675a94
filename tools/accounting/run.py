"""One run, from the first create to the judgement."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tools.accounting.audit import Judgement, Observed, judge
from tools.accounting.client import Client, OutOfTime, Trouble, task_path
from tools.accounting.ledger import Facts, Ledger, Totals, facts
from tools.accounting.plan import Scheme, plans
from tools.accounting.work import WORKER_HEADER, Creations, Worker, produce

_KNOCK_SECONDS = 10.0
_PROGRESS_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 1.0
#: How long the looks at the end may take, beyond the limit of the run.
_LOOK_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What to do.

    Attributes:
        urls: The servers, which share their queues.
        seed: None for one that is chosen, and printed.
        limit_seconds: The run ends by then, finished or not.
        stall_seconds: It ends, too, when for so long nothing was created, claimed or ended; a
            time-out and a backoff come together in less than 70 s.
        undisturbed: Lost answers and slow workers count as faults, too.
        timeout_seconds: How long a worker has where the plan needs no shorter time.
        waits: Follow stories in which a task waits for a backoff, too: up to 45 s and more.
        progress: Takes a line now and then.
        watch: Told about once a second how far it has come; may take its time.
    """

    urls: Sequence[str]
    tasks: int = 10_000
    workers: int = 8
    producers: int = 4
    seed: int | None = None
    limit_seconds: float = 900.0
    stall_seconds: float = 120.0
    undisturbed: bool = True
    timeout_seconds: int = 120
    spare_attempts: int = 0
    waits: bool = True
    progress: Callable[[str], None] = field(default=lambda line: None)
    watch: Callable[[Totals], None] = field(default=lambda totals: None)


@dataclass(frozen=True, kw_only=True)
class Result:
    """
    What came of a run.

    Attributes:
        finished: Every task came to its end before the time was over.
        most_seconds: When 95 of 100 tasks had come to their end; the others wait for their backoff.
        trouble: Answers that were lost or 503, connections that were refused, over all threads.
    """

    options: Options
    seed: int
    judgement: Judgement
    finished: bool
    seconds: float
    most_seconds: float
    trouble: Trouble
    empty_claims: int

    @property
    def ok(self) -> bool:
        """Whether every task is accounted for."""
        return self.finished and not self.judgement.discrepancies


def account(options: Options) -> Result:
    """
    Take the tasks through their lives, and judge.

    Raises:
        OutOfTime: If no server answers, before the work or when the tasks are looked at in the end.
        Exception: Whatever a producer or a worker met that this program does not understand.
    """
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    scheme = Scheme(
        tasks=options.tasks,
        seed=seed,
        run=secrets.token_hex(4),
        timeout_seconds=options.timeout_seconds,
        spare_attempts=options.spare_attempts,
        waits=options.waits,
    )
    return _Run(options, scheme).result()


class _Run:
    def __init__(self, options: Options, scheme: Scheme) -> None:
        self._options = options
        self._scheme = scheme
        self._plans = plans(scheme)
        self._ledger = Ledger(self._plans, scheme.run)
        self._began = time.monotonic()
        self._stop_at = self._began + options.limit_seconds
        self._clients: list[Client] = []
        self._most_at: float | None = None
        self._stopped = threading.Event()

    def result(self) -> Result:
        """Carry it out."""
        self._say(f"{self._scheme.tasks} tasks, seed {self._scheme.seed}")
        self._knock()
        finished = self._work()
        seconds = time.monotonic() - self._began
        self._say("looking at every task")
        self._claim_once_more()
        observed = Observed(
            plans=self._ledger.plans,
            histories=self._ledger.histories,
            found=self._look_at_all(),
            strangers=self._ledger.strangers,
            remarks=self._ledger.remarks,
            unanswered_claims=self._ledger.unanswered_claims,
            undisturbed=self._options.undisturbed,
        )
        trouble = Trouble()
        for client in self._clients:
            trouble += client.trouble
            client.close()
        return Result(
            options=self._options,
            seed=self._scheme.seed,
            judgement=judge(observed),
            finished=finished,
            seconds=seconds,
            most_seconds=(self._most_at or time.monotonic()) - self._began,
            trouble=trouble,
            empty_claims=self._ledger.empty_claims,
        )

    def _knock(self) -> None:
        """See that somebody answers, whatever the answer."""
        for url in self._options.urls:
            client = Client([url], stop_at=time.monotonic() + _KNOCK_SECONDS)
            client.ask("GET", "/health/live")
            client.close()

    def _work(self) -> bool:
        """Create and work until every plan is at its end; whether that was in time."""
        start = time.time()
        creations = Creations(self._plans)
        with ThreadPoolExecutor(self._options.producers + self._options.workers) as pool:
            futures = [
                pool.submit(
                    produce, self._client(number), self._ledger, creations, self._scheme, start
                )
                for number in range(self._options.producers)
            ]
            for number in range(self._options.workers):
                seed = self._scheme.seed * 1000 + number
                client = self._client(number)
                worker = Worker(f"worker-{number}", client, self._ledger, self._scheme, seed=seed)
                futures.append(pool.submit(worker.work, self._should_stop))
            try:
                self._watch(futures)
            finally:
                self._stopped.set()
        for future in futures:
            try:
                future.result()
            except OutOfTime as error:
                self._ledger.remark(None, str(error))
        return self._ledger.is_finished

    def _should_stop(self) -> bool:
        return (
            self._stopped.is_set() or self._ledger.is_finished or time.monotonic() > self._stop_at
        )

    def _watch(self, futures: Sequence[Future[None]]) -> None:
        """Say how far it has come, and see what ends by itself, until all is done or one failed."""
        client = self._client(0)
        next_line = self._began
        totals, moved_at = self._ledger.totals(), self._began
        while not self._should_stop():
            if totals != self._ledger.totals():
                totals, moved_at = self._ledger.totals(), time.monotonic()
            if time.monotonic() > moved_at + self._options.stall_seconds:
                self._say("nothing moves any more")
                return
            if any(future.done() and future.exception() is not None for future in futures):
                return
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + _PROGRESS_SECONDS
                self._say_how_far()
            self._options.watch(self._ledger.totals())
            self._see_ends(client)
            if self._most_at is None and self._ledger.totals().over >= 0.95 * len(self._plans):
                self._most_at = time.monotonic()
            self._stopped.wait(_LOOK_EVERY_SECONDS)
        self._say_how_far()

    def _say_how_far(self) -> None:
        totals = self._ledger.totals()
        self._say(
            f"created {totals.created:,}, claims {totals.claimed:,},"
            f" at their end {totals.over:,} of {len(self._plans):,}"
        )

    def _see_ends(self, client: Client) -> None:
        """Take note of tasks that came to their end without a worker: by a time-out."""
        for number in self._ledger.left_alone(anything=not self._options.undisturbed):
            task = self._find(client, number)
            if task is not None and task.state in {"done", "dead"}:
                self._ledger.end(number)

    def _claim_once_more(self) -> None:
        """Nothing is left that a worker could get."""
        client = self._client(0, more_seconds=_LOOK_SECONDS)
        body = {"queues": self._scheme.queues, "amount": 10, "block_for": "1500ms"}
        headers = {WORKER_HEADER: "the-last-worker"}
        answer = client.ask("POST", "/tasques/claims", body, headers)
        if answer.status != 200:
            self._ledger.remark(None, f"the last claim was answered {answer.status}")
            return
        for item in answer.body:
            self._ledger.claim("the-last-worker", answer, item)

    def _look_at_all(self) -> dict[int, Facts | None]:
        """Every task as it is in the end."""
        numbers = Creations(self._plans, repeats=False)

        def look(client: Client) -> dict[int, Facts | None]:
            return {plan.number: self._find(client, plan.number) for plan in numbers}

        found: dict[int, Facts | None] = {}
        with ThreadPoolExecutor(self._options.workers) as pool:
            clients = [
                self._client(number, more_seconds=_LOOK_SECONDS)
                for number in range(self._options.workers)
            ]
            for part in pool.map(look, clients):
                found.update(part)
        return found

    def _find(self, client: Client, number: int) -> Facts | None:
        id = self._ledger.id_of(number)
        if id is None:
            return None
        answer = client.ask("GET", task_path("", self._ledger.plans[number].queue, id))
        if answer.status == 200:
            return facts(answer.body)
        if answer.status != 404:
            self._ledger.remark(number, f"a look at it was answered {answer.status}")
        return None

    def _client(self, number: int, more_seconds: float = 0.0) -> Client:
        """A client that begins with another server than the one before."""
        first = number % len(self._options.urls)
        urls = [*self._options.urls[first:], *self._options.urls[:first]]
        self._clients.append(Client(urls, stop_at=self._stop_at + more_seconds))
        return self._clients[-1]

    def _say(self, line: str) -> None:
        self._options.progress(f"{time.monotonic() - self._began:6.1f} s  {line}")
