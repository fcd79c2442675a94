"""
The properties P1–P21 of the reliability notes, checked at every write and at every answer.

The auditor sees each write as it takes place in the model, whatever its author gets to hear, and each
answer as a server gives it, whether or not it arrives. What it demands of a write is told here a
second time, in another way than the services decide it: by verbs, not by states.

A *violation* names the property and ends the history. End-state checks alone miss what heals: a task
that two workers held at a time is done in the end, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import attrs

from tasques.core import errors
from tasques.core.documents import Operation, Stored, Version
from tasques.core.tasks import Claim, State, StoredTask, Task, TaskKey
from tasques.core.values import Duration
from tests.simulation.model import Change, Cluster, Damaged
from tests.simulation.properties import (
    BY_WORKERS,
    GIVEN_BACK_WITHIN,
    KEEP_CLAIM,
    LEGAL_WAIT,
    RULES,
    WAITING,
    Demands,
    Violation,
)
from tests.simulation.requests import Life, Minted, Request, Standing, asks_for, has_mark
from tests.simulation.runtime import EPOCH, Actor, Node, Scheduler


class Auditor:
    """
    Watches one history.

    Attributes:
        kinds: Writes that took place and were looked at, by what was written.
        answers: Answers that were looked at, by verb and kind.
        violation: The first property that did not hold.
    """

    def __init__(self, scheduler: Scheduler, cluster: Cluster, demands: Demands) -> None:
        self._scheduler = scheduler
        self._cluster = cluster
        self._demands = demands
        self.kinds: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.violation: Violation | None = None
        self.standings: dict[int, Standing] = {}
        self.open: dict[int, Request] = {}
        self.lives: dict[TaskKey, Life] = {}
        self.longest: dict[str, float] = {}
        self._tokens: dict[str, Minted] = {}
        self._landed: dict[str, tuple[Hashable, str]] = {}
        self._delivered: dict[str, int] = {}
        self._undelivered: dict[str, tuple[Node, float]] = {}
        #: Whether a version of a task has its copy; the archive's auditor says.
        self.is_archived: Callable[[StoredTask], bool] = lambda stored: False
        self.on_task_made: Callable[[Task], None] = lambda task: None
        self.note: Callable[[str], None] | None = None

    @property
    def writes(self) -> int:
        """Writes that took place and were looked at."""
        return sum(self.kinds.values())

    @property
    def now(self) -> float:
        """True time, in seconds."""
        return self._scheduler.now

    def count(self, kind: str) -> None:
        """Note that a write of that *kind* was looked at."""
        self.kinds[kind] += 1

    def fail(self, name: str, message: str) -> None:
        """Note a violation, and end the history."""
        if self.violation is None and not self._scheduler.closed:
            self.violation = Violation(name, message, self._scheduler.now)
            self._scheduler.stopped = True

    # --------------------------------------------------------------------------------- tokens

    def minted(self, node: Node) -> Callable[[str, Actor | None], None]:
        """What to tell of each new id on *node*."""

        def note(id: str, actor: Actor | None) -> None:
            now = self._scheduler.now
            request = actor.request if actor is not None else None
            known = request if isinstance(request, Request) else None
            skew = (node.rate - 1.0) * now + node.offset
            standing = self.standings.get(node.number)
            compared = standing.compared_skew() if standing is not None else None
            draining = standing is not None and standing.is_draining()
            self._tokens[id] = Minted(known, node, now, skew, compared, draining)
            if known is not None:
                known.tokens.append(id)

        return note

    # --------------------------------------------------------------------------------- writes

    def task_changed(self, change: Change) -> None:
        """Look at a write in a queue."""
        self.count("task")
        if change.after is None:
            self._deleted(change)
            return
        after: Task = change.after.document
        operation = after.operation
        if operation is None:
            self.fail("P5", f"{after.key} was written without the mark of its write")
            return
        if self.note is not None:
            self.note(
                f"    {operation.verb} of {after.id} took place: {after.state},"
                f" {after.attempted} attempts, version {change.after.version}"
                f" [{operation.token[:6]}]"
            )
        minted = self._minted(operation, after)
        if change.before is None:
            self._created(after, operation.token, minted)
        elif isinstance(change.before, Damaged):
            self.fail("P16", f"{after.key} took the place of a malformed document")
        else:
            self._replaced(change.before, after, minted)
        life = self.lives[after.key]
        life.versions[change.after.version] = operation.token
        self.landed(operation.token, after.key, operation.verb)

    def _minted(self, operation: Operation, task: Task) -> Minted | None:
        """Who made the token of a write, and for which item if it was for a batch."""
        minted = self._tokens.get(operation.token)
        if minted is None or minted.request is None or not minted.request.items:
            return minted
        batch = minted.request
        for item in batch.items:
            if item.verb == operation.verb and asks_for(item, task):
                minted = attrs.evolve(minted, request=item)
                item.tokens.append(operation.token)
                self._tokens[operation.token] = minted
                return minted
        self.fail(
            "P17",
            f"request {batch.number} has no item that asks for {operation.verb} of {task.key}",
        )
        return minted

    def landed(self, token: str, key: Hashable, verb: str) -> None:
        """Note that the write of that *token* took place; nobody may have been told it would not."""
        minted = self._tokens.get(token)
        request = minted.request if minted is not None else None
        if request is not None and request.refusal is not None:
            self.fail(
                "P17",
                f"request {request.number} ({request.verb}) was answered {request.refusal!r},"
                f" and its {verb} of {key} took place afterwards",
            )
        self._landed[token] = (key, verb)

    def _created(self, task: Task, token: str, minted: Minted | None) -> None:
        if task.state is not State.QUEUED or task.attempted != 0:
            self.fail("P5", f"{task.key} began as {task.state}, attempted {task.attempted}")
        former = self.lives.get(task.key)
        if former is not None and former.created == token:
            self.fail("P1", f"{task.key} was created, moved away, and created again")
        request = minted.request if minted is not None else None
        if request is not None and request.verb == "create":
            if request.made not in (None, task.key):
                self.fail("P5", f"request {request.number} made {request.made} and {task.key}")
            request.made = task.key
        self.lives[task.key] = Life(created=token, recurring=task.recurring_task_id is not None)
        self.on_task_made(task)

    def _replaced(self, before: StoredTask, after: Task, minted: Minted | None) -> None:
        old, operation = before.document, after.operation
        assert operation is not None
        if old.operation is not None and old.operation.token == operation.token:
            if old != after:
                self.fail("P5", f"{after.key} was confirmed as something else")
            return
        if operation.token in self._landed:
            self.fail("P5", f"one {operation.verb} of {after.key} took place twice")
        verb = operation.verb
        if verb == "retry":
            self._retried(old, after)
            return
        self._must_follow(old, after, verb)
        self._must_keep(old, after, verb)
        if verb == "claim":
            self._claimed(old, after, minted)
        elif verb in KEEP_CLAIM and old.state is State.CLAIMED:
            self._must_be_current(old, after, minted)
            if verb == "time_out":
                self._timed_out(old, after, minted)
            if verb == "give_back" and before.version not in self._claims(after.key):
                self.fail("P4", f"{after.key} was given back after its worker had reported on it")

    def _must_follow(self, old: Task, after: Task, verb: str) -> None:
        """The state and the number of attempts are what *verb* may make of what was there."""
        rule = RULES.get(verb)
        if rule is None:
            self.fail("P5", f"{after.key}: nobody may {verb}")
            return
        if old.state.is_final:
            self.fail("P3", f"{after.key} was {old.state}, and became {after.state} by {verb}")
        if verb == "claim" and old.state is State.CLAIMED:
            self.fail("P2", f"{after.key} was claimed again before the first claim ended")
        if old.state not in rule.before or after.state not in rule.after:
            self.fail("P5", f"{after.key} went from {old.state} to {after.state} by {verb}")
        attempts = max(old.attempted + rule.attempts, 0)
        if after.attempted != attempts or not 0 <= after.attempted <= after.retry_times + 1:
            self.fail(
                "P5",
                f"{after.key}: {old.attempted} attempts became {after.attempted} of at most"
                f" {after.retry_times + 1} by {verb}",
            )

    def _claims(self, key: TaskKey) -> list[Version]:
        life = self.lives[key]
        return [version for version, token in life.versions.items() if token == life.claim]

    def _must_keep(self, old: Task, after: Task, verb: str) -> None:
        kept = (
            old.kind == after.kind
            and old.retry_times == after.retry_times
            and old.created_at == after.created_at
            and old.processing_timeout == after.processing_timeout
            and old.args == after.args
            and old.context == after.context
            and old.recurring_task_id == after.recurring_task_id
            and (old.priority == after.priority or verb == "reprioritise")
        )
        if not kept:
            self.fail("P5", f"{after.key} lost a part of itself by {verb}")

    def _retried(self, old: Task, after: Task) -> None:
        if old.state is not State.DEAD or after.state is not State.QUEUED or after.attempted:
            self.fail("P3", f"{after.key} was {old.state} and was retried to {after.state}")

    def _claimed(self, old: Task, after: Task, minted: Minted | None) -> None:
        claim = _claim_of(after)
        assert after.operation is not None
        if old.run_at > claim.claimed_at:
            self.fail("P5", f"{after.key} was claimed before it was due")
        if claim.times_out_at != claim.claimed_at.plus(after.processing_timeout):
            self.fail("P5", f"{after.key} was claimed for another time than its own")
        self.lives[after.key].claim = after.operation.token
        if minted is None:
            return
        if abs(minted.skew) > self._demands.red:
            self.fail("P10", f"{after.key} was claimed by a clock that is {minted.skew:.1f} s off")
        if minted.draining:
            self.fail("P20", f"{after.key} was claimed by {minted.node.name}, which is stopping")

    def _must_be_current(self, old: Task, after: Task, minted: Minted | None) -> None:
        was, now = _claim_of(old), _claim_of(after)
        assert after.operation is not None
        verb = after.operation.verb
        if (was.worker_id, was.claimed_at) != (now.worker_id, now.claimed_at):
            self.fail("P4", f"{verb} of {after.key} was about another claim than the current one")
        request = minted.request if minted is not None else None
        if verb in BY_WORKERS and request is not None:
            if request.worker != was.worker_id:
                self.fail(
                    "P4", f"{request.worker} did {verb} of {after.key}, held by {was.worker_id}"
                )
            if request.claim != self.lives[after.key].claim:
                self.fail("P4", f"{verb} of {after.key} belongs to an earlier claim")

    def _timed_out(self, old: Task, after: Task, minted: Minted | None) -> None:
        claim, result = _claim_of(old), _claim_of(after).result
        assert result is not None
        margin = Duration.of_seconds(self._demands.margin)
        if result.at < claim.times_out_at.plus(margin):
            early = claim.times_out_at.since(result.at)
            self.fail("P10", f"the claim of {after.key} had {early} left, or less than the margin")
        self._must_have_been_delivered(after)
        if minted is None:
            return
        if minted.steadied is None:
            self.fail("P10", f"{after.key} was timed out by a clock that nobody has compared")
            return
        # How far the clock was ahead at least: it was read before the token was made.
        ahead = (result.at.nanoseconds - EPOCH) / 1e9 - minted.at
        if ahead > self._demands.red:
            self.fail("P10", f"{after.key} was timed out by a clock {ahead:.1f} s ahead")
        if ahead - minted.steadied > self._demands.amber + 0.1:
            self.fail("P10", f"{after.key} was timed out by a clock that had just jumped")

    def _must_have_been_delivered(self, task: Task) -> None:
        """What its server knew not to have reached anybody costs no attempt, if all was well."""
        node, at = self._undelivered.get(self.lives[task.key].claim, (None, 0.0))
        if node is None or node.dead or node.paused_until >= at:
            return
        if self._cluster.faults.was_calm(at - GIVEN_BACK_WITHIN, at + GIVEN_BACK_WITHIN):
            self.fail("P5", f"{task.key} was handed to nobody, and it cost an attempt")

    def _deleted(self, change: Change) -> None:
        before = change.before
        assert isinstance(before, Stored)
        task: Task = before.document
        if self.note is not None:
            self.note(f"    deletion of {task.id} took place")
        if not task.state.is_final:
            self.fail("P6", f"{task.key} was deleted while {task.state}")
        if not self.is_archived(before):
            self.fail("P6", f"{task.key} was deleted, and the archive does not have that version")

    # -------------------------------------------------------------------------------- answers

    def began(self, request: Request) -> None:
        """A server has taken a request."""
        # Of a pause that goes on, only the rest is to come.
        to_come = max(request.node.paused_until - self._scheduler.now, 0.0)
        request.paused_before = request.node.paused_for - to_come
        for each in request.items or (request,):
            each.paused_before = request.paused_before
            each.found = self.present(each.key) if each.key is not None else None
        self.open[request.number] = request

    def ended(self, request: Request, kind: str) -> None:
        """A request was answered, with an answer of that *kind*."""
        self.open.pop(request.number, None)
        request.answered = True
        self.answers[f"{request.verb}: {kind}"] += 1
        now = self._scheduler.now
        took = now - request.started - (request.node.paused_for - request.paused_before)
        if took > self.longest.get(request.verb, 0.0):
            self.longest[request.verb] = took
        if took > request.patience:
            self.fail(
                "P13",
                f"request {request.number} ({request.verb}) took {took:.2f} s,"
                f" {request.patience:.2f} s are allowed",
            )

    def delayed(self, request: Request) -> None:
        """P21: one for a queue that is well, in a history where nothing else goes wrong."""
        allowed = self._demands.others_delayed
        took = self._scheduler.now - request.started
        if allowed is not None and took > allowed:
            self.fail(
                "P21",
                f"request {request.number} ({request.verb} of {request.key}) took {took:.2f} s"
                " while another queue's shard was gone",
            )

    def acknowledged(self, request: Request, stored: StoredTask) -> None:
        """A create, report, done, failed or unclaim was answered with *stored*."""
        self.ended(request, "ok")
        life = self.lives.get(stored.document.key)
        key = stored.document.key
        token = stored.document.operation.token if stored.document.operation else ""
        if life is None or life.versions.get(stored.version) != token:
            # Version and content may be those of a write that a failover will discard, or has.
            self.fail(
                "P17",
                f"request {request.number} ({request.verb} of {key}) was answered with version"
                f" {stored.version}, which was never there to stay",
            )
            return
        if request.verb in ("create", "run_now"):
            life.acknowledged = True
        elif stored.document.operation is None or stored.document.operation.verb != request.verb:
            self.fail("P17", f"request {request.number} was answered with another's write")
        if request.key not in (None, key) or not has_mark(stored.document, request):
            self.fail(
                "P17",
                f"request {request.number} ({request.verb} of {request.key}) was answered with what"
                f" another made of {key}",
            )

    def answered_each(
        self, request: Request, outcomes: Sequence[StoredTask | errors.TasquesError]
    ) -> None:
        """A batch was answered with what became of each item, in their order."""
        self.ended(request, "ok")
        if len(outcomes) != len(request.items):
            self.fail(
                "P17",
                f"request {request.number} has {len(request.items)} items, and was answered"
                f" {len(outcomes)}",
            )
        for item, outcome in zip(request.items, outcomes, strict=False):
            if isinstance(outcome, Stored):
                self.acknowledged(item, outcome)
            else:
                self.refused(item, outcome)

    def delivered(self, request: Request, claimed: Sequence[StoredTask]) -> None:
        """A claim was answered with *claimed*."""
        self.ended(request, "ok" if claimed else "nothing")
        for stored in claimed:
            task = stored.document
            life = self.lives.get(task.key)
            token = task.operation.token if task.operation is not None else ""
            if life is None or life.versions.get(stored.version) != token:
                self.fail("P2", f"{task.key} was handed out by a claim that was not there to stay")
            if self._delivered.setdefault(token, request.number) != request.number:
                self.fail("P2", f"one claim of {task.key} was handed out twice")
            if _claim_of(task).worker_id != request.worker:
                self.fail("P4", f"{task.key} was handed to {request.worker}, claimed for another")
        orders = [stored.document.claim_order for stored in claimed]
        if orders != sorted(orders):
            self.fail("P5", f"request {request.number} was answered out of the order of claims")

    def undelivered(self, node: Node, claimed: Sequence[StoredTask]) -> None:
        """The front of *node* knows that nobody has got *claimed*; so it will give them back."""
        for stored in claimed:
            if stored.document.operation is not None:
                token = stored.document.operation.token
                self._undelivered[token] = (node, self._scheduler.now)

    def refused(self, request: Request, error: errors.TasquesError) -> None:
        """A request was answered with *error*, and so was each item of a batch."""
        self.ended(request, type(error).__name__)
        for item in request.items:
            self.refused(item, error)
        if isinstance(error, errors.Unavailable):
            return
        request.refusal = error
        if isinstance(error, errors.InvalidInput) and not request.is_unstorable:
            self.fail("P16", f"request {request.number} ({request.verb}) was refused for another's")
        if isinstance(error, errors.TaskAlreadyExists) and request.key is None:
            self.fail("P17", f"request {request.number} made its own id, and was told it is in use")
        # A claim's thread decides for others, too; and that a task is run by hand is noted before
        # the store is asked whether it takes it.
        landed = [self._landed[token] for token in request.tokens if token in self._landed]
        if landed and request.verb not in ("claim", "run_now"):
            self.fail(
                "P17",
                f"request {request.number} ({request.verb} of {request.key}) was answered"
                f" {error!r}, and its {landed[0][1]} had taken place",
            )
        self._must_be_true(request, error)

    def _must_be_true(self, request: Request, error: errors.TasquesError) -> None:
        """Where nothing happened to the task meanwhile, what it was and is explains a refusal."""
        if request.key is None or not isinstance(error, errors.TaskError):
            return
        now = self.present(request.key)
        if now != request.found or self._may_be_stale(request):
            return
        if request.verb == "create":
            is_true = now is not None or request.key in self.lives
        elif request.verb in BY_WORKERS and now is not None:
            life, task = self.lives[request.key], now.document
            holds = task.state is State.CLAIMED and life.claim == request.claim
            is_its_own = holds and _claim_of(task).worker_id == request.worker
            # A report is as old as its server's clock says.
            is_true = not is_its_own or isinstance(error, errors.ReportFromThePast)
        else:
            return
        if not is_true:
            self.fail(
                "P13",
                f"request {request.number} ({request.verb} of {request.key}) was answered {error!r},"
                " which was not so at any time",
            )

    def crashed(self, request: Request | None, error: BaseException, where: str) -> None:
        """Something raised what nobody expects: an answer 500, a dead thread."""
        number = f"request {request.number} ({request.verb})" if request is not None else where
        self.fail("P13", f"{number} ended in {error!r}")

    def repeated(self, request: Request, first: object, answer: object) -> None:
        """
        An acknowledged request was sent once more, and was answered with *answer*.

        *first* must still be the present version. A refusal may rest on a read, which an isolated
        primary may have answered: then nothing is demanded.
        """
        if isinstance(answer, errors.Unavailable) or self._may_be_stale(request):
            return
        if answer != first:
            self.fail(
                "P14",
                f"request {request.number} repeats a {request.verb} that was answered with"
                f" {first}, and was answered {answer!r}",
            )

    def retried(self, request: Request, earlier: Sequence[str], answer: object) -> None:
        """
        A request was sent again whose earlier tries nobody heard of.

        What was made by one of them is the answer to this one.

        Args:
            earlier: The tokens of their writes.
        """
        if request.key is None or not isinstance(answer, errors.TaskError):
            return
        now = self.present(request.key)
        operation = now.document.operation if now is not None else None
        if operation is not None and operation.token in earlier and operation.verb != "report":
            self.repeated(request, now, answer)

    def _may_be_stale(self, request: Request) -> bool:
        assert request.key is not None
        shard = self._cluster.shards.get("queue-" + request.key.queue)
        return shard is not None and shard.isolated_until >= request.started

    # ------------------------------------------------------------------------------- the state

    def present(self, key: TaskKey) -> StoredTask | None:
        """The task as it truly is."""
        shard = self._cluster.shards.get("queue-" + key.queue)
        kept = shard.documents.get(key) if shard is not None else None
        return kept if isinstance(kept, Stored) else None

    def was_there(self, key: TaskKey, version: Version) -> bool:
        """Whether that version of the task was ever there to stay."""
        life = self.lives.get(key)
        return life is not None and version in life.versions

    def all_tasks(self) -> list[StoredTask]:
        """Every task that is in a queue."""
        return [
            kept
            for name, shard in self._cluster.shards.items()
            if name.startswith("queue-")
            for kept in shard.documents.values()
            if isinstance(kept, Stored)
        ]

    def close(self, *, healed_at: float, wall: int) -> None:
        """
        Look at the end, after a phase in which nothing went wrong.

        Args:
            wall: What right clocks say, in nanoseconds.
        """
        now = self._scheduler.now
        for request in self.open.values():
            if not request.node.dead and now - max(request.started, healed_at) > request.patience:
                self.fail("P13", f"request {request.number} ({request.verb}) was never answered")
        for key, life in self.lives.items():
            if life.acknowledged and self.present(key) is None and not self._in_archive(key):
                self.fail("P1", f"{key} is neither in its queue nor in the archive")
        for stored in self.all_tasks():
            self._must_wait_legally(stored.document, wall)

    def _in_archive(self, key: TaskKey) -> bool:
        return any(
            isinstance(kept, Stored) and kept.document.task.key == key
            for name in self._cluster.archives
            if name in self._cluster.shards
            for kept in self._cluster.shards[name].documents.values()
        )

    def _must_wait_legally(self, task: Task, wall: int) -> None:
        if task.state in WAITING:
            late = (wall - task.run_at.nanoseconds) / 1e9
            if late > LEGAL_WAIT and task.remaining_attempts > 0:
                self.fail("P15", f"{task.key} is due for {late:.1f} s, and nobody gets it")
        elif task.state is State.CLAIMED:
            late = (wall - _claim_of(task).times_out_at.nanoseconds) / 1e9
            if late > LEGAL_WAIT:
                self.fail("P15", f"the claim of {task.key} is over for {late:.1f} s")


def _claim_of(task: Task) -> Claim:
    assert task.last_claim is not None
    return task.last_claim
