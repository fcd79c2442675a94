"""Applications that were made before a fork, used after it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tasques import Client, Tasques
from tasques.client.transport import Transport
from tasques.core import errors
from tests.serving import served

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0

# Python 3.12 and later warn of just what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture
def url() -> Iterator[str]:
    with served() as address:
        yield address


def in_a_child(work: Callable[[], object]) -> Any:
    """What *work* gives in a forked process, or the exception that it raises, as text."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run(answers: Connection) -> None:
        try:
            answers.send(work())
        except Exception as error:  # noqa: BLE001 - told to the parent
            answers.send(f"{type(error).__name__}: {error}")

    child = context.Process(target=run, args=(theirs,))
    child.start()
    try:
        assert ours.poll(PATIENCE_SECONDS), "the child said nothing"
        return ours.recv()
    finally:
        child.kill()
        child.join()


def test_a_child_uses_connections_of_its_own(url: str) -> None:
    """Parent and child, at the same time, over an application with open connections."""
    with Tasques(url) as app:
        app.create("mail", "send", id="before")

        def work() -> list[str]:
            return [app.create("mail", "send", id=f"child-{n}").id for n in range(20)]

        context = multiprocessing.get_context("fork")
        children = [context.Process(target=work) for _ in range(1)]
        for child in children:
            child.start()
        for n in range(20):
            app.create("mail", "send", id=f"parent-{n}")
        for child in children:
            child.join(PATIENCE_SECONDS)
            assert child.exitcode == 0
        assert [app.get("mail", f"child-{n}").id for n in range(20)]


def test_a_pool_belongs_to_its_process(url: str) -> None:
    """What happens to be mixed up on a shared connection is chance; that none is shared is not."""
    with Client(url) as client:
        client.create("mail", "send")
        transport = client._transport
        assert isinstance(transport, Transport)
        ours = id(transport._pool())
        assert in_a_child(lambda: id(transport._pool())) != ours
        assert id(transport._pool()) == ours


def test_a_child_can_do_so_while_threads_of_its_parent_are_busy(url: str) -> None:
    """A lock that a thread held at the fork is held for ever in the child, and must not matter."""
    stop = threading.Event()
    with Tasques(url) as app, Tasques("memory:") as memory:

        def be_busy() -> None:
            while not stop.is_set():
                app.create("mail", "send")
                memory.create("mail", "send")

        threads = [threading.Thread(target=be_busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                assert in_a_child(lambda: app.create("mail", "send").queue) == "mail"
                assert in_a_child(lambda: memory.create("mail", "send").queue) == "mail"
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_memory_belongs_to_the_process(caplog: pytest.LogCaptureFixture) -> None:
    """A copy would have each task done twice: the child begins with nothing, and says so."""
    with Tasques("memory:") as app:
        app.create("mail", "send", id="a")
        assert in_a_child(lambda: app.get("mail", "a").id).startswith("TaskNotFound")
        assert in_a_child(lambda: app.create("mail", "send", id="a").id) == "a"
        assert app.get("mail", "a").id == "a"


def test_an_event_loop_of_the_child_works(url: str) -> None:
    """The asynchronous twins, over an application that the parent has used."""
    with Tasques(url) as app, Tasques("memory:") as memory:
        app.create("mail", "send")
        asyncio.run(memory.create_async("mail", "send"))

        async def go() -> list[str]:
            one = await app.create_async("mail", "send", id="x")
            two = await memory.create_async("mail", "send", id="y")
            await app.close_async()
            return [one.id, two.id]

        assert in_a_child(lambda: asyncio.run(go())) == ["x", "y"]


def test_a_closed_application_says_so() -> None:
    """Rather than open another memory that nobody sees."""
    app = Tasques("memory:")
    app.close()
    app.close()
    with pytest.raises(errors.ShuttingDown):
        app.create("mail", "send")


WEB = """
import os
from tasques import Tasques

app = Tasques({url!r})
app.create("web", "preloaded", id="preloaded")


def application(environ, start_response):
    task = app.create("web", "request")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{os.getpid()}} {{task.id}}".encode()]
"""


def test_web_workers_share_an_application_that_was_preloaded(url: str, tmp_path: Path) -> None:
    """Gunicorn loads the module, uses the application, and forks; each worker then uses it."""
    pytest.importorskip("gunicorn")
    (tmp_path / "web.py").write_text(WEB.format(url=url))
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "web:application"]
    # Its own already, so that nobody else can take the port before it listens.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "--log-level", "error"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
        )
    try:
        made: list[str] = []
        for _ in range(10):
            with urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE_SECONDS) as answer:
                pid, id = answer.read().decode().split()
            assert int(pid) != server.pid
            made.append(id)
        with Tasques(url) as app:
            assert all(app.get("web", id).kind == "request" for id in made)
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)
