"""
What producers, workers and operators do.

They are nasty on purpose: workers die, overstay their time, send a request twice and ask another
server when no answer comes; producers repeat creates; operators cancel, delay and retry what others
are working on. In the quiet phase everybody behaves, so that everything must come to an end.
"""

from __future__ import annotations

import functools
import math
from random import Random
from typing import Final, TypeGuard

import attrs

from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.json_object import JsonObject
from tasques.core.operations import Cancel, Delay, Reprioritise, Retry, TaskOperation
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.recurring import CatchUp, RecurringTaskId, TaskDefinition
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.recurring_service import NewRecurringTask, RecurringTaskChanges
from tasques.core.service.services import Services
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import NewTask, StoredTask, Task, TaskKey
from tasques.core.values import Duration, Instant
from tests.simulation.background_auditor import EVERY
from tests.simulation.batching import CREATION_PATIENCE, TROUBLED_FOR, Batching
from tests.simulation.model import INVALID_KIND
from tests.simulation.requests import Request
from tests.simulation.runtime import EPOCH, Actor, Node
from tests.simulation.stores import QUEUE
from tests.simulation.world import COMPLETION_DEADLINE, FAULTS_UNTIL, Answer, Serve, World

QUEUES: Final = (QueueName("mail"), QueueName("video"), QueueName("bills"))
#: What a claim may take beyond its time: the dispatcher's grace.
CLAIM_GRACE: Final = 5.0
#: So often a write is waited for on a thread, and handed in else.
_WAITING: Final = 0.4

_SECONDS: Final = Duration.of_seconds


@attrs.frozen
class Size:
    """How much goes on in a history."""

    servers: int = 2
    producers: int = 2
    tasks_each: int = 11
    workers: int = 4
    operators: int = 1
    owners: int = 0


@attrs.frozen
class Finish:
    """What a worker says of a task that it holds, as often as it may take."""

    verb: str
    data: JsonObject
    retry_in: Duration | None = None
    give_up: bool = False


