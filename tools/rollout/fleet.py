"""The servers of both kinds, and which of them take requests."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tools.original_server import OriginalServer
from tools.rollout.ledger import Kind
from tools.tasques_server import TasquesServer, elasticsearch_settings

#: What both kinds do faster than by default, so that much happens in little time.
_QUICK = {
    "recurring.timed_out_tasks_reaper.run_interval": "2s",
    "recurring.tasks_archiver.run_interval": "5s",
    "recurring.recurring_tasks.sync_run_interval": "1s",
    "recurring.recurring_tasks.enforce_sync_run_interval": "10s",
    "recurring.leader_lock.run_interval": "1s",
    "recurring.leader_lock.leader_lock_lease": "4s",
}
#: No task is archived any more while the servers are compared.
NEVER = "2400h"


class OurServer(TasquesServer):
    """A server of this checkout."""

    kind = Kind.OURS

    def __init__(self, elasticsearch_url: str, archive_older_than: str) -> None:
        settings = {
            **elasticsearch_settings(elasticsearch_url),
            **_QUICK,
            "backend": "elasticsearch:",
            "recurring.timed_out_tasks_reaper.margin": "500ms",
            "recurring.tasks_archiver.archive_older_than": archive_older_than,
        }
        super().__init__(settings)


class TheOriginal(OriginalServer):
    """An original server, as quick."""

    kind = Kind.ORIGINAL

    def __init__(self, binary: Path, elasticsearch_url: str, archive_older_than: str) -> None:
        settings = {
            **_QUICK,
            "logging.level": "warn",
            "recurring.tasks_archiver.archive_older_than": archive_older_than,
        }
        super().__init__(binary, elasticsearch_url, settings)


Server = OurServer | TheOriginal


class Fleet:
    """
    The servers that take requests at the moment, as a load balancer in front of them would have it.

    Also says which phase it is, so that a request and its phase are one decision.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._live: list[Server] = []
        self._under_way: Counter[str] = Counter()
        self._phase = 0

    @property
    def phase(self) -> int:
        """The index of the phase."""
        with self._changed:
            return self._phase

    @property
    def live(self) -> list[Server]:
        """Those that take requests."""
        with self._changed:
            return list(self._live)

    def become(self, phase: int, servers: list[Server]) -> None:
        """Enter a phase with these servers."""
        with self._changed:
            self._phase = phase
            self._live = list(servers)

    @contextlib.contextmanager
    def one(self, chance: random.Random) -> Iterator[tuple[Server, int]]:
        """A server by chance, and the phase, for one request; it is not drained meanwhile."""
        with self._changed:
            server, phase = chance.choice(self._live), self._phase
            self._under_way[server.url] += 1
        try:
            yield server, phase
        finally:
            with self._changed:
                self._under_way[server.url] -= 1
                self._changed.notify_all()

    def drain(self, server: Server, seconds: float = 60.0) -> bool:
        """Wait until a server that takes no more requests has answered all; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way[server.url], timeout=seconds)
