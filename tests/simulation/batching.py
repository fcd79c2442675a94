"""
What producers and workers ask for in one request: tasks to create, changes of tasks that they hold.

They mix what is good with what cannot be done: an id that is taken twice, an id beside a key, a task
that is another's or that nobody knows. Each item is looked at like a request of its own, which is what
a batch promises; what it brings is brought by no other, so that an answer shows whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeAlias

import attrs

from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.json_object import JsonObject
from tasques.core.queues import TaskId, WorkerId
from tasques.core.service.batches import Outcome
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.services import Services
from tasques.core.tasks import NewTask, StoredTask, TaskKey
from tasques.core.values import Duration
from tests.simulation.model import INVALID_KIND
from tests.simulation.requests import Request
from tests.simulation.runtime import Actor
from tests.simulation.stores import QUEUE
from tests.simulation.world import COMPLETION_DEADLINE, Server, World

#: A creation is held for so long, at most.
CREATION_PATIENCE: Final = 2.0
#: A queue whose shard is there again may be taken for troubled, and held back for it, for so long.
TROUBLED_FOR: Final = 2.0

#: What became of an item; None if nobody heard.
Heard: TypeAlias = Outcome | None


@attrs.frozen
class Wish:
    """
    One item.

    Attributes:
        claim: The token of the claim that it is about, where it is about one.
    """

    asked: Creation | Change
    verb: str
    claim: str = ""

    @property
    def key(self) -> TaskKey | None:
        """The task, where the client knows it."""
        if not isinstance(self.asked, Creation):
            return self.asked.key
        new = self.asked.new
        return TaskKey(new.queue, new.id) if new.id is not None else None

    @property
    def mark(self) -> JsonObject | None:
        """What it brings, and no other brings."""
        match self.asked:
            case Creation(new=new):
                return new.args
            case Unclaim():
                return None
            case change:
                return change.data

    @property
    def worker(self) -> str:
        """Who asks, where it is a worker."""
        return "" if isinstance(self.asked, Creation) else self.asked.worker

    @property
    def is_unstorable(self) -> bool:
        """Whether it can only be refused as invalid."""
        if not isinstance(self.asked, Creation):
            return False
        new = self.asked.new
        has_both = new.id is not None and self.asked.idempotency_key is not None
        return new.kind == INVALID_KIND or has_both


class Batching:
    """The clients' way to batches, in one history."""

    def __init__(self, world: World, chance: Random, data: Callable[[], JsonObject]) -> None:
        self._world = world
        self._chance = chance
        self._data = data
        self.random = chance.random

    # ------------------------------------------------------------------------------- producers

    def create(self, me: Actor, wanted: Sequence[NewTask]) -> list[TaskKey]:
        """Have all of *wanted* created, asking again for what nobody answers; returns what was."""
        left = [Wish(self._creation(new), "create") for new in wanted]
        if len(left) > 1 and self.random() < 0.2:
            left[-1] = self._with_the_id_of(left[0], left[-1])
        made: list[TaskKey] = []
        for _ in range(1 + int(self.random() * 3)):
            _, heard = self._send(me, left, CREATION_PATIENCE)
            made += [outcome.document.key for outcome in heard if isinstance(outcome, Stored)]
            left = _unanswered(left, heard)
            if not left:
                break
            self._world.scheduler.block(self.random())
        return made

    def _creation(self, new: NewTask) -> Creation:
        has_key = self.random() < (0.05 if new.id is not None else 0.5)
        return Creation(new=new, idempotency_key=str(new.args) if has_key else None)

    def _with_the_id_of(self, first: Wish, other: Wish) -> Wish:
        """Another task that is to have the same id, if *first* is to have a certain one."""
        assert isinstance(first.asked, Creation)
        assert isinstance(other.asked, Creation)
        new = attrs.evolve(other.asked.new, queue=first.asked.new.queue, id=first.asked.new.id)
        return Wish(attrs.evolve(other.asked, new=new), "create")

    # --------------------------------------------------------------------------------- workers

    def finish(
        self, me: Actor, worker: WorkerId, claimed: Sequence[StoredTask], *, well: bool
    ) -> None:
        """
        End the work on all of *claimed*, asking again for what nobody answers.

        Args:
            well: All of it is done, and nothing else asked for.
        """
        wishes = self._wishes(worker, claimed, well=well)
        left = wishes
        tried: dict[int, list[str]] = {}
        for _ in range(4):
            items, heard = self._send(me, left, COMPLETION_DEADLINE)
            if not items:
                return
            for wish, item, outcome in zip(left, items, heard, strict=True):
                earlier = tried.setdefault(id(wish), [])
                self._world.auditor.retried(item, earlier, outcome)
                earlier += item.tokens
            left = _unanswered(left, heard)
            if not left:
                break
            self._world.scheduler.block(self.random() * 0.5)
        if not left and not well and self.random() < 0.15:
            self._send(me, wishes, COMPLETION_DEADLINE)

    def _wishes(self, worker: WorkerId, claimed: Sequence[StoredTask], *, well: bool) -> list[Wish]:
        wishes: list[Wish] = []
        for stored in claimed:
            if well:
                wishes.append(self._wish("done", worker, stored))
                continue
            if self.random() < 0.2:
                wishes.append(self._wish("report", worker, stored))
            if self.random() < 0.08:
                wishes.append(self._wish("done", WorkerId("impostor"), stored))
            verb = self._verb()
            if verb is not None:
                wishes.append(self._wish(verb, worker, stored))
        if not well and self.random() < 0.1:
            nowhere = Complete(
                key=TaskKey(claimed[0].document.queue, TaskId("nowhere")),
                worker=worker,
                data=self._data(),
            )
            wishes.insert(0, Wish(nowhere, "done"))
        return wishes

    def _verb(self) -> str | None:
        """How it ends; None if the worker forgets all about it."""
        drawn = self.random()
        return "done" if drawn < 0.62 else "failed" if drawn < 0.82 else _rarely(drawn)

    def _wish(self, verb: str, worker: WorkerId, stored: StoredTask) -> Wish:
        key, operation = stored.document.key, stored.document.operation
        claim = operation.token if operation is not None else ""
        soon = Duration.of_seconds(self.random() ** 3 * 3) if self.random() < 0.8 else None
        match verb:
            case "report":
                change: Change = Report(key=key, worker=worker, data=self._data())
            case "done":
                change = Complete(key=key, worker=worker, data=self._data())
            case "failed":
                change = Fail(
                    key=key,
                    worker=worker,
                    data=self._data(),
                    retry_in=soon,
                    give_up=self.random() < 0.1,
                )
            case _:
                change = Unclaim(key=key, worker=worker, run_in=soon)
        return Wish(change, verb, claim)

    # ---------------------------------------------------------------------------------- asking

    def _send(
        self, me: Actor, wishes: Sequence[Wish], patience: float
    ) -> tuple[tuple[Request, ...], Sequence[Heard]]:
        """Ask for all of them at once; the requests that they are, and what became of each."""
        world = self._world
        server = world.some_server()
        if server is None or not wishes:
            return (), [None] * len(wishes)
        is_creation = isinstance(wishes[0].asked, Creation)
        request = world.request("create_many" if is_creation else "change_many", server, patience)
        request.items = tuple(self._item(wish, server, patience) for wish in wishes)

        def serve(services: Services, is_connected: object) -> Sequence[Outcome]:
            creations = [wish.asked for wish in wishes if isinstance(wish.asked, Creation)]
            changes = [wish.asked for wish in wishes if not isinstance(wish.asked, Creation)]
            if is_creation:
                outcomes = services.tasks.create_many(creations)
                self._judge_delay(request, creations)
            else:
                outcomes = services.tasks.change_many(changes)
            return outcomes

        answer = world.call(me, server, request, serve)
        if isinstance(answer, (list, tuple)):
            return request.items, answer
        assert answer is None or isinstance(answer, errors.TasquesError)
        return request.items, [answer] * len(wishes)

    def _item(self, wish: Wish, server: Server, patience: float) -> Request:
        item = self._world.request(
            wish.verb, server, patience, key=wish.key, worker=wish.worker, claim=wish.claim
        )
        item.mark, item.is_unstorable = wish.mark, wish.is_unstorable
        return item

    def _judge_delay(self, request: Request, creations: Sequence[Creation]) -> None:
        shards = self._world.cluster.shards
        asked = [shards.get(QUEUE + creation.new.queue) for creation in creations]
        if all(
            shard is not None and shard.gone_until + TROUBLED_FOR < request.started
            for shard in asked
        ):
            self._world.auditor.delayed(request)


def _rarely(drawn: float) -> str | None:
    return "unclaim" if drawn < 0.96 else None


def _unanswered(wishes: Sequence[Wish], heard: Sequence[Heard]) -> list[Wish]:
    return [
        wish
        for wish, outcome in zip(wishes, heard, strict=True)
        if outcome is None or isinstance(outcome, errors.Unavailable)
    ]
