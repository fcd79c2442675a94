"""
Which tests stay together in a run with workers (pytest-xdist), in which order, and which run alone.

A group is handed to a worker as a whole. Tests of a module are a group, for what they share is then
made once; those on an Elasticsearch are one for each version. The tables say where it is otherwise.
The longest go first, so that no worker is left with one of them at the end.
"""

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

#: Measure time, or fill all cores by themselves: the other workers wait meanwhile. They go last.
ALONE = (
    "tests/elasticsearch/test_real_store.py::test_a_queue_without_its_shard_delays",
    "tests/server/test_slow_senders.py::test_a_crowd_of_dripping_senders",
    "tests/simulation/test_simulation.py::test_no_history",
)

#: Long tests, each a group by itself, since they share nothing; those that wait the most go first.
ONE_BY_ONE = (
    "tests/processes/test_accounting.py",
    "tests/processes/test_faults.py",
    "tests/contract/test_agreement.py",
    "tests/processes/",
    "tests/simulation/",
)

#: Take longer than others of their size, and go right after those.
LONG = ("tests/contract/", "tests/elasticsearch/test_real_", "tests/server/test_schemathesis.py")

_GROUPS = "groups.json"


def group(item: pytest.Item) -> str:
    """The name of the tests that *item* stays with."""
    if is_alone(item):
        return "alone"
    version = _version(item)
    if _disturbs_its_node(item):
        return f"own-node-{version}"
    if item.nodeid.startswith(ONE_BY_ONE):
        return item.nodeid
    module = item.nodeid.partition("::")[0]
    return module if version is None else f"{module}-{version}"


def is_alone(item: pytest.Item) -> bool:
    """Whether no other test may run beside *item*."""
    return item.nodeid.startswith(ALONE)


def put_in_order(items: list[pytest.Item]) -> None:
    """Those to begin with come first; the order within a group stays."""
    items.sort(key=_turn)


def write_groups(folder: Path, items: Sequence[pytest.Item]) -> None:
    """In a worker: say which group each test belongs to; all workers say the same."""
    unfinished = folder / f"{_GROUPS}.{os.getpid()}"
    unfinished.write_text(json.dumps({item.nodeid: group(item) for item in items}))
    unfinished.rename(folder / _GROUPS)


def scheduler(config: pytest.Config, log: Any, folder: Path) -> Any:
    """
    In the controller: what hands out the groups as the workers have written them, in their order.

    Not ``--dist loadgroup``, which appends the groups to the ids of tests, so that what a report
    names cannot be run by that name, and which groups nothing with pytest 9.2 (pytest-xdist #1386).
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    @functools.cache
    def groups() -> dict[str, str]:
        written: dict[str, str] = json.loads((folder / _GROUPS).read_text())
        return written

    config.option.loadscopereorder = False
    made = LoadScopeScheduling(config, log)
    made._split_scope = lambda nodeid: groups()[nodeid]
    return made


class Turnstile:
    """
    Lets tests of several processes run beside each other, and those that are alone by themselves.

    Args:
        folder: The same one for all the processes.
    """

    def __init__(self, folder: Path) -> None:
        self._gate = (folder / "gate").open("w")
        self._running = (folder / "running").open("w")

    @contextlib.contextmanager
    def passed(self, *, alone: bool) -> Iterator[None]:
        """Wait for the turn of a test, and run it inside. A process that ends lets others pass."""
        # Who wants to be alone keeps the gate shut, so that it waits for those inside only.
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            if not alone:
                fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._running, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of everything."""
        self._gate.close()
        self._running.close()


def _version(item: pytest.Item) -> str | None:
    parameters = getattr(item, "callspec", None)
    target = None if parameters is None else parameters.params.get("elasticsearch_target")
    # The address of a given cluster may hold a password, and there is only one.
    return "given" if target is not None and "://" in target else target


def _disturbs_its_node(item: pytest.Item) -> bool:
    return "_own_node" in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> int:
    """When its group is handed out."""
    if is_alone(item):
        return len(ONE_BY_ONE) + 3
    if _disturbs_its_node(item):
        return 0
    for turn, begin in enumerate(ONE_BY_ONE, 1):
        if item.nodeid.startswith(begin):
            return turn
    return len(ONE_BY_ONE) + (1 if item.nodeid.startswith(LONG) else 2)
