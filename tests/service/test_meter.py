"""Counting: exact from several threads, and read without disturbing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tasques.adapters.memory.backend import MemoryBackend
from tasques.core import lifecycle
from tasques.core.documents import Operation
from tasques.core.metrics import Distribution, MetricFamily, MetricKind, gauge
from tasques.core.ports import Create, Delete, Replace, Written
from tasques.core.queues import WorkerId
from tasques.core.service.measured_store import MeasuredTaskStore
from tasques.core.service.meter import Meter
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tasques.testing.examples import NOW, at, queued
from tasques.testing.fake_runtime import FakeRuntime


def by_name(meter: Meter) -> dict[str, MetricFamily]:
    return {family.name: family for family in meter.collect()}


def test_no_count_is_lost_between_threads() -> None:
    """A counter, and every bucket of a histogram."""
    meter = Meter(ThreadRuntime())
    counter = meter.counter("c_total", "Counted.", kind="a")
    histogram = meter.histogram("h", "Observed.", (1, 10))

    def work(number: int) -> None:
        for size in (0.5, 1, 5, 50):
            counter.add()
            histogram.observe(size)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(500)))
    assert counter.value == 2000
    assert histogram.value == Distribution((1, 10), (1000, 500, 500), 500 * 56.5)
    assert histogram.value.count == 2000


def test_families_hold_all_their_samples() -> None:
    """The same name and labels are one instrument; what is watched is asked for each time."""
    meter = Meter(FakeRuntime())
    meter.counter("b_total", "B.", x="1").add(2)
    meter.counter("b_total", "B.", x="2").add()
    meter.counter("b_total", "B.", x="1").add(3)
    seen: list[int] = []
    meter.watch(lambda: [gauge("a", "A.", len(seen))])
    assert [family.name for family in meter.collect()] == ["a", "b_total"]
    seen.append(1)
    found = by_name(meter)
    assert found["a"].samples[0].value == 1
    assert {s.labels: s.value for s in found["b_total"].samples} == {
        (("x", "1"),): 5,
        (("x", "2"),): 1,
    }
    assert found["b_total"].kind is MetricKind.COUNTER


def test_a_task_s_life_can_be_read_off_its_writes() -> None:
    """Each write under its verb and outcome, and how long the task waited and ran."""
    runtime = FakeRuntime(now=NOW)
    meter = Meter(runtime)
    store = MeasuredTaskStore(MemoryBackend(runtime).tasks, runtime, meter)

    def mark(task, verb):
        return task.stamped(Operation(token=runtime.new_id(), verb=verb))

    task = queued("q", run_at=NOW)
    [made] = store.write([Create(document=mark(task, "create"))])
    assert isinstance(made, Written)
    claimed = lifecycle.claim(task, worker=WorkerId("w"), now=at(3))
    held = Replace(document=mark(claimed, "claim"), expected=made.stored.version)
    [taken] = store.write([held])
    assert isinstance(taken, Written)
    store.write([held])
    done = lifecycle.complete(claimed, worker=WorkerId("w"), data=None, now=at(10))
    [ended] = store.write([Replace(document=mark(done, "done"), expected=taken.stored.version)])
    assert isinstance(ended, Written)
    store.write([Delete(document=done, expected=ended.stored.version)])

    found = by_name(meter)
    writes = {s.labels: s.value for s in found["tasques_task_writes_total"].samples}
    assert writes == {
        (("outcome", "written"), ("verb", "create")): 1,
        (("outcome", "written"), ("verb", "claim")): 1,
        (("outcome", "conflict"), ("verb", "claim")): 1,
        (("outcome", "written"), ("verb", "done")): 1,
        (("outcome", "deleted"), ("verb", "archive")): 1,
    }
    waited = found["tasques_task_waiting_seconds"].samples[0].value
    ran = found["tasques_task_running_seconds"].samples[0].value
    assert isinstance(waited, Distribution)
    assert isinstance(ran, Distribution)
    assert (waited.count, waited.total) == (1, 3.0)
    assert (ran.count, ran.total) == (1, 7.0)
    assert Duration.of_seconds(waited.total) == Duration.parse("3s")
