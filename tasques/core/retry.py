"""
How long a failed task waits before its next attempt.

Source: Faktory, ``manager/retry.go``, ``nextRetry`` (base 15 s, fourth power, spread 30 s). The
original meant the same and wrote ``^``, which is an exclusive or in its language; the replacement
has the intended power.
"""

from __future__ import annotations

from typing import Final

from tasques.core.values import NANOSECONDS_PER_SECOND, Duration

BASE_SECONDS: Final = 15
#: The random part is one of 0 … SPREAD_SECONDS − 1, times the number of the attempt.
SPREAD_SECONDS: Final = 30

_LONGEST: Final = Duration(2**63 - 1)


def delay(retries: int, jitter: float) -> Duration:
    """
    ``15 + retries⁴ + U{0…29} · (retries + 1)`` seconds.

    The random part spreads tasks that failed together, and widens with every retry.

    Args:
        retries: Retries made so far: 0 after the first failure.
        jitter: In ``[0, 1)``, chooses the random part; passed in so that a test can choose it.

    Raises:
        ValueError: If *retries* is negative or *jitter* outside its range.

    >>> delay(2, jitter=0.0)
    Duration('31s')
    """
    if retries < 0:
        raise ValueError("retries must not be negative")
    if not 0 <= jitter < 1:
        raise ValueError("jitter must lie in [0, 1)")
    seconds = BASE_SECONDS + retries**4 + int(jitter * SPREAD_SECONDS) * (retries + 1)
    return Duration(min(seconds * NANOSECONDS_PER_SECOND, _LONGEST.nanoseconds))
