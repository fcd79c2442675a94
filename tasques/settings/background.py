"""The settings of the work in the background: time-outs, the archive, recurring tasks."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import DURATION, WHOLE_NUMBER
from tasques.settings.table import group, setting
from tasques.settings.work import MAX_SEARCH, NO_RECURRING

_NO_ARCHIVE: Final = "Finished tasks are not archived yet; they stay in their queues."
_NO_SCROLL: Final = "Searches are not scrolled; nothing is held open between two pages."


@attrs.frozen(kw_only=True)
class LeaderLock:
    """The choice of one server for what only one may do."""

    run_interval: Duration = setting(
        DURATION,
        "1s",
        "How often to check and renew the lock.",
        minimum="1ms",
        too_large="It must be shorter than the lease.",
        without_effect=NO_RECURRING,
    )
    leader_lock_lease: Duration = setting(
        DURATION,
        "5s",
        "How long the lock of a silent leader is respected.",
        minimum="1ms",
        too_small="Leaders change at every pause.",
        too_large="Nobody leads for long after a leader died.",
        without_effect=NO_RECURRING,
    )


@attrs.frozen(kw_only=True)
class TimedOutTasksReaper:
    """The end of claims whose worker has gone silent."""

    run_interval: Duration = setting(
        DURATION,
        "15s",
        "The pause between two looks for timed out tasks.",
        minimum="1ms",
        too_small="Searches without a need.",
        too_large="Timed out tasks come back late.",
    )
    scroll_size: int = setting(
        WHOLE_NUMBER,
        300,
        "How many timed out tasks to look at together.",
        unit="tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        too_small="More searches where many time out together.",
        too_large="Memory: whole tasks are read.",
    )
    scroll_ttl: Duration = setting(
        DURATION, "1m", "How long the original's search stays open.", without_effect=_NO_SCROLL
    )
    margin: Duration = setting(
        DURATION,
        "2s",
        "How long after its time a task counts as timed out; what clocks may differ by.",
        minimum="0",
        maximum="24h",
        too_small="A server whose clock is ahead ends claims that still have time.",
        too_large="Timed out tasks come back late.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class TasksArchiver:
    """The move of finished tasks into the archive."""

    run_interval: Duration = setting(
        DURATION,
        "1m",
        "The pause between two looks for tasks to archive.",
        minimum="1ms",
        without_effect=_NO_ARCHIVE,
    )
    archive_older_than: Duration = setting(
        DURATION,
        "24h",
        "How long a task stays in its queue after it was finished.",
        minimum="0",
        without_effect=_NO_ARCHIVE,
    )
    scroll_size: int = setting(
        WHOLE_NUMBER,
        300,
        "How many tasks to archive together.",
        unit="tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        without_effect=_NO_ARCHIVE,
    )
    scroll_ttl: Duration = setting(
        DURATION, "1m", "How long the original's search stays open.", without_effect=_NO_SCROLL
    )


@attrs.frozen(kw_only=True)
class RecurringTasks:
    """The tasks that come again by a schedule."""

    sync_run_interval: Duration = setting(
        DURATION,
        "5s",
        "How often to look for changed recurring tasks.",
        minimum="1ms",
        without_effect=NO_RECURRING,
    )
    enforce_sync_run_interval: Duration = setting(
        DURATION,
        "1m",
        "How often to compare all recurring tasks with what is scheduled.",
        minimum="1ms",
        without_effect=NO_RECURRING,
    )
    scroll_size: int = setting(
        WHOLE_NUMBER,
        500,
        "How many recurring tasks to read together.",
        unit="recurring tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        without_effect=NO_RECURRING,
    )
    scroll_ttl: Duration = setting(
        DURATION, "1m", "How long the original's search stays open.", without_effect=_NO_SCROLL
    )


@attrs.frozen(kw_only=True)
class Recurring:
    """The work in the background."""

    leader_lock: LeaderLock = group(LeaderLock)
    timed_out_tasks_reaper: TimedOutTasksReaper = group(TimedOutTasksReaper)
    tasks_archiver: TasksArchiver = group(TasksArchiver)
    recurring_tasks: RecurringTasks = group(RecurringTasks)
