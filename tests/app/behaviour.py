"""What an application does, wherever its tasks are; run over memory, a server, and Elasticsearch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import pytest

from tasques import GiveUp, Handle, TaskFailed, Tasques
from tasques.app import Synced
from tasques.client import Done, Ending, Failed, Finish, Hold, NewTask, Unclaim, task_filter
from tasques.core import errors
from tasques.core.operations import Cancel, Delay, Retry
from tasques.core.tasks import State
from tasques.core.values import Duration
from tests.app.working import work

#: Long enough for the busiest machine; whoever finds a task does not wait.
PATIENCE = "60s"


class AppBehaviour:
    """To be subclassed with a fixture ``app``."""

    def test_a_task_goes_its_way(self, app: Tasques) -> None:
        """Created, claimed, reported on, done; each answer shows the task as it is then."""
        created = app.create("mail", "send", {"to": "ann"}, priority=3, context={"trace": "7f"})
        (claimed,) = app.claim("w1", ["mail"], block_for=PATIENCE)
        assert (claimed.id, claimed.state, claimed.attempted) == (created.id, State.CLAIMED, 1)
        assert claimed.claim_id is not None
        reported = app.report(claimed, {"progress": 1})
        assert reported.last_claimed is not None
        assert reported.last_claimed.last_report is not None
        done = app.done(claimed, {"ok": True})
        assert app.done(claimed, {"ok": True}).last_claimed == done.last_claimed
        assert app.get("mail", created.id).state is State.DONE
        assert done.last_claimed is not None
        assert done.last_claimed.result is not None
        assert done.last_claimed.result.success is not None
        assert done.last_claimed.result.success.value() == {"ok": True}

    def test_refusals_are_the_same_everywhere(self, app: Tasques) -> None:
        """By class and by words."""
        task = app.create("mail", "send", id="one")
        held = Hold(queue="mail", id="one", worker="w1")
        self.refused(lambda: app.create("mail", "send", id="one"), errors.TaskAlreadyExists)
        self.refused(lambda: app.get("mail", "two"), errors.TaskNotFound, "[two] in queue [mail]")
        self.refused(lambda: app.done(held), errors.TaskNotClaimed, "[one]")
        (claimed,) = app.claim("w1", ["mail"], block_for=PATIENCE)
        stranger = Hold(queue="mail", id="one", worker="w2")
        self.refused(lambda: app.done(stranger), errors.TaskNotOwned, "[w2]")
        late = Hold(queue="mail", id="one", worker="w1", claim_id="earlier")
        self.refused(lambda: app.done(late), errors.ClaimNotCurrent, "[earlier]")
        app.done(claimed)
        self.refused(
            lambda: app.change(Cancel(), "mail", task.id),
            errors.IllegalTransition,
            "A task that is done cannot cancel",
        )
        keyed = app.create("mail", "send", {"n": 1}, idempotency_key="k")
        assert app.create("mail", "send", {"n": 1}, idempotency_key="k").id == keyed.id
        self.refused(
            lambda: app.create("mail", "send", {"n": 2}, idempotency_key="k"),
            errors.IdempotencyKeyReused,
        )
        self.refused(lambda: app.get_recurring("r"), errors.RecurringTaskNotFound, "[r]")

    @pytest.mark.parametrize(
        ("call", "faults"),
        [
            (
                lambda app: app.create("Mail", "", priority=2**63),
                {("queue", "queueName"), ("kind", "required"), ("priority", "maximum")},
            ),
            (lambda app: app.create("mail", "send", retry_times=-1), {("retry_times", "minimum")}),
            (
                lambda app: app.create("mail", "send", processing_timeout="-1s"),
                {("processing_timeout", "minimum")},
            ),
            (lambda app: app.create("mail", "send", id="a/b"), {("id", "taskId")}),
            (
                lambda app: app.create("mail", "send", id="a", idempotency_key="k"),
                {("id", "exclusive")},
            ),
            (
                lambda app: app.claim("w1", ["A"], amount=-1),
                {("queues[0]", "queueName"), ("amount", "minimum")},
            ),
            (lambda app: app.claim("w1", [], amount=1, min_amount=2), {("min_amount", "maximum")}),
            (lambda app: app.claim(" ", []), {("X-TASQUES-WORKER-ID", "required")}),
            (lambda app: app.get("A", "a"), {("queue", "queueName")}),
            (
                lambda app: app.failed(Hold(queue="mail", id="a", worker="w1"), retry_in="-1s"),
                {("retry_in", "minimum")},
            ),
            (
                lambda app: app.unclaim(Hold(queue="mail", id="a", worker="w1"), run_in="-1s"),
                {("run_in", "minimum")},
            ),
            (
                lambda app: app.create_recurring("r", "daily", app.definition("Mail", "send")),
                {
                    ("schedule_expression", "scheduleExpression"),
                    ("task_definition.queue", "queueName"),
                },
            ),
            (lambda app: app.preview_recurring("r", 0), {("count", "minimum")}),
            (lambda app: app.list_tasks(task_filter("mail"), limit=1001), {("limit", "maximum")}),
            (
                lambda app: app.change_many(Cancel(), task_filter("mail"), limit=0),
                {("limit", "minimum")},
            ),
        ],
    )
    def test_faults_are_the_same_everywhere(
        self, app: Tasques, call: Callable[[Tasques], object], faults: set[tuple[str, str]]
    ) -> None:
        """All of them, each with its path and its rule."""
        with pytest.raises(errors.InvalidInput) as refused:
            call(app)
        assert {(fault.path, fault.rule) for fault in refused.value.faults} == faults

    def test_many_have_one_outcome_each(self, app: Tasques) -> None:
        """Created and ended together; an error for one leaves the others alone."""
        created = app.create_many(
            [
                NewTask.of("mail", "send", id="a"),
                NewTask.of("Mail", "send"),
                NewTask.of("mail", "send", id="b"),
                NewTask.of("mail", "send", id="c"),
            ]
        )
        assert [getattr(each, "id", type(each)) for each in created] == [
            "a",
            errors.InvalidInput,
            "b",
            "c",
        ]
        tasks = app.claim("w1", ["mail"], amount=3, min_amount=3, block_for=PATIENCE)
        lost = Hold(queue="mail", id="d", worker="w1")
        ends: tuple[Ending, ...] = (
            Done(data={"n": 1}),
            Failed(data={"n": 2}, give_up=True),
            Unclaim(run_in="1h"),
        )
        outcomes = app.finish_many(
            [
                *(Finish(task, end) for task, end in zip(tasks, ends, strict=True)),
                Finish(lost, Done()),
            ]
        )
        assert [getattr(each, "state", type(each)) for each in outcomes] == [
            State.DONE,
            State.DEAD,
            State.QUEUED,
            errors.TaskNotFound,
        ]

    def test_declared_tasks_have_results(self, app: Tasques) -> None:
        """Whether they return or raise."""

        @app.task(queue="mail", retries=0)
        def send(to: str, wait: timedelta) -> list[str]:
            if to == "nobody":
                raise GiveUp("nobody there")
            return [to, str(wait)]

        ann, nobody = app.enqueue_many(
            [send.prepare("ann", wait=timedelta(1)), send.prepare("nobody", timedelta(2))]
        )
        assert isinstance(ann, Handle)
        assert isinstance(nobody, Handle)
        while not (ann.get().state.is_final and nobody.get().state.is_final):
            work(app, "mail")
        assert ann.result() == ["ann", "1 day, 0:00:00"]
        with pytest.raises(TaskFailed, match="nobody there"):
            nobody.result()

    def test_the_asynchronous_twins_do_the_same(self, app: Tasques) -> None:
        """A claim that waits gets what is created meanwhile; one that is cancelled gets nothing."""

        async def go() -> None:
            gone = asyncio.create_task(app.claim_async("w1", ["mail"], block_for=PATIENCE))
            await asyncio.sleep(0.05)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            waiting = asyncio.create_task(app.claim_async("w2", ["mail"], block_for=PATIENCE))
            await asyncio.sleep(0.05)
            created = await app.create_async("mail", "send")
            (claimed,) = await waiting
            assert claimed.id == created.id
            assert (await app.done_async(claimed)).state is State.DONE
            many = await app.create_many_async([NewTask.of("mail", "send")] * 2)
            assert not any(isinstance(each, Exception) for each in many)
            assert await app.claim_async("w2", ["other"], block_for=0) == ()
            with pytest.raises(errors.TaskNotFound):
                await app.get_async("mail", "nothing")
            await app.close_async()

        asyncio.run(go())

    def test_operators_see_and_change(self, app: Tasques) -> None:
        """One task, or all that a filter means."""
        app.create("mail", "send", id="a")
        assert app.change(Delay(run_in=Duration.parse("1h")), "mail", "a").state is State.QUEUED
        assert app.change(Cancel(), "mail", "a").state is State.DEAD
        assert app.change(Retry(), "mail", "a").state is State.QUEUED
        assert app.pause_queue("mail").paused_at is not None
        assert app.claim("w1", ["mail"], block_for="0s") == ()
        assert app.resume_queue("mail").paused_at is None

    def test_periodic_tasks_are_synchronised_once(self, app: Tasques) -> None:
        """Whoever comes second finds it; what operators change stays until the code changes."""

        @app.task(queue="mail", schedule="@daily")
        def clean() -> None: ...

        @app.task(queue="mail")
        def digest(country: str) -> None: ...

        digest.periodic("@hourly", id="digest-de", skip_if_outstanding=True).call(country="de")
        assert app.sync_periodic() == {"clean": Synced.CREATED, "digest-de": Synced.CREATED}
        found = {each.id: each for each in app.list_recurring()}
        assert set(found) == {"clean", "digest-de"}
        args = found["digest-de"].task_definition.args
        assert args is not None
        assert args.value() == {"country": "de"}
        app.update_recurring("clean", schedule="@weekly")
        assert asyncio.run(self.sync(app, app)) == {
            "clean": Synced.UNCHANGED,
            "digest-de": Synced.UNCHANGED,
        }
        assert app.get_recurring("clean").schedule_expression == "@weekly"

    def test_periodic_tasks_that_are_declared_no_more_can_be_pruned(self, app: Tasques) -> None:
        """Those of this application, when it is asked for; not what others have made."""
        with ExitStack() as stack:
            before, after, mill = (
                stack.enter_context(Tasques("memory:", name=name))
                for name in ("shop", "shop", "mill")
            )
            for each, ids in (
                (before, ("clean", "sweep")),
                (after, ("clean",)),
                (mill, ("grind",)),
            ):
                stack.enter_context(each.replaced(app.operations))
                self.declare(each, *ids)
            app.create_recurring("by-hand", "@daily", app.definition("mail", "send"))
            before.sync_periodic()
            mill.sync_periodic()
            everything = {"by-hand", "clean", "grind", "sweep"}
            assert after.sync_periodic() == {"clean": Synced.UNCHANGED}
            assert {each.id for each in app.list_recurring()} == everything
            pruned = {"clean": Synced.UNCHANGED, "sweep": Synced.PRUNED}
            assert after.sync_periodic(prune=True) == pruned
            assert {each.id for each in app.list_recurring()} == everything - {"sweep"}
            # The id of a deleted one can be used again.
            assert before.sync_periodic()["sweep"] is Synced.CREATED
            assert asyncio.run(self.sync(after, app, prune=True)) == pruned
            assert {each.id for each in app.list_recurring()} == everything - {"sweep"}

    @staticmethod
    def declare(app: Tasques, *ids: str) -> None:
        @app.task(queue="mail")
        def clean() -> None: ...

        for id in ids:
            clean.periodic("@daily", id=id).call()

    @staticmethod
    async def sync(app: Tasques, opened: Tasques, *, prune: bool = False) -> dict[str, Synced]:
        try:
            return await app.sync_periodic_async(prune=prune)
        finally:
            await opened.close_async() if opened.url.startswith("http") else None

    @staticmethod
    def refused(call: Callable[[], object], kind: type[Exception], words: str = "") -> None:
        with pytest.raises(kind) as refused:
            call()
        assert type(refused.value) is kind
        assert words in str(refused.value)
