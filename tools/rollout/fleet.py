"""The servers of both kinds, and which of them take requests."""

import contextlib
import json
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.rollout.ledger import Kind
from tools.tasques_server import TasquesServer, elasticsearch_settings

#: How to get the original server's binary.
HOW_TO_BUILD = """\
git clone https://github.com/lloydmeta/tasques
cd tasques/app && CGO_ENABLED=0 go build -mod=mod -o tasques-go ."""

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


class OriginalServer(TasquesServer):
    """
    An original server, from a binary that was built elsewhere.

    Its prefix is fixed, and on Elasticsearch 8 and later its list of recurring tasks works with
    ``indices.id_field_data.enabled`` only.
    """

    kind = Kind.ORIGINAL

    def __init__(self, binary: Path, elasticsearch_url: str, archive_older_than: str) -> None:
        self._binary = binary
        super().__init__()
        address = self.url.partition("//")[2]
        config = _original_config(address, elasticsearch_url, archive_older_than)
        self._config_file = self._folder / "original.json"
        self._config_file.write_text(json.dumps(config))

    def readiness(self) -> int | None:
        """200 as soon as it answers anything; it has no route for health."""
        return None if super().readiness() is None else 200

    def set_up(self) -> None:
        """Have it make its templates."""
        # It fails at Kibana, which comes last; whether the templates are there its start tells.
        subprocess.run(
            [str(self._binary), "setup", "--config", str(self._config_file)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def _command(self) -> list[str]:
        return [str(self._binary), "--config", str(self._config_file)]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "ELASTIC_APM_ACTIVE": "false", "GIN_MODE": "release"}


Server = OurServer | OriginalServer


def _original_config(
    address: str, elasticsearch_url: str, archive_older_than: str
) -> Mapping[str, Any]:
    """It has no defaults: what is missing is zero. Without a section for Kibana it crashes."""
    page = {"scroll_size": 300, "scroll_ttl": "1m"}
    recurring: dict[str, dict[str, Any]] = {
        "leader_lock": {},
        "timed_out_tasks_reaper": {**page},
        "tasks_archiver": {"archive_older_than": archive_older_than, **page},
        "recurring_tasks": {**page},
    }
    for name, value in _QUICK.items():
        _, section, key = name.split(".")
        recurring[section][key] = value
    server = {
        "bind_address": address,
        "shutdown_timeout": "5s",
        "logging": {"json": True, "level": "warn"},
        "elasticsearch": {"addresses": [elasticsearch_url]},
        "kibana": {"address": elasticsearch_url},
        "tasks": {
            "queues": {
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
        "recurring": recurring,
        "lifecycle_setup": {"archived_tasks": {"enabled": False}},
    }
    return {"tasques": {"server": server}}


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
