"""
Observers of events, kept away from the requests that caused them.

Events wait in a bounded queue, and one thread hands them to every observer in turn. What does not
fit is dropped and counted: a slow observer costs its events, never a request.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tasques.core.events import TaskEvent
from tasques.core.ports import Runtime
from tasques.core.service.meter import Meter
from tasques.core.values import Duration

_log = logging.getLogger(__name__)

_CAPACITY: Final = 10_000
_CAPACITY_BYTES: Final = 32 * 2**20
#: The pause after an observer's error was logged with its traceback, before the next one is.
_SILENCE_SECONDS: Final = 60.0

Observer = Callable[[TaskEvent], None]


class Observers:
    """
    Hands events to observers; may be told by several threads at once.

    Args:
        observers: By the name of each; called one after another on one thread. What one raises is
            logged, at most once a minute with its traceback, counted, and concerns nobody else.
    """

    def __init__(
        self,
        observers: Mapping[str, Observer],
        runtime: Runtime,
        meter: Meter,
        *,
        capacity: int = _CAPACITY,
    ) -> None:
        self._observers = observers
        self._runtime = runtime
        self._capacity = capacity
        self._changed = runtime.condition()
        self._waiting: deque[TaskEvent] = deque()
        self._waiting_bytes = 0
        self._has_thread = False
        self._is_closed = False
        self._is_busy = False
        self._dropped = meter.counter(
            "tasques_events_dropped_total", "Events that observers could not keep up with."
        )
        self._failed = {
            name: meter.counter(
                "tasques_plugin_errors_total",
                "Errors that plugins raised, by plugin.",
                plugin=name,
            )
            for name in observers
        }
        self._silent_until = dict.fromkeys(observers, float("-inf"))

    def tell(self, events: Sequence[TaskEvent]) -> None:
        """Have them handed out soon; neither blocks nor raises."""
        dropped = 0
        with self._changed:
            for event in () if self._is_closed else events:
                size = event.task.approximate_bytes
                if (
                    len(self._waiting) >= self._capacity
                    or self._waiting_bytes + size > _CAPACITY_BYTES
                ):
                    dropped += 1
                    continue
                self._waiting.append(event)
                self._waiting_bytes += size
            if self._waiting and not self._has_thread:
                self._has_thread = True
                self._runtime.spawn("observers", self._run)
            self._changed.notify_all()
        if dropped:
            self._dropped.add(dropped)

    def close(self, timeout: Duration) -> bool:
        """Take nothing more; whether all that was told was handed out within *timeout*."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        return self.flush(timeout)

    def flush(self, timeout: Duration) -> bool:
        """Wait until all that was told is handed out; whether it was within *timeout*."""
        deadline = self._runtime.monotonic() + timeout.seconds
        with self._changed:
            while self._waiting or self._is_busy:
                left = deadline - self._runtime.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                while not self._waiting:
                    if self._is_closed:
                        return
                    self._changed.wait()
                event = self._waiting.popleft()
                self._waiting_bytes -= event.task.approximate_bytes
                self._is_busy = True
            self._hand_out(event)

    def _hand_out(self, event: TaskEvent) -> None:
        for name, observer in self._observers.items():
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - whatever a plugin does
                self._failed[name].add()
                self._log(name, error)

    def _log(self, name: str, error: Exception) -> None:
        now = self._runtime.monotonic()
        if now < self._silent_until[name]:
            return
        self._silent_until[name] = now + _SILENCE_SECONDS
        _log.error("the plugin %s failed to take an event: %s", name, error, exc_info=error)
