"""Rounds are interleaved, and a run that fails does not end the session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import pytest

from benchmarks import cluster, generator, session
from benchmarks.cluster import Cluster
from benchmarks.results import Results
from benchmarks.scenarios import Scenario, named
from benchmarks.session import Plan, measure
from benchmarks.subjects import OURS, Target, chosen

CLEAN = {"throughput_per_s": 5.0, "tasks": 10, "account": {"exactly_once": True}, "errors": {}}


class FakeCluster(Cluster):
    """Has nothing, and forgets it."""

    def wipe(self) -> None:
        pass

    def forget_templates(self) -> None:
        pass

    def store(self) -> dict[str, Any]:
        return {"refused": 1}

    def version(self) -> str:
        return "8.19.8"


@attrs.frozen(kw_only=True)
class FakeSubject:
    name: str
    about: str = "made up"

    @property
    def kind(self) -> str:
        return self.name

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        yield Target(urls=(f"http://{self.name}", "http://one", "http://two"), pids=(7,))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What the load was told, one after another; nothing is run."""
    told: list[Sequence[str]] = []

    def run(arguments: Sequence[str], *, limit_seconds: float) -> dict[str, Any]:
        told.append(arguments)
        if "http://broken" in arguments:
            raise generator.LoadFailed("no such thing")
        return dict(CLEAN)

    monkeypatch.setattr(generator, "run", run)
    monkeypatch.setattr(cluster, "elsewhere", lambda url: FakeCluster(urls=(url,), pids=(4194305,)))
    monkeypatch.setattr(session, "_PAUSE_SECONDS", 0)
    return told


def plan(subjects: Sequence[str], scenarios: Sequence[Scenario], **changes: Any) -> Plan:
    whole: dict[str, Any] = {
        "scenarios": [attrs.evolve(each, subjects=tuple(subjects)) for each in scenarios],
        "subjects": [FakeSubject(name=name) for name in subjects],
        "rounds": 2,
        "limit_seconds": 60,
        "warm_up_seconds": 0,
        "elasticsearch": "http://127.0.0.1:9",
        "heap_megabytes": 512,
        "say": lambda line: None,
        "keep": lambda results: None,
        **changes,
    }
    return Plan(**whole)


def test_subjects_take_turns(loads: list[Sequence[str]]) -> None:
    """A B, B A; each goes through all its scenarios in its turn, and every run is kept."""
    kept: list[Results] = []
    results = measure(plan(["a", "b"], named(["enqueue-1", "mix"]), keep=kept.append))

    assert [(run.round, run.subject, run.scenario) for run in results.runs] == [
        *((1, "a", "enqueue-1"), (1, "a", "mix"), (1, "b", "enqueue-1"), (1, "b", "mix")),
        *((2, "b", "enqueue-1"), (2, "b", "mix"), (2, "a", "enqueue-1"), (2, "a", "mix")),
    ]
    assert [len(each.runs) for each in kept] == list(range(1, 9))
    assert results.runs[0].result["store"] == {"refused": 1, "lost_per_task": 0.1}


def test_the_load_is_told_where_everything_is(loads: list[Sequence[str]]) -> None:
    """The servers' processes and Elasticsearch's, and two servers where they are apart."""
    measure(plan(["a"], named(["hand-off", "hand-off-elsewhere"]), rounds=1))

    assert loads[0][:8] == [
        *("-es", "http://127.0.0.1:9", "-es-pid", "4194305", "-server-pid", "7", "-url", "http://a")
    ]
    assert loads[1][6:10] == ["-url", "http://one", "-worker-url", "http://two"]


def test_elasticsearch_is_warmed_up(loads: list[Sequence[str]]) -> None:
    """By whatever server comes first, until it has worked enough; of that nothing is recorded."""
    results = measure(plan(["a"], named(["mix"]), rounds=1, warm_up_seconds=8))

    assert len(results.runs) == 1
    warming, measured = loads[:-1], loads[-1]
    assert all(each[:2] == ["-url", "http://a"] for each in warming)
    # No process with that number spends any time, so it ends by itself.
    assert len(warming) == 2 * session._WARM_UPS
    assert "mix" in measured


def test_slow_scenarios_run_once(loads: list[Sequence[str]]) -> None:
    """Whatever the number of rounds."""
    results = measure(plan(["a"], named(["hand-off", "mix"]), rounds=3))
    assert [run.scenario for run in results.runs].count("hand-off") == 1
    assert [run.scenario for run in results.runs].count("mix") == 3


def test_a_load_that_fails_is_a_fault(loads: list[Sequence[str]]) -> None:
    """With its reason; the others go on."""
    results = measure(plan(["broken", "b"], named(["mix"]), rounds=1))
    assert [run.faults for run in results.runs] == [("the load failed: no such thing",), ()]


def test_nothing_begins_near_the_limit(loads: list[Sequence[str]]) -> None:
    """What is left out is said."""
    said: list[str] = []
    results = measure(plan(["a"], named(["mix"]), limit_seconds=-1, say=said.append))
    assert not results.runs
    assert any("left out" in line for line in said)


def test_subjects_are_chosen_by_name() -> None:
    """Those of the command line beside ours; an unknown one is named."""
    others = {"before": "exec serve", "original": "http://127.0.0.1:1"}
    found = chosen(["ours", "before", "original"], original=None, others=others)

    assert [(each.name, each.kind) for each in found] == [
        *(("ours", "ours"), ("before", "other"), ("original", "original"))
    ]
    assert {each.name for each in chosen([], original=None, others={})} == {s.name for s in OURS}
    with pytest.raises(ValueError, match="no such subject: original"):
        chosen(["original"], original=None, others={})
