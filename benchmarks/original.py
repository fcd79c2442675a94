"""The Go original as a server to compare with: with the settings of its example, and at its best."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from tools.original_server import OriginalServer


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


def server(binary: Path, elasticsearch_url: str, tuning: Tuning) -> OriginalServer:
    """An original server with that tuning."""
    settings = {
        "tasks.defaults.claim_amount_search_multiplier": tuning.multiplier,
        "recurring.recurring_tasks.scroll_size": 500,
    }
    return OriginalServer(binary, elasticsearch_url, settings)
