"""What a worker counts; since it began."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True)
class Counters:
    """
    So many of each since the worker began.

    Attributes:
        claimed: Tasks that were handed out to it.
        done: Attempts that succeeded, as the server knows.
        failed: Attempts that failed, as the server knows.
        returned: Tasks that it gave back, as the server knows.
        lost: Claims that were over before their end could be delivered; results that nobody wants.
        cancelled: Tasks that somebody cancelled while they ran.
        over_soft_limit: Bodies that got an exception for it.
        over_hard_limit: Attempts that were ended for it.
        claim_errors: Claims that the server did not answer, or not well.
        report_errors: Reports likewise.
        delivery_errors: Ends of attempts likewise; each is tried again.
    """

    claimed: int = 0
    done: int = 0
    failed: int = 0
    returned: int = 0
    lost: int = 0
    cancelled: int = 0
    over_soft_limit: int = 0
    over_hard_limit: int = 0
    claim_errors: int = 0
    report_errors: int = 0
    delivery_errors: int = 0

    def count_end(self, ending: str) -> None:
        """Count an end: ``done``, ``failed`` or ``returned``."""
        setattr(self, ending, getattr(self, ending) + 1)
