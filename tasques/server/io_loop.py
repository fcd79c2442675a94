"""
The loop of the I/O thread: waits for sockets, and has waitress do what there is to do.

waitress's own loop asks every connection on each of its passes whether it wants to read and whether
it wants to write, and tells the kernel all of it anew. With a thousand workers who wait for tasks that is
a thousand questions for each request of anybody. :class:`EpollLoop` asks a connection only if its answer may
have changed, and leaves the rest with the kernel (``epoll``, level-triggered). What is then done with an
event is waitress's own code. Where there is no epoll, :class:`AskingLoop` is waitress's loop as it is.

**No wake-up is lost.** The answers of a connection, ``readable()`` and ``writable()``, are changed by

1. the I/O thread: while it handles an event of that connection, after which it asks; or on its own
   account, as when a deadline is over, and then it *touches* the connection;
2. a thread that serves the connection: then waitress pulls the trigger *after* the change. Our listener
   turns that into a touch followed by a byte in the trigger's pipe, or into nothing where the connection
   needs nothing (see :func:`tasques.server.channel.is_content`, which also says why it may);
3. its beginning: entering the map is a touch.

All that is touched is asked before the next wait. A touch that came too late for that has its byte
still in the pipe, or yet to be written, as the touch comes first: so that wait ends at once. A byte
is taken out of the pipe during the handling of events, and touches are looked at after that. So each
change is followed by a question, and no wait in between lasts.

A connection that is closed leaves the map, and epoll with it, whichever thread closes it. Should the number
of its socket have gone to another meanwhile, events of the old one concern nobody: they are dropped
unless the one in the map is the one that was watched.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from waitress import wasyncore  # type: ignore[import-untyped]


class IoLoop(Protocol):
    """
    What a front asks of its loop; everything but :meth:`touch` on the I/O thread.

    Attributes:
        map: What takes part, by file number; waitress enters and removes it.
    """

    map: dict[int, Any]

    def touch(self, one: Any) -> None:
        """What *one* of the map wants may have changed; from any thread."""

    def turn(self, seconds: float) -> None:
        """Wait for events, so long at most, and handle them."""

    def close(self) -> None:
        """Watch nothing any more."""


class AskingLoop:
    """waitress's own: asks everybody on each pass."""

    def __init__(self) -> None:
        self.map: dict[int, Any] = {}

    def touch(self, one: Any) -> None:
        """All are asked in any case."""

    def turn(self, seconds: float) -> None:
        """One pass."""
        wasyncore.loop(timeout=seconds, use_poll=True, map=self.map, count=1)

    def close(self) -> None:
        """Nothing is kept."""


class EpollLoop:
    """Asks those who may have changed their minds; see the module's text."""

    def __init__(self) -> None:
        self.map: dict[int, Any] = _Map(self.touch, self._forget)
        self._touched: deque[Any] = deque()
        #: Who is watched for what, as the kernel knows it.
        self._watched: dict[int, tuple[Any, int]] = {}
        self._epoll = select.epoll()

    def touch(self, one: Any) -> None:
        """Have it asked before the next wait; who is not on the I/O thread pulls a trigger then."""
        self._touched.append(one)

    def turn(self, seconds: float) -> None:
        """One wait, and what came of it."""
        self._ask_touched()
        for number, flags in self._epoll.poll(seconds):
            one, _ = self._watched.get(number, _NOBODY)
            if one is None or self.map.get(number) is not one:
                self._watch_anew(number)
            else:
                wasyncore.readwrite(one, flags)
                self._ask(number, one)

    def close(self) -> None:
        """Let go of the kernel's list."""
        self._epoll.close()

    def _ask_touched(self) -> None:
        # Only those that are there now: asking may touch.
        for _ in range(len(self._touched)):
            one = self._touched.popleft()
            # None once it is closed, which another thread may do at any moment.
            number = one._fileno
            if number is not None and self.map.get(number) is one:
                self._ask(number, one)

    def _ask(self, number: int, one: Any) -> None:
        """Watch for what *one* wants now."""
        flags = select.EPOLLIN if one.readable() else 0
        # One that accepts is never asked to write; waitress has it so.
        if one.writable() and not one.accepting:
            flags |= select.EPOLLOUT
        watched = self._watched.get(number, _NOBODY)
        if watched == (one, flags) or self.map.get(number) is not one:
            return
        # Without a wish it is not watched at all, or the end of a connection that nobody wants to
        # hear of yet would be told again and again.
        if not flags:
            self._unwatch(number)
            return
        self._watched[number] = (one, flags)
        try:
            if watched[0] is one:
                self._epoll.modify(number, flags)
            else:
                self._epoll.register(number, flags)
        except OSError:
            self._watched.pop(number, None)  # closed in this very moment, by its own thread

    def _watch_anew(self, number: int) -> None:
        self._unwatch(number)
        if number in self.map:
            self.touch(self.map[number])

    def _unwatch(self, number: int) -> None:
        self._watched.pop(number, None)
        try:
            self._epoll.unregister(number)
        except (OSError, ValueError):
            pass  # not there, or this loop is closed

    def _forget(self, number: int) -> None:
        if number in self._watched:
            self._unwatch(number)


_NOBODY: Final[tuple[Any, int]] = (None, 0)


class _Map(dict[int, Any]):
    """waitress's map; tells who comes, and who goes while its file is still open."""

    def __init__(self, on_come: Callable[[Any], None], on_go: Callable[[int], None]) -> None:
        super().__init__()
        self._on_come, self._on_go = on_come, on_go

    def __setitem__(self, number: int, one: Any) -> None:
        super().__setitem__(number, one)
        self._on_come(one)

    def __delitem__(self, number: int) -> None:
        super().__delitem__(number)
        self._on_go(number)


def make_loop() -> IoLoop:
    """The best one that this machine has."""
    return EpollLoop() if hasattr(select, "epoll") else AskingLoop()
