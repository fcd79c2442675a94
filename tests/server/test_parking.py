"""Requests that wait without a thread are answered like any other."""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.task import Task  # type: ignore[import-untyped]

from tasques.core.errors import StoreUnavailable
from tasques.core.service.waiting import ClaimAnswer, ClaimRequest
from tasques.runtime import ThreadRuntime
from tasques.server import claiming, request_id
from tasques.server import options as server_options
from tasques.server.app import create_app
from tasques.server.channel import Channel, Request
from tasques.server.claiming import ParkedClaim
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.server.parking import By, Parked, Parking
from tasques.server.parking_check import why_not_parking
from tests.server.conftest import World
from tests.server.test_socket_claims import LONG, TASK, until
from tests.server.wire import Wire

Serve = Callable[..., Front]

ANY = {"queues": [], "block_for": "60s"}
#: Nobody looks at more of it.
STORED: Any = SimpleNamespace(document=SimpleNamespace(approximate_bytes=900))
LARGE: Any = SimpleNamespace(document=SimpleNamespace(approximate_bytes=2**20))


class Claims:
    """In the dispatcher's place: claims wait until a test answers them."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[ClaimAnswer], None], Callable[[], bool]]] = []
        self.ids: list[str | None] = []
        self.given_back: list[Sequence[object]] = []

    def register(
        self,
        request: ClaimRequest,
        deliver: Callable[[ClaimAnswer], None],
        is_connected: Callable[[], bool],
    ) -> None:
        self.ids.append(request_id.current())
        self.waiting.append((deliver, is_connected))

    def serve_at_once(self) -> None:
        """Nothing is found."""

    def give_back(self, claimed: Sequence[object]) -> None:
        self.given_back.append(claimed)

    def until_waiting(self, number: int) -> None:
        until(lambda: len(self.waiting) == number)


def until_gone(is_connected: Callable[[], bool]) -> None:
    until(lambda: not is_connected())


@pytest.fixture
def claims() -> Claims:
    return Claims()


@pytest.fixture
def front(world: World, claims: Any, serve: Serve) -> Front:
    services = attrs.evolve(world.services, claims=claims)
    services = attrs.evolve(world.services, claims=claims)
    options: Any = {"max_bodies_in_flight": 200, "waiting_claims": 3}
    return serve(create_app(services, ServerOptions(**options)), **options)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that works on one request at a time."""
    monkeypatch.setattr(server_options, "SPARE_THREADS", 1)


@pytest.mark.usefixtures("one_thread")
def test_a_waiting_claim_holds_no_thread(front: Front, claims: Claims) -> None:
    """With one thread in all, three wait and others are answered beside them, in any order."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Wire(front)) for _ in range(3)]
        for number, worker in enumerate(workers):
            worker.request("POST", "/tasques/claims", ANY, worker=f"w{number}")
            claims.until_waiting(number + 1)
        with Wire(front) as other:
            assert other.call("GET", "/health/live").status == 200
        for (deliver, _), worker in reversed(list(zip(claims.waiting, workers, strict=True))):
            deliver(())
            assert (worker.answer().status, worker.socket.fileno() >= 0) == (200, True)


def test_a_parked_claim_is_answered_like_any_other(
    world: World, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Its id, its compression, one line in the log and one measurement, and what comes after it."""
    front = serve(create_app(world.services, ServerOptions()))
    caplog.set_level(logging.DEBUG, "tasques.access")
    with Wire(front) as worker, Wire(front) as producer:
        headers = {"X-Request-Id": "mine", "Accept-Encoding": "gzip"}
        worker.request("POST", "/tasques/claims", LONG, headers=headers)
        until(lambda: world.services.claims.waiting == 1)
        producer.call("POST", "/tasques", {**TASK, "id": "x"})
        answer = worker.answer()
        assert answer.headers["x-request-id"] == "mine"
        assert answer.headers["content-encoding"] == "gzip"
        assert b'"id":"x"' in gzip.decompress(answer.content)
        assert worker.call("GET", "/health/live").status == 200
    lines = [
        record for record in caplog.records if getattr(record, "path", "") == "/tasques/claims"
    ]
    (line,) = lines
    assert (line.__dict__["request_id"], line.__dict__["status"]) == ("mine", 200)


def test_it_is_one_request_from_its_beginning(front: Front, claims: Claims, caplog: Any) -> None:
    """However often it is served it has one id, and took as long as it took in all."""
    caplog.set_level(logging.DEBUG, "tasques.access")
    with Wire(front) as worker:
        worker.request("POST", "/tasques/claims", ANY)
        claims.until_waiting(1)
        began = perf_counter()
        ThreadRuntime().sleep(0.05)
        waited = perf_counter() - began
        claims.waiting[0][0](())
        answer = worker.answer()
    (line,) = [r for r in caplog.records if getattr(r, "path", "") == "/tasques/claims"]
    assert [answer.headers["x-request-id"]] == [line.request_id] == claims.ids
    assert line.seconds >= waited


def test_why_there_is_nothing_arrives_too(front: Front, claims: Claims) -> None:
    """503 with ``Retry-After``, as without a wait."""
    with Wire(front) as worker:
        worker.request("POST", "/tasques/claims", ANY)
        claims.until_waiting(1)
        claims.waiting[0][0](StoreUnavailable("the store is on holiday"))
        answer = worker.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "on holiday" in answer.json["message"]


def test_tasks_for_a_worker_that_went_away_are_given_back(front: Front, claims: Claims) -> None:
    """Should the dispatcher not have noticed in time."""
    worker = Wire(front)
    worker.request("POST", "/tasques/claims", ANY)
    claims.until_waiting(1)
    deliver, is_connected = claims.waiting[0]
    worker.close()
    until_gone(is_connected)
    deliver([STORED])
    until(lambda: claims.given_back == [[STORED]])


