"""What a request means where it does not say."""

from __future__ import annotations

import attrs

from tasques.core.values import Duration


@attrs.frozen(kw_only=True)
class Defaults:
    """
    The defaults of creations and claims; the values are those of the original's example file.

    Attributes:
        min_amount: A claim answers when it has so many; None stands for all that it asks for, which
            is the original's collecting.
    """

    retry_times: int = 25
    processing_timeout: Duration = Duration.of_seconds(30 * 60)
    claim_amount: int = 1
    min_amount: int | None = 1
    block_for: Duration = Duration.of_seconds(3)
