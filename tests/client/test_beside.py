"""What is said beside requests: asked for each, and never in their way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import pytest

from tasques.client import Client
from tasques.client.beside import saying
from tests.client.scripted import Say, Scripted

QUEUES = Say(200, {"as_of": "2026-11-22T14:00:00Z", "queues": []})


def test_headers_go_along_with_each_request_meanwhile() -> None:
    """They are asked for anew each time; after that nothing goes along."""
    numbers = iter("123")
    with Scripted([QUEUES] * 4) as server, Client(server.url) as client:
        with saying(lambda: {"X-Beside": next(numbers)}):
            client.queues()
            client.of_threads().queues()
            with saying(lambda: {"X-Within": "w"}):
                client.queues()
        client.queues()
    seen = [(each.headers.get("X-Beside"), each.headers.get("X-Within")) for each in server.asked]
    assert seen == [("1", None), ("2", None), (None, "w"), (None, None)]


def test_they_are_those_of_one_thread_and_one_asyncio_task() -> None:
    """Requests that others make at the same time say nothing of it."""

    async def ask(url: str) -> None:
        async with Client(url) as client:

            async def say(name: str) -> None:
                with saying(lambda: {"X-Beside": name}):
                    await asyncio.sleep(0)
                    await client.queues_async()

            await asyncio.gather(say("a"), say("b"))

    with Scripted([QUEUES] * 3) as server:
        asyncio.run(ask(server.url))
        with Client(server.url) as client, saying(lambda: {"X-Beside": "mine"}):
            other = threading.Thread(target=client.queues)
            other.start()
            other.join()
    seen = [each.headers.get("X-Beside") for each in server.asked]
    assert (sorted(map(str, seen[:2])), seen[2:]) == (["a", "b"], [None])


def test_headers_that_cannot_be_had_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the request is made."""

    def fail() -> Mapping[str, str]:
        raise RuntimeError("broken")

    with Scripted([QUEUES]) as server, Client(server.url) as client, saying(fail):
        client.queues()
    assert "headers for a request cannot be had" in caplog.text
