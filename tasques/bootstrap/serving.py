"""Serving: from the settings to an exit status."""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from socket import socket
from types import FrameType
from typing import TYPE_CHECKING, Any

import attrs

from tasques.bootstrap.garbage import rare_collections
from tasques.bootstrap.neighbours import lines
from tasques.bootstrap.node import Node, build
from tasques.bootstrap.plugins import (
    filters,
    http_middleware,
    mounted,
    observers,
    open_backend,
    plugins,
    telling_of_leaders,
)
from tasques.bootstrap.processes import STOPPING, Supervisor, Told
from tasques.core import errors
from tasques.core.ports import Backend
from tasques.core.values import Duration
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings
from tasques.settings.kinds import Address

if TYPE_CHECKING:
    from tasques.adapters.neighbours import UdpNeighbours
    from tasques.core.service.filters import Filter
    from tasques.http_middleware import HttpMiddleware
    from tasques.server.front import Front
    from tasques.server.options import ServerOptions

_log = logging.getLogger(__name__)


def serve(settings: Settings, *, announce: Callable[[str], None]) -> int:
    """
    Serve HTTP until SIGINT or SIGTERM, which must be the business of this thread.

    Args:
        announce: Told the address, once requests are answered there.

    Returns:
        The exit status: 0, or 1 if requests under way did not finish in time.

    Raises:
        TasquesError: If the backend cannot be used as it is, or the address cannot be listened on.
    """
    if settings.http.processes > 1:
        return _serve_by_processes(settings, announce)
    return _serve_here(settings, announce, None, _by_signals, lines(settings).neighbours())


def _serve_by_processes(settings: Settings, announce: Callable[[str], None]) -> int:
    from tasques.server.sockets import address_of, bind, url

    count, port = settings.http.processes, settings.http.process_port
    shared = bind(settings.bind_address)
    host = settings.bind_address.host
    own = [bind(Address(host, port + number)) if port else [] for number in range(count)]
    # Outlives each of the children: one that takes another's place is reached where that was.
    between = lines(settings)

    def work(number: int, begun: Callable[[], None], told: Told) -> int:
        heard = between.neighbours(number)
        return _serve_here(settings, lambda _: begun(), [*shared, *own[number]], told, heard)

    supervisor = Supervisor(work, count, [*shared, *chain.from_iterable(own)])
    where = url(address_of(shared[0]))
    return supervisor.run(lambda: announce(where))


def _serve_here(
    settings: Settings,
    announce: Callable[[str], None],
    sockets: Sequence[socket] | None,
    told: Told,
    neighbours: UdpNeighbours | None,
) -> int:
    from tasques.server.app import create_app
    from tasques.server.front import Front

    runtime = ThreadRuntime()
    backend = open_backend(settings, runtime)
    try:
        _refuse_unusable(backend)
        manager = plugins()
        let_pass, around = filters(manager), http_middleware(manager)
        node = build(
            settings,
            backend,
            runtime,
            on_leadership=telling_of_leaders(manager, runtime),
            observers=observers(manager),
            filters=let_pass,
            neighbours=neighbours,
        )
        options = attrs.evolve(
            server_options(settings),
            at_once=node.services.hand_in is not None and not _may_wait(settings, let_pass, around),
        )
        front = Front(
            create_app(
                node.services,
                options,
                mounted=mounted(manager, node.services.meter),
                middleware=around,
            ),
            options,
            sockets,
        )
    except BaseException:
        backend.close()
        raise
    with rare_collections():
        return _serve_until_told(node, front, settings.shutdown_timeout, announce, told)


def _may_wait(
    settings: Settings, let_pass: Sequence[Filter], around: Sequence[HttpMiddleware]
) -> bool:
    """Whether a request may have to wait for somebody before its write is handed in."""
    limits_queues = bool(settings.queues.allow or settings.queues.max)
    return limits_queues or bool(let_pass) or any(each.waits for each in around)


def server_options(settings: Settings) -> ServerOptions:
    """How to listen; parking is tried out, and left alone with a warning if it does not work."""
    from tasques.server.options import ServerOptions
    from tasques.server.parking_check import why_not_parking

    http = settings.http
    fault = why_not_parking() if http.parking else None
    if fault is not None:
        _log.warning("each claim that waits holds a thread, as parking does not work: %s", fault)
    # Where nothing is said it depends on whether they are parked.
    limit: dict[str, Any] = {"waiting_claims": http.waiting_claims} if http.waiting_claims else {}
    return ServerOptions(
        address=settings.bind_address,
        users=settings.auth.basic_auth,
        parks=http.parking and fault is None,
        max_body_size=http.max_body_size,
        max_header_size=http.max_header_size,
        request_timeout=http.request_timeout,
        **limit,
    )


def _refuse_unusable(backend: Backend) -> None:
    # As the original: a server that could only say 503 had better not start, so that whoever
    # rolls it out notices. What goes wrong later turns readiness red, and heals by itself.
    fatal = [problem for problem in backend.check() if problem.fatal]
    if fatal:
        raise errors.StoreUnavailable("; ".join(f"{p.code}: {p.message}" for p in fatal))


def _by_signals(stop: Callable[[], None]) -> None:
    """To stop is what SIGINT and SIGTERM say; the second time, at once."""
    asked = 0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            # Asked twice: whatever is under way is safe to be cut off, that is what compare-and-set
            # and time-outs are for.
            os._exit(1)
        stop()

    for number in STOPPING:
        signal.signal(number, on_signal)


def _serve_until_told(
    node: Node, front: Front, grace: Duration, announce: Callable[[str], None], told: Told
) -> int:
    # Not an event: a handler of a signal runs between any two steps of a thread, and may not wait
    # for a lock that this very thread has taken for the signal before.
    told_to_stop: queue.SimpleQueue[None] = queue.SimpleQueue()
    finished: list[bool] = []

    def stop() -> None:
        told_to_stop.put(None)

    def drain() -> None:
        told_to_stop.get()
        _log.info("stopping; requests under way have %s to finish", grace)
        node.services.health.start_draining()
        front.dismiss_silent()
        node.services.claims.close()
        finished.append(front.drain(grace))

    told(stop)
    node.services.clock.step()
    node.services.health.step()
    node.start()
    draining = threading.Thread(target=drain, name="drain")
    draining.start()
    announce(front.url)
    _log.info("listening on %s, with tasks in %s", front.url, node.backend.url)
    try:
        front.run()
    finally:
        stop()
        draining.join()
        node.stop()
    _log.info("stopped")
    return 0 if all(finished) else 1
