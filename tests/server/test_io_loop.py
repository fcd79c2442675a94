"""The loop that asks only those who may have changed their minds does what waitress's own does."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from waitress import wasyncore  # type: ignore[import-untyped]

from tasques.server.front import Front
from tasques.server.io_loop import AskingLoop, EpollLoop, IoLoop, make_loop
from tasques.server.options import ServerOptions
from tasques.server.parking import PARKING
from tests.server.conftest import LOOPBACK
from tests.server.wire import PATIENCE_SECONDS, Answer, Wire

LOOPS: list[Callable[[], Any]] = [EpollLoop, AskingLoop]
#: More than waitress keeps before a thread has to wait for the client.
FLOOD = 24 * 2**20


class Member(wasyncore.dispatcher):  # type: ignore[misc]
    """One of a loop's map; says what it was asked, and what happened to it."""

    def __init__(self, ours: socket.socket, loop: IoLoop) -> None:
        self.wants_to_read, self.wants_to_write = True, False
        self.asked = 0
        self.heard: list[str] = []
        super().__init__(ours, map=loop.map)
        self.connected = True

    def readable(self) -> bool:
        self.asked += 1
        return self.wants_to_read

    def writable(self) -> bool:
        return self.wants_to_write

    def handle_read(self) -> None:
        self.heard.append("read")
        self.recv(100)

    def handle_write(self) -> None:
        self.heard.append("write")

    def handle_close(self) -> None:
        self.heard.append("close")
        self.close()


@pytest.fixture
def loop() -> Iterator[EpollLoop]:
    made = EpollLoop()
    yield made
    wasyncore.close_all(made.map)
    made.close()


@pytest.fixture
def join(loop: EpollLoop) -> Iterator[Callable[[], tuple[Any, socket.socket]]]:
    """Make a member, and the other end of its connection."""
    with ExitStack() as stack:

        def make() -> tuple[Any, socket.socket]:
            ours, theirs = socket.socketpair()
            return Member(ours, loop), stack.enter_context(theirs)

        yield make


Join = Callable[[], tuple[Any, socket.socket]]


def test_nobody_is_asked_for_the_sake_of_another(loop: EpollLoop, join: Join) -> None:
    """However often others are busy: once, when it came."""
    quiet, _ = join()
    busy, far = join()
    for _ in range(10):
        far.send(b"x")
        loop.turn(PATIENCE_SECONDS)
    assert busy.heard == ["read"] * 10
    assert (quiet.asked, quiet.heard) == (1, [])


def test_who_is_touched_is_asked_again(loop: EpollLoop, join: Join) -> None:
    """And heard from then on, or no more."""
    member, far = join()
    loop.turn(0)
    member.wants_to_write = True
    loop.touch(member)
    loop.turn(PATIENCE_SECONDS)
    assert member.heard == ["write"]
    member.wants_to_write = member.wants_to_read = False
    loop.touch(member)
    far.send(b"x")
    loop.turn(0)
    assert member.heard == ["write"]
    member.wants_to_read = True
    loop.touch(member)
    loop.turn(PATIENCE_SECONDS)
    assert member.heard == ["write", "read"]


def test_who_had_an_event_is_asked_again(loop: EpollLoop, join: Join) -> None:
    """It may have changed its mind over it."""
    member, far = join()
    member.wants_to_write = True
    member.handle_write = lambda: setattr(member, "wants_to_write", False)
    loop.turn(PATIENCE_SECONDS)
    far.send(b"x")
    loop.turn(PATIENCE_SECONDS)
    assert (member.wants_to_write, member.heard) == (False, ["read"])


def test_who_wants_nothing_hears_nothing(loop: EpollLoop, join: Join) -> None:
    """Not even that its client is gone, which the kernel would say without end."""
    member, far = join()
    member.wants_to_read = False
    loop.turn(0)
    far.close()
    loop.turn(0)
    assert member.heard == []
    member.wants_to_read = True
    loop.touch(member)
    loop.turn(PATIENCE_SECONDS)
    assert "close" in member.heard
    assert not loop.map


def test_a_number_that_went_to_another(loop: EpollLoop, join: Join) -> None:
    """An event for the one who had it before does not reach its successor."""
    first, first_far = join()
    second, second_far = join()
    born: list[Member] = []

    def swap(one: Any, other: Any) -> Callable[[], None]:
        def handle_read() -> None:
            one.recv(100)
            number = other._fileno
            ours, theirs = socket.socketpair()
            other.close()
            with ours:
                os.dup2(ours.fileno(), number)
            born.append(Member(socket.socket(fileno=number), loop))
            fars.append(theirs)

        return handle_read

    fars: list[socket.socket] = []
    first.handle_read, second.handle_read = swap(first, second), swap(second, first)
    loop.turn(0)
    first_far.send(b"x")
    second_far.send(b"x")
    loop.turn(PATIENCE_SECONDS)
    (successor,) = born
    assert successor.heard == []
    fars[0].send(b"x")
    loop.turn(PATIENCE_SECONDS)
    assert "read" in successor.heard
    fars[0].close()


