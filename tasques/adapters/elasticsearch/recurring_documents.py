"""
A recurring task as a document, and back; nothing is sent from here.

The document is the original server's (wire contract, section 7), which does not say its id: that is
``_id`` alone. ``ext`` holds what the original does not know, and drops when it rewrites the document;
one without ``ext`` reads as one of which nobody knows what was fired.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tasques.adapters.elasticsearch.parts import (
    ABSENT,
    EXT_VERSION,
    MalformedDocument,
    Metadata,
    Op,
    Raw,
    VersionPart,
    encoded_operation,
    encoded_version,
    free_form,
    on_one_line,
    operation,
    optional_instant,
    optional_text,
    raw,
    version,
)
from tasques.core.queues import QueueName, TaskId
from tasques.core.recurring import (
    CatchUp,
    Pending,
    Recurrence,
    RecurringTask,
    RecurringTaskId,
    Slot,
    SlotOutcome,
    TaskDefinition,
)
from tasques.core.tasks import TaskKey
from tasques.core.values import Duration, Instant

# ---------------------------------------------------------------- the document, field by field


class _Definition(msgspec.Struct, omit_defaults=True):
    queue: str
    retry_times: int
    kind: str
    processing_timeout: int
    # Absent stays a fault: no default may fit what is read, and none is ever left out.
    priority: int
    args: Raw = ABSENT
    context: Raw = ABSENT


class _Slot(msgspec.Struct, omit_defaults=True):
    at: str
    outcome: str
    task_id: str | None = None
    left_out: int = 0


class _Pending(msgspec.Struct, omit_defaults=True):
    slot: str
    task_id: str
    definition: _Definition
    left_out: int = 0


class _TaskKey(msgspec.Struct):
    queue: str
    id: str


class _Ext(msgspec.Struct, omit_defaults=True):
    op: Op | None = None
    catch_up: str | None = None
    paused_at: str | None = None
    decided_until: str | None = None
    last_slot: _Slot | None = None
    pending: _Pending | None = None
    # Empty says that there are none; absent, that nobody knows.
    launched: list[_TaskKey] | None = None
    term: VersionPart | None = None
    # Last and without a fitting default, so that it is always written.
    v: int = 0


class _RecurringDocument(msgspec.Struct, omit_defaults=True):
    schedule_expression: str
    skip_if_outstanding_tasks_exist: bool
    task_definition: _Definition
    is_deleted: bool
    metadata: Metadata
    loaded_at: str | None = None
    ext: _Ext | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_RecurringDocument)
_NO_RECURRENCE: Final = Recurrence()

# ---------------------------------------------------------------------------------- writing


def encode(recurring: RecurringTask) -> bytes:
    """
    The document of *recurring*, as compact JSON without a line break.

    Raises:
        ValueError: If it holds what JSON in UTF-8 cannot say.
    """
    document = _RecurringDocument(
        schedule_expression=recurring.schedule_expression,
        skip_if_outstanding_tasks_exist=recurring.skip_if_outstanding_tasks_exist,
        task_definition=_encoded_definition(recurring.definition),
        is_deleted=recurring.is_deleted,
        loaded_at=optional_text(recurring.loaded_at),
        metadata=Metadata(str(recurring.created_at), str(recurring.modified_at)),
        ext=_encoded_recurrence(recurring.recurrence),
    )
    return on_one_line(_ENCODER.encode(document))


def _encoded_definition(definition: TaskDefinition) -> _Definition:
    return _Definition(
        queue=definition.queue,
        retry_times=definition.retry_times,
        kind=definition.kind,
        processing_timeout=definition.processing_timeout.nanoseconds,
        priority=definition.priority,
        args=raw(definition.args),
        context=raw(definition.context),
    )


def _encoded_recurrence(recurrence: Recurrence) -> _Ext | None:
    if recurrence == _NO_RECURRENCE:
        return None
    launched = recurrence.launched
    return _Ext(
        v=EXT_VERSION,
        op=encoded_operation(recurrence.operation),
        catch_up=recurrence.catch_up.value,
        paused_at=optional_text(recurrence.paused_at),
        decided_until=optional_text(recurrence.decided_until),
        last_slot=_encoded_slot(recurrence.last_slot),
        pending=_encoded_pending(recurrence.pending),
        launched=None if launched is None else [_TaskKey(key.queue, key.id) for key in launched],
        term=encoded_version(recurrence.term),
    )


def _encoded_slot(slot: Slot | None) -> _Slot | None:
    if slot is None:
        return None
    return _Slot(
        at=str(slot.at), outcome=slot.outcome.value, task_id=slot.task_id, left_out=slot.left_out
    )


def _encoded_pending(pending: Pending | None) -> _Pending | None:
    if pending is None:
        return None
    return _Pending(
        slot=str(pending.slot),
        task_id=pending.task_id,
        definition=_encoded_definition(pending.definition),
        left_out=pending.left_out,
    )


# ---------------------------------------------------------------------------------- reading


def decode(source: bytes | msgspec.Raw, *, id: RecurringTaskId) -> RecurringTask:
    """
    The recurring task that a document holds.

    Args:
        source: The document's ``_source``.
        id: Its ``_id``.

    Raises:
        MalformedDocument: If it is none.
    """
    try:
        return _recurring_task(_DECODER.decode(source), id)
    except RecursionError as error:
        raise MalformedDocument("nested too deeply") from error
    # Those of msgspec are among them.
    except ValueError as error:
        raise MalformedDocument(str(error)) from error


def _recurring_task(document: _RecurringDocument, id: RecurringTaskId) -> RecurringTask:
    # What others wrote may have white space between its parts, and ours is compact.
    is_ours = document.ext is not None and document.ext.v > 0
    return RecurringTask(
        id=id,
        schedule_expression=document.schedule_expression,
        definition=_definition(document.task_definition, is_ours),
        created_at=Instant.parse(document.metadata.created_at),
        modified_at=Instant.parse(document.metadata.modified_at),
        skip_if_outstanding_tasks_exist=document.skip_if_outstanding_tasks_exist,
        is_deleted=document.is_deleted,
        loaded_at=optional_instant(document.loaded_at),
        recurrence=_NO_RECURRENCE if document.ext is None else _recurrence(document.ext, is_ours),
    )


def _definition(document: _Definition, is_ours: bool) -> TaskDefinition:
    return TaskDefinition(
        queue=QueueName(document.queue),
        kind=document.kind,
        retry_times=document.retry_times,
        processing_timeout=Duration(document.processing_timeout),
        priority=document.priority,
        args=free_form(document.args, "args", is_ours),
        context=free_form(document.context, "context", is_ours),
    )


def _recurrence(document: _Ext, is_ours: bool) -> Recurrence:
    launched = document.launched
    return Recurrence(
        operation=operation(document.op),
        catch_up=CatchUp.LAST if document.catch_up is None else CatchUp(document.catch_up),
        paused_at=optional_instant(document.paused_at),
        decided_until=optional_instant(document.decided_until),
        last_slot=None if document.last_slot is None else _slot(document.last_slot),
        pending=None if document.pending is None else _pending(document.pending, is_ours),
        launched=None
        if launched is None
        else tuple(TaskKey(QueueName(key.queue), TaskId(key.id)) for key in launched),
        term=version(document.term),
    )


def _slot(document: _Slot) -> Slot:
    return Slot(
        at=Instant.parse(document.at),
        outcome=SlotOutcome(document.outcome),
        task_id=None if document.task_id is None else TaskId(document.task_id),
        left_out=document.left_out,
    )


def _pending(document: _Pending, is_ours: bool) -> Pending:
    return Pending(
        slot=Instant.parse(document.slot),
        task_id=TaskId(document.task_id),
        definition=_definition(document.definition, is_ours),
        left_out=document.left_out,
    )
