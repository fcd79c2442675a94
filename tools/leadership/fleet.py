"""The servers of a run: ours, whose clocks can be set wrong, and perhaps an original one."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.elasticsearch_node import call
from tools.leadership.watch import LockSeen
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


class OriginalServer(TasquesServer):
    """
    An original server, from a binary that was built elsewhere.

    It has the default prefix, and on Elasticsearch 8 and later its list of recurring tasks works with
    ``indices.id_field_data.enabled`` only.
    """

    is_original = True

    def __init__(
        self, name: str, binary: Path, elasticsearch_url: str, lease_seconds: float
    ) -> None:
        self.name = name
        self._binary = binary
        super().__init__()
        config = _original_config(self.url.partition("//")[2], elasticsearch_url, lease_seconds)
        self._config_file = self._folder / "original.json"
        self._config_file.write_text(json.dumps(config))

    def readiness(self) -> int | None:
        """200 as soon as it answers anything; it has no route for health."""
        return None if super().readiness() is None else 200

    def set_up(self) -> None:
        """Have it make its templates."""
        command = [str(self._binary), "setup", "--config", str(self._config_file)]
        # It fails at Kibana, which comes last; whether the templates are there its start tells.
        subprocess.run(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def holds(self, lock: LockSeen) -> bool:
        """Whether that version of the lock is its own; there is but one original."""
        return lock.is_original and self.is_running

    def _command(self) -> list[str]:
        return [str(self._binary), "--config", str(self._config_file)]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "ELASTIC_APM_ACTIVE": "false", "GIN_MODE": "release"}


Server = OurServer | OriginalServer


def _original_config(address: str, elasticsearch_url: str, lease_seconds: float) -> dict[str, Any]:
    """It has no defaults: what is missing is zero. Without a section for Kibana it crashes."""
    page = {"scroll_size": 300, "scroll_ttl": "1m"}
    server = {
        "bind_address": address,
        "shutdown_timeout": "5s",
        "logging": {"json": True, "level": "info"},
        "elasticsearch": {"addresses": [elasticsearch_url]},
        "kibana": {"address": elasticsearch_url},
        "tasks": {
            "queues": {
                "recently_touched_queues_tracker_max_size": 1000,
                "last_activity_tracker_max_size": 1000,
                "refresh_if_last_touched_over": "30s",
                "refresh_if_last_touched_under": "2s",
            },
            "defaults": {
                "block_for": "3s",
                "block_for_retry_min_wait": "100ms",
                "block_for_retry_max_retries": 20,
                "worker_processing_timeout": "30m",
                "claim_amount": 1,
                "claim_amount_search_multiplier": 5,
                "retry_times": 25,
                "version_conflict_retry_times": 500,
            },
        },
        "recurring": {
            "leader_lock": {
                "run_interval": f"{lease_seconds / 5:g}s",
                "leader_lock_lease": f"{lease_seconds:g}s",
            },
            "timed_out_tasks_reaper": {"run_interval": "1s", **page},
            "tasks_archiver": {"run_interval": "1m", "archive_older_than": "24h", **page},
            "recurring_tasks": {
                "sync_run_interval": "5s",
                "enforce_sync_run_interval": "1m",
                **page,
            },
        },
        "lifecycle_setup": {"archived_tasks": {"enabled": False}},
    }
    return {"tasques": {"server": server}}


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
