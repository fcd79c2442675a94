"""
The bodies that the server sends.

A field that has a default is absent, never ``null``, when it has no value. The order of the fields
is their order on the wire.
"""

from __future__ import annotations

import attrs

from tasques.core.json_object import JsonObject
from tasques.core.tasks import EndReason, State
from tasques.core.values import Duration, Instant
from tasques.schemas.fields import ABOUT, About

_TIME = "2026-11-22T04:01:05.167363462Z"


@attrs.frozen(kw_only=True)
class VersionAnswer:
    """Which write of the document this answer shows; every write gives a greater one."""

    seq_num: int = attrs.field(
        metadata={ABOUT: About("Elasticsearch's `_seq_no`.", format="int64", example=4)}
    )
    primary_term: int = attrs.field(
        metadata={ABOUT: About("Elasticsearch's `_primary_term`.", format="int64", example=1)}
    )


@attrs.frozen(kw_only=True)
class MetadataAnswer:
    """What is known about the document itself."""

    created_at: Instant = attrs.field(
        metadata={ABOUT: About("When it was created.", format="date-time", example=_TIME)}
    )
    modified_at: Instant = attrs.field(
        metadata={ABOUT: About("When it was last changed.", format="date-time", example=_TIME)}
    )
    version: VersionAnswer = attrs.field(
        metadata={ABOUT: About("Which write of the document this is.")}
    )


@attrs.frozen(kw_only=True)
class ReportAnswer:
    """A worker's last sign of life."""

    at: Instant = attrs.field(
        metadata={ABOUT: About("When it was made.", format="date-time", example=_TIME)}
    )
    data: JsonObject | None = attrs.field(
        default=None, metadata={ABOUT: About("What came with it.", example={"progress": 0.5})}
    )


@attrs.frozen(kw_only=True)
class ResultAnswer:
    """The end of an attempt; without data it does not say which end, the task's state does."""

    at: Instant = attrs.field(
        metadata={ABOUT: About("When the attempt ended.", format="date-time", example=_TIME)}
    )
    success: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What came of it, if it succeeded.", example={"ok": True})},
    )
    failure: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What went wrong, if it failed.", example={"error": "no answer"})},
    )


@attrs.frozen(kw_only=True)
class LastClaimedAnswer:
    """A worker's hold on the task, the current one or, once it has ended, the last."""

    worker_id: str = attrs.field(metadata={ABOUT: About("Who claimed it.", example="worker-1")})
    claimed_at: Instant = attrs.field(
        metadata={ABOUT: About("When it was claimed.", format="date-time", example=_TIME)}
    )
    times_out_at: Instant = attrs.field(
        metadata={ABOUT: About("When the hold ends by itself.", format="date-time", example=_TIME)}
    )
    last_report: ReportAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("Once reported on since the claim.")}
    )
    result: ResultAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("Once the attempt has ended.")}
    )


@attrs.frozen(kw_only=True)
class EndedAnswer:
    """An end other than by exhausting the attempts."""

    reason: EndReason = attrs.field(metadata={ABOUT: About("Why it ended.", example="gave_up")})
    at: Instant = attrs.field(
        metadata={ABOUT: About("When it ended.", format="date-time", example=_TIME)}
    )


