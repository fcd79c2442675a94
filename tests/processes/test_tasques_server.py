"""The server process that other tests rely on does what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.conftest import Start
from tests.processes.wire import ask, eventually, is_refused
from tools.elasticsearch_node import is_alive
from tools.tasques_server import ServerUnavailable, TasquesServer, elasticsearch_settings

CHECKOUT = Path(__file__).parents[2]

# Dies without a chance to clean up, having said what it started.
DIES = """
import os, signal
from tools.tasques_server import TasquesServer

server = TasquesServer({"backend": "memory:"})
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_started_server_is_ready(start: Start) -> None:
    """Whoever starts one can send requests at once, and finds it at the same address again."""
    server = start()
    url = server.url
    assert ask(url, "GET", "/health/ready").status == 200
    server.kill()
    assert is_refused(url)
    server.start()
    assert ask(url, "GET", "/health/ready").status == 200
    assert server.url == url


def test_a_paused_server_answers_when_it_goes_on(start: Start) -> None:
    """A paused server loses nothing: what was asked meanwhile is answered afterwards."""
    server = start()
    server.pause()
    assert eventually(lambda: _state(server.pid) == "T")
    server.resume()
    assert ask(server.url, "GET", "/health/live").status == 200


def test_a_server_dies_with_its_parent() -> None:
    """However abruptly the starting program ends, no server is left behind."""
    started = subprocess.run(
        [sys.executable, "-c", DIES], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert started.returncode == -signal.SIGKILL, started.stderr
    pid = int(started.stdout)
    assert eventually(lambda: not is_alive(pid))


def test_a_server_that_does_not_start_says_why() -> None:
    """The error holds the end of the log, where the reason is."""
    server = TasquesServer({"tasks.defaults.retry_times": "many"})
    try:
        with pytest.raises(ServerUnavailable, match="retry_times"):
            server.start()
    finally:
        server.close()


def test_settings_of_the_surroundings_do_not_count(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the variables of the tests' own process say is not for the server under test."""
    monkeypatch.setenv("TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES", "nonsense")
    assert ask(start().url, "GET", "/health/live").status == 200


def test_credentials_in_an_address_become_settings() -> None:
    """A cluster that was given with user and password is used with them."""
    assert elasticsearch_settings("https://ann:p%40ss@es.example:9200", ".x_") == {
        "elasticsearch.addresses": "https://es.example:9200",
        "elasticsearch.user.name": "ann",
        "elasticsearch.user.password": "p@ss",
        "elasticsearch.prefix": ".x_",
    }


def test_the_port_is_not_kept_from_others(start: Start) -> None:
    """A server that was closed gives its port back."""
    server = start()
    url, pid = server.url, server.pid
    server.close()
    assert is_refused(url)
    assert not is_alive(pid)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
