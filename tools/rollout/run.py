"""One run, from the first original server to the judgement."""

import contextlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tools.rollout import documents, slots
from tools.rollout.audit import Discrepancy, Fault, Found, Judgement, Observed, judge
from tools.rollout.ending import Left, Readable, read
from tools.rollout.fleet import NEVER, Fleet, OurServer, Server, TheOriginal
from tools.rollout.ledger import Kind, Ledger
from tools.rollout.plan import PHASES, Plan, Scheme, held_over, plans
from tools.rollout.recurring import Recurring, ids
from tools.rollout.watch import LeaderWatch
from tools.rollout.work import WORKER_HEADER, Caller, Creations, Worker, arguments, produce

_S = TypeVar("_S", TheOriginal, OurServer)

_TICK_SECONDS = 0.25
_PROGRESS_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 2.0
#: How long a request may be asked again when the run has to end.
_ANSWER_SECONDS = 30.0
#: The servers of the next phase are started when so much of a phase is over.
_PREPARED_AT = 0.7


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What to do.

    Attributes:
        binary: Of the original server.
        elasticsearch_url: Without any tasks in it.
        phase_seconds: How long each phase lasts, at least.
        archive_seconds: How long both kinds leave what is finished in its queue.
        limit_seconds: The run ends by then, finished or not.
        logs: A folder for the servers' logs; None to forget them.
        seed: None for one that is chosen, and printed.
        progress: Takes a line now and then.
    """

    binary: Path
    elasticsearch_url: str
    tasks: int = 2000
    workers: int = 6
    producers: int = 2
    phase_seconds: float = 40.0
    archive_seconds: int = 30
    limit_seconds: float = 600.0
    logs: Path | None = None
    seed: int | None = None
    progress: Callable[[str], None] = field(default=lambda line: None)


@dataclass(frozen=True, kw_only=True)
class PhaseSeen:
    """
    How it was at the end of a phase.

    Attributes:
        began: In nanoseconds since 1970.
        queued: How many tasks were in the queues.
        with_ext: How many of those had what only ours knows; without it, they have no rank.
        archived: How many copies were in the archive.
        indices: How many queues had an index.
        adopted: How many of those had the fields that ours adds.
    """

    began: int
    seconds: float
    queued: int
    with_ext: int
    archived: int
    indices: int
    adopted: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """
    What came of a run.

    Attributes:
        finished: Every task came to its end before the time was over.
        counts: What happened how often, by phase, server, and its name.
        taken_over: How many queues had an index of an original's when ours was set up.
        errors: What servers answered that should not have come.
        tracebacks: How many there are in the logs of ours.
    """

    options: Options
    seed: int
    finished: bool
    seconds: float
    phases: Sequence[PhaseSeen]
    counts: Mapping[tuple[int, Kind, str], int]
    errors: Mapping[tuple[int, Kind, str], int]
    tasks: Judgement
    slots: slots.Judgement
    led: Mapping[bool, float]
    recurring_changes: int
    recurring_looks: int
    readable: Readable
    taken_over: int
    tracebacks: int
    discrepancies: Sequence[Discrepancy]

    @property
    def ok(self) -> bool:
        """Whether every task is accounted for."""
        return self.finished and not self.discrepancies


def roll_out(options: Options) -> Result:
    """
    Go there and back, and judge.

    Raises:
        ServerUnavailable: If a server does not come up.
        Unreadable: If Elasticsearch does not answer as it should.
        OutOfTime: If a request had no answer before the run had to end.
    """
    with contextlib.ExitStack() as stack:
        return _Run(options, stack).result()


class _Run:
    def __init__(self, options: Options, stack: contextlib.ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._url = options.elasticsearch_url
        seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
        self._scheme = Scheme(tasks=options.tasks, seed=seed, run=secrets.token_hex(3))
        self._plans = plans(self._scheme)
        self._ledger = Ledger(self._plans, self._scheme.run)
        self._fleet = Fleet()
        self._recurring = Recurring(self._scheme, self._fleet)
        self._watch = LeaderWatch(self._url, ids(self._scheme))
        self._servers: dict[Kind, Server] = {}
        self._ended: list[Server] = []
        self._wrong: list[Discrepancy] = []
        self._phases: list[PhaseSeen] = []
        self._stopped = threading.Event()
        self._phase_began = time.monotonic()
        self._began = time.monotonic()
        self._stop_at = self._began + options.limit_seconds
        self._next_line = self._next_look = 0.0
        self._count = self._taken_over = 0

    def result(self) -> Result:
        """Carry it out."""
        self._say(f"{self._scheme.tasks} tasks, seed {self._scheme.seed}")
        documents.allow_ids_to_be_sorted(self._url)
        self._prepare(0)
        self._fleet.become(0, [self._servers[Kind.ORIGINAL]])
        with self._watch:
            finished = self._work()
            self._recurring.close()
        readable, left = self._compare()
        tasks = judge(self._observed(left))
        leads = self._watch.leads()
        fates = slots.judge(
            self._recurring.definitions, leads, left.fired(), self._watch.passed_over()
        )
        led: Counter[bool] = Counter()
        for lead in leads:
            led[lead.is_original] += lead.ended - lead.began
        return Result(
            options=self._options,
            seed=self._scheme.seed,
            finished=finished,
            seconds=time.monotonic() - self._began,
            phases=self._phases,
            counts=self._ledger.counts,
            errors=self._ledger.errors,
            tasks=tasks,
            slots=fates,
            led={is_original: nanoseconds / 1e9 for is_original, nanoseconds in led.items()},
            recurring_changes=self._recurring.changes,
            recurring_looks=self._recurring.looks,
            readable=readable,
            taken_over=self._taken_over,
            tracebacks=sum(
                server.log.count("Traceback") for server in self._ended if server.kind is Kind.OURS
            ),
            discrepancies=[
                *tasks.discrepancies,
                *fates.discrepancies,
                *self._recurring.discrepancies,
                *readable.discrepancies,
                *self._wrong,
            ],
        )

    # ------------------------------------------------------------------------ phases

    def _work(self) -> bool:
        """Go through the phases, and on until every plan is at its end; whether that was in time."""
        creations = Creations(self._plans)
        workers, producers = self._options.workers, self._options.producers
        with ThreadPoolExecutor(workers + producers + 1) as pool:
            futures = [
                pool.submit(
                    produce,
                    self._caller(1000 + number),
                    self._ledger,
                    creations,
                    self._scheme,
                    self._await_turn,
                )
                for number in range(producers)
            ]
            for number in range(workers):
                worker = Worker(
                    f"worker-{number}",
                    self._caller(2000 + number),
                    self._ledger,
                    self._fleet,
                    self._scheme.queues,
                    seed=self._scheme.seed * 1000 + number,
                )
                futures.append(pool.submit(worker.work, self._stopped.is_set))
            try:
                for phase in range(len(PHASES)):
                    if time.monotonic() < self._stop_at:
                        self._go_through(phase, futures, pool)
            finally:
                self._stopped.set()
        for future in futures:
            future.result()
        return self._is_finished

    def _go_through(
        self, phase: int, futures: Sequence[Future[None]], pool: ThreadPoolExecutor
    ) -> None:
        """Let a phase last until the next one is prepared, or to the end of the run."""
        began = time.time_ns()
        self._phase_began = time.monotonic()
        self._enter(phase)
        prepared: Future[None] | None = None
        is_last = phase == len(PHASES) - 1
        while not self._is_over(phase, prepared, is_last=is_last):
            for future in futures:
                if future.done():
                    future.result()
            if prepared is None and not is_last and self._at >= _PREPARED_AT:
                prepared = pool.submit(self._prepare, phase + 1)
            self._recurring.advance(phase, self._at)
            self._look()
            self._stopped.wait(_TICK_SECONDS)
        if prepared is not None:
            prepared.result()
        self._recurring.look_at_lists(self._fleet.live)
        self._phases.append(self._seen(began))

    @property
    def _at(self) -> float:
        """How much of the phase is over, as a part of its length."""
        return (time.monotonic() - self._phase_began) / self._options.phase_seconds

    def _is_over(self, phase: int, prepared: Future[None] | None, *, is_last: bool) -> bool:
        if time.monotonic() > self._stop_at:
            return True
        if self._at < 1 or not self._ledger.has_created(phase):
            return False
        if is_last:
            return self._is_finished
        if prepared is None or not prepared.done():
            return False
        # Some that are to be held over may wait for their turn on a slow machine.
        return self._ledger.holds(held_over(self._plans, phase)) or self._at > 2

    @property
    def _is_finished(self) -> bool:
        if not self._ledger.is_finished:
            return False
        return not documents.unfinished(self._url, f".tasques_queue-{self._scheme.slots_queue}")

    def _prepare(self, phase: int) -> None:
        """Start what the phase needs and does not run yet; nothing is sent there before it begins."""
        older_than = f"{self._options.archive_seconds}s"
        if PHASES[phase].has_original and Kind.ORIGINAL not in self._servers:
            original = self._kept(TheOriginal(self._options.binary, self._url, older_than))
            original.set_up()
            original.start()
            self._servers[Kind.ORIGINAL] = original
        if PHASES[phase].has_ours and Kind.OURS not in self._servers:
            ours = self._kept(OurServer(self._url, older_than))
            indices, adopted = documents.adopted(self._url, self._scheme.pattern)
            self._taken_over = indices - adopted
            ours.set_up()
            ours.start()
            self._servers[Kind.OURS] = ours

    def _kept(self, server: _S) -> _S:
        """A server that is stopped in the end, whatever happens, and its log kept."""
        self._stack.callback(server.close)
        if self._options.logs is not None:
            self._count += 1
            path = self._options.logs / f"{self._count}-{server.kind.value}.log"
            self._stack.callback(lambda: path.write_text(server.log))
        return server

    def _enter(self, phase: int) -> None:
        """Let exactly the servers of the phase take requests; stop the others in order."""
        wanted = PHASES[phase]
        has = {Kind.ORIGINAL: wanted.has_original, Kind.OURS: wanted.has_ours}
        self._fleet.become(phase, [it for kind, it in self._servers.items() if has[kind]])
        self._say(f"phase {phase + 1}: {wanted.name}")
        for kind in [kind for kind in self._servers if not has[kind]]:
            self._retire(self._servers.pop(kind))

    def _retire(self, server: Server) -> None:
        kind = server.kind
        if not self._fleet.drain(server):
            self._is_wrong(kind.value, "did not answer every request before it was stopped")
        self._watch.stopping(is_original=kind is Kind.ORIGINAL)
        status, _ = server.terminate()
        if status != 0:
            self._is_wrong(kind.value, f"ended with status {status}")
        self._ended.append(server)

    def _is_wrong(self, subject: str, text: str) -> None:
        self._wrong.append(Discrepancy(fault=Fault.SERVER, subject=subject, text=text))

    def _await_turn(self, plan: Plan) -> float | None:
        """For producers: wait for the turn of a task; the seconds left of the phase."""
        while not self._stopped.is_set():
            phase = self._fleet.phase
            if phase > plan.phase or (phase == plan.phase and self._at >= plan.at):
                return max(0.0, (1 - self._at) * self._options.phase_seconds)
            self._stopped.wait(0.05)
        return None

    def _caller(self, number: int) -> Caller:
        seed = self._scheme.seed * 10_000 + number
        stop_at = self._stop_at + _ANSWER_SECONDS
        return Caller(self._fleet, self._ledger, seed=seed, stop_at=stop_at)

    # ------------------------------------------------------------------------- looks

    def _look(self) -> None:
        """See what died by a time-out, and say how far it has come; now and then."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_SECONDS
            for number in documents.dead_numbers(self._url, self._scheme.pattern):
                self._ledger.end(number)
        if now >= self._next_line:
            self._next_line = now + _PROGRESS_SECONDS
            created, claims, over = self._ledger.totals()
            self._say(
                f"created {created:,}, claims {claims:,}, at their end {over:,} of"
                f" {len(self._plans):,}"
            )

    def _seen(self, began: int) -> PhaseSeen:
        queued = documents.kept(self._url, self._scheme.pattern)
        indices, adopted = documents.adopted(self._url, self._scheme.pattern)
        return PhaseSeen(
            began=began,
            seconds=(time.time_ns() - began) / 1e9,
            queued=len(queued),
            with_ext=sum(it.has_ext for it in queued),
            archived=len(documents.kept(self._url, documents.ARCHIVE)),
            indices=indices,
            adopted=adopted,
        )

    # ----------------------------------------------------------------------- the end

    def _compare(self) -> tuple[Readable, Left]:
        """
        Ask a server of each kind for everything that is left, and read what there is.

        By servers that archive nothing, so that what they are asked for does not move meanwhile.
        """
        self._claim_once_more()
        for server in self._servers.values():
            self._retire(server)
        self._say("asking both for everything that is left")
        pair: list[Server] = [
            self._kept(TheOriginal(self._options.binary, self._url, NEVER)),
            self._kept(OurServer(self._url, NEVER)),
        ]
        for server in pair:
            server.start()
        left = Left(
            queued=documents.kept(self._url, self._scheme.pattern),
            archived=documents.kept(self._url, documents.ARCHIVE),
        )
        readable = read(pair, left.queued)
        self._recurring.look_at_all(pair)
        for server in pair:
            server.terminate()
            self._ended.append(server)
        return readable, left

    def _claim_once_more(self) -> None:
        """Nothing is left that a worker could get."""
        body = {"queues": self._scheme.queues(len(PHASES) - 1), "amount": 10, "block_for": "2s"}
        reply = self._caller(1).ask(
            "POST", "/tasques/claims", body, {WORKER_HEADER: "the-last-worker"}
        )
        for item in reply.answer.body:
            self._ledger.claim("the-last-worker", reply, item)

    def _observed(self, left: Left) -> Observed:
        places = left.places()
        ledger = self._ledger
        return Observed(
            plans=ledger.plans,
            arguments={plan.number: arguments(plan, self._scheme) for plan in self._plans},
            histories=ledger.histories,
            found={plan.number: places.get((plan.queue, plan.id), Found()) for plan in self._plans},
            slots=ledger.slots,
            slots_found={
                id: found
                for (queue, id), found in places.items()
                if queue == self._scheme.slots_queue
            },
            phase_began=[phase.began for phase in self._phases],
            strangers=ledger.strangers,
            unanswered_claims=ledger.unanswered_claims,
        )

    def _say(self, line: str) -> None:
        self._options.progress(f"{time.monotonic() - self._began:6.1f} s  {line}")
