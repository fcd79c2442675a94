"""The use cases of one task: decided anew after a lost race, answered the same when repeated."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import attrs
import pytest

from tasques.core import errors, lifecycle
from tasques.core.documents import Operation, Stored, Version
from tasques.core.json_object import JsonObject
from tasques.core.ports import (
    ArchiveStore,
    Conflict,
    Exists,
    Malformed,
    Missing,
    Seen,
    Unknown,
    Write,
    WriteOutcome,
)
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.service.held_tasks import HeldTasks
from tasques.core.service.task_service import FoundTask, TaskService
from tasques.core.tasks import (
    ClaimId,
    Extensions,
    NewTask,
    State,
    StoredTask,
    Task,
    TaskKey,
)
from tasques.core.values import Duration
from tests.service.conftest import MINUTE, START, QuickRuntime, ScriptedStore, make_task

WORKER = WorkerId("w")
KEY = make_task().key
DATA = JsonObject.of({"n": 1})


def new_task(**more: Any) -> NewTask:
    given: dict[str, Any] = {"queue": QueueName("mail"), "kind": "send", **more}
    return NewTask(retry_times=2, processing_timeout=MINUTE, **given)


def strict(store: ScriptedStore) -> None:
    """Let *store* refuse as a store does."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        known = store.stored.get(write.document.key)
        expected = getattr(write, "expected", None)
        if expected is None:
            return Exists() if known else None
        return None if known and known.version == expected else Conflict()

    store._script = script


def no_reads(keys: object) -> NoReturn:
    raise AssertionError("read")


@pytest.fixture
def tasks(store: ScriptedStore, runtime: QuickRuntime) -> TaskService:
    strict(store)
    return TaskService(store, runtime)


def claim(
    store: ScriptedStore, worker: WorkerId = WORKER, claim_id: ClaimId | None = None
) -> StoredTask:
    task = store.stored[KEY].document if KEY in store.stored else make_task()
    claimed = lifecycle.claim(task, worker=worker, now=START, claim_id=claim_id)
    return store.put(claimed).stored


def test_a_created_task_can_be_read(tasks: TaskService) -> None:
    """With a random id of 32 hexadecimal digits, unless it brings one."""
    created = tasks.create(new_task())
    assert tasks.get(created.document.key) == created
    assert len(created.document.id) == 32
    assert tasks.create(new_task(id=TaskId("mine"))).document.id == "mine"