def test_a_claim_that_never_ends_is_given_up(
    front: Front, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker is told to come back, and tasks that come then are given back."""
    monkeypatch.setattr(claiming, "_GRACE_SECONDS", 0.0)
    with Wire(front) as worker:
        answer = worker.call("POST", "/tasques/claims", {**ANY, "block_for": "1ms"})
        assert (answer.status, "come to an end" in answer.json["message"]) == (503, True)
        claims.waiting[0][0]([STORED])
        assert claims.given_back == [[STORED]]


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_a_parked_claim_takes_is_freed(front: Front, claims: Claims, is_gone: bool) -> None:
    """The room for its body and its place, whether or not its worker is there for the answer."""
    large = {"block_for": "60s", "queues": ["q" * 60, "r" * 60]}
    with Wire(front) as other:
        for number in range(1, 6):
            worker = Wire(front)
            worker.request("POST", "/tasques/claims", large)
            claims.until_waiting(number)
            # There is room for one such body only.
            assert other.call("POST", "/tasques/claims", large).status == 503
            deliver, is_connected = claims.waiting[-1]
            if is_gone:
                worker.close()
                until_gone(is_connected)
            deliver(())
            if not is_gone:
                assert worker.answer().status == 200
                worker.close()
            until(lambda: other.call("PUT", "/tasques/done/q/x", large).status != 503)


def test_a_wait_that_is_over_before_its_thread_left() -> None:
    """That thread serves it again; nobody else does."""
    again: list[str] = []
    parking = Parking(lambda by: again.append("again"), lambda: True)
    parking.resume()
    parking.resume()
    assert not parking.leave()
    assert again == []


def test_a_wait_ends_once() -> None:
    """After its thread left it is served again by another, one time."""
    again: list[str] = []
    parking = Parking(lambda by: again.append("again"), lambda: True)
    with pytest.raises(Parked):
        parking.park()
    assert parking.leave()
    parking.resume()
    parking.resume()
    assert again == ["again"]


@pytest.mark.parametrize(
    ("answer", "by"),
    [
        ((), By.THE_IO_THREAD),
        (StoreUnavailable("on holiday"), By.THE_IO_THREAD),
        ([STORED], By.THE_IO_THREAD),
        ([STORED] * 1000, By.A_THREAD),
        ([LARGE], By.A_THREAD),
    ],
)
def test_a_long_answer_gets_a_thread(answer: ClaimAnswer, by: By) -> None:
    """All others are made in no time, by the thread that does the I/O."""
    told: list[By] = []
    parking = Parking(told.append, lambda: True)
    with pytest.raises(Parked):
        parking.park()
    assert parking.leave()
    ParkedClaim(parking, lambda: None, lambda claimed: None).deliver(answer)
    assert told == [by]


class Listener:
    """As much of one as a parked request needs; says by which door it came back."""

    is_draining, parks = False, True

    def __init__(self) -> None:
        self.active_channels: dict[int, Channel] = {}
        self.came: list[str] = []

    def add_task(self, channel: Channel) -> None:
        self.came.append("task")

    def add_answer(self, channel: Channel) -> None:
        self.came.append("answer")


def test_a_client_that_does_not_read_is_nobody_elses_concern() -> None:
    """Its answer, however short, is not made by the thread that makes those of all."""
    ours, theirs = socket.socketpair()
    listener: Any = Listener()
    channel = Channel(listener, ours, ("test", 0), Adjustments(), map={})
    for unsent in (0, 1):
        parking = channel.begin_parking(Request(channel.adj))
        assert parking.leave()
        channel.total_outbufs_len = unsent
        parking.resume(By.THE_IO_THREAD)
    assert listener.came == ["answer", "task"]
    channel.handle_close()
    assert not parking.is_connected()
    theirs.close()


def test_an_answer_that_comes_as_the_claim_is_parked(
    world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for an answer and the thread's leaving: it is answered all the same."""
    claims: Any = Claims()
    park = Parking.park

    def late(self: Parking) -> Any:
        claims.waiting[-1][0](())
        park(self)

    monkeypatch.setattr(Parking, "park", late)
    front = serve(create_app(attrs.evolve(world.services, claims=claims), ServerOptions()))
    with Wire(front) as worker:
        for _ in range(2):
            assert worker.call("POST", "/tasques/claims", ANY).json == []


def test_parking_works_with_this_waitress() -> None:
    """What is tried out at each start."""
    assert why_not_parking() is None


def _answers_whatever_is_raised(self: Any) -> None:
    try:
        self.start()
        self.execute()
        self.finish()
    except BaseException as error:
        raise RuntimeError("swallowed") from error


def _forgets(self: Any) -> None:
    self.requests.pop(0)


@pytest.mark.parametrize(
    ("cls", "name", "other"),
    [
        (Task, "service", _answers_whatever_is_raised),
        (HTTPChannel, "service", _forgets),
        (HTTPChannel, "received", lambda self: None),
    ],
)
def test_another_waitress_is_noticed(
    cls: type, name: str, other: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a reason then, and no error."""
    monkeypatch.setattr(cls, name, other)
    assert why_not_parking()


def test_threads_are_few_where_claims_are_parked() -> None:
    """Many places; without parking a thread for each, and fewer places."""
    parked, on_threads = ServerOptions(), ServerOptions(parks=False)
    assert parked.waiting_claims > 20 * parked.threads
    assert on_threads.threads > on_threads.waiting_claims
    assert parked.connection_limit > parked.waiting_claims
