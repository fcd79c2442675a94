"""A real server over memory, within this process, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tasques.adapters.memory.backend import MemoryBackend
from tasques.bootstrap.node import Node, build
from tasques.runtime import ThreadRuntime
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.settings import Settings
from tasques.settings.kinds import Address

LOOPBACK = Address("127.0.0.1", 0)


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a server without background work; it is gone at the end."""
    runtime = ThreadRuntime()
    node: Node = build(Settings(), MemoryBackend(runtime), runtime)
    front = Front(create_app(node.services, ServerOptions()), ServerOptions(address=LOOPBACK))
    thread = threading.Thread(target=front.run, name="front")
    thread.start()
    try:
        yield front.url
    finally:
        node.services.claims.close()
        front.close()
        thread.join(60)
        assert not thread.is_alive()