class Workload:
    """
    The clients of one history.

    Attributes:
        is_quiet: Everybody behaves, and nothing new is made.
    """

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self._chance = Random(f"{world.seed}/workload")
        self.random = self._chance.random
        self.is_quiet = False
        self.producing = 0
        self._made: list[TaskKey] = []
        self._marks = 0
        self._batching = Batching(world, self._chance, self._data)
        self._workers: list[Node] = []
        self._hired = 0
        world.on_worker_killed = self._kill_worker

    def start(self) -> None:
        """Send everybody to work."""
        world = self._world
        for number in range(self._size.producers):
            node = world.new_node(f"producer{number}")
            self.producing += 1
            self._go(f"producer{number}", node, self._produce)
        for _ in range(self._size.workers):
            self._hire()
        for number in range(self._size.operators):
            node = world.new_node(f"operator{number}")
            self._go(f"operator{number}", node, self._operate)
        for number in range(self._size.owners):
            node = world.new_node(f"owner{number}")
            self._go(f"owner{number}", node, self._own)
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            queue = self._chance.choice(QUEUES)
            key = TaskKey(queue, TaskId(f"poison{self._chance.randrange(100)}"))
            world.cluster.shard("task", QUEUE + queue).plant(key, "no kind", 0.0)
            self._made.append(key)

    def _go(self, name: str, node: Node, target: object) -> None:
        assert callable(target)
        scheduler = self._world.scheduler

        def run() -> None:
            target(scheduler.current)

        scheduler.start(name, node, run)

    def hire_up_to(self, wanted: int) -> None:
        """See to it that so many workers are there."""
        for _ in range(wanted - sum(not node.dead for node in self._workers)):
            self._hire()

    def _hire(self) -> None:
        self._hired += 1
        node = self._world.new_node(f"worker{self._hired}")
        self._workers.append(node)
        self._go(f"worker{self._hired}", node, self._work)

    def _kill_worker(self, chosen: float, length: float) -> None:
        alive = [node for node in self._workers if not node.dead]
        if alive:
            node = alive[int(chosen * len(alive))]
            node.dead = True
            self._world.note(f"{node.name} is killed")
            self._world.scheduler.at(self._world.scheduler.now + length, self._hire)

    def _data(self) -> JsonObject:
        """What nobody else brings."""
        self._marks += 1
        return JsonObject.of({"n": self._marks})

    def _wait(self, seconds: float) -> None:
        self._world.scheduler.block(seconds)

    # ------------------------------------------------------------------------------- producers

    def _produce(self, me: Actor) -> None:
        number, last = 0, self._size.tasks_each
        while number < last:
            together = min(1 if self.random() < 0.8 else 2 + int(self.random() * 3), last - number)
            self._wait(self.random() * 2 * 0.7 * FAULTS_UNTIL / last * together)
            if together == 1:
                self._create(me, number)
            else:
                numbers = range(number, number + together)
                self._made += self._batching.create(me, [self._new_task(me, n) for n in numbers])
            number += together
        self.producing -= 1

    def _create(self, me: Actor, number: int) -> None:
        new = self._new_task(me, number)
        key = f"{me.name}/{number}" if new.id is None and self.random() < 0.5 else None
        for _ in range(1 + int(self.random() * 3)):
            answer = self._send_create(me, new, key)
            if _is_task(answer):
                self._made.append(answer.document.key)
                if key is not None and self.random() < 0.2:
                    self._send_create(me, new, key)
                return
            if isinstance(answer, errors.TasquesError) and not isinstance(
                answer, errors.Unavailable
            ):
                return
            self._wait(self.random())

    def _send_create(self, me: Actor, new: NewTask, key: str | None) -> Answer:
        world = self._world
        server = world.some_server()
        if server is None:
            return None
        named = TaskKey(new.queue, new.id) if new.id is not None else None
        request = world.request("create", server, CREATION_PATIENCE, key=named)

        request.is_unstorable, request.mark = new.kind == INVALID_KIND, new.args

        def create(services: Services, is_connected: object) -> StoredTask:
            stored = services.tasks.create(new, idempotency_key=key)
            self._judge_delay(request, new.queue)
            return stored

        if self.random() < _WAITING:
            return world.call(me, server, request, create)
        return world.carry_out(
            me,
            server,
            request,
            lambda services: services.tasks.begin_create(new, idempotency_key=key),
            lambda: self._judge_delay(request, new.queue),
        )

    def _judge_delay(self, request: Request, queue: QueueName) -> None:
        world = self._world
        shard = world.cluster.shards.get(QUEUE + queue)
        if shard is not None and shard.gone_until + TROUBLED_FOR < request.started:
            world.auditor.delayed(request)

    def _new_task(self, me: Actor, number: int) -> NewTask:
        chance = self._chance
        now = self._world.scheduler.now
        later = self.random() < 0.15
        expires = self.random() < 0.05
        right = Instant(EPOCH + round(now * 1e9))
        return NewTask(
            queue=chance.choice(QUEUES),
            id=TaskId(f"{me.name}-{number}") if self.random() < 0.6 else None,
            kind=INVALID_KIND if self.random() < 0.08 else "send",
            retry_times=chance.choice((0, 1, 2)),
            processing_timeout=_SECONDS(chance.choice((2, 4, 8))),
            priority=chance.choice((0, 0, 1)),
            run_at=right.plus(_SECONDS(5 * self.random())) if later else None,
            args=self._data(),
            expires_at=right.plus(_SECONDS(10 * self.random())) if expires else None,
        )

    # --------------------------------------------------------------------------------- workers

    def _work(self, me: Actor) -> None:
        worker = WorkerId(me.name)
        while True:
            claimed = self._claim(me, worker)
            if claimed and self.random() < 0.3:
                self._work_on(claimed[-1].document)
                self._batching.finish(me, worker, claimed, well=self.is_quiet)
                continue
            for stored in claimed:
                self._process(me, worker, stored)
            if not self.is_quiet and self.random() < 0.3:
                self._wait(self.random())

    def _claim(self, me: Actor, worker: WorkerId) -> list[StoredTask]:
        world = self._world
        server = world.some_server()
        if server is None:
            self._wait(0.5)
            return []
        block_for = 2.0 if self.is_quiet else self._chance.choice((0.0, 1.0, 3.0, 3.0))
        amount = self._chance.choice((1, 1, 2, 3))
        request = world.request("claim", server, block_for + CLAIM_GRACE, worker=worker)
        wanted = ClaimRequest(
            worker=worker,
            queues=() if self.is_quiet or self.random() < 0.5 else self._some_queues(),
            amount=amount,
            min_amount=1 if self.random() < 0.8 else amount,
            block_for=_SECONDS(block_for),
        )
        # Some go while they wait: just then, something may be on its way to them.
        goes = not self.is_quiet and self.random() < 0.15
        stays = self.random() * max(block_for, 0.1) if goes else math.inf
        if self.random() < 0.6:
            answer = world.claim(me, server, request, wanted, stays)
        else:
            answer = world.call(me, server, request, _on_a_thread(wanted), stays)
        if isinstance(answer, (list, tuple)):
            return list(answer)
        self._wait(0.1 + self.random() * 0.5)
        return []

    def _some_queues(self) -> tuple[QueueName, ...]:
        return tuple(queue for queue in QUEUES if self.random() < 0.6) or QUEUES[:1]

    def _process(self, me: Actor, worker: WorkerId, stored: StoredTask) -> None:
        self._work_on(stored.document)
        if self.random() < 0.05:
            self._send_finish(me, WorkerId("impostor"), stored, Finish("done", self._data()))
        if self.random() < 0.15:
            self._finish(me, worker, stored, "report")
            self._wait(self.random() * 0.5)
        drawn = self.random()
        if self.is_quiet or drawn < 0.62:
            self._finish(me, worker, stored, "done")
        elif drawn < 0.82:
            self._finish(me, worker, stored, "failed")
        elif drawn < 0.96:
            self._finish(me, worker, stored, "unclaim")
        # Or it forgets all about it, and the claim times out.

    def _work_on(self, task: Task) -> None:
        if self.is_quiet:
            self._wait(self.random() * 0.2)
        elif self.random() < 0.08:
            # It may be too late by then.
            self._wait(task.processing_timeout.seconds * (0.7 + self.random()))
        else:
            self._wait(self.random() ** 2 * 1.5)

    def _finish(self, me: Actor, worker: WorkerId, stored: StoredTask, verb: str) -> None:
        """Send *verb* until something that means something comes back; sometimes once more."""
        finish = Finish(
            verb,
            self._data(),
            # Mostly soon, so that others meet it while an answer is still on its way.
            retry_in=_SECONDS(self.random() ** 3 * 3) if self.random() < 0.8 else None,
            give_up=self.random() < 0.1,
        )
        earlier: list[str] = []
        for _ in range(4):
            request, answer = self._send_finish(me, worker, stored, finish)
            if request is None:
                return
            self._world.auditor.retried(request, earlier, answer)
            if _is_task(answer):
                if verb != "report" and self.random() < 0.15:
                    self._repeat(me, worker, stored, finish, answer)
                return
            if answer is not None and not isinstance(answer, errors.Unavailable):
                return
            earlier += request.tokens
            self._wait(self.random() * 0.5)

    def _repeat(
        self, me: Actor, worker: WorkerId, stored: StoredTask, finish: Finish, first: StoredTask
    ) -> None:
        auditor = self._world.auditor
        key = stored.document.key
        before = auditor.present(key)
        request, answer = self._send_finish(me, worker, stored, finish)
        if request is None or answer is None:
            return
        after = auditor.present(key)
        if before == first and after is not None and after.document == first.document:
            said = answer.document if isinstance(answer, Stored) else answer
            auditor.repeated(request, first.document, said)

    def _send_finish(
        self, me: Actor, worker: WorkerId, stored: StoredTask, finish: Finish
    ) -> tuple[Request | None, Answer]:
        world = self._world
        server = world.some_server()
        if server is None:
            return None, None
        key = stored.document.key
        operation = stored.document.operation
        request = world.request(
            finish.verb,
            server,
            COMPLETION_DEADLINE,
            key=key,
            worker=worker,
            claim=operation.token if operation is not None else "",
        )
        data, retry_in = finish.data, finish.retry_in
        request.mark = data if finish.verb != "unclaim" else None

        def serve(services: Services, is_connected: object) -> StoredTask:
            tasks = services.tasks
            match finish.verb:
                case "report":
                    stored = tasks.report(key, worker=worker, data=data)
                case "done":
                    stored = tasks.complete(key, worker=worker, data=data)
                case "failed":
                    stored = tasks.fail(
                        key, worker=worker, data=data, retry_in=retry_in, give_up=finish.give_up
                    )
                case _:
                    stored = tasks.unclaim(key, worker=worker, run_in=retry_in)
            self._judge_delay(request, key.queue)
            return stored

        if self.random() < _WAITING:
            return request, world.call(me, server, request, serve)
        change = _change(finish, key, worker)
        return request, world.carry_out(
            me,
            server,
            request,
            lambda services: services.tasks.begin_change(change),
            lambda: self._judge_delay(request, key.queue),
        )

    # ------------------------------------------------------------------------------- operators

    def _operate(self, me: Actor) -> None:
        world = self._world
        while not self.is_quiet:
            self._wait(self.random() * 4)
            server = world.some_server()
            if not self._made or server is None or not server.takes_requests:
                continue
            key = self._chance.choice(self._made)
            verb = self._chance.choice(("cancel", "retry", "retry", "delay", "reprioritise"))
            request = world.request(verb, server, COMPLETION_DEADLINE, key=key)
            world.call(me, server, request, functools.partial(_operate, key, verb))

    # ---------------------------------------------------------------------------------- owners

    def _own(self, me: Actor) -> None:
        """Create recurring tasks, and change one's mind about them."""
        ids = [RecurringTaskId(f"{me.name}-{number}") for number in range(2)]
        for id in ids:
            self._ask_recurring(me, id, "create")
        while not self.is_quiet:
            self._wait(0.5 + self.random() * 6)
            verb = self._chance.choice(_OWNERS_VERBS)
            self._ask_recurring(me, self._chance.choice(ids), verb)
        for id in ids:
            self._ask_recurring(me, id, "resume")

    def _ask_recurring(self, me: Actor, id: RecurringTaskId, verb: str) -> None:
        world = self._world
        server = world.some_server()
        if server is None:
            return
        definition = TaskDefinition(
            queue=self._chance.choice(QUEUES),
            kind=INVALID_KIND if self.random() < 0.03 and verb != "run_now" else "tick",
            retry_times=1,
            processing_timeout=_SECONDS(4),
        )
        expression = EVERY.format(self._chance.choice((2, 3, 5)))
        skip = self.random() < 0.5
        new = NewRecurringTask(
            id=id,
            schedule_expression=expression,
            definition=definition,
            skip_if_outstanding_tasks_exist=skip,
            catch_up=self._chance.choice(tuple(CatchUp)),
        )
        changes = RecurringTaskChanges(
            schedule_expression=expression if self.random() < 0.5 else None,
            definition=definition if self.random() < 0.5 else None,
            skip_if_outstanding_tasks_exist=skip,
        )
        request = world.request(verb, server, COMPLETION_DEADLINE)
        request.is_unstorable = verb == "run_now"  # whatever its definition is by now

        def ask(services: Services, is_connected: object) -> Answer:
            service = services.recurring
            assert service is not None
            match verb:
                case "create":
                    return service.create(new)
                case "update":
                    return service.update(id, changes)
                case "delete":
                    return service.delete(id)
                case "pause":
                    return service.pause(id)
                case "resume":
                    return service.resume(id)
                case _:
                    return service.run_now(id)

        world.call(me, server, request, ask)


