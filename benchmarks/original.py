"""The Go original as a server to compare with: with the settings of its example, and at its best."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from tools.tasques_server import TasquesServer

#: How to get its binary.
HOW_TO_BUILD: Final = """\
git clone https://github.com/lloydmeta/tasques
cd tasques/app && CGO_ENABLED=0 go build -mod=mod -o tasques-go ."""


@attrs.frozen(kw_only=True)
class Tuning:
    """
    What decides how fast it hands out tasks.

    Attributes:
        multiplier: It looks at so many times as many tasks as are wanted.
        refresh_interval: Of its queues; None for Elasticsearch's own.
    """

    multiplier: int
    refresh_interval: str | None


AS_SHIPPED: Final = Tuning(multiplier=5, refresh_interval=None)
#: The best of those that were tried: wider windows cost it more conflicts than they bring.
AT_ITS_BEST: Final = Tuning(multiplier=50, refresh_interval="100ms")


class OriginalServer(TasquesServer):
    """
    An original server, from a binary that was built elsewhere.

    Its indices' prefix is fixed; it has no route for health, and wants a section for Kibana.
    """

    def __init__(self, binary: Path, elasticsearch_url: str, tuning: Tuning) -> None:
        self._binary = binary.resolve()
        super().__init__(environment={"ELASTIC_APM_ACTIVE": "false", "GIN_MODE": "release"})
        address = self.url.partition("//")[2]
        self._file = self._folder / "original.json"
        self._file.write_text(json.dumps(_configuration(address, elasticsearch_url, tuning)))

    def readiness(self) -> int | None:
        """200 as soon as it answers anything."""
        return None if super().readiness() is None else 200

    def set_up(self) -> None:
        """Have it make its templates; it ends with an error at Kibana, which comes last."""
        subprocess.run(
            [str(self._binary), "setup", "--config", str(self._file)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def _command(self) -> list[str]:
        return [str(self._binary), "--config", str(self._file)]


def _configuration(address: str, elasticsearch_url: str, tuning: Tuning) -> Mapping[str, Any]:
    """That of its example file, which has no defaults: what is missing would be zero."""
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
                "claim_amount_search_multiplier": tuning.multiplier,
                "retry_times": 25,
                "version_conflict_retry_times": 500,
            },
        },
        "recurring": {
            "leader_lock": {"run_interval": "1s", "leader_lock_lease": "5s"},
            "timed_out_tasks_reaper": {"run_interval": "15s", **page},
            "tasks_archiver": {"run_interval": "1m", "archive_older_than": "24h", **page},
            "recurring_tasks": {
                "sync_run_interval": "5s",
                "enforce_sync_run_interval": "1m",
                **page,
                "scroll_size": 500,
            },
        },
        "lifecycle_setup": {"archived_tasks": {"enabled": False}},
    }
    return {"tasques": {"server": server}}