def test_what_waits_here_is_told(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Created, failed and given back tasks are offered; finished and dead ones are not."""
    strict(store)
    offered: list[str] = []
    tasks = TaskService(store, runtime, on_waiting=lambda s: offered.append(s.document.state))
    tasks.create(new_task(id=KEY.id))
    claim(store)
    tasks.fail(KEY, worker=WORKER, data=None, retry_in=Duration(0))
    claim(store)
    tasks.unclaim(KEY, worker=WORKER)
    claim(store)
    tasks.fail(KEY, worker=WORKER, data=None, give_up=True)
    assert offered == [State.QUEUED, State.FAILED, State.QUEUED]


def test_an_id_is_created_once(tasks: TaskService) -> None:
    """In whatever state the first one is."""
    tasks.create(new_task(id=KEY.id))
    with pytest.raises(errors.TaskAlreadyExists):
        tasks.create(new_task(id=KEY.id))


def test_a_repeat_with_the_same_key_gets_the_task_as_it_is_now(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """The key makes the id, so the repeat meets the first one."""
    first = tasks.create(new_task(args=DATA), idempotency_key="k")
    again = tasks.create(new_task(args=DATA), idempotency_key="k")
    assert again.document == first.document
    assert len(store.stored) == 1


def test_a_key_belongs_to_one_content(tasks: TaskService) -> None:
    """Another content under the same key is a mistake of the producer's, and said so."""
    tasks.create(new_task(args=DATA), idempotency_key="k")
    with pytest.raises(errors.IdempotencyKeyReused):
        tasks.create(new_task(), idempotency_key="k")


def test_where_the_digest_is_gone_the_key_alone_decides(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """An original server that rewrites the document drops it."""
    first = tasks.create(new_task(), idempotency_key="k")
    stripped = store.put(attrs.evolve(first.document, extensions=Extensions())).stored
    again = tasks.create(new_task(args=DATA), idempotency_key="k")
    assert again.document == stripped.document


def test_keys_of_different_queues_are_different(tasks: TaskService) -> None:
    """No joining of queue and key makes two pairs one id."""
    one = tasks.create(new_task(queue=QueueName("a")), idempotency_key="bc")
    other = tasks.create(new_task(queue=QueueName("ab")), idempotency_key="c")
    assert one.document.id != other.document.id


def test_an_id_and_a_key_exclude_each_other(tasks: TaskService) -> None:
    """Which of them should decide, nobody could say."""
    with pytest.raises(errors.InvalidInput):
        tasks.create(new_task(id=KEY.id), idempotency_key="k")


def test_a_lost_race_is_decided_anew(
    tasks: TaskService, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """A report came between: the completion is made on what is there now, and both count."""
    claim(store)
    script = store._script

    def race(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 1:
            current = store.stored[KEY].document
            store.put(lifecycle.report(current, worker=WORKER, data=DATA, at=START))
        return script(write, number)

    store._script = race
    done = tasks.complete(KEY, worker=WORKER, data=None)
    assert done.document.state is State.DONE
    assert done.document.last_claim is not None
    assert done.document.last_claim.last_report is not None
    assert done.document.last_claim.last_report.data == DATA


def test_races_are_run_so_often_and_no_more(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """The setting counts the repetitions after the first try; then it is a conflict."""
    claim(store)

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        store.put(store.stored[KEY].document)
        return Conflict()

    store._script = script
    with pytest.raises(errors.VersionConflict):
        TaskService(store, runtime, conflict_retries=3).complete(KEY, worker=WORKER, data=None)
    assert len(store.batches) == 4


@pytest.mark.parametrize("verb", ["done", "failed", "unclaim"])
def test_a_repeat_of_the_same_worker_is_answered_as_the_first(
    verb: str, tasks: TaskService, store: ScriptedStore
) -> None:
    """
    The answer was lost, the worker asks again: 200 with the same task.

    What was read is confirmed by writing it over itself: a read may show what a failover discards.
    """
    claim(store)

    def ask(worker: WorkerId = WORKER, data: JsonObject | None = DATA) -> StoredTask:
        if verb == "done":
            return tasks.complete(KEY, worker=worker, data=data)
        if verb == "failed":
            return tasks.fail(KEY, worker=worker, data=data)
        return tasks.unclaim(KEY, worker=worker, run_in=None if data else Duration(1))

    first = ask()
    again = ask()
    assert again.document == first.document
    assert again.version > first.version
    assert again == store.stored[KEY]
    with pytest.raises(errors.TaskNotClaimed):
        ask(data=None)
    with pytest.raises(errors.TaskNotClaimed):
        ask(worker=WorkerId("another"))


def test_a_repeat_does_not_hide_who_holds_the_task_now(
    tasks: TaskService, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Failed, and claimed by another worker since: the repeat is not the owner's."""
    claim(store)
    tasks.fail(KEY, worker=WORKER, data=None, retry_in=Duration(0))
    claim(store, WorkerId("another"))
    with pytest.raises(errors.TaskNotOwned):
        tasks.fail(KEY, worker=WORKER, data=None, retry_in=Duration(0))


def test_what_may_have_been_done_is_not_called_refused(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """
    Failed, the answer lost, and claimed by another worker before anybody could look.

    The failure took place, so its worker must not hear that it was no longer its task.
    """
    claim(store)

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        store.put(write.document)
        claimed = lifecycle.claim(write.document, worker=WorkerId("another"), now=START)
        store.put(claimed.stamped(Operation(token="theirs", verb="claim")))
        return Unknown("reset")

    store._script = script
    with pytest.raises(errors.OutcomeUnknown):
        TaskService(store, runtime).fail(KEY, worker=WORKER, data=None, retry_in=Duration(0))


@pytest.mark.parametrize("id", [None, TaskId("mine")])
@pytest.mark.parametrize("answer", [Unknown("reset"), Exists()], ids=["lost", "own conflict"])
def test_a_create_is_recognised_when_others_have_worked_on_it_since(
    answer: WriteOutcome[Task], id: TaskId | None, store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Created, no good answer, and claimed before anybody could look: still a success."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number > 1:
            return None
        created = store.put(write.document).stored.document
        claimed = lifecycle.claim(created, worker=WORKER, now=START)
        store.put(claimed.stamped(Operation(token="theirs", verb="claim")))
        return answer

    store._script = script
    made = TaskService(store, runtime).create(new_task(id=id))
    assert made.document.state is State.CLAIMED
    assert store.stored == {made.document.key: made}


def test_a_create_that_a_failover_discarded_is_made_again(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """It was read, on an isolated primary, and is gone when it is to be confirmed."""

    def script(write: Write[Task], number: int) -> WriteOutcome[Task] | None:
        if number == 1:
            claimed = lifecycle.claim(write.document, worker=WORKER, now=START)
            store.put(claimed.stamped(Operation(token="theirs", verb="claim")))
            return Unknown("reset")
        if number == 2:
            store.stored.clear()
            return Conflict()
        return None

    store._script = script
    made = TaskService(store, runtime).create(new_task(id=KEY.id))
    assert store.stored == {KEY: made}
    assert made.document.state is State.QUEUED


FIRST, SECOND = ClaimId("1" * 32), ClaimId("2" * 32)


def test_a_late_duplicate_does_not_hit_the_next_claim(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """A failure is sent twice, and the same worker claims the task in between."""
    claim(store, claim_id=FIRST)
    tasks.fail(KEY, worker=WORKER, data=DATA, retry_in=Duration(0), claim_id=FIRST)
    second = claim(store, claim_id=SECOND)
    with pytest.raises(errors.ClaimNotCurrent):
        tasks.fail(KEY, worker=WORKER, data=DATA, retry_in=Duration(0), claim_id=FIRST)
    assert store.stored[KEY] == second


def test_a_late_duplicate_is_not_answered_for_the_next_claim(
    tasks: TaskService, store: ScriptedStore
) -> None:
    """Both claims have ended with the same words; only the last one can be repeated."""
    for claim_id in (FIRST, SECOND):
        claim(store, claim_id=claim_id)
        tasks.fail(KEY, worker=WORKER, data=DATA, retry_in=Duration(0), claim_id=claim_id)
    last = store.stored[KEY]
    for known in (SECOND, None):
        again = tasks.fail(KEY, worker=WORKER, data=DATA, retry_in=Duration(0), claim_id=known)
        assert again.document == last.document
    with pytest.raises(errors.TaskNotClaimed):
        tasks.fail(KEY, worker=WORKER, data=DATA, retry_in=Duration(0), claim_id=FIRST)


def test_a_claim_made_elsewhere_is_known_by_its_id_too(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Handed out here, timed out, claimed by the same worker at another server: that claim counts."""
    strict(store)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held)
    held.keep(claim(store, claim_id=FIRST))
    store.put(lifecycle.claim(make_task(), worker=WORKER, now=START, claim_id=SECOND))
    done = tasks.complete(KEY, worker=WORKER, data=None, claim_id=SECOND)
    assert done.document.state is State.DONE


def test_a_report_is_not_answered_from_memory(tasks: TaskService, store: ScriptedStore) -> None:
    """Each moves the time-out; a report on a finished task is refused."""
    claim(store)
    tasks.report(KEY, worker=WORKER, data=DATA)
    tasks.complete(KEY, worker=WORKER, data=None)
    with pytest.raises(errors.TaskNotClaimed):
        tasks.report(KEY, worker=WORKER, data=DATA)


def test_what_is_not_there_is_not_found(tasks: TaskService) -> None:
    """Whatever is asked of it."""
    missing = TaskKey(QueueName("mail"), TaskId("missing"))
    with pytest.raises(errors.TaskNotFound):
        tasks.get(missing)
    with pytest.raises(errors.TaskNotFound):
        tasks.complete(missing, worker=WORKER, data=None)


class OneArchived:
    """An archive in which nothing but *outcome* is found; nobody writes to it here."""

    def __init__(self, outcome: Seen[Task]) -> None:
        self._outcome = outcome
        self.asked: list[TaskKey] = []

    def find_task(self, key: TaskKey) -> Seen[Task]:
        self.asked.append(key)
        return self._outcome


def with_archive(
    store: ScriptedStore, runtime: QuickRuntime, outcome: Seen[Task]
) -> tuple[TaskService, OneArchived]:
    archive = OneArchived(outcome)
    return TaskService(store, runtime, archive=cast(ArchiveStore, archive)), archive


COPY = Stored(document=make_task(), version=Version(1, 7))


def test_an_archived_task_is_found_by_those_who_ask_for_it(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """And by nobody else: its id can be used again."""
    tasks, archive = with_archive(store, runtime, COPY)
    assert tasks.find(KEY, archived=True) == FoundTask(stored=COPY, is_archived=True)
    assert tasks.get(KEY, archived=True) == COPY
    assert archive.asked == [KEY, KEY]
    with pytest.raises(errors.TaskNotFound):
        tasks.get(KEY)
    assert archive.asked == [KEY, KEY]


def test_the_queue_is_preferred_to_the_archive(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """What is in the queue is the latest life of a task, and nobody has to search for it."""
    tasks, archive = with_archive(store, runtime, COPY)
    stored = claim(store)
    assert tasks.find(KEY, archived=True) == FoundTask(stored=stored)
    assert not archive.asked


def test_what_is_in_neither_is_not_found(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Nor where there is no archive to look into."""
    for tasks in (
        with_archive(store, runtime, Missing())[0],
        TaskService(store, runtime),
    ):
        with pytest.raises(errors.TaskNotFound):
            tasks.get(KEY, archived=True)


def test_a_copy_that_is_no_task_is_named_as_such(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """As a document in a queue is."""
    tasks, _ = with_archive(store, runtime, Malformed("odd"))
    with pytest.raises(errors.MalformedTask, match="odd"):
        tasks.get(KEY, archived=True)


def test_what_was_handed_out_here_is_changed_without_a_read(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """One compare-and-set on the version that is known; a report makes the next one known."""
    strict(store)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held)
    held.keep(claim(store))
    store.get = no_reads  # type: ignore[method-assign]
    tasks.report(KEY, worker=WORKER, data=DATA)
    assert tasks.complete(KEY, worker=WORKER, data=None).document.state is State.DONE


def test_a_version_that_is_over_is_only_a_hint(store: ScriptedStore, runtime: QuickRuntime) -> None:
    """Another server has changed the task: it is read, and decided on what is there now."""
    strict(store)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held, conflict_retries=1)
    held.keep(claim(store))
    current = store.stored[KEY].document
    store.put(lifecycle.report(current, worker=WORKER, data=DATA, at=START))
    done = tasks.complete(KEY, worker=WORKER, data=None)
    assert done.document.last_claim is not None
    assert done.document.last_claim.last_report is not None


def test_nobody_is_refused_for_what_was_true_a_while_ago(
    store: ScriptedStore, runtime: QuickRuntime
) -> None:
    """Handed out here to one worker, timed out and claimed elsewhere by another: that one may."""
    strict(store)
    held = HeldTasks(runtime)
    tasks = TaskService(store, runtime, held=held, conflict_retries=0)
    held.keep(claim(store, WorkerId("first")))
    store.put(lifecycle.claim(make_task(), worker=WORKER, now=START))
    assert tasks.complete(KEY, worker=WORKER, data=None).document.state is State.DONE


def test_the_memory_of_what_was_handed_out_is_bounded(runtime: QuickRuntime) -> None:
    """The oldest are forgotten, and what is large is not kept at all."""
    store = ScriptedStore()
    size = make_task().approximate_bytes
    held = HeldTasks(runtime, capacity=3 * size)
    for number in range(5):
        held.keep(store.put(make_task(f"t{number}")).stored)
    known = [n for n in range(5) if held.take(make_task(f"t{n}").key) is not None]
    assert known == [2, 3, 4]
    large = make_task("large", args=JsonObject.of({"x": "y" * 70_000}))
    held.keep(store.put(large).stored)
    assert held.take(large.key) is None


def test_a_younger_version_is_not_forgotten_for_an_older_one(runtime: QuickRuntime) -> None:
    """Two threads may tell in any order."""
    store = ScriptedStore()
    held = HeldTasks(runtime)
    older = store.put(make_task()).stored
    younger = store.put(make_task()).stored
    held.keep(younger)
    held.keep(older)
    assert held.take(KEY) == younger
    assert held.take(KEY) is None
