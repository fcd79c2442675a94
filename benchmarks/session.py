"""Rounds: every subject through every scenario, in an order that favours nobody."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from benchmarks import cluster as clusters
from benchmarks import generator, machine
from benchmarks.accounting import faults
from benchmarks.cluster import Cluster
from benchmarks.figures import Json, number
from benchmarks.processes import cpu_seconds
from benchmarks.results import Results, Run
from benchmarks.scenarios import Scenario
from benchmarks.subjects import Subject, Target

#: Elasticsearch's compiler makes its first half minute several times dearer.
_WARM_UP: Final = (
    "-scenario enqueue -c 16 -warmup 0s -duration {create:g}s",
    "-scenario mix -c 4 -w 8 -amount 5 -duration {live:g}s -drain-limit 1s",
)
#: Rounds of that at most, where others leave Elasticsearch little time, or its process is not here.
_WARM_UPS: Final = 6
#: Between two runs, so that what the last one left behind is not charged to the next one.
_PAUSE_SECONDS: Final = 0.5


@attrs.frozen(kw_only=True)
class Plan:
    """
    What to do.

    Attributes:
        rounds: Each subject through each scenario so often, in turns: A B, B A, A B …
        limit_seconds: No subject begins a round that would likely end after that.
        warm_up_seconds: Elasticsearch is given unrecorded load until it has spent so much processor
            time, or three times as long has gone by; 0 for none.
        elasticsearch: A version to start, or the address of one that runs.
        say: Told how far it has come.
        keep: Given what there is, after every run.
    """

    scenarios: Sequence[Scenario]
    subjects: Sequence[Subject]
    rounds: int
    limit_seconds: float
    warm_up_seconds: float
    elasticsearch: str
    heap_megabytes: int
    say: Callable[[str], None]
    keep: Callable[[Results], None]


def measure(plan: Plan) -> Results:
    """Do it all; what was measured, in the order in which it was."""
    return _Session(plan).measure()


class _Session:
    """One plan under way."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began = time.monotonic()
        self._results: Results | None = None
        #: How long each subject's turn took at most.
        self._took: dict[tuple[int, str], float] = {}

    def measure(self) -> Results:
        # One cluster after another: the larger would take the cores of the smaller.
        for nodes in sorted({scenario.nodes for scenario in self._plan.scenarios}):
            scenarios = [each for each in self._plan.scenarios if each.nodes == nodes]
            with self._cluster(nodes) as cluster:
                self._begin(cluster)
                self._warm_up(cluster)
                self._rounds(cluster, scenarios)
        if self._results is None:
            raise ValueError("no scenario was chosen")
        return self._results

    @contextlib.contextmanager
    def _cluster(self, nodes: int) -> Iterator[Cluster]:
        where = self._plan.elasticsearch
        if where.startswith("http"):
            yield clusters.elsewhere(where)
            return
        self._say(f"starting Elasticsearch {where}, nodes: {nodes}")
        with clusters.running(
            where, nodes=nodes, heap_megabytes=self._plan.heap_megabytes
        ) as cluster:
            yield cluster

    def _begin(self, cluster: Cluster) -> None:
        if self._results is None:
            now = datetime.datetime.now(datetime.UTC)
            self._results = Results(
                machine=machine.description(cluster.version()),
                date=now.strftime("%Y-%m-%d %H:%M UTC"),
                subjects={subject.name: subject.about for subject in self._plan.subjects},
            )

    def _warm_up(self, cluster: Cluster) -> None:
        seconds = self._plan.warm_up_seconds
        servers = [it for it in self._plan.subjects if it.name not in ("raw", "embedded")]
        if not seconds or not servers:
            return
        before = cpu_seconds(cluster.pids)
        with self._started(servers[0], cluster) as target:
            for _ in range(_WARM_UPS):
                for load in _WARM_UP:
                    arguments = load.format(create=seconds / 4, live=seconds / 4).split()
                    generator.run(["-url", target.urls[0], *arguments], limit_seconds=seconds + 60)
                    cluster.wipe()
                if cpu_seconds(cluster.pids) - before > seconds:
                    break
        self._say("Elasticsearch is warm")

    def _rounds(self, cluster: Cluster, scenarios: Sequence[Scenario]) -> None:
        for number_of_round in range(1, self._plan.rounds + 1):
            order = 1 if number_of_round % 2 else -1
            for subject in self._plan.subjects[::order]:
                self._turn(subject, cluster, scenarios, number_of_round)

    def _turn(
        self, subject: Subject, cluster: Cluster, scenarios: Sequence[Scenario], round_: int
    ) -> None:
        """One subject through what there is for it in this round."""
        mine = [
            each
            for each in scenarios
            if subject.kind in each.subjects and (each.rounds is None or round_ <= each.rounds)
        ]
        if not mine:
            return
        key = (mine[0].nodes, subject.name)
        if self._elapsed() + self._took.get(key, 0.0) > self._plan.limit_seconds:
            self._say(f"round {round_}  {subject.name}: left out, the limit is near")
            return
        began = time.monotonic()
        with self._started(subject, cluster) as target:
            for scenario in mine:
                self._record(self._run(scenario, subject, target, cluster, round_))
        self._took[key] = max(self._took.get(key, 0.0), time.monotonic() - began)

    @contextlib.contextmanager
    def _started(self, subject: Subject, cluster: Cluster) -> Iterator[Target]:
        cluster.wipe()
        cluster.forget_templates()
        with subject.started(cluster) as target:
            yield target
        cluster.wipe()

    def _run(
        self, scenario: Scenario, subject: Subject, target: Target, cluster: Cluster, round_: int
    ) -> Run:
        cluster.wipe()
        time.sleep(_PAUSE_SECONDS)
        busy, began = machine.busy_cores(), time.monotonic()
        try:
            found = _loaded(scenario, subject, target, cluster)
        except generator.LoadFailed as error:
            result: Json = {}
            wrong: Sequence[str] = (f"the load failed: {error}",)
        else:
            result, wrong = {**found, "store": _store(cluster, found)}, faults(found)
        return Run(
            scenario=scenario.name,
            subject=subject.name,
            round=round_,
            result=result,
            faults=tuple(wrong),
            seconds=round(time.monotonic() - began, 1),
            load_average=busy,
        )

    def _record(self, run: Run) -> None:
        if self._results is None:
            raise RuntimeError("nothing has begun")
        self._results = attrs.evolve(
            self._results,
            runs=(*self._results.runs, run),
            seconds=round(self._elapsed(), 1),
        )
        self._plan.keep(self._results)
        scenario = next(each for each in self._plan.scenarios if each.name == run.scenario)
        headline = scenario.figures[0]
        self._say(
            f"round {run.round} of {self._plan.rounds}  {run.subject:<14}  {run.scenario:<18}"
            f"  {run.seconds:5.1f} s  {headline.label} {number(headline.of(run.result))}"
            + "".join(f"\n           WRONG: {fault}" for fault in run.faults)
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _say(self, line: str) -> None:
        self._plan.say(f"{self._elapsed():6.0f} s  {line}")


def _store(cluster: Cluster, result: Json) -> Json:
    """What the indices hold, and how many writes were refused for each task that was done."""
    store, tasks = cluster.store(), result.get("tasks")
    if not (store and tasks):
        return store
    return {**store, "lost_per_task": round(store["refused"] / tasks, 5)}


def _loaded(scenario: Scenario, subject: Subject, target: Target, cluster: Cluster) -> Json:
    """What the load printed."""
    own, limit = scenario.arguments(subject.kind), scenario.limit_seconds
    if scenario.module is not None:
        return generator.run_module(scenario.module, own, limit_seconds=limit)
    arguments = [*_addresses(target, cluster, scenario), *own]
    return generator.run(arguments, limit_seconds=limit)


def _addresses(target: Target, cluster: Cluster, scenario: Scenario) -> Sequence[str]:
    """Where the load finds everything."""
    found = ["-es", cluster.urls[0], "-es-pid", ",".join(map(str, cluster.pids))]
    found += ["-server-pid", ",".join(map(str, target.pids))]
    if scenario.apart:
        return [*found, "-url", target.urls[1], "-worker-url", target.urls[2]]
    return [*found, "-url", target.urls[0]] if target.urls else found
