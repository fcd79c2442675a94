"""The cheaper way to a server, a connection for each thread: the same answers and the same errors."""

from __future__ import annotations

import multiprocessing
import ssl
import threading
from collections.abc import Iterator

import pytest

from tasques.client import AnswerLost, Client, ServerUnavailable, Task
from tasques.client.commands.tasks import ClaimTasks
from tasques.client.retrying import NotReached
from tasques.core import errors
from tests.client.scripted import Drop, Say, Scripted
from tests.serving import served
from tools.ports import reserved_port

CLAIM = ClaimTasks.of("w1", ["mail"], amount=1, block_for="0s")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as address:
        yield address


def test_a_task_goes_its_way(url: str) -> None:
    """With every kind of request: with a body and without, with a query, and refused."""
    with Client(url).of_threads() as client:
        client.create("way", "send", {"to": "änn"}, id="ä/b?".replace("/", "-"))
        (task,) = client.claim("w1", ["way"], block_for="2s")
        client.report(task, {"percent": 1})
        client.unclaim(task, run_in=0)
        (task,) = client.claim("w1", ["way"], block_for="2s")
        client.done(task, {"ok": True})
        assert client.get("way", task.id, archived=True).attempted == 1
        with pytest.raises(errors.TaskNotFound):
            client.get("way", "nobody")


def test_nobody_listens() -> None:
    """Then nothing was sent, and that is said."""
    with reserved_port() as place:
        client = Client(f"http://127.0.0.1:{place.getsockname()[1]}").of_threads()
        with pytest.raises(NotReached):
            client.do(CLAIM)


def test_no_answer_is_not_tried_again() -> None:
    """It may have been done; whoever asked decides."""
    with Scripted([Drop(), Say(200, [])]) as server, Client(server.url).of_threads() as client:
        with pytest.raises(AnswerLost):
            client.do(CLAIM)
        assert len(server.asked) == 1
        assert client.do(CLAIM) == ()


def test_what_the_server_says_is_heeded() -> None:
    """Its wish for a pause, and no redirection to elsewhere."""
    busy = Say(503, {"message": "full"}, {"Retry-After": "7"})
    with (
        Scripted([busy]) as server,
        Client(server.url).of_threads() as client,
        pytest.raises(ServerUnavailable, match="full") as caught,
    ):
        client.do(CLAIM)
    assert caught.value.retry_after_seconds == 7


def test_credentials_and_a_path_below_which_it_is_served() -> None:
    """As with the pool."""
    with Scripted([Say(200, [])]) as server:
        address = server.url.replace("http://", "http://ann:secret@") + "/below"
        with Client(address).of_threads() as client:
            client.do(CLAIM)
    (asked,) = server.asked
    assert asked.path == "/below/tasques/claims"
    assert asked.headers["Authorization"] == "Basic YW5uOnNlY3JldA=="
    assert asked.headers["X-TASQUES-WORKER-ID"] == "w1"


def test_a_header_that_cannot_be_sent_is_a_fault_of_the_input(url: str) -> None:
    """Not one of the server's."""
    with pytest.raises(errors.InvalidInput):
        Client(url).of_threads().claim("w\n1", ["mail"])


def test_threads_do_not_share_and_children_do_not_inherit(url: str) -> None:
    """Whoever asks gets his own answer, after a fork too."""
    with Client(url).of_threads() as client:
        ids = [f"t{number}" for number in range(20)]
        for id in ids:
            client.create("many", "send", id=id)
        found: list[Task] = []

        def ask(id: str) -> None:
            found.append(client.get("many", id))

        threads = [threading.Thread(target=ask, args=(id,)) for id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(task.id for task in found) == sorted(ids)
        forking = multiprocessing.get_context("fork")
        answers = forking.SimpleQueue()
        child = forking.Process(target=lambda: answers.put(client.get("many", "t3").id))
        child.start()
        assert answers.get() == "t3"
        child.join()
        assert client.get("many", "t4").id == "t4"


def test_a_certificate_that_nobody_trusts_is_not_trusted(url: str) -> None:
    """An https address is spoken to by TLS: a server without it is not understood."""
    client = Client(url.replace("http:", "https:"), ssl_context=ssl.create_default_context())
    with pytest.raises(NotReached):
        client.of_threads().do(CLAIM)