def _is_task(answer: Answer) -> TypeGuard[StoredTask]:
    return isinstance(answer, Stored) and isinstance(answer.document, Task)


_OWNERS_VERBS: Final = ("create", "update", "update", "delete", "pause", "resume", "run_now")


def _change(finish: Finish, key: TaskKey, worker: WorkerId) -> Change:
    match finish.verb:
        case "report":
            return Report(key=key, worker=worker, data=finish.data)
        case "done":
            return Complete(key=key, worker=worker, data=finish.data)
        case "failed":
            return Fail(
                key=key,
                worker=worker,
                data=finish.data,
                retry_in=finish.retry_in,
                give_up=finish.give_up,
            )
        case _:
            return Unclaim(key=key, worker=worker, run_in=finish.retry_in)


def _on_a_thread(wanted: ClaimRequest) -> Serve:
    return lambda services, is_connected: services.claims.claim(wanted, is_connected=is_connected)


def _operate(key: TaskKey, verb: str, services: Services, is_connected: object) -> StoredTask:
    operation: TaskOperation
    match verb:
        case "cancel":
            operation = Cancel()
        case "retry":
            operation = Retry()
        case "delay":
            operation = Delay(run_at=Instant(EPOCH))
        case _:
            operation = Reprioritise(priority=1)
    return services.operators.apply(operation, key)
