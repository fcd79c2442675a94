"""Connections to a server process, whose answers may come much later."""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.server.wire import PATIENCE_SECONDS, Answer, Wire


class Connection(Wire):
    """A connection that can be asked whether its answer has come."""

    @property
    def has_answer(self) -> bool:
        """Whether something has come, or the other side has closed."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(PATIENCE_SECONDS)
        return True


def ask(url: str, method: str, path: str, body: object = None, **more: Any) -> Answer:
    """One request on a connection of its own."""
    with Connection(url) as connection:
        return connection.call(method, path, body, **more)


def is_refused(url: str) -> bool:
    """Whether no further connection is taken."""
    try:
        Connection(url).close()
    except ConnectionRefusedError:
        return True
    return False


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it comes true in time; looked at often."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def fill_waiting_places(
    stack: contextlib.ExitStack, url: str, claim: Mapping[str, object], places: int
) -> list[Connection]:
    """
    Connections whose claims are known to wait, as many as the server has *places* for.

    A few more are sent than find a place, and it is over when so many have been refused. (Asking
    with a claim that waits a moment whether all places are taken would take one itself.)
    """
    surplus = 5
    asked = [stack.enter_context(Connection(url)) for _ in range(places + surplus)]
    for connection in asked:
        connection.request("POST", "/tasques/claims", claim)
    assert eventually(lambda: sum(connection.has_answer for connection in asked) == surplus)
    waiting = []
    for connection in asked:
        if connection.has_answer:
            assert connection.answer().status == 503
            connection.close()
        else:
            waiting.append(connection)
    return waiting
