"""What the server answers to many things at once: one outcome for each, in order."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import attrs

from tasques.core.tasks import State, StoredTask
from tasques.schemas.answers import ErrorAnswer, TaskAnswer
from tasques.schemas.converter import encode, unstructure
from tasques.schemas.fields import ABOUT, About
from tasques.schemas.task_json import task_json


@attrs.frozen(kw_only=True)
class ItemAnswer:
    """What became of one item."""

    status: int = attrs.field(
        metadata={
            ABOUT: About(
                "What the request for this alone would be answered with.",
                minimum=200,
                maximum=599,
                example=200,
            )
        }
    )
    task: TaskAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("If it was done: the task as it is then.")}
    )
    id: str | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "If it was done, in a minimal answer: the id of the task.", example="invoice-4711"
            )
        },
    )
    state: State | None = attrs.field(
        default=None,
        metadata={ABOUT: About("As `id`: where the task stands then.", example="done")},
    )
    cancel_requested: bool | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "As `id`: true while somebody wants the task to end; else absent.", example=True
            )
        },
    )
    error: ErrorAnswer | None = attrs.field(
        default=None, metadata={ABOUT: About("If it was not done: why.")}
    )
    retry_after: int | None = attrs.field(
        default=None,
        metadata={
            ABOUT: About(
                "With 503: after so many seconds it is worth while to ask again.",
                minimum=0,
                example=1,
            )
        },
    )


@attrs.frozen(kw_only=True)
class ItemsAnswer:
    """What became of each item."""

    items: tuple[ItemAnswer, ...] = attrs.field(
        metadata={ABOUT: About("One for each item that was sent, in their order.")}
    )


class Done(NamedTuple):
    """An item that was done, and the task as it is then."""

    status: HTTPStatus
    stored: StoredTask


#: What became of an item: it was done, or the answer that says why not.
ItemOutcome: TypeAlias = Done | ItemAnswer


def encode_items(outcomes: Sequence[ItemOutcome], *, minimal: bool) -> bytes:
    """An :class:`ItemsAnswer` as one line of JSON, quickly."""
    done = _minimal if minimal else _whole
    return encode(
        {
            "items": [
                done(each) if isinstance(each, Done) else unstructure(each) for each in outcomes
            ]
        }
    )


def _whole(done: Done) -> dict[str, object]:
    return {"status": done.status.value, "task": task_json(done.stored)}


def _minimal(done: Done) -> dict[str, object]:
    task = done.stored.document
    fields: dict[str, object] = {
        "status": done.status.value,
        "id": task.id,
        "state": task.state,
    }
    if task.extensions.cancel_requested_at is not None:
        fields["cancel_requested"] = True
    return fields
