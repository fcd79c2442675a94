"""
The servers of one history, and what befalls them.

Each server is what ``tasques.bootstrap.build`` makes of the settings, on a backend of the model and
the runtime of its node: the wiring is under test, too. A *call* is one request of a client: it runs
on an actor of the server, and its answer may get lost.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeAlias

import attrs

from tasques import bootstrap
from tasques.core import errors
from tasques.core.documents import Stored
from tasques.core.recurring import RecurringTask, StoredRecurringTask
from tasques.core.service.batch_limits import BatchLimits
from tasques.core.service.election import Election
from tasques.core.service.group_commit import GroupCommit
from tasques.core.service.services import Services
from tasques.core.service.task_service import Begun
from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import StoredTask, TaskKey
from tasques.core.values import Duration
from tasques.server.claiming import ParkedClaim
from tasques.server.handing_in import HandingIn
from tasques.server.parking import PARKING, By, Parked, Parking
from tasques.settings import Settings
from tests.simulation.auditor import Auditor
from tests.simulation.background_auditor import BackgroundAuditor
from tests.simulation.faults import Fault, Faults, Happening
from tests.simulation.model import CALL_TIMEOUT, Cluster
from tests.simulation.neighbours import TALKING_FROM, Air
from tests.simulation.properties import Demands
from tests.simulation.requests import Request, Standing
from tests.simulation.runtime import Actor, Node, Scheduler, SimulatedRuntime
from tests.simulation.stores import QUEUE, SimulatedBackend, real_codec

#: The faults end here, in virtual seconds; the quiet phase begins.
FAULTS_UNTIL: Final = 11.0
#: A completion is held for so long.
COMPLETION_DEADLINE: Final = 6.0
MARGIN: Final = 1.0
LEASE: Final = 2.0
#: A finished task stays in its queue for so long; no create lands later than that.
ARCHIVED_AFTER: Final = 5.0
#: A slot is decided two leases and a look after everything is well again.
SLOTS_SETTLE_WITHIN: Final = 2 * LEASE + 3.0
#: Past a deadline, a request may still have to see a few calls of the store out: one for the batch
#: that is ahead of its own, two for its own write and the look at what became of it.
SLACK: Final = 4 * CALL_TIMEOUT + 1.0
#: How long past its deadline the front lets a claim wait for a search that hangs.
_GRACE_SECONDS: Final = 5.0
#: Of the requests that may be served by the I/O thread, so many are; the others came as it was not free.
_AT_ONCE: Final = 0.7
#: One history in so many sends every document through the real codec.
CODEC_EVERY: Final = 50
#: One history in so many has a store whose searches show every write at once: there lone claims go
#: the short way, where conflicts, doubts and faults meet it too. Not the first thousand: in these
#: planted errors are looked for that take a rare meeting of faults.
AT_ONCE_EVERY: Final = 5
AT_ONCE_FROM: Final = 1000
#: One history in so many has shards that go, and nothing else: P21.
SHARDS_ONLY_EVERY: Final = 20
#: And one in as many has primaries that are isolated, one after the other, and nothing else: what is
#: read there may be discarded, which a mix of faults seldom lets anybody act on.
ISOLATED_ONLY: Final = 6

Answer: TypeAlias = (
    "StoredTask | StoredRecurringTask | Sequence[StoredTask | errors.TasquesError]"
    " | errors.TasquesError | None"
)
#: Is told whether the client is still there.
Serve: TypeAlias = Callable[[Services, Callable[[], bool]], Answer]


def settings() -> Settings:
    """The settings of every server: everything sooner than by default, so that histories are short."""
    default = Settings()
    seconds = Duration.of_seconds
    recurring = default.recurring
    return attrs.evolve(
        default,
        recurring=attrs.evolve(
            recurring,
            leader_lock=attrs.evolve(
                recurring.leader_lock,
                run_interval=seconds(0.5),
                leader_lock_lease=seconds(LEASE),
            ),
            timed_out_tasks_reaper=attrs.evolve(
                recurring.timed_out_tasks_reaper,
                run_interval=seconds(3),
                margin=seconds(MARGIN),
                scroll_size=5,
            ),
            tasks_archiver=attrs.evolve(
                recurring.tasks_archiver,
                run_interval=seconds(3),
                archive_older_than=seconds(ARCHIVED_AFTER),
                scroll_size=6,
            ),
            recurring_tasks=attrs.evolve(
                recurring.recurring_tasks,
                sync_run_interval=seconds(2),
                enforce_sync_run_interval=seconds(8),
            ),
        ),
        tasks=attrs.evolve(default.tasks, completion_deadline=seconds(COMPLETION_DEADLINE)),
    )


SETTINGS: Final = settings()
#: So little room that it fills; in every other history.
SMALL: Final = BatchLimits(items=3, size=6000, in_flight=1, waiting_items=4, waiting_size=16_000)


@attrs.define(eq=False)
class _Call:
    """A client that waits for an answer."""

    client: Actor
    answer: Answer = None
    is_over: bool = False
    gave_up: bool = False

    def is_connected(self) -> bool:
        """Whether the client is still there."""
        return not self.gave_up and not self.client.node.dead


@attrs.frozen(eq=False)
class _Wait:
    """What a claim is parked with: a :class:`~tasques.server.parking.Parking` without a connection."""

    serve_again: Callable[[], None]

    def resume(self, by: By = By.A_THREAD) -> None:
        """Have the request served again."""
        self.serve_again()


@attrs.frozen(eq=False)
class _Parkable:
    """As much of an HTTP request as one that is parked needs: what is kept while it is."""

    env: dict[str, object] = attrs.Factory(dict)


@attrs.define(eq=False)
class Server:
    """One incarnation of a server."""

    place: int
    node: Node
    runtime: SimulatedRuntime
    backend: SimulatedBackend
    built: bootstrap.Node
    ready: bool = False
    stopping: bool = False
    claims_are_closed: bool = False
    true_offset: float = 0.0
    calls: dict[int, _Call] = attrs.Factory(dict)

    @property
    def services(self) -> Services:
        """Its use cases."""
        return self.built.services

    @property
    def takes_requests(self) -> bool:
        """Whether a client would be sent here."""
        return self.ready and not self.stopping and not self.node.dead


class World:
    """
    Everything of one history but its clients.

    Args:
        note: Told what happens, in words; None for speed.
    """

    def __init__(self, seed: int, note: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.scheduler = Scheduler(seed)
        shards_only = seed % SHARDS_ONLY_EVERY == 0
        self.faults = Faults(seed, FAULTS_UNTIL, only=_only(seed))
        self.cluster = Cluster(self.scheduler, self.faults)
        others_delayed = 2.0 + 0.3 if shards_only else None
        demands = Demands(margin=MARGIN, others_delayed=others_delayed)
        self.auditor = Auditor(self.scheduler, self.cluster, demands)
        self.auditor.note = note
        self.cluster.observers["task"] = self.auditor.task_changed
        self.background = BackgroundAuditor(
            self.auditor, self.cluster, self._elections, SLOTS_SETTLE_WITHIN
        )
        self.scheduler.on_crash = self._crashed
        self.scheduler.on_runaway = lambda: self.auditor.fail("P13", "it never comes to rest")
        self.scheduler.on_lock_held = lambda actor: self.auditor.fail(
            "P13", f"{actor.name} calls the store while it holds a lock, or where nobody may wait"
        )
        self.chance = Random(f"{seed}/world")
        self.servers: list[Server] = []
        self.air = Air(self.scheduler, seed) if seed >= TALKING_FROM else None
        self.on_worker_killed: Callable[[float, float], None] = lambda chosen, length: None
        self._note = note
        self._nodes = 0
        self._requests = 0
        self._codec = real_codec() if seed % CODEC_EVERY == 0 else None
        self._small = seed % 2 == 1
        self._shows_at_once = seed > AT_ONCE_FROM and seed % AT_ONCE_EVERY == 2

    def _elections(self) -> list[tuple[str, Election]]:
        servers = [server for server in self.servers if not server.node.dead]
        return [(server.node.name, server.built.election) for server in servers]

    def note(self, text: str) -> None:
        """Write into the history, if anybody reads it."""
        if self._note is not None:
            self._note(text)

    def new_node(self, name: str) -> Node:
        """A machine with clocks that are nearly right."""
        self._nodes += 1
        return Node(f"{name}.{self._nodes}", self._nodes)

    # ------------------------------------------------------------------------------- servers

    def boot(self, place: int) -> None:
        """Start a server, as ``tasques-server`` does."""
        node = self.new_node(f"server{place}")
        node.offset = self.chance.uniform(-0.4, 0.4)
        node.rate = 1.0 + self.chance.choice((0.0, 1e-4, -1e-4, 0.02, -0.02))
        runtime = SimulatedRuntime(self.scheduler, node, self.auditor.minted(node))
        backend = SimulatedBackend(
            self.cluster,
            self.scheduler,
            node,
            self._codec,
            shows_at_once=self._shows_at_once,
        )
        backend.tasks.on_overlap = lambda key: self.auditor.fail(
            "P18", f"two writes of {key} are under way together from {node.name}"
        )
        neighbours = self.air.mouth(place, node) if self.air is not None else None
        built = bootstrap.build(SETTINGS, backend, runtime, neighbours=neighbours)
        server = Server(place, node, runtime, backend, built, true_offset=node.offset)
        assert isinstance(built.store, GroupCommit)
        if self._small:
            built.store._limits = SMALL
            built.store._reads._main.places = 1
        backend.tasks.on_batch = functools.partial(self._look_at_bounds, node, built.store)
        self.auditor.standings[node.number] = Standing(
            compared_skew=lambda: backend.compared_skew,
            is_draining=lambda: server.claims_are_closed or built.services.claims.is_closed,
        )
        node.on_fuse = lambda: None
        self.servers[place : place + 1] = [server]
        self.scheduler.start(f"{node.name} boots", node, lambda: self._start(server))

    def _look_at_bounds(self, node: Node, commit: GroupCommit) -> None:
        """P18: one call may be larger than the bound, but then nobody else is let in."""
        lanes = [commit._main, *commit._lanes.values()]
        waiting = [entry for lane in lanes for entry in lane.waiting]
        allowed = commit._limits.waiting_items
        if len(waiting) > allowed and len({id(entry.submission) for entry in waiting}) > 1:
            self.auditor.fail("P18", f"{len(waiting)} writes wait at {node.name}, {allowed} may")

    def _start(self, server: Server) -> None:
        server.services.clock.step()
        server.services.health.step()
        server.built.start()
        server.ready = True
        self.note(f"{server.node.name} is there")

    def kill(self, server: Server, back_after: float | None) -> None:
        """End its process wherever it is; a new one follows in its place."""
        if server.node.dead:
            return
        self.note(f"{server.node.name} is killed")
        server.node.dead = True
        for number, call in list(server.calls.items()):
            self._hang_up(server, number, call)
        if back_after is not None:
            self.scheduler.at(self.scheduler.now + back_after, lambda: self._revive(server))

    def _revive(self, server: Server) -> None:
        if self.servers[server.place] is server:
            self.boot(server.place)

    def drain(self, server: Server, back_after: float) -> None:
        """Stop a server in the order in which SIGTERM does."""
        if server.stopping or not server.ready:
            return
        server.stopping = True
        self.note(f"{server.node.name} drains")

        def stop() -> None:
            server.services.health.start_draining()
            server.services.claims.close()
            server.claims_are_closed = True
            self.scheduler.block(3.0)
            server.built.stop()
            self.kill(server, back_after)
            self.scheduler.block()

        self.scheduler.start(f"{server.node.name} drains", server.node, stop)

    def _crashed(self, actor: Actor, error: Exception) -> None:
        self.auditor.crashed(None, error, actor.name)

    # ---------------------------------------------------------------------------------- calls

    def call(
        self,
        client: Actor,
        server: Server,
        request: Request,
        serve: Serve,
        stays: float = math.inf,
    ) -> Answer:
        """
        One request; None if no answer came.

        Args:
            serve: What the front of the server does; is told whether the client is still there.
            stays: So long the client waits for its answer; then it goes.
        """
        call = self._begin(client, server, request)
        if call is None:
            return None
        self._start_on(server, request, lambda: self._conclude(server, request, call, serve))
        return self._await(server, request, call, stays)

    def carry_out(
        self,
        client: Actor,
        server: Server,
        request: Request,
        begin: Callable[[Services], Begun],
        ended: Callable[[], None],
    ) -> Answer:
        """
        A creation or a change that is handed in and parked as the front does it.

        Args:
            begin: Where this is done on the I/O thread, the store must not be called.
            ended: Called when it is known what became of it, if it is well.
        """
        call = self._begin(client, server, request)
        if call is None:
            return None
        handing_in, parkable = HandingIn(server.services.hand_in), _Parkable()
        passes: list[bool] = []

        def park() -> Parking:
            return Parking(
                lambda by: self._start_on(server, request, serve),
                call.is_connected,
                is_at_once=passes == [True],
            )

        def carried_out(services: Services, is_connected: object) -> StoredTask:
            stored = handing_in.carry_out(
                parkable,  # type: ignore[arg-type]
                lambda: begin(services),
            )
            ended()
            return stored

        def serve() -> None:
            passes.append(not passes and self.scheduler.random() < _AT_ONCE)
            actor = self.scheduler.current
            actor.holds += passes[-1]
            try:
                self._conclude(server, request, call, carried_out)
            except Parked as parked:
                if not parked.parking.leave():
                    self._start_on(server, request, serve)
            finally:
                actor.holds -= passes[-1]

        parkable.env[PARKING] = park
        self._start_on(server, request, serve)
        return self._await(server, request, call, math.inf)

    def claim(
        self,
        client: Actor,
        server: Server,
        request: Request,
        wanted: ClaimRequest,
        stays: float = math.inf,
    ) -> Answer:
        """A claim that is parked as the front parks it, and holds no thread while it waits."""
        call = self._begin(client, server, request)
        if call is None:
            return None
        claims = server.services.claims
        is_at_once = self.scheduler.random() < _AT_ONCE

        def serve_again() -> None:
            self._conclude(server, request, call, lambda services, is_connected: parked.tasks())

        wait = _Wait(lambda: self._start_on(server, request, serve_again))
        parked = ParkedClaim(wait, _nothing, claims.give_back)  # type: ignore[arg-type]

        def serve() -> None:
            try:
                claims.register(wanted, parked.deliver, call.is_connected)
            except errors.Unavailable as error:
                parked.deliver(error)
            if is_at_once:
                claims.serve_soon()
            else:
                claims.serve_at_once()

        def give_up() -> None:
            if not parked.is_answered and not server.node.dead:
                self._start_on(server, request, parked.give_up)

        overdue = self.scheduler.now + wanted.block_for.seconds + _GRACE_SECONDS
        self.scheduler.at(overdue, give_up)
        self._start_on(server, request, serve)
        return self._await(server, request, call, stays)

    def _begin(self, client: Actor, server: Server, request: Request) -> _Call | None:
        if server.node.dead:
            self.scheduler.switch(0.01)
            return None
        call = server.calls[request.number] = _Call(client)
        self.auditor.began(request)
        return call

    def _start_on(self, server: Server, request: Request, run: Callable[[], None]) -> None:
        name = f"{server.node.name} #{request.number} {request.verb}"
        self.scheduler.start(name, server.node, run, request)

    def _conclude(self, server: Server, request: Request, call: _Call, serve: Serve) -> None:
        """Make the answer, and let the client have it if it is there and the answer not lost."""
        answer = self._serve(server, request, call, serve)
        is_lost = self.faults.of_client(self.scheduler.now)
        # The front knows for certain that half of those that are lost never left.
        is_undelivered = not call.is_connected() or (is_lost and self.scheduler.random() < 0.5)
        is_claim = request.verb == "claim"
        if is_undelivered and is_claim and isinstance(answer, (list, tuple)) and answer:
            self.note(f"  #{request.number} is undelivered, and given back")
            self.auditor.undelivered(server.node, answer)
            server.services.claims.give_back(answer)
            is_lost = True
        if not call.is_over:
            call.answer = None if is_lost else answer
            self._hang_up(server, request.number, call)

    def _await(self, server: Server, request: Request, call: _Call, stays: float) -> Answer:
        self.scheduler.block(min(request.patience + CALL_TIMEOUT, stays))
        call.gave_up = not call.is_over
        server.calls.pop(request.number, None)
        self.note(
            f"  #{request.number} {request.verb}"
            f" {request.key.id if request.key else ''} of {call.client.name} at {server.node.name}:"
            f" {_said(call.answer)}"
        )
        return call.answer

    def _hang_up(self, server: Server, number: int, call: _Call) -> None:
        server.calls.pop(number, None)
        if not call.is_over and not call.gave_up:
            call.is_over = True
            self.scheduler.wake(call.client)

    def _serve(
        self,
        server: Server,
        request: Request,
        call: _Call,
        serve: Serve,
    ) -> Answer:
        try:
            answer = serve(server.services, call.is_connected)
        except errors.TasquesError as error:
            self.auditor.refused(request, error)
            return error
        except Exception as error:  # noqa: BLE001 - an answer 500
            self.auditor.crashed(request, error, "")
            return None
        self._audit(request, answer)
        return answer

    def _audit(self, request: Request, answer: Answer) -> None:
        if not isinstance(answer, Stored):
            assert isinstance(answer, (list, tuple)), "a service returns what it made"
            if request.items:
                self.auditor.answered_each(request, answer)
            else:
                self.auditor.delivered(request, answer)
        elif isinstance(answer.document, RecurringTask):
            self.background.owned(request, answer)
        else:
            self.auditor.acknowledged(request, answer)

    def request(
        self,
        verb: str,
        server: Server,
        patience: float,
        *,
        key: TaskKey | None = None,
        worker: str = "",
        claim: str = "",
    ) -> Request:
        """A request that is about to be made."""
        self._requests += 1
        return Request(
            number=self._requests,
            verb=verb,
            node=server.node,
            started=self.scheduler.now,
            patience=patience + SLACK,
            key=key,
            worker=worker,
            claim=claim,
        )

    def some_server(self) -> Server | None:
        """Where a load balancer would send a request; now and then to one that is gone."""
        there = [server for server in self.servers if server.takes_requests]
        pool = there if there and self.chance.random() < 0.97 else self.servers
        return self.chance.choice(pool) if pool else None

    # ------------------------------------------------------------------------------ happenings

    def plan(self, happenings: Sequence[Happening]) -> None:
        """Let *happenings* happen at their times."""
        for happening in happenings:
            self.scheduler.at(happening.at, functools.partial(self._happen, happening))

    def _happen(self, happening: Happening) -> None:
        self.faults.count(happening.fault)
        now, until = self.scheduler.now, self.scheduler.now + happening.length
        server = self.servers[int(happening.chosen * len(self.servers))]
        self.note(f"{happening.fault}, for {happening.length:.2f} s ({server.node.name})")
        match happening.fault:
            case Fault.KILL:
                self._at_some_step(server.node, lambda: self.kill(server, happening.length))
            case Fault.PAUSE:
                self._at_some_step(server.node, lambda: self._pause(server.node, until))
            case Fault.CUT:
                self.cluster.cut[server.node.number] = until
            case Fault.CLOCK:
                self._set_clock(server, until)
            case Fault.DRAIN:
                self.drain(server, happening.length)
            case Fault.WORKER:
                self.on_worker_killed(happening.chosen, happening.length)
            case Fault.RESTART:
                self.cluster.restart(min(happening.length, 6.0))
            case Fault.DISK:
                self.cluster.full_until = until
            case Fault.OVERLOAD:
                self.cluster.busy_until = until
            case Fault.ROLLOVER:
                self.cluster.archives.append(f"archive-{len(self.cluster.archives) + 1:06}")
            case Fault.FAILOVER | Fault.SHARD | Fault.REFRESH:
                self._befall_shard(happening, now, until)

    def _at_some_step(self, node: Node, action: Callable[[], None]) -> None:
        """Have *action* carried out in place of one of the next steps of *node*, whichever."""
        node.fuse = 1 + int(self.chance.random() ** 2 * 150)
        node.on_fuse = action

    def _pause(self, node: Node, until: float) -> None:
        now = self.scheduler.now
        if until > max(node.paused_until, now):
            self.note(f"{node.name} is paused for {until - now:.2f} s")
            node.paused_for += until - max(node.paused_until, now)
            node.paused_until = until

    def _set_clock(self, server: Server, until: float) -> None:
        jump = self.chance.choice((1.0, 4.0, 8.0, 20.0, 45.0, 3600.0, 21_600.0))
        server.node.offset += jump * self.chance.choice((-1, 1))

        def set_right() -> None:
            server.node.offset = server.true_offset

        self.scheduler.at(until, set_right)

    def _befall_shard(self, happening: Happening, now: float, until: float) -> None:
        names = list(self.cluster.shards)
        if self.faults.only:
            names = [name for name in names if name.startswith(QUEUE)]
        if not names:
            return
        shard = self.cluster.shards[names[int(happening.chosen * 997) % len(names)]]
        match happening.fault:
            case Fault.SHARD:
                shard.gone_until = until
            case Fault.REFRESH:
                shard.stop_refreshing(now, until)
            case _:
                if shard.isolated is None:
                    shard.isolate(until)
                    self.scheduler.at((now + until) / 2, shard.fail_over)
                    self.scheduler.at(until, shard.rejoin)

    def heal(self) -> None:
        """End all faults; what is dead comes back."""
        self.note("from here on nothing goes wrong any more")
        cluster = self.cluster
        cluster.down_until = cluster.full_until = cluster.busy_until = 0.0
        cluster.cut.clear()
        for shard in cluster.shards.values():
            # Not "never gone": a request that waited for it has a good excuse.
            shard.gone_until = min(shard.gone_until, self.scheduler.now)
            if shard.isolated is not None:
                if not shard.isolated.replaced:
                    shard.fail_over()
                shard.rejoin()
        for server in self.servers:
            server.node.fuse = None
            server.node.offset = server.true_offset
            if server.node.dead:
                self._revive(server)


def _only(seed: int) -> tuple[Fault, ...] | None:
    """The faults that the history of *seed* has and no others; None for a mix."""
    alone = {0: (Fault.SHARD,), ISOLATED_ONLY: (Fault.FAILOVER,)}
    return alone.get(seed % SHARDS_ONLY_EVERY)


def _nothing() -> None:
    """No place was taken."""


def _said(answer: Answer) -> str:
    if answer is None:
        return "no answer"
    if isinstance(answer, errors.TasquesError):
        return f"{type(answer).__name__}: {answer}"
    if isinstance(answer, (list, tuple)):
        return "; ".join(f"{getattr(_of(each), 'id', '')} {_said(each)}" for each in answer) or "-"
    return f"{getattr(_of(answer), 'state', 'ok')}"


def _of(answer: object) -> object:
    return answer.document if isinstance(answer, Stored) else None
