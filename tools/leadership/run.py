"""One run, from the first recurring task to the judgement."""

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.accounting.client import Client
from tools.accounting.ledger import NANOSECONDS, instant
from tools.elasticsearch_node import ElasticsearchNode, call
from tools.leadership.audit import Discrepancy, Found, Judgement, Observed, judge, leaders
from tools.leadership.fates import Fate, Hand, HandOver
from tools.leadership.fleet import Fleet, OurServer, Server, TheOriginal
from tools.leadership.schedule import Plan, Slots, plans
from tools.leadership.watch import JSON, Watcher
from tools.leadership.work import Worker
from tools.tasques_server import elasticsearch_settings

#: How long the servers get in the end to decide what is due; a leader that has just been found
#: needs some seconds, on a busy machine more.
_DECIDE_SECONDS = 90.0
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What to do.

    Attributes:
        elasticsearch_url: Where; templates are set up, and the indices of the run stay there.
        node: The same, if it may be paused.
        prefix: What the names of the indices begin with; None for the default.
        servers: How many of ours.
        lease_seconds: Of the lock, for all servers.
        fates: What is to happen, in order; None for as much as fits into *seconds*, by chance.
        seed: None for one that is chosen, and printed.
        original: The binary of an original server to take part.
        progress: Takes a line now and then.
    """

    elasticsearch_url: str
    node: ElasticsearchNode | None = None
    prefix: str | None = None
    servers: int = 3
    lease_seconds: float = 5.0
    fates: Sequence[Fate] | None = None
    seconds: float = 600.0
    seed: int | None = None
    original: Path | None = None
    progress: Callable[[str], None] = field(default=lambda line: None)


@dataclass(frozen=True, kw_only=True)
class Result:
    """
    What came of a run.

    Attributes:
        decided: Every slot was decided before the patience at the end was over.
        handovers: In order.
        terms: How many servers of ours took the lock.
        leaders_of_a_term: The most that were seen in one term.
        originals_led: How many times an original took the lock from a server of ours.
        logs: Of each server, the lines of its log that have a traceback.
    """

    options: Options
    seed: int
    plans: Sequence[Plan]
    judgement: Judgement
    decided: bool
    handovers: Sequence[HandOver]
    terms: int
    leaders_of_a_term: int
    originals_led: int
    seconds: float
    tracebacks: int

    @property
    def ok(self) -> bool:
        """Whether every slot is accounted for."""
        return self.decided and not self.judgement.discrepancies

    @property
    def discrepancies(self) -> Sequence[Discrepancy]:
        """All that is wrong."""
        return self.judgement.discrepancies


def check(options: Options) -> Result:
    """
    Change leaders, and judge.

    Raises:
        NobodyLeads: If no server leads, where one has to.
        ServerUnavailable: If a server does not come up, or does not make the recurring tasks.
    """
    with ExitStack() as stack:
        return _Run(options, stack).result()


class _Run:
    def __init__(self, options: Options, stack: ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
        self._prefix = options.prefix if options.prefix is not None else ".tasques_"
        self._plans = plans(f"leadership-{secrets.token_hex(3)}")
        self._began = time.monotonic()

    def result(self) -> Result:
        """Carry it out."""
        options = self._options
        self._say(f"{options.servers} servers, seed {self._seed}")
        fleet = self._fleet()
        fleet.start()
        created_at = {
            plan.id: instant(fleet.create(plan.body())["metadata"]["created_at"])
            for plan in self._plans
        }
        watcher = Watcher(options.elasticsearch_url, self._prefix, [p.id for p in self._plans])
        (wants_one,) = (plan for plan in self._plans if plan.wants_one)
        worker = Worker(fleet.urls, wants_one.queue, seed=self._seed)
        with watcher, worker:
            handovers = self._deal(fleet, watcher)
            until = int(time.time())
            decided = self._await_decided(watcher, created_at, until)
        self._say("looking at every task")
        seen = watcher.recurring
        found = {plan.id: self._find(plan, worker) for plan in self._plans}
        found_at = time.time()
        observed = [
            Observed(
                plan=plan,
                created_at=created_at[plan.id],
                until=until,
                found_at=found_at,
                seen=seen[plan.id],
                found=found[plan.id],
                has_original=options.original is not None,
            )
            for plan in self._plans
        ]
        led = leaders(watcher.locks)
        kinds = [lock.is_original for lock in watcher.locks]
        return Result(
            options=options,
            seed=self._seed,
            plans=self._plans,
            judgement=judge(observed, watcher.locks),
            decided=decided,
            handovers=handovers,
            terms=sum(term is not None for term in led),
            leaders_of_a_term=max(
                (len(ids) for term, ids in led.items() if term is not None), default=0
            ),
            originals_led=sum(
                is_original and not before
                for before, is_original in zip([False, *kinds], kinds, strict=False)
            ),
            seconds=time.monotonic() - self._began,
            tracebacks=sum(
                "Traceback" in line for server in fleet.ours for line in server.log.splitlines()
            ),
        )

    def _fleet(self) -> Fleet:
        options = self._options
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        lease = options.lease_seconds
        settings = {
            **elasticsearch_settings(options.elasticsearch_url, options.prefix),
            "backend": "elasticsearch:",
            "recurring.leader_lock.leader_lock_lease": f"{lease:g}s",
            "recurring.leader_lock.run_interval": f"{lease / 5:g}s",
            # A claim whose answer died with a server is to be over soon.
            "recurring.timed_out_tasks_reaper.run_interval": "1s",
        }
        servers: list[Server] = []
        for number in range(options.servers):
            ours = OurServer(f"server {number + 1}", settings, folder)
            self._stack.callback(ours.close)
            servers.append(ours)
        servers[0].set_up()
        if options.original is not None:
            allow = {"persistent": {"indices.id_field_data.enabled": True}}
            call(options.elasticsearch_url, "PUT", "/_cluster/settings", allow)
            original = TheOriginal("original", options.original, options.elasticsearch_url, lease)
            self._stack.callback(original.close)
            servers.append(original)
        return Fleet(servers)

    def _deal(self, fleet: Fleet, watcher: Watcher) -> list[HandOver]:
        hand = Hand(
            fleet,
            watcher,
            lease_seconds=self._options.lease_seconds,
            node=self._options.node,
            chance=random.Random(self._seed),
            say=self._say,
        )
        if self._options.fates is not None:
            handovers = [hand.deal(fate) for fate in self._options.fates]
        else:
            stop_at = self._began + self._options.seconds
            handovers = []
            while time.monotonic() < stop_at:
                handovers.append(hand.deal(hand.choose()))
        hand.await_leader()
        return handovers

    def _await_decided(self, watcher: Watcher, created_at: dict[str, int], until: int) -> bool:
        """Wait until every slot up to *until* is decided; whether that was in time."""
        self._say("waiting until every slot is decided")
        due = {
            plan.id: slots[-1]
            for plan in self._plans
            if (slots := Slots(plan=plan, created_at=created_at[plan.id], until=until).all)
        }
        deadline = time.monotonic() + _DECIDE_SECONDS
        while time.monotonic() < deadline:
            latest = watcher.latest()
            lock = watcher.latest_lock()
            if lock is not None and lock.is_original:
                # It says nothing about slots; a moment is all that can be given.
                time.sleep(3 * self._options.lease_seconds)
                return True
            if all(
                id in latest and (latest[id].decided_until or 0) >= slot * NANOSECONDS
                for id, slot in due.items()
            ):
                return True
            time.sleep(0.2)
        return False

    # ------------------------------------------------------------------- what is there

    def _find(self, plan: Plan, worker: Worker) -> list[Found]:
        """Every task that was made for the recurring task of *plan*."""
        url = self._options.elasticsearch_url
        index = f"{self._prefix}queue-{plan.queue}"
        status, _ = call(url, "POST", f"/{index}/_refresh")
        if status == 404:
            return []
        client = Client([url], stop_at=time.monotonic() + 60)
        snapshot = client.ask("POST", f"/{index}/_pit?keep_alive=1m").body["id"]
        found: list[Found] = []
        after: list[Any] | None = None
        while True:
            body: dict[str, Any] = {
                "size": _PAGE,
                "pit": {"id": snapshot, "keep_alive": "1m"},
                "query": {"term": {"recurring_task_id.keyword": plan.id}},
                "sort": ["_shard_doc"],
                "_source": ["id", "metadata.created_at", "last_claimed.result.at"],
            }
            if after is not None:
                body["search_after"] = after
            hits = client.ask("POST", "/_search", body, JSON).body["hits"]["hits"]
            found += [_found(hit["_source"], worker) for hit in hits]
            if len(hits) < _PAGE:
                client.ask("DELETE", "/_pit", {"id": snapshot}, JSON)
                client.close()
                return found
            after = hits[-1]["sort"]

    def _say(self, line: str) -> None:
        self._options.progress(f"{time.monotonic() - self._began:6.1f} s  {line}")


def _found(task: dict[str, Any], worker: Worker) -> Found:
    finished = [worker.finished_at[task["id"]]] if task["id"] in worker.finished_at else []
    # One that nobody finished may have timed out.
    if result := task.get("last_claimed", {}).get("result"):
        finished.append(instant(result["at"]))
    marked, _, slot = task["id"].rpartition("-")
    return Found(
        id=task["id"],
        slot=int(slot) if marked.startswith("rec-") else None,
        created_at=instant(task["metadata"]["created_at"]),
        finished_at=min(finished, default=None),
    )
