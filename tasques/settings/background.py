"""The settings of the work in the background: time-outs, the archive, recurring tasks."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import DURATION, WHOLE_NUMBER
from tasques.settings.table import group, setting
from tasques.settings.work import MAX_SEARCH

_ALL_AT_ONCE: Final = "All recurring tasks are read, in pages of a fixed size."
_NO_SCROLL: Final = "Searches are not scrolled; nothing is held open between two pages."


@attrs.frozen(kw_only=True)
class LeaderLock:
    """The choice of one server for what only one may do."""

    run_interval: Duration = setting(
        DURATION,
        "1s",
        "How often to check and renew the lock.",
        minimum="1ms",
        too_small="Reads and writes without a need.",
        too_large="It must be shorter than the lease, which is renewed five times in its length"
        " whatever this says; and a released lock is taken so late.",
    )
    leader_lock_lease: Duration = setting(
        DURATION,
        "5s",
        "How long the lock of a silent leader is respected.",
        minimum="1ms",
        too_small="Leaders change at every pause.",
        too_large="Nobody leads for long after a leader died.",
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
        too_small="Searches without a need.",
        too_large="Finished tasks stay in their queues for longer.",
    )
    archive_older_than: Duration = setting(
        DURATION,
        "24h",
        "How long a task stays in its queue after it was finished; at least an hour where a recurring"
        " task made it.",
        minimum="0",
        too_small="A finished task is soon found in the archive only, and its id may be used again.",
        too_large="Queues grow, and searches in them cost more.",
    )
    scroll_size: int = setting(
        WHOLE_NUMBER,
        300,
        "How many tasks to archive together.",
        unit="tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        too_small="More requests for the same tasks.",
        too_large="Memory: whole tasks are read and written.",
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
        too_small="Searches without a need.",
        too_large="A new or changed schedule is taken up late.",
    )
    enforce_sync_run_interval: Duration = setting(
        DURATION,
        "1m",
        "How often to compare all recurring tasks with what is scheduled.",
        minimum="1ms",
        too_small="Reads of all recurring tasks without a need.",
        too_large="What a search for changes missed stays unnoticed for longer.",
    )
    scroll_size: int = setting(
        WHOLE_NUMBER,
        500,
        "How many recurring tasks to read together.",
        unit="recurring tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        without_effect=_ALL_AT_ONCE,
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
