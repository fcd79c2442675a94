"""
The bodies that operators send.

They are closed: a field that they do not have is a fault, and so is ``null`` for the whole. A filter
whose name is misspelt would else be ignored, and the operation meet every task of the queue.
"""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.listing import Position
from tasques.core.operations import MAX_PAGE
from tasques.core.tasks import MAX_PRIORITY, MIN_PRIORITY, State
from tasques.core.values import Duration, Instant
from tasques.schemas.fields import ABOUT, About

_RUN_AT: Final = About(
    "Not to be claimed before; not together with `run_in`. `0001-01-01T00:00:00Z` counts as not"
    " given.",
    format="date-time",
)
_RUN_IN: Final = About(
    "Not to be claimed before so long from now on; not together with `run_at`.",
    format="duration",
    minimum=0,
    example="1h",
)
_PRIORITY: Final = About(
    "The higher, the sooner it is claimed.",
    format="int64",
    minimum=MIN_PRIORITY,
    maximum=MAX_PRIORITY,
    example=5,
)


@attrs.frozen(kw_only=True)
class DelayBody:
    """How long a waiting task is to wait; exactly one field is given."""

    run_at: Instant | None = attrs.field(default=None, metadata={ABOUT: _RUN_AT})
    run_in: Duration | None = attrs.field(default=None, metadata={ABOUT: _RUN_IN})


@attrs.frozen(kw_only=True)
class ReprioritiseBody:
    """The place of a waiting task in the order of claims."""

    priority: int = attrs.field(metadata={ABOUT: _PRIORITY})


@attrs.frozen(kw_only=True)
class ManyTasksBody:
    """Which tasks of a queue are meant; all, if nothing is said."""

    states: tuple[State, ...] | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("In one of these states; any if none is named.", example=["queued"])
        },
    )
    kind: str | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Of this kind.", min_length=1, example="sayHello")},
    )
    worker: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About("Claimed, now or last, by this worker.", min_length=1, example="worker-1")
        },
    )
    created_from: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Created then or later. `0001-01-01T00:00:00Z` counts as not given.",
                format="date-time",
                example="2026-11-22T04:00:00Z",
            )
        },
    )
    created_before: Instant | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Created before then. `0001-01-01T00:00:00Z` counts as not given.",
                format="date-time",
                example="2026-11-23T04:00:00Z",
            )
        },
    )
    dry_run: bool | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "Change nothing, only say what would become of each; false if not given.",
                example=True,
            )
        },
    )
    limit: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                f"Look at so many tasks at most; {MAX_PAGE} if not given.",
                minimum=1,
                maximum=MAX_PAGE,
                example=100,
            )
        },
    )
    after: Position | None = attrs.field(
        default=None,
        metadata={ABOUT: About("Where to go on: the `next` of the last answer.")},
    )


@attrs.frozen(kw_only=True)
class DelayManyBody(ManyTasksBody):
    """How long waiting tasks are to wait (exactly one of the two), and which are meant."""

    run_at: Instant | None = attrs.field(default=None, metadata={ABOUT: _RUN_AT})
    run_in: Duration | None = attrs.field(default=None, metadata={ABOUT: _RUN_IN})


@attrs.frozen(kw_only=True)
class ReprioritiseManyBody(ManyTasksBody):
    """The place of waiting tasks in the order of claims, and which are meant."""

    priority: int = attrs.field(metadata={ABOUT: _PRIORITY})


#: The models in which nothing is ignored.
CLOSED: Final = frozenset(
    {DelayBody, ReprioritiseBody, ManyTasksBody, DelayManyBody, ReprioritiseManyBody}
)
