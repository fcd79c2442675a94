"""
waitress in front of the application: one thread for all the I/O, others that work on requests.

What waits for nobody, until it has handed its write in and is parked, is served on the I/O thread
itself (:func:`tasques.server.handing_in.is_quick`): with 32 requests at once that saves half of what a
request costs here, most of which was waking threads and finding their caches cold. All else gets a
thread for itself.

A claim that waits is parked, and holds no thread; where it cannot be, it holds one, so there are as
many threads as claims that may wait, and some more for everybody else.
``channel_request_lookahead`` keeps the socket of a waiting claim readable, so that a client that
goes away is noticed, and nothing is claimed for it.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from tasques.core.values import Duration
from tasques.server.channel import Channel, Request, served_here
from tasques.server.handing_in import is_quick
from tasques.server.io_loop import IoLoop, make_loop
from tasques.server.open_files import allow_open_files
from tasques.server.options import ServerOptions
from tasques.server.sockets import address_of, bind, url
from tasques.server.threads import Threads

_log: Final = logging.getLogger(__name__)

#: Files beside connections: logs, the store's connections, bodies that are buffered on disk.
_OTHER_FILES: Final = 512
#: How often deadlines are looked at.
_TICK_SECONDS: Final = 1
#: Answers are made for so long before the I/O thread looks who else wants something.
_ANSWERING_SECONDS: Final = 0.005
#: A connection without a word for so long, when the server stops, is not about to bring a request.
_QUIET_SECONDS: Final = 1.0
#: How long clients get to notice which of their connections were closed, before others are.
_NOTICE_SECONDS: Final = 0.5
#: How long idle threads get to notice that they are not needed any more.
_THREADS_STOP_WITHIN: Final = 1.0


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """
    A listening socket and its connections.

    Attributes:
        parks: Whether requests may be parked.
        is_draining: Set once no further connection is taken.
        io_thread: The thread on which its connections are watched, once there is one.
    """

    channel_class = Channel
    is_draining = False
    io_thread: int | None = None
    _draining_since = 0.0

    def __init__(
        self,
        *args: Any,
        loop: IoLoop,
        request_timeout: float,
        parks: bool,
        at_once: bool,
        **kwargs: Any,
    ) -> None:
        self._loop = loop
        self._request_timeout = request_timeout
        self.parks = parks
        self._at_once = parks and at_once
        self._is_closed = False
        self._closing = threading.Lock()
        self._answers: deque[Channel] = deque()
        self._is_called_to_answer = False
        super().__init__(*args, **kwargs)

    def pull_trigger(self) -> None:
        """Wake the I/O thread, unless it has nothing to do for the connection served here."""
        channel = served_here()
        if channel is not None:
            if channel.is_content:
                return
            self._loop.touch(channel)
            if threading.get_ident() == self.io_thread:
                return
        self._wake()

    def serves_at_once(self, request: Request) -> bool:
        """Whether the I/O thread serves *request*, which has just been received."""
        return (
            self._at_once
            and not request.error
            and is_quick(request.command, request.path, request.body_bytes_received)
        )

    def add_task(self, task: Any) -> None:
        """Have a connection served: by a thread, or by the I/O thread what it is to begin."""
        if task.begins_at_once():
            self.add_answer(task)
        else:
            super().add_task(task)

    def add_answer(self, channel: Channel) -> None:
        """Have a connection served by the I/O thread, unless a plugin may wait as it is answered."""
        if not self._at_once:
            self.add_task(channel)
            return
        self._answers.append(channel)
        # One wake-up for all that come until it looks; it forgets the call before it does.
        if not self._is_called_to_answer and threading.get_ident() != self.io_thread:
            self._is_called_to_answer = True
            self._wake()

    def answer_here(self, channel: Channel) -> None:
        """Serve a connection on the caller's thread, unless a plugin may wait as it is answered."""
        if not self._at_once:
            self.add_task(channel)
        elif channel.requests:  # none if the server is closed meanwhile
            channel.service()

    def answer(self) -> bool:
        """On the I/O thread: serve what was added since, for a while; whether there is more."""
        self._is_called_to_answer = False
        until = time.monotonic() + _ANSWERING_SECONDS
        while self._answers and time.monotonic() < until:
            channel = self._answers.popleft()
            try:
                if channel.requests:  # none if the server is closed meanwhile
                    channel.service()
            except Exception:  # noqa: BLE001 - the others have to be answered as well
                _log.exception("an answer failed unexpectedly")
        return bool(self._answers)

    def _wake(self) -> None:
        # A thread may outlive the server, and the number of a closed pipe may be another file's.
        with self._closing:
            if not self._is_closed:
                self.trigger.pull_trigger()

    def close(self) -> None:
        """Let go of socket and trigger."""
        with self._closing:
            self._is_closed = True
            super().close()

    def maintenance(self, now: float) -> None:
        """In place of waitress's own, which knows silence only."""
        self.check_deadlines()

    def check_deadlines(self) -> None:
        """Look at every connection's deadline."""
        now = time.monotonic()
        for channel in tuple(self.active_channels.values()):
            channel.check_deadline(now, self._request_timeout)
            if channel.will_close:
                self._loop.touch(channel)

    def stop_accepting(self) -> None:
        """Take no further connection; those that wait in the kernel's queue are still taken."""
        if self.is_draining:
            return
        self.is_draining = True
        self._draining_since = time.monotonic()
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while poll.poll(0):
            self.handle_accept()
        wasyncore.dispatcher.close(self)

    def close_silent(self) -> None:
        """Close the connections on which nothing has gone on for a while."""
        for channel in tuple(self.active_channels.values()):
            if channel.lingering_since is not None or channel.is_quiet(_QUIET_SECONDS):
                channel.handle_close()

    def close_idle(self) -> None:
        """
        While draining, close the connections on which nothing goes on, and has not for a moment.

        The next request of a busy client may be on its way, and closing would lose it; it is
        answered, as the last one on its connection. A client whose connection just ended so takes
        another that it has, so none is closed before its client had the time to.
        """
        if time.monotonic() - self._draining_since > _QUIET_SECONDS:
            self.close_silent()


