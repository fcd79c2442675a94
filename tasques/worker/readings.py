"""What the server's answer to something that was said about a claimed task means; pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from tasques.client.errors import ServerError
from tasques.client.retrying import NotReached
from tasques.client.values import Task
from tasques.core import errors
from tasques.core.errors import TasquesError


class Meaning(Enum):
    """What an answer means for the claim."""

    #: It is as was said.
    ACCEPTED = "accepted"
    #: The claim is not, or no longer, ours; saying anything else about it is in vain.
    LOST = "lost"
    #: Nobody knows, or not now: say it again later.
    AGAIN = "again"
    #: What was said can never be accepted; say something else.
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class Reading:
    """
    What an answer means.

    Attributes:
        cancel_requested: Whether somebody wants the task to end.
        is_doubtful: Whether it may have been done all the same.
        error: What went wrong, if anything.
    """

    meaning: Meaning
    cancel_requested: bool = False
    is_doubtful: bool = False
    error: TasquesError | None = None


#: The task is not there any more, or is not claimed, or not by us: a timeout ended the claim, or an
#: operator, or our own finish did, whose answer was lost.
_LOST: Final = (
    errors.TaskNotFound,
    errors.TaskNotClaimed,
    errors.TaskNotOwned,
    errors.IllegalTransition,
)
#: Too large for the server, or for a proxy before it.
_TOO_LARGE: Final = 413


@attrs.frozen(kw_only=True)
class Accepted:
    """The server has done what it was told; the part of its answer that a worker needs."""

    cancel_requested: bool = False


def reading(outcome: Accepted | Task | TasquesError) -> Reading:
    """
    What *outcome* means.

    Only what says for certain that the claim is over counts as lost. Everything else that goes
    wrong, credentials and faults of the server's own among them, may be over tomorrow.
    """
    match outcome:
        case Accepted():
            return Reading(meaning=Meaning.ACCEPTED, cancel_requested=outcome.cancel_requested)
        case Task():
            return Reading(
                meaning=Meaning.ACCEPTED, cancel_requested=bool(outcome.cancel_requested)
            )
    return Reading(
        meaning=_meaning(outcome),
        is_doubtful=isinstance(outcome, errors.OutcomeUnknown),
        error=outcome,
    )


def wish_of(error: Exception) -> float:
    """
    For how long a server that refused wants not to be asked, in seconds.

    Of one that was not reached, or whose answer was lost, no wish is known.
    """
    if not isinstance(error, errors.Unavailable) or isinstance(
        error, NotReached | errors.OutcomeUnknown
    ):
        return 0.0
    return error.retry_after_seconds


def _meaning(error: TasquesError) -> Meaning:
    if isinstance(error, _LOST):
        return Meaning.LOST
    if isinstance(error, errors.ReportFromThePast):
        # Somebody's clock is off; the server has heard a later sign of life, which will do.
        return Meaning.ACCEPTED
    if isinstance(error, errors.InvalidInput):
        return Meaning.REFUSED
    if isinstance(error, ServerError) and error.status == _TOO_LARGE:
        return Meaning.REFUSED
    return Meaning.AGAIN
