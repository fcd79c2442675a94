"""
The Go original as a server of a run, from a binary that was built elsewhere.

What it is started with is that of its example file, which has no defaults: what is missing would be
zero, and without a section for Kibana it crashes.
"""

import copy
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.tasques_server import TasquesServer

#: How to get its binary.
HOW_TO_BUILD: Final = """\
git clone https://github.com/lloydmeta/tasques
cd tasques/app && CGO_ENABLED=0 go build -mod=mod -o tasques-go ."""

_PAGE: Final = {"scroll_size": 300, "scroll_ttl": "1m"}
_EXAMPLE: Final[dict[str, Any]] = {
    "shutdown_timeout": "5s",
    "logging": {"json": True, "level": "info"},
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
        "leader_lock": {"run_interval": "1s", "leader_lock_lease": "5s"},
        "timed_out_tasks_reaper": {"run_interval": "15s", **_PAGE},
        "tasks_archiver": {"run_interval": "1m", "archive_older_than": "24h", **_PAGE},
        "recurring_tasks": {
            "sync_run_interval": "5s",
            "enforce_sync_run_interval": "1m",
            **_PAGE,
        },
    },
    "lifecycle_setup": {"archived_tasks": {"enabled": False}},
}


class OriginalServer(TasquesServer):
    """
    An original server.

    Its indices' prefix is fixed, it has no route for health, and on Elasticsearch 8 and later its
    list of recurring tasks works with ``indices.id_field_data.enabled`` only.

    Args:
        settings: By dotted name, such as ``recurring.leader_lock.run_interval``; in the place of
            those of its example file.
    """

    def __init__(
        self, binary: Path, elasticsearch_url: str, settings: Mapping[str, object]
    ) -> None:
        self._binary = binary.resolve()
        super().__init__(environment={"ELASTIC_APM_ACTIVE": "false", "GIN_MODE": "release"})
        self._file = self._folder / "original.json"
        address = self.url.partition("//")[2]
        self._file.write_text(json.dumps(configuration(address, elasticsearch_url, settings)))

    def readiness(self) -> int | None:
        """200 as soon as it answers anything."""
        return None if super().readiness() is None else 200

    def set_up(self) -> None:
        """Have it make its templates; it ends with an error at Kibana, which comes last."""
        # Whether the templates are there its start tells.
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


def configuration(
    address: str, elasticsearch_url: str, settings: Mapping[str, object]
) -> dict[str, Any]:
    """The content of its file, with *settings* in the place of the example's."""
    server = copy.deepcopy(_EXAMPLE)
    server["bind_address"] = address
    server["elasticsearch"] = {"addresses": [elasticsearch_url]}
    server["kibana"] = {"address": elasticsearch_url}
    for name, value in settings.items():
        *sections, last = name.split(".")
        place = server
        for section in sections:
            place = place[section]
        place[last] = value
    return {"tasques": {"server": server}}
