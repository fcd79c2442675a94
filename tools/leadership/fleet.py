"""The servers of a run: ours, whose clocks can be set wrong, and perhaps an original one."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.elasticsearch_node import call
from tools.leadership.watch import LockSeen
from tools.original_server import OriginalServer
from tools.tasques_server import ServerUnavailable, TasquesServer

_WRONG_CLOCK = Path(__file__).parent / "wrong_clock"


class OurServer(TasquesServer):
    """A server of this checkout, with a clock of its own."""

    is_original = False

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._clock = folder / f"{name}.clock"
        self._clock.write_text("0")
        super().__init__(
            settings,
            environment={
                "PYTHONPATH": os.pathsep.join(
                    [str(_WRONG_CLOCK), *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
                "WRONG_CLOCK_FILE": str(self._clock),
            },
        )

    def set_clock(self, hours_off: float) -> None:
        """Make its clock wrong, or with 0 right again."""
        # In one step: it must not read half of it.
        unfinished = self._clock.with_suffix(".unfinished")
        unfinished.write_text(str(hours_off * 3600))
        unfinished.rename(self._clock)

    def health(self) -> Mapping[str, Any]:
        """What it says of itself; nothing while it does not answer."""
        try:
            _, said = call(self.url, "GET", "/health/ready", timeout_seconds=5)
        except OSError:
            return {}
        return said if isinstance(said, dict) else {}

    def holds(self, lock: LockSeen) -> bool:
        """Whether that version of the lock is its own, and not of a process it was before."""
        leader = self.health().get("leader") or {}
        return bool(leader.get("is_here")) and leader.get("leader_id") == lock.leader_id


class TheOriginal(OriginalServer):
    """The one original server of a run."""

    is_original = True

    def __init__(
        self, name: str, binary: Path, elasticsearch_url: str, lease_seconds: float
    ) -> None:
        self.name = name
        settings = {
            "recurring.leader_lock.run_interval": f"{lease_seconds / 5:g}s",
            "recurring.leader_lock.leader_lock_lease": f"{lease_seconds:g}s",
            "recurring.timed_out_tasks_reaper.run_interval": "1s",
        }
        super().__init__(binary, elasticsearch_url, settings)

    def holds(self, lock: LockSeen) -> bool:
        """Whether that version of the lock is its own; there is but one original."""
        return lock.is_original and self.is_running


Server = OurServer | TheOriginal


class Fleet:
    """All servers of a run."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers

    @property
    def ours(self) -> list[OurServer]:
        """Those of this checkout."""
        return [server for server in self.servers if isinstance(server, OurServer)]

    @property
    def urls(self) -> list[str]:
        """The addresses of all, ours first."""
        return [server.url for server in sorted(self.servers, key=lambda s: s.is_original)]

    def start(self) -> None:
        """Start those that do not run, together, and wait until each is ready."""
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.await_ready()

    def holder(self, lock: LockSeen) -> Server | None:
        """The server that holds that version of the lock; None if it is none, or no longer runs."""
        return next((server for server in self.servers if server.holds(lock)), None)

    def create(self, body: Mapping[str, Any], seconds: float = 20.0) -> Mapping[str, Any]:
        """
        Make a recurring task, at the first server of ours.

        Raises:
            ServerUnavailable: If it is not made in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            status, answer = call(self.ours[0].url, "POST", "/recurring_tasques", body)
            if status == 201:
                made: Mapping[str, Any] = answer
                return made
            if status != 503 or time.monotonic() > deadline:
                raise ServerUnavailable(f"a recurring task was not made: {status} {answer}")
            time.sleep(0.2)

    def close(self) -> None:
        """Stop them all."""
        for server in self.servers:
            server.close()
