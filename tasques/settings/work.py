"""The settings of the work on tasks: queues, what holds for requests that do not say, clocks."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.tasks import MAX_RETRY_TIMES
from tasques.core.values import Duration
from tasques.settings.kinds import DURATION, MIN_AMOUNT, PATTERNS, WHOLE_NUMBER, MinAmount
from tasques.settings.table import group, setting

_MAX_INT64: Final = 2**63 - 1
#: Elasticsearch answers a search with at most this many (index.max_result_window).
MAX_SEARCH: Final = 10_000

_READ_DIRECTLY: Final = (
    "Whether a task is outstanding is read from the task itself; where tasks have to be counted, "
    "their queue is always refreshed before."
)
_ONE_SEARCH: Final = (
    "Claims that wait for the same queues share one search, whose pace and size follow what is "
    "wanted and found."
)


@attrs.frozen(kw_only=True)
class Queues:
    """What is remembered about queues."""

    recently_touched_queues_tracker_max_size: int = setting(
        WHOLE_NUMBER,
        1000,
        "How many queues' last touch is remembered. The original reads it by its other name only.",
        unit="queues",
        minimum=0,
        maximum=_MAX_INT64,
        alias="tasks.queues.last_activity_tracker_max_size",
        without_effect=_READ_DIRECTLY,
    )
    refresh_if_last_touched_over: Duration = setting(
        DURATION,
        "30s",
        "Refresh a queue before counting its outstanding tasks if it was touched longer ago.",
        minimum="0",
        without_effect=_READ_DIRECTLY,
    )
    refresh_if_last_touched_under: Duration = setting(
        DURATION,
        "2s",
        "Refresh a queue before counting its outstanding tasks if it was touched more recently.",
        minimum="0",
        without_effect=_READ_DIRECTLY,
    )


@attrs.frozen(kw_only=True)
class QueueRules:
    """Which queues may come to be; those that are there may always be used."""

    allow: tuple[str, ...] = setting(
        PATTERNS,
        "",
        "Patterns as of a shell, such as `mail-*`. A creation in a queue that is not there and fits "
        "none is 400. Empty: every queue may come to be.",
        too_small="New kinds of work need a change of the settings.",
        too_large="A typing error makes a queue, which costs an index.",
        is_ours=True,
    )
    max: int = setting(
        WHOLE_NUMBER,
        0,
        "How many queues there may be; a creation in one more is 400. 0: any number. Servers that "
        "let a queue in at the same moment may exceed it by one each.",
        unit="queues",
        minimum=0,
        maximum=1_000_000,
        too_small="New queues are refused while the cluster has room.",
        too_large="Each queue is an index of Elasticsearch, whose clusters have a limit of shards; "
        "beyond it creations in new queues are 503.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class Defaults:
    """What holds for requests that do not say."""

    block_for: Duration = setting(
        DURATION,
        "3s",
        "How long a claim waits for tasks.",
        minimum="0",
        too_small="Idle workers ask more often; with 0 a claim looks once.",
        too_large="Proxies in between may cut waiting requests off.",
    )
    block_for_retry_min_wait: Duration = setting(
        DURATION,
        "100ms",
        "The shortest pause of the original between two looks for tasks.",
        minimum="0",
        without_effect=_ONE_SEARCH,
    )
    block_for_retry_max_retries: int = setting(
        WHOLE_NUMBER,
        20,
        "How often the original looks for tasks within one claim; 0: only the pause counts.",
        unit="times",
        minimum=0,
        maximum=_MAX_INT64,
        without_effect=_ONE_SEARCH,
    )
    worker_processing_timeout: Duration = setting(
        DURATION,
        "30m",
        "How long a worker has for a task, from its claim or its last report.",
        minimum="1ms",
        too_small="Tasks time out and start again while they are worked on.",
        too_large="The tasks of a worker that died come back late.",
    )
    claim_amount: int = setting(
        WHOLE_NUMBER,
        1,
        "How many tasks a claim asks for.",
        unit="tasks",
        minimum=1,
        maximum=MAX_SEARCH,
        too_large="One worker holds tasks that others could do.",
    )
    min_amount: MinAmount = setting(
        MIN_AMOUNT,
        1,
        "How many tasks are enough for a waiting claim to be answered; `amount`: all it asks for, "
        "or what there is when its time is over, as the original does.",
        unit="tasks",
        too_large="Tasks that are there wait for others that are not.",
        is_ours=True,
    )
    claim_amount_search_multiplier: int = setting(
        WHOLE_NUMBER,
        5,
        "How many times as many tasks as are asked for a claim of the original looks at, since "
        "others may take some first.",
        unit="times",
        minimum=1,
        maximum=MAX_SEARCH,
        without_effect=_ONE_SEARCH,
    )
    retry_times: int = setting(
        WHOLE_NUMBER,
        25,
        "How often a task that failed is tried again.",
        unit="times",
        minimum=0,
        maximum=MAX_RETRY_TIMES,
        too_small="Tasks are dead after trouble that would have passed.",
        too_large="Tasks that cannot succeed come back for ever, if ever more rarely.",
    )
    version_conflict_retry_times: int = setting(
        WHOLE_NUMBER,
        500,
        "How often to try again when another server changed the task first.",
        unit="times",
        minimum=0,
        maximum=_MAX_INT64,
        too_small="Requests about a task with much traffic end in 500.",
    )


@attrs.frozen(kw_only=True)
class Tasks:
    """The work on tasks."""

    queues: Queues = group(Queues)
    defaults: Defaults = group(Defaults)
    completion_deadline: Duration = setting(
        DURATION,
        "10s",
        "How long to try for, while the store has trouble, with a worker's done, failed, report or "
        "unclaim before it is 503.",
        minimum="0",
        maximum="10m",
        too_small="The original's workers exit at the first error there.",
        too_large="Workers wait, and may give up before the answer.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class Clock:
    """How far this server's clock may be from the store's."""

    amber: Duration = setting(
        DURATION,
        "5s",
        "From this difference on, health is amber.",
        minimum="1ms",
        too_small="Warnings about clocks that are as good as clocks are.",
        too_large="Clocks that drift are noticed late.",
        is_ours=True,
    )
    red: Duration = setting(
        DURATION,
        "30s",
        "From this difference on, the server is not ready: it hands out no tasks and ends no "
        "claims, while workers may still finish theirs. Must not be less than `clock.amber`.",
        minimum="1ms",
        too_small="Servers stand still for small differences.",
        too_large="Tasks start early or late by as much, and claims end too soon.",
        is_ours=True,
    )
