"""P21 on a real Elasticsearch: an index whose primary is unassigned, and the queues beside it."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.adapters.elasticsearch.store import ElasticsearchTaskStore
from tasques.bootstrap import build
from tasques.core import errors
from tasques.core.ports import Unknown, Unreadable, Write, WriteOutcome, Written
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.batch_limits import BatchLimits
from tasques.core.service.services import Services
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings
from tests.elasticsearch.conftest import Real
from tools.elasticsearch_node import call

LOST = QueueName("lost")
OTHERS = (QueueName("mail"), QueueName("bills"))
WORKER = WorkerId("w")
RULE = "index.routing.allocation.require._name"
#: A bulk without a time-out of its own waits for a primary for a minute. P21 says two seconds; the
#: rest is for a machine that is busy with other things.
FAR_BELOW_A_MINUTE = 20.0
PATIENCE = 90.0
ROUNDS = 15


@attrs.define
class Server:
    """One server's use cases, and the batches that it sent with what became of them."""

    services: Services
    batches: list[tuple[Sequence[Write[Task]], Sequence[WriteOutcome[Task]]]]

    def create(self, queue: QueueName) -> StoredTask:
        new = NewTask(
            queue=queue, kind="k", retry_times=3, processing_timeout=Duration.of_seconds(600)
        )
        return self.services.tasks.create(new)

    def run_one(self, queue: QueueName) -> None:
        """Create a task, claim it, report on it and complete it."""
        self.create(queue)
        asked = ClaimRequest(
            worker=WORKER, queues=(queue,), amount=1, block_for=Duration.of_seconds(PATIENCE)
        )
        [claimed] = self.services.claims.claim(asked)
        key = claimed.document.key
        self.services.tasks.report(key, worker=WORKER, data=None)
        self.services.tasks.complete(key, worker=WORKER, data=None)


def lose(real: Real) -> None:
    """Let the queue's index have a primary that no node may take."""
    index = f"/{real.index(LOST)}"
    # A shard that a node has, it keeps whatever the rules say. To a server it is all the same.
    call(real.url, "DELETE", index)
    rules = {"settings": {RULE: "no-such-node"}}
    real("PUT", f"{index}?wait_for_active_shards=0&timeout=1s", rules)


@pytest.fixture
def server(
    real: Real,
    connect: Callable[..., ElasticsearchBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    batches: list[tuple[Sequence[Write[Task]], Sequence[WriteOutcome[Task]]]] = []
    write = ElasticsearchTaskStore.write

    def noting(
        self: ElasticsearchTaskStore, writes: Sequence[Write[Task]]
    ) -> Sequence[WriteOutcome[Task]]:
        outcomes = write(self, writes)
        batches.append((writes, outcomes))
        return outcomes

    monkeypatch.setattr(ElasticsearchTaskStore, "write", noting)
    node = build(Settings(), connect(real), ThreadRuntime())
    node.services.clock.step()
    yield Server(node.services, batches)
    node.services.claims.close()
    node.stop()


def until_done(do: Callable[[], object]) -> None:
    """Have something done that a busy machine may refuse for a while."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            do()
            return
        except errors.Unavailable:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("was_well", [False, True])
def test_a_queue_whose_shard_is_gone_keeps_no_other_waiting(
    real: Real, server: Server, was_well: bool
) -> None:
    """
    P21: creates, claims, reports and completions of others go on, in batches of their own.

    The one that is gone costs one write at a time, save for the batches under way when that shows;
    it heals when its shard is there again, as any other.
    """
    for queue in (*OTHERS, LOST) if was_well else OTHERS:
        until_done(functools.partial(server.run_one, queue))
    lose(real)
    server.batches.clear()
    outage = threading.Event()
    took: list[float] = []
    failures: list[BaseException] = []

    def keep_trying() -> None:
        while not outage.is_set():
            with pytest.raises(errors.Unavailable):
                server.create(LOST)

    def work(queue: QueueName) -> None:
        for _ in range(ROUNDS):
            began = time.monotonic()
            until_done(lambda: server.run_one(queue))
            took.append(time.monotonic() - began)

    def watched(run: Callable[..., None], *arguments: object) -> threading.Thread:
        def target() -> None:
            try:
                run(*arguments)
            except BaseException as error:  # noqa: BLE001 - told by the test
                failures.append(error)

        thread = threading.Thread(target=target)
        thread.start()
        return thread

    producers = [watched(keep_trying) for _ in range(3)]
    workers = [watched(work, queue) for queue in OTHERS]
    for thread in workers:
        thread.join(PATIENCE)
    outage.set()
    for thread in producers:
        thread.join(PATIENCE)

    assert failures == []
    assert len(took) == ROUNDS * len(OTHERS)
    assert max(took) < FAR_BELOW_A_MINUTE
    of_lost = [
        [outcome for write, outcome in zip(*batch, strict=True) if write.document.queue == LOST]
        for batch in server.batches
    ]
    of_each = [outcome for outcomes in of_lost for outcome in outcomes]
    assert any(isinstance(outcome, Unknown) and outcome.is_local for outcome in of_each)
    assert not any(isinstance(outcome, Written) for outcome in of_each)
    with_others = [writes for writes, _ in server.batches if LOST in _queues(writes)]
    with_others = [writes for writes in with_others if len(writes) > 1]
    assert len(with_others) <= (BatchLimits().in_flight if was_well else 0)

    real("PUT", f"/{real.index(LOST)}/_settings", {RULE: None})
    until_done(lambda: server.create(LOST))
    server.run_one(LOST)


def test_what_is_gone_is_read_apart(real: Real, backend: ElasticsearchBackend) -> None:
    """G13: a multi get is answered at once, and says of each index what it can."""
    lose(real)
    id = TaskId("t")
    lost, never = backend.tasks.get([TaskKey(LOST, id), TaskKey(QueueName("never"), id)])
    assert isinstance(lost, Unreadable)
    assert "no_shard_available" in lost.reason
    assert not isinstance(never, Unreadable)


def _queues(writes: Sequence[Write[Task]]) -> set[QueueName]:
    return {write.document.queue for write in writes}
