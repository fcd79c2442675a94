"""What is measured: the load's arguments, and the figures that are read off each run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from benchmarks.figures import Figure

_NO_EXCEPTIONS: Final[Mapping[str, str]] = {}


@attrs.frozen(kw_only=True)
class Scenario:
    """
    One kind of load.

    Attributes:
        name: What it is called on the command line.
        title: What happens, in a line.
        load: Arguments of the load, as they would be typed; of the module, if there is one.
        figures: The first one is the headline.
        subjects: Who takes part, by name; whoever is not there is left out.
        module: Of Python; it is run in place of the load, and prints an object like the load's.
        instead: Other arguments for single subjects, such as those for Elasticsearch alone.
        rounds: In so many rounds at most; None for all.
        nodes: Of the Elasticsearch that it needs.
        by_default: Whether it runs when nothing is chosen.
        apart: Whether tasks come to one server and workers to another, past the proxy.
        limit_seconds: It is given up after that.
    """

    name: str
    title: str
    load: str
    figures: tuple[Figure, ...]
    subjects: tuple[str, ...]
    module: str | None = None
    instead: Mapping[str, str] = _NO_EXCEPTIONS
    rounds: int | None = None
    nodes: int = 1
    by_default: bool = True
    apart: bool = False
    limit_seconds: float = 180.0

    def arguments(self, subject: str) -> Sequence[str]:
        """What the load is told for *subject*."""
        return shlex.split(self.instead.get(subject, self.load))


def _per_task() -> tuple[Figure, ...]:
    return (
        Figure(label="server µs/task", path="cpu.per_task.server_us", sums_up=True),
        Figure(label="Elasticsearch µs/task", path="cpu.per_task.es_us", sums_up=True),
    )


def _rate(unit: str) -> Figure:
    return Figure(label=f"{unit}/s", path="throughput_per_s", more_is_better=True, sums_up=True)


def _latency(what: str, *percentiles: str) -> tuple[Figure, ...]:
    label = what.replace("_", " ")
    return tuple(
        Figure(label=f"{label} {each} ms", path=f"latency_ms.{what}.{each}") for each in percentiles
    )


_MEMORY: Final = Figure(label="server MB at most", path="server_rss_peak_mb")
_REFUSED: Final = Figure(label="lost compare-and-sets per task", path="store.lost_per_task")

_CREATING: Final = (_rate("created"), *_latency("create", "p50", "p99"), *_per_task())
_DRAINING: Final = (
    _rate("tasks"),
    *_latency("claim", "p50", "p99"),
    *_latency("done", "p50", "p99"),
    *_per_task(),
    _REFUSED,
    _MEMORY,
)
_LIVING: Final = (
    _rate("lives"),
    *_latency("create_to_claim", "p50", "p99"),
    *_per_task(),
    _REFUSED,
    _MEMORY,
)
_HANDING_OFF: Final = (
    *_latency("create_to_claim", "p95", "p50", "p99", "max"),
    *_latency("sent_to_claim", "p50", "p95"),
)
_IDLING: Final = (
    Figure(label="idle: server, cores", path="idle.server_cores", sums_up=True),
    Figure(label="idle: Elasticsearch, cores", path="idle.es_cores", sums_up=True),
    Figure(label="create p50 ms, another queue", path="other_queue.latency_ms.create.p50"),
    Figure(
        label="create p99 ms, another queue", path="other_queue.latency_ms.create.p99", sums_up=True
    ),
    Figure(label="hand-off p50 ms", path="same_queue.latency_ms.create_to_claim.p50", sums_up=True),
    _MEMORY,
)


def _deep(phase: str, label: str) -> tuple[Figure, ...]:
    at = f"phases.{phase}"
    return (
        Figure(label=f"claim p50 ms, {label}", path=f"{at}.latency_ms.claim.p50", sums_up=True),
        Figure(label=f"claim p99 ms, {label}", path=f"{at}.latency_ms.claim.p99"),
        Figure(label=f"Elasticsearch µs/task, {label}", path=f"{at}.cpu.per_task.es_us"),
        Figure(label=f"server MB, {label}", path=f"{at}.server_rss_mb"),
    )


_ALL: Final = ("raw", "ours", "again", "naive", "original", "original-tuned", "other")
_SERVERS: Final = tuple(name for name in _ALL if name != "raw")
_FLEETS: Final = ("ours-p2", "ours-p4", "two-servers")
_REPLICATED: Final = ("raw", "ours", "original", "two-servers", "other")
_LIBRARY_WORKER: Final = shlex.quote(f"{sys.executable} -m benchmarks.library_worker")
#: Of higher priority but not due, and done: what a search for work has to pass over.
_BESIDE: Final = "-future 1000000 -done 1000000"

SCENARIOS: Final = (
    Scenario(
        name="enqueue-1",
        title="one producer, one task at a time",
        load="-scenario enqueue -c 1 -warmup 500ms -duration 3s",
        figures=_CREATING,
        subjects=_ALL,
        instead={"raw": "-scenario raw-create -c 1 -batch 1 -warmup 500ms -duration 3s"},
    ),
    Scenario(
        name="enqueue-32",
        title="32 producers, one task at a time each",
        load="-scenario enqueue -c 32 -warmup 1s -duration 4s",
        figures=_CREATING,
        subjects=(*_ALL, *_FLEETS),
        instead={"raw": "-scenario raw-create -c 2 -batch 16 -duration 4s"},
    ),
    Scenario(
        name="drain-a1",
        title="8 workers claim 1 task at a time and finish it",
        load="-scenario drain -n 4000 -w 8 -amount 1 -drain-limit 6s",
        figures=_DRAINING,
        subjects=_ALL,
        instead={"raw": "-scenario raw-drain -n 8000 -c 2 -batch 4"},
    ),
    Scenario(
        name="drain-a10",
        title="8 workers claim 10 tasks at a time and finish each by itself",
        load="-scenario drain -n 6000 -w 8 -amount 10 -drain-limit 6s",
        figures=_DRAINING,
        subjects=_ALL,
        instead={"raw": "-scenario raw-drain -n 20000 -c 2 -batch 40"},
    ),
    Scenario(
        name="drain-w64",
        title="64 workers claim 10 tasks at a time and finish each by itself",
        load="-scenario drain -n 20000 -w 64 -amount 10 -drain-limit 8s",
        figures=_DRAINING,
        subjects=(*_ALL, *_FLEETS),
        instead={"raw": "-scenario raw-drain -n 60000 -c 2 -batch 320"},
    ),
    Scenario(
        name="mix",
        title="4 producers and 8 workers at the same time, with reports and reads",
        load="-scenario mix -c 4 -w 8 -amount 5 -duration 5s -max-outstanding 100 -drain-limit 5s",
        figures=_LIVING,
        subjects=(*_ALL, *_FLEETS),
        instead={"raw": "-scenario raw-life -c 2 -batch 20 -duration 4s"},
    ),
    Scenario(
        name="hand-off",
        title="one worker waits, tasks come one at a time",
        load="-scenario handoff -n 1000 -gap 70ms",
        figures=_HANDING_OFF,
        subjects=("ours", "naive", "original", "original-tuned", "other"),
        # The original takes a second each, whatever their number.
        instead={
            "original": "-scenario handoff -n 60 -gap 350ms",
            "original-tuned": "-scenario handoff -n 100 -gap 350ms",
        },
        rounds=1,
        limit_seconds=1500,
    ),
    Scenario(
        name="hand-off-elsewhere",
        title="the same, where tasks come to one server or process and the worker waits at another",
        load="-scenario handoff -n 1000 -gap 70ms",
        figures=_HANDING_OFF,
        subjects=("two-servers", "ours-p2", "silent-p2"),
        # A second each, as the original.
        instead={"silent-p2": "-scenario handoff -n 100 -gap 350ms"},
        apart=True,
        rounds=1,
        limit_seconds=1500,
    ),
    Scenario(
        name="idle-200",
        title="200 workers wait at an empty queue",
        load="-scenario idle -pollers 200 -duration 4s -warmup 1s -rate 20 -block-for 5s -timeout 15s",
        figures=_IDLING,
        subjects=_SERVERS,
    ),
    Scenario(
        name="idle-1000",
        title="1,000 workers wait at an empty queue",
        load="-scenario idle -pollers 1000 -duration 6s -warmup 6s -rate 20 -block-for 5s -timeout 15s",
        figures=_IDLING,
        subjects=("ours", "again", "original", "original-tuned", "other", "ours-p2"),
    ),
    Scenario(
        name="batch-create",
        title="one producer, 100 tasks in each request",
        load="-scenario batch-create -c 1 -batch 100 -duration 4s",
        figures=_CREATING,
        subjects=("raw", "ours", "again", "naive", "other"),
        instead={"raw": "-scenario raw-create -c 1 -batch 100 -duration 4s"},
    ),
    Scenario(
        name="batch-life",
        title="2 producers create, 4 workers claim and finish, 100 tasks in each request",
        load="-scenario batch-life -c 2 -w 4 -batch 100 -amount 100 -max-outstanding 1000 -duration 5s",
        figures=_LIVING,
        subjects=("raw", "ours", "again", "naive", "ours-p2", "ours-p4", "other"),
        instead={"raw": "-scenario raw-life -c 2 -batch 100 -duration 5s"},
    ),
    Scenario(
        name="library-worker",
        title="the library's worker in Python, 8 tasks at a time that do nothing",
        load=f"-scenario command -n 6000 -drain-limit 60s -command {_LIBRARY_WORKER}",
        figures=(
            _rate("lives"),
            Figure(label="worker µs/task", path="worker.us_per_task", sums_up=True),
            Figure(label="all together µs/task", path="worker.us_in_all", sums_up=True),
            *_per_task(),
        ),
        subjects=("ours", "again", "ours-p2", "other"),
    ),
    Scenario(
        name="embedded",
        title="the library on tasks in memory, without a server: create, claim, done",
        load="",
        module="benchmarks.embedded",
        figures=(
            Figure(label="create + claim + done µs", path="cpu.us_per_life", sums_up=True),
            _rate("lives"),
            *(
                Figure(label=f"ready {each} ms", path=f"ready.{each}_ms", sums_up=True)
                for each in ("p50", "p99")
            ),
            Figure(label="threads when ready", path="ready.threads"),
            Figure(label="1,000 tests with the fixture s", path="fixtures.all_s", sums_up=True),
            Figure(label="the fixture ms/test", path="fixtures.each_ms"),
        ),
        subjects=("embedded",),
    ),
    Scenario(
        name="deep",
        title="4 workers at a queue of 1,000 and of 1,000,000 ready tasks",
        load=f"-scenario deep -n 1000000 {_BESIDE} -w 4 -amount 1 -claims 2000 -drain-limit 60s",
        figures=(
            *_deep("deep", "1,000,000 ready"),
            *_deep("shallow", "1,000 ready"),
            *_deep("beside", "and 1,000,000 later, 1,000,000 done"),
        ),
        subjects=("ours", "naive", "original-tuned", "other"),
        # Six million documents take their time.
        instead={
            "original-tuned": f"-scenario deep -n 1000000 {_BESIDE} -w 4 -amount 1 -claims 200"
        },
        rounds=1,
        limit_seconds=900,
    ),
    Scenario(
        name="enqueue-32-replica",
        title="32 producers, one task at a time each; three nodes, each document on two",
        load="-scenario enqueue -c 32 -warmup 1s -duration 4s",
        figures=_CREATING,
        subjects=_REPLICATED,
        instead={"raw": "-scenario raw-create -c 2 -batch 16 -duration 4s"},
        nodes=3,
    ),
    Scenario(
        name="drain-w64-replica",
        title="64 workers claim 10 at a time; three nodes, each document on two",
        load="-scenario drain -n 10000 -w 64 -amount 10 -drain-limit 8s",
        figures=_DRAINING,
        subjects=_REPLICATED,
        instead={"raw": "-scenario raw-drain -n 30000 -c 2 -batch 320"},
        nodes=3,
    ),
    Scenario(
        name="mix-replica",
        title="4 producers and 8 workers at the same time; three nodes, each document on two",
        load="-scenario mix -c 4 -w 8 -amount 5 -duration 5s -max-outstanding 100 -drain-limit 5s",
        figures=_LIVING,
        subjects=_REPLICATED,
        instead={"raw": "-scenario raw-life -c 2 -batch 20 -duration 4s"},
        nodes=3,
    ),
    Scenario(
        name="soak",
        title="4 producers and 8 workers at half of what they can do, for an hour",
        load="-scenario soak -c 4 -w 8 -amount 5 -duration 60m -windows 6 -drain-limit 60s",
        figures=(
            Figure(label="claim p99, last ten minutes to first", path="ratio.claim", sums_up=True),
            Figure(
                label="create to claim p99, last to first",
                path="ratio.create_to_claim",
                sums_up=True,
            ),
            Figure(label="lives/s", path="throughput_per_s", more_is_better=True, sums_up=True),
            _MEMORY,
        ),
        subjects=("ours",),
        rounds=1,
        by_default=False,
        limit_seconds=4200,
    ),
)


def named(names: Sequence[str]) -> tuple[Scenario, ...]:
    """
    The scenarios of these names, in the table's order; without names, all that run by default.

    Raises:
        ValueError: If there is no such scenario; the message names it.
    """
    known = {scenario.name for scenario in SCENARIOS}
    for name in names:
        if name not in known:
            raise ValueError(f"no such scenario: {name}")
    return tuple(each for each in SCENARIOS if (each.name in names if names else each.by_default))
