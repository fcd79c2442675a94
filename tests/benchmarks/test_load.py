"""The load accounts for every task, and says so when a server gets it wrong."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks import generator
from benchmarks.accounting import faults
from benchmarks.figures import Json
from benchmarks.subjects import NaiveServer
from tools.tasques_server import TasquesServer

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="the load is built by Go")

SHORT = ("-warmup", "100ms", "-duration", "500ms")


def loaded(url: str, *arguments: str) -> Json:
    # Workers that wait at the end do not keep it long.
    return generator.run(["-url", url, "-block-for", "200ms", *arguments], limit_seconds=120)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with TasquesServer({"backend": "memory:"}) as running:
        yield running.url


@pytest.mark.parametrize(
    "arguments",
    [
        ("-scenario", "enqueue", "-c", "4", *SHORT),
        ("-scenario", "drain", "-n", "200", "-w", "4", "-amount", "10", "-drain-limit", "60s"),
        ("-scenario", "mix", "-duration", "500ms", "-drain-limit", "60s"),
        ("-scenario", "handoff", "-n", "5", "-gap", "10ms"),
        ("-scenario", "idle", "-pollers", "20", *SHORT, "-block-for", "1s"),
        ("-scenario", "batch-create", "-c", "1", "-batch", "20", *SHORT),
        ("-scenario", "batch-life", "-c", "1", "-w", "2", *SHORT, "-drain-limit", "60s"),
        ("-scenario", "soak", "-windows", "2", "-duration", "1s", "-drain-limit", "60s"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_a_good_server_is_found_to_be_good(server: str, arguments: tuple[str, ...]) -> None:
    """Whatever the load: all that was created is claimed once and done once, without errors."""
    result = loaded(server, *arguments)
    assert not faults(result), result
    assert result["account"]["created"] > 0


def test_a_scenario_is_not_charged_for_the_memory_of_those_before_it(server: str) -> None:
    """What a server has given back does not count as held at most."""
    program = "held = bytearray(b'x') * 2**28; del held; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as once_large:
        assert once_large.stdout is not None
        once_large.stdout.readline()
        arguments = ("-scenario", "enqueue", "-c", "1", *SHORT, "-server-pid", str(once_large.pid))
        result = loaded(server, *arguments)
        once_large.communicate(b"\n")
    assert 0 < result["server_rss_mb"] <= result["server_rss_peak_mb"] < 200


def test_the_naive_server_is_exact_too() -> None:
    """Slow is what it is meant to be, not wrong."""
    with NaiveServer({"backend": "memory:"}) as naive:
        arguments = ("-n", "100", "-w", "4", "-amount", "5", "-drain-limit", "60s")
        result = loaded(naive.url, "-scenario", "drain", *arguments)
    assert not faults(result), result
    assert result["account"]["done"] == 100


def test_the_librarys_worker_does_what_was_put_in(server: str) -> None:
    """Each task once; what it took is seen."""
    worker = f"{sys.executable} -m benchmarks.library_worker"
    arguments = ("-scenario", "command", "-n", "50", "-command", worker, "-drain-limit", "60s")
    result = loaded(server, *arguments)

    assert not faults(result), result
    assert result["account"]["claimed_once"] == 50
    assert result["worker"]["us_in_all"] >= result["worker"]["us_per_task"]


def test_a_worker_that_stops_too_early_is_found_out(server: str) -> None:
    """What it says is held against what was put in."""
    lazy = """sh -c 'echo ready; read x; echo "{\\"ran\\": 3, \\"distinct\\": 3}"'"""
    result = loaded(server, "-scenario", "command", "-n", "5", "-command", lazy)
    assert any("not exactly once" in fault for fault in faults(result))


class Careless(BaseHTTPRequestHandler):
    """Creates tasks; hands out the one that it has last created to everybody who asks."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count()
    last = "0"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/tasques":
            type(self).last = str(next(self.numbers))
            self._answer(201, {"id": self.last, "queue": "q"})
        else:
            self._answer(200, [{"id": self.last, "queue": "q"}])

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {})

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_careless_server_is_found_out() -> None:
    """It hands out one task several times, and loses the others."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = "http://{}:{}".format(*server.server_address)
        result = loaded(url, "-scenario", "drain", "-n", "20", "-w", "2", "-drain-limit", "60s")
        server.shutdown()
        thread.join()

    found = faults(result)
    assert any("claimed more than once" in fault for fault in found)
    assert any("not exactly once" in fault for fault in found)
    assert result["account"]["never_claimed"] == 19
