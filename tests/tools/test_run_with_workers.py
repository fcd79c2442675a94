"""What the workers of a run share, and how they take turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests import shared_nodes
from tests.distribution import Turnstile
from tests.shared_nodes import NodesOfController, SharingNodes
from tools.elasticsearch_node import NodeUnavailable


class Node:
    """A node that starts at once, or never; see how many there were."""

    made: list[Node]

    def __init__(self, version: str) -> None:
        self.version = version
        self.url = f"http://{version}"
        self.is_closed = False
        Node.made.append(self)

    def __enter__(self) -> Self:
        if self.version == "no-java":
            raise NodeUnavailable("needs Java")
        if self.version == "broken":
            raise ValueError("something else")
        return self

    def __exit__(self, *error: object) -> None:
        self.is_closed = True


@pytest.fixture
def sharing(monkeypatch: pytest.MonkeyPatch) -> Iterator[SharingNodes]:
    monkeypatch.setattr(shared_nodes, "ElasticsearchNode", Node)
    Node.made = []
    nodes = SharingNodes()
    yield nodes
    nodes.close()


def test_all_workers_get_the_same_node(sharing: SharingNodes) -> None:
    """There is one of each version, however many ask; it is gone at the end."""
    workers = [NodesOfController(sharing.folder) for _ in range(3)]
    assert [worker.url("8") for worker in workers] == ["http://8"] * 3
    assert workers[0].url("9") == "http://9"
    assert [node.version for node in Node.made] == ["8", "9"]
    for worker in workers:
        worker.close()
    assert not any(node.is_closed for node in Node.made)
    sharing.close()
    assert all(node.is_closed for node in Node.made)


@pytest.mark.parametrize(
    ("version", "why"), [("no-java", "needs Java"), ("broken", "ValueError: something else")]
)
def test_a_node_that_does_not_start_says_why(sharing: SharingNodes, version: str, why: str) -> None:
    """In every worker, every time, and it is tried once."""
    for worker in (NodesOfController(sharing.folder), NodesOfController(sharing.folder)):
        with pytest.raises(NodeUnavailable, match=why):
            worker.url(version)
    assert len(Node.made) == 1


def test_a_worker_does_not_wait_for_ever(tmp_path: Path) -> None:
    """If nobody answers, it says so."""
    worker = NodesOfController(tmp_path, answer_seconds=0.2)
    with pytest.raises(NodeUnavailable, match=r"8 was asked for.*within 0\.2 s"):
        worker.url("8")


def test_who_is_alone_waits_for_all_inside_and_lets_nobody_in(tmp_path: Path) -> None:
    """Others run beside each other, and none beside it."""
    turnstiles = [Turnstile(tmp_path) for _ in range(4)]
    inside: set[str] = set()
    seen: list[set[str]] = []
    is_waiting, is_over = threading.Event(), threading.Event()

    def run(turnstile: Turnstile, name: str, *, alone: bool = False) -> None:
        is_waiting.set()
        with turnstile.passed(alone=alone):
            inside.add(name)
            seen.append(set(inside))
            if alone:
                is_over.wait(0.2)  # so that somebody could come in
            inside.remove(name)

    first, second, alone, late = turnstiles
    with first.passed(alone=False), second.passed(alone=False):
        threads = [threading.Thread(target=run, args=(alone, "alone"), kwargs={"alone": True})]
        threads[0].start()
        is_waiting.wait()
        assert seen == []
    threads.append(threading.Thread(target=run, args=(late, "late")))
    threads[1].start()
    for thread in threads:
        thread.join()
    for turnstile in turnstiles:
        turnstile.close()
    assert sorted(map(sorted, seen)) == [["alone"], ["late"]]
