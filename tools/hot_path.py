"""
What a request costs: the server's CPU for each create, claim and done.

    python -m tools.hot_path                          # in memory
    python -m tools.hot_path --elasticsearch URL      # on an Elasticsearch that is there
    python -m tools.hot_path --before PATH            # beside another checkout, in turns

CPU rather than time, of the server's process alone and by its own clock, so that neither the load
nor Elasticsearch beside it counts. The rounds of two checkouts take turns, and of each figure the
lower quartile of the rounds is shown: what neighbours add is never negative. Linux only.
"""

from __future__ import annotations

import argparse
import json
import secrets
import selectors
import socket
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from tools.tasques_server import TasquesServer, elasticsearch_settings

#: Of what a producer sends, about 250 bytes.
ARGS: Final = {"to": "somebody@example.com", "subject": "x" * 80, "numbers": list(range(20))}
WORKER: Final = "worker-1"

_HERE: Final = Path(__file__).parents[1]


class Connection:
    """One keep-alive connection; a request is sent as bytes made beforehand."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def receive(self) -> bytes:
        """The body of the answer, which has to be one of success and of a known length."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._some()
        head, _, body = got.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        if not lines[0].startswith(b"http/1.1 2"):
            raise RuntimeError(got.decode(errors="replace"))
        length = next(int(e.split(b":")[1]) for e in lines if e.startswith(b"content-length:"))
        while len(body) < length:
            body += self._some()
        return body

    def _some(self) -> bytes:
        some = self.socket.recv(2**16)
        if not some:
            raise ConnectionError("the server has closed")
        return some

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        """Send a request, and wait for the body of its answer."""
        self.send(request)
        return self.receive()


def request(method: str, path: str, body: object) -> bytes:
    """A request as a worker sends it."""
    content = json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-TASQUES-WORKER-ID: {WORKER}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def create(queue: str) -> bytes:
    """A request to create a task."""
    return request("POST", "/tasques", {"queue": queue, "kind": "mail", "args": ARGS})


def claim(queue: str) -> bytes:
    """A request for one task that is there."""
    wanted = {"queues": [queue], "amount": 1, "min_amount": 1, "block_for": "2s"}
    return request("POST", "/tasques/claims", wanted)


def done(task: Mapping[str, str]) -> bytes:
    """A request to mark *task* done."""
    return request("PUT", f"/tasques/done/{task['queue']}/{task['id']}", {"data": {"ok": True}})


class Subject:
    """A checkout whose server is measured."""

    def __init__(self, name: str, checkout: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.server = TasquesServer(settings, checkout=checkout)
        self._samples: dict[str, list[float]] = {}

    @property
    def figures(self) -> Mapping[str, float]:
        """Microseconds of CPU a request, by what was asked."""
        return {what: sorted(each)[len(each) // 4] for what, each in self._samples.items()}

    def warm_up(self) -> None:
        """Have the queues made, which takes Elasticsearch a while."""
        with closing(Connection(self.server.url)) as alone:
            for queue in ("one", "many"):
                while not _is_made(alone, queue):
                    time.sleep(1)
            (task,) = json.loads(alone.ask(claim("one")))
            alone.ask(done(task))

    def cpu(self) -> float:
        """Seconds of CPU that the server has used, to the nanosecond (``clock_getcpuclockid``)."""
        return time.clock_gettime((~self.server.pid << 3) | 2)

    def note(self, what: str, count: int, work: Callable[[], None]) -> None:
        """Do *work*, of *count* requests, and keep what each cost."""
        before = self.cpu()
        work()
        self._samples.setdefault(what, []).append((self.cpu() - before) / count * 1e6)

    def round(self, lives: int, connections: int) -> None:
        """Whole lives one after another, then creates from many connections at once."""
        queue = "one"
        alone = Connection(self.server.url)
        claimed: list[dict[str, str]] = []

        def create_all() -> None:
            for _ in range(lives):
                alone.ask(create(queue))

        def claim_all() -> None:
            while len(claimed) < lives:
                claimed.extend(json.loads(alone.ask(claim(queue))))

        def finish_all() -> None:
            for task in claimed:
                alone.ask(done(task))

        self.note("create", lives, create_all)
        self.note("claim", lives, claim_all)
        self.note("done", lives, finish_all)
        alone.close()
        many = [Connection(self.server.url) for _ in range(connections)]
        total = lives * 4
        self.note(
            f"create, {connections} at once",
            total,
            lambda: at_once(many, create("many"), total),
        )
        for connection in many:
            connection.close()


def _is_made(connection: Connection, queue: str) -> bool:
    """Whether a task could be created; the first of a queue may find no shard of it yet."""
    try:
        connection.ask(create(queue))
    except RuntimeError:
        return False
    return True


def at_once(connections: Sequence[Connection], asked: bytes, total: int) -> None:
    """Send *asked* so many times in all, from each of *connections* as soon as it is answered."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(asked)
        sent, answered = len(connections), 0
        while answered < sent:
            for key, _ in selector.select():
                key.data.receive()
                answered += 1
                if sent < total:
                    key.data.send(asked)
                    sent += 1


def table(subjects: Sequence[Subject]) -> Iterator[str]:
    """The figures as lines, and the last subject's as a share of the first's."""
    yield f"{'CPU µs a request':24}" + "".join(f"{s.name:>10}" for s in subjects)
    for what in subjects[0].figures:
        line = f"{what:24}" + "".join(f"{s.figures[what]:10.0f}" for s in subjects)
        if len(subjects) > 1:
            line += f"{subjects[-1].figures[what] / subjects[0].figures[what]:9.2f}x"
        yield line


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="hot_path", description="CPU for each request.")
    parser.add_argument("--elasticsearch", metavar="URL", help="else tasks are kept in memory")
    parser.add_argument("--before", type=Path, metavar="PATH", help="another checkout to compare")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--lives", type=int, default=100, help="in each round")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args(arguments)

    def settings(name: str) -> dict[str, str]:
        if options.elasticsearch is None:
            return {"backend": "memory:"}
        prefix = f"hot_{name}_{secrets.token_hex(3)}_"
        return elasticsearch_settings(options.elasticsearch, prefix)

    subjects = [Subject("now", _HERE, settings("now"))]
    if options.before is not None:
        subjects.insert(0, Subject("before", options.before, settings("before")))
    with ExitStack() as running:
        for subject in subjects:
            running.callback(subject.server.close)
            if options.elasticsearch is not None:
                subject.server.set_up()
            subject.server.start()
            subject.warm_up()
        for number in range(options.rounds):
            # In turns, and the other way round each time.
            for subject in subjects[:: -1 if number % 2 else 1]:
                subject.round(options.lives, options.connections)
    print("\n".join(table(subjects)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