class Front:
    """
    The server: listens from its creation on, answers while :meth:`run` runs.

    Args:
        app: A WSGI application.
        options: Where to listen, and how much to take.
        sockets: Bound already, for processes that share them; else the options say where.
        loop: Waits for them.

    Raises:
        CannotListen: If the address is taken, or not this machine's.

    Attributes:
        addresses: Where it listens, with the ports that it has really got; one for each family.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        options: ServerOptions,
        sockets: Sequence[socket.socket] | None = None,
        loop: IoLoop | None = None,
    ) -> None:
        sockets = bind(options.address) if sockets is None else sockets
        limit = allow_open_files(options.connection_limit, others=_OTHER_FILES)
        self.addresses = tuple(address_of(each) for each in sockets)
        self._loop = make_loop() if loop is None else loop
        self._dispatcher = Threads()
        self._dispatcher.set_thread_count(options.threads)
        adjustments = _adjustments(options, limit)
        self._listeners = [
            Listener(
                app,
                self._loop.map,
                loop=self._loop,
                _sock=each,
                dispatcher=self._dispatcher,
                adj=adjustments,
                bind_socket=False,
                sockinfo=(each.family, each.type, each.proto, each.getsockname()),
                request_timeout=options.request_timeout.seconds,
                parks=options.parks,
                at_once=options.at_once,
            )
            for each in sockets
        ]
        # What the I/O thread is to do; it alone touches the sockets.
        self._is_to_dismiss = False
        self._is_to_drain = False
        self._is_to_close = False
        self._is_running = False
        self._dismissed = threading.Event()
        self._finished = threading.Event()
        self._closing = threading.Lock()

    @property
    def url(self) -> str:
        """The first address, as a client would write it."""
        return url(self.addresses[0])

    def run(self) -> None:
        """Answer requests, until :meth:`drain` or :meth:`close`; on the caller's thread."""
        self._is_running = True
        for listener in self._listeners:
            listener.io_thread = threading.get_ident()
        is_busy = False
        try:
            while self._loop.map and not self._is_to_close:
                for listener in self._listeners:
                    # Whether it takes a further connection depends on how many there are.
                    self._loop.touch(listener)
                self._loop.turn(0 if is_busy else _TICK_SECONDS)
                # Each of them, however busy the first is.
                is_busy = bool(sum(listener.answer() for listener in self._listeners))
                if self._is_to_dismiss:
                    self._dismiss_silent()
                if self._is_to_drain:
                    self._go_on_draining()
        finally:
            self._close_all()
            self._is_running = False

    def dismiss_silent(self) -> None:
        """
        Close silent connections, and give their clients a moment to notice; from any other thread.

        To be called before anything else of a stop: a client whose busy connection ends takes a
        silent one of its pool at that very moment, so these have to be gone by then. Requests and
        connections are taken as before.
        """
        self._is_to_dismiss = True
        self._wake()
        while self._is_running and not self._dismissed.wait(_TICK_SECONDS):
            pass
        if any(listener.active_channels for listener in self._listeners):
            time.sleep(_NOTICE_SECONDS)

    def drain(self, timeout: Duration) -> bool:
        """
        Stop accepting, let the requests under way finish, then close; from any other thread.

        Claims that wait are under way too: have the dispatcher answer them first.

        Returns:
            Whether all finished within *timeout*; those that did not are cut off.
        """
        self._is_to_drain = True
        self._wake()
        finished = not self._is_running or self._finished.wait(timeout.seconds)
        self.close()
        return finished

    def close(self) -> None:
        """Stop at once; what is under way is cut off. Doing it twice changes nothing."""
        self._is_to_close = True
        if self._is_running:
            self._wake()
        else:
            self._close_all()
        self._dispatcher.shutdown(timeout=_THREADS_STOP_WITHIN)

    def _wake(self) -> None:
        self._listeners[0].pull_trigger()

    def _dismiss_silent(self) -> None:
        self._is_to_dismiss = False
        for listener in self._listeners:
            listener.close_silent()
        self._dismissed.set()

    def _go_on_draining(self) -> None:
        for listener in self._listeners:
            listener.stop_accepting()
            listener.close_idle()
            listener.check_deadlines()
        if not any(listener.active_channels for listener in self._listeners):
            self._finished.set()

    def _close_all(self) -> None:
        with self._closing:
            for listener in self._listeners:
                for channel in tuple(listener.active_channels.values()):
                    channel.handle_close()
                listener.close()
            self._loop.map.clear()
            self._loop.close()


def _adjustments(options: ServerOptions, connection_limit: int) -> Adjustments:
    return Adjustments(
        threads=options.threads,
        connection_limit=connection_limit,
        # waitress refuses from these sizes on, we beyond them.
        max_request_body_size=options.max_body_size + 1,
        max_request_header_size=options.max_header_size + 1,
        cleanup_interval=_TICK_SECONDS,
        channel_request_lookahead=1,
        asyncore_use_poll=True,
        ident=None,
        # No header of a proxy is looked at, so none needs to be removed.
        clear_untrusted_proxy_headers=False,
        # That a client went away is no error of ours.
        log_socket_errors=False,
    )
