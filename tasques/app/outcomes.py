"""
From what the body of a task did to how its attempt ends; pure, for workers and tests alike.

==============================  =======================================================
the body                        the attempt
==============================  =======================================================
returns                         done, with ``{"result": …}``
raises ``Retry(in_=…)``         failed, to be tried again after so long
raises ``GiveUp()``             failed, for good
raises ``Snooze(…)``            given back, not to be handed out before so long
raises anything else            failed, then as the policy of its kind says
==============================  =======================================================

An original server knows neither giving up nor snoozing: :func:`for_original` says what they become.
"""

from __future__ import annotations

import logging
from typing import Final

import attrs

from tasques.app.failures import Failure
from tasques.app.retrying import RetryPolicy
from tasques.app.signals import GiveUp, Retry, Snooze
from tasques.client.values import Done, Ending, Failed, Unclaim

_log: Final = logging.getLogger(__name__)

#: Under which name the data of a success has what the body returned.
RESULT: Final = "result"


def outcome_of_return(result: object) -> Ending:
    """
    The end of an attempt whose body returned.

    Args:
        result: What it returned, as JSON has it already.
    """
    return Done(data={RESULT: result})


def outcome_of_error(
    error: BaseException, *, attempt: int, policy: RetryPolicy | None = None
) -> Ending:
    """
    The end of an attempt whose body raised.

    Args:
        attempt: Which one it was; 1 for the first.
        policy: That of its kind; None for the server's growing pause.
    """
    match error:
        case Snooze():
            return Unclaim(run_in=error.for_)
        case Retry() | GiveUp():
            return _failed(error, error)
    return _failed(error, _asked(policy, error, attempt))


def for_original(ending: Ending) -> Ending:
    """What *ending* becomes on an original server, which would ignore what it does not know."""
    match ending:
        case Unclaim(run_in=run_in) if run_in is not None:
            return Failed(data=Failure(type="Snooze", message=f"for {run_in}").document())
        case Failed():
            return attrs.evolve(ending, give_up=False, retry_in=None)
    return ending


def _asked(policy: RetryPolicy | None, error: BaseException, attempt: int) -> Retry | GiveUp | None:
    if policy is None:
        return None
    try:
        return policy(error, attempt)
    except Exception:  # noqa: BLE001 - somebody else's code; the failure must be told all the same
        _log.exception("a retry policy failed; the server's growing pause is taken")
        return None


def _failed(error: BaseException, decision: Retry | GiveUp | BaseException | None) -> Failed:
    data = Failure.of(error).document()
    match decision:
        case GiveUp():
            return Failed(data=data, give_up=True)
        case Retry():
            return Failed(data=data, retry_in=decision.in_)
    return Failed(data=data)