@attrs.frozen(kw_only=True)
class TaskAnswer:
    """A task, in whatever state."""

    id: str = attrs.field(
        metadata={
            ABOUT: About(
                "What names the task within its queue.", example="d32d4534deac4ea2b6c67150f2dbf834"
            )
        }
    )
    queue: str = attrs.field(
        metadata={ABOUT: About("The queue that it is in.", example="run-later")}
    )
    retry_times: int = attrs.field(
        metadata={
            ABOUT: About(
                "How often it is tried again after it has failed.",
                format="int64",
                minimum=0,
                example=25,
            )
        }
    )
    attempted: int = attrs.field(
        metadata={
            ABOUT: About(
                "Claims so far, less those given back.", format="int64", minimum=0, example=1
            )
        }
    )
    kind: str = attrs.field(metadata={ABOUT: About("What kind of work it is.", example="sayHello")})
    state: State = attrs.field(metadata={ABOUT: About("Where it stands.", example="done")})
    priority: int = attrs.field(
        metadata={ABOUT: About("The higher, the sooner it is claimed.", format="int64", example=0)}
    )
    processing_timeout: Duration = attrs.field(
        metadata={
            ABOUT: About(
                "How long a worker has, from its claim or its last report.",
                format="duration",
                example="30m0s",
            )
        }
    )
    run_at: Instant = attrs.field(
        metadata={ABOUT: About("Not to be claimed before.", format="date-time", example=_TIME)}
    )
    args: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What it is to work on, if given.", example={"name": "Ann"})},
    )
    context: JsonObject | None = attrs.field(
        default=None,
        metadata={ABOUT: About("What else goes with it, if given.", example={"trace": "7f"})},
    )
    last_claimed: LastClaimedAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("Once claimed.")}
    )
    last_enqueued_at: Instant = attrs.field(
        metadata={ABOUT: About("When it last became claimable.", format="date-time", example=_TIME)}
    )
    metadata: MetadataAnswer = attrs.field(metadata={ABOUT: About("About the document itself.")})
    recurring_task_id: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "The recurring task that made it, if one did.", example="repeat-every-minute"
            )
        },
    )
    expires_at: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "From then on it is not started any more, if anybody said so.",
                format="date-time",
                example=_TIME,
            )
        },
    )
    cancel_requested: bool | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "True while somebody wants this claimed task to end; absent otherwise.",
                example=True,
            )
        },
    )
    ended: EndedAnswer | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Why it is dead, where it was not for want of attempts.")},
    )
    claim_id: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "While claimed: tells this claim from the same worker's earlier and later ones; to be"
                " sent back as `X-TASQUES-CLAIM-ID`. Absent if an original server made the claim.",
                example="7f0c2d4534deac4ea2b6c67150f2dbf8",
            )
        },
    )
    archived: bool | None = attrs.field(
        default=None,
        metadata={ABOUT: About("True if it was found in the archive; else absent.", example=True)},
    )


@attrs.frozen(kw_only=True)
class FaultAnswer:
    """One thing that is wrong with a request."""

    path: str = attrs.field(
        metadata={
            ABOUT: About(
                "Where in the body, such as `queues[1]`; empty for the whole.", example="queue"
            )
        }
    )
    rule: str = attrs.field(
        metadata={ABOUT: About("The rule that was broken.", example="required")}
    )
    message: str = attrs.field(metadata={ABOUT: About("What is wrong.", example="is required")})


@attrs.frozen(kw_only=True)
class ErrorAnswer:
    """Why a request was not done."""

    message: str = attrs.field(
        metadata={
            ABOUT: About(
                "What went wrong, for a person.",
                example="Could not find [abc] in queue [run-later]",
            )
        }
    )
    faults: tuple[FaultAnswer, ...] | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Everything that is wrong with the input, where it was that.")},
    )
    code: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "With 503: which trouble it is, for machines; stable.", example="StoreUnavailable"
            )
        },
    )


@attrs.frozen(kw_only=True)
class LivenessAnswer:
    """A sign of life from the server."""

    status: str = attrs.field(metadata={ABOUT: About("Always `live`.", example="live")})


@attrs.frozen(kw_only=True)
class ProblemAnswer:
    """Something that keeps the server from being relied on."""

    code: str = attrs.field(metadata={ABOUT: About("For machines; stable.", example="unreachable")})
    message: str = attrs.field(
        metadata={
            ABOUT: About("What is wrong and what to do.", example="Elasticsearch does not answer")
        }
    )
    fatal: bool = attrs.field(
        metadata={
            ABOUT: About("Whether the server takes no requests while it lasts.", example=True)
        }
    )


@attrs.frozen(kw_only=True)
class LeaderAnswer:
    """The server that fires the slots of recurring tasks."""

    leader_id: str = attrs.field(
        metadata={
            ABOUT: About(
                "New each time a server starts.",
                example="recurring-tasks-leader-3f9ddabf638848dc8c0fdad22c47273b",
            )
        }
    )
    is_here: bool = attrs.field(
        metadata={ABOUT: About("Whether it is the server that answers.", example=True)}
    )
    since: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Since when it leads; absent if it is an original server.",
                format="date-time",
                example=_TIME,
            )
        },
    )
    term: VersionAnswer | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("Greater for each later leader; absent if it is an original server.")
        },
    )


@attrs.frozen(kw_only=True)
class ReadinessAnswer:
    """Whether the server is to be sent requests."""

    status: str = attrs.field(metadata={ABOUT: About("`ready` or `not ready`.", example="ready")})
    message: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("Why it is not ready, in one line.", example="the server is shutting down")
        },
    )
    backend: str = attrs.field(
        metadata={ABOUT: About("Where tasks are kept, without credentials.", example="memory:")}
    )
    problems: tuple[ProblemAnswer, ...] = attrs.field(
        metadata={ABOUT: About("What is wrong just now, fatal or not.")}
    )
    leader: LeaderAnswer | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("Who leads, as far as is known here; absent while nobody is known to.")
        },
    )