def test_whoever_closes_it_it_is_gone(loop: EpollLoop, join: Join) -> None:
    """Touched, watched, or both: nothing is asked of it any more, and others go on."""
    member, _ = join()
    other, far = join()
    loop.turn(0)
    loop.touch(member)
    closing = threading.Thread(target=member.close)
    closing.start()
    closing.join(PATIENCE_SECONDS)
    asked = member.asked
    far.send(b"x")
    loop.turn(PATIENCE_SECONDS)
    assert (member.asked, other.heard) == (asked, ["read"])


def test_it_leaves_before_its_file_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a file that got its number could be taken out of the kernel's list."""
    left: list[os.stat_result] = []
    monkeypatch.setattr(EpollLoop, "_forget", lambda self, number: left.append(os.fstat(number)))
    loop = EpollLoop()
    ours, theirs = socket.socketpair()
    member = Member(ours, loop)
    expected = os.fstat(ours.fileno())
    member.close()
    assert left == [expected]
    theirs.close()
    loop.close()


def test_one_that_cannot_be_watched_is_closed_by_its_own(loop: EpollLoop, join: Join) -> None:
    """A thread that closes in the moment of asking does no harm."""
    member, _ = join()
    other, far = join()

    def close_meanwhile() -> bool:
        member.close()
        return True

    member.writable = close_meanwhile
    far.send(b"x")
    loop.turn(PATIENCE_SECONDS)
    assert other.heard == ["read"]


def test_the_best_loop_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waitress's own on systems without epoll."""
    made = make_loop()
    assert isinstance(made, EpollLoop)
    made.close()
    monkeypatch.delattr("select.epoll")
    assert isinstance(make_loop(), AskingLoop)


# ------------------------------------------------------------ the same answers, either way


class Rough:
    """An application that echoes, floods, parks and closes."""

    def __init__(self) -> None:
        self.resuming = ThreadPoolExecutor(4)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/park" and "test.parking" not in environ:
            environ["test.parking"] = parking = environ[PARKING]()
            self.resuming.submit(parking.resume)
            parking.park()
        if path.startswith("/flood"):
            start_response("200 OK", [("Content-Length", str(FLOOD))])
            return [b"f" * 2**20] * (FLOOD // 2**20)
        if path == "/chunked":
            start_response("200 OK", [])
            return [b"one", b"two"]
        body = environ["wsgi.input"].read() if path != "/large" else b"l" * 700_000
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


Script = tuple[list[bytes], bool, bool]


def script_of(choice: random.Random, number: int) -> Script:
    """What one client sends, in pieces; whether it reads slowly; whether it leaves early."""
    sent = b""
    for _ in range(choice.randint(1, 6)):
        path = choice.choice(["/echo", "/echo", "/park", "/park", "/large"])
        body = bytes([65 + number % 26]) * choice.choice([0, 1, 2000, 300_000])
        sent += b"POST %s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % (
            path.encode(),
            len(body),
        )
        sent += body
    last = choice.choice([b"/flood", b"/chunked", b"/park", b"/echo"])
    sent += b"GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % last
    cuts = sorted(choice.sample(range(len(sent)), min(len(sent), choice.randint(0, 12))))
    pieces = [sent[i:j] for i, j in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    return pieces, choice.random() < 0.3, choice.random() < 0.2


def send_all(wire: Wire, pieces: list[bytes]) -> None:
    for piece in pieces:
        wire.send(piece)


def follow(front: Front, script: Script) -> list[Answer] | None:
    """What a client hears; None if it left before."""
    pieces, is_slow, leaves = script
    with Wire(front) as wire:
        if leaves:
            wire.send(b"".join(pieces[: len(pieces) // 2]))
            wire.vanish()
            return None
        # It reads while it sends, or both sides could wait for each other.
        sending = threading.Thread(target=send_all, args=(wire, pieces))
        sending.start()
        if is_slow:
            # Nothing depends on how long: mostly the buffers between are full by then.
            threading.Event().wait(0.2)
        answers = []
        while True:
            try:
                answer = wire.answer()
            except ConnectionError:
                break
            headers = {name: value for name, value in answer.headers.items() if name != "date"}
            answers.append(Answer(answer.status, headers, answer.content))
            if headers.get("transfer-encoding") == "chunked":
                break
        sending.join(PATIENCE_SECONDS)
        return answers


def answers_with(loop: IoLoop, scripts: list[Script]) -> list[list[Answer] | None]:
    app = Rough()
    front = Front(app, ServerOptions(address=LOOPBACK), loop=loop)
    running = threading.Thread(target=front.run)
    running.start()
    try:
        with ThreadPoolExecutor(len(scripts)) as clients:
            return list(clients.map(lambda script: follow(front, script), scripts))
    finally:
        front.close()
        running.join(PATIENCE_SECONDS)
        app.resuming.shutdown()
        assert not running.is_alive()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_clients_do_the_answers_are_the_same(seed: int) -> None:
    """In pieces, in the pipeline, parked, too large to be sent at once, and beside those who leave."""
    choice = random.Random(seed)
    scripts = [script_of(choice, number) for number in range(24)]
    ours, theirs = (answers_with(make(), scripts) for make in LOOPS)
    assert ours == theirs
    assert any(ours)
    for answers in ours:
        assert answers is None or answers[-1].status == 200
