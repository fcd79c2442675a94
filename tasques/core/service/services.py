"""The use cases of one server, put together."""

from __future__ import annotations

import attrs

from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.clock import ClockWatch
from tasques.core.service.defaults import Defaults
from tasques.core.service.group_commit import HandIn
from tasques.core.service.health import Health
from tasques.core.service.meter import Meter
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.queue_policies import QueuePolicies
from tasques.core.service.reaper import Reaper
from tasques.core.service.recurring_service import RecurringService
from tasques.core.service.task_service import TaskService


@attrs.frozen(kw_only=True)
class Services:
    """
    What a front, HTTP or other, calls; all of it may be called from several threads.

    Attributes:
        hand_in: Has writes done that nobody waits for; None where they are done at once in any case.
    """

    tasks: TaskService
    claims: ClaimDispatcher
    recurring: RecurringService
    operators: OperatorService
    policies: QueuePolicies
    health: Health
    defaults: Defaults
    clock: ClockWatch
    reaper: Reaper
    meter: Meter
    hand_in: HandIn | None = None
