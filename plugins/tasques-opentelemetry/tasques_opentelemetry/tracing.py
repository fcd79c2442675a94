"""
A span for each enqueue, and one for each attempt, in one trace.

The attempt's parent is the enqueue, which it also links to; an attempt that follows a failed one in the
same worker links to that too. What is asked of a server meanwhile says in its headers which span it is for,
so that a server which traces its requests goes on with the trace. Names and attributes are those of
messaging.
Source: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import attrs
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TracerProvider,
)
from opentelemetry.util.types import AttributeValue

from tasques.app import Enqueue, GiveUp, Middleware, Snooze
from tasques.client import Task
from tasques.client.beside import saying
from tasques.client.commands.tasks import CreateTask
from tasques.core.errors import TasquesError
from tasques_opentelemetry.propagation import carried, current_headers, with_trace

NAME: Final = "tasques_opentelemetry"

#: Failed attempts that are remembered for the next attempts' links.
_REMEMBERED: Final = 1_000


class OpenTelemetry(Middleware):
    """
    Traces an application: ``app.use(OpenTelemetry())``.

    Args:
        tracer_provider: Makes the spans; the global one if not given.
    """

    def __init__(self, *, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(NAME, tracer_provider=tracer_provider)
        self._failures = _Failures()

    @contextlib.contextmanager
    def enqueuing(self, enqueue: Enqueue) -> Iterator[None]:
        commands = enqueue.commands
        with self._tracer.start_as_current_span(
            _named("enqueue", _queue_of(commands)),
            kind=SpanKind.PRODUCER,
            attributes=_of_enqueue(commands),
            links=_brought(commands),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            enqueue.commands = tuple(_traced(command, span) for command in commands)
            try:
                with saying(current_headers):
                    yield
            except BaseException as error:
                if not enqueue.outcomes:
                    _fail(span, error)
                raise
            finally:
                _tell_outcomes(span, enqueue.outcomes)

    @contextlib.contextmanager
    def attempting(self, task: Task) -> Iterator[None]:
        origin, before = carried(task.context), self._failures.taken(task)
        with self._tracer.start_as_current_span(
            _named("process", task.queue),
            context=_below(origin),
            kind=SpanKind.CONSUMER,
            attributes=_of_attempt(task),
            links=[Link(each) for each in (origin, before) if each is not None],
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                with saying(current_headers):
                    yield
            except Snooze:
                span.set_attribute("messaging.tasques.outcome", "returned")
                raise
            except BaseException as error:
                self._failures.remember(task, span.get_span_context())
                span.set_attribute("messaging.tasques.outcome", "failed")
                _fail(span, error)
                raise
            span.set_attribute("messaging.tasques.outcome", "done")


class _Failures:
    """The spans of failed attempts by their tasks, the latest ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: OrderedDict[tuple[str, str], SpanContext] = OrderedDict()

    def remember(self, task: Task, span: SpanContext) -> None:
        with self._lock:
            self._spans[task.queue, task.id] = span
            while len(self._spans) > _REMEMBERED:
                self._spans.popitem(last=False)

    def taken(self, task: Task) -> SpanContext | None:
        if task.attempted == 1:
            return None
        with self._lock:
            return self._spans.pop((task.queue, task.id), None)


def _named(operation: str, queue: str | None) -> str:
    return operation if queue is None else f"{operation} {queue}"


def _below(origin: SpanContext | None) -> Context:
    # Not below what happens to be current in the worker's thread.
    if origin is None:
        return Context()
    return trace.set_span_in_context(NonRecordingSpan(origin), Context())


def _traced(command: CreateTask, span: Span) -> CreateTask:
    # A repeat under the same key has to say the same as the first, and would name another span.
    if command.key is not None:
        return command
    context = with_trace(command.new.context, span)
    if context is command.new.context:
        return command
    return attrs.evolve(command, new=attrs.evolve(command.new, context=context))


def _brought(commands: Sequence[CreateTask]) -> list[Link]:
    """To the traces that the callers themselves have put into the contexts."""
    found = [carried(command.new.context) for command in commands]
    return [Link(each) for each in found if each is not None]


def _queue_of(commands: Sequence[CreateTask]) -> str | None:
    queues = {str(command.new.queue) for command in commands}
    return queues.pop() if len(queues) == 1 else None


def _of_enqueue(commands: Sequence[CreateTask]) -> dict[str, AttributeValue]:
    said = _of_operation("enqueue", "send", _queue_of(commands))
    if len(commands) != 1:
        return {**said, "messaging.batch.message_count": len(commands)}
    return {**said, "messaging.tasques.kind": commands[0].new.kind}


def _of_attempt(task: Task) -> dict[str, AttributeValue]:
    said = _of_operation("process", "process", task.queue)
    said["messaging.message.id"] = str(task.id)
    said["messaging.tasques.kind"] = task.kind
    said["messaging.tasques.attempt"] = task.attempted
    if task.last_claimed is not None:
        said["messaging.client.id"] = str(task.last_claimed.worker_id)
    return said


def _of_operation(name: str, type: str, queue: str | None) -> dict[str, AttributeValue]:
    said: dict[str, AttributeValue] = {
        "messaging.system": "tasques",
        "messaging.operation.name": name,
        "messaging.operation.type": type,
    }
    if queue is not None:
        said["messaging.destination.name"] = str(queue)
    return said


def _tell_outcomes(span: Span, outcomes: Sequence[Task | TasquesError]) -> None:
    refused = [each for each in outcomes if isinstance(each, TasquesError)]
    match outcomes:
        case [Task(id=id)]:
            span.set_attribute("messaging.message.id", str(id))
    if refused:
        _fail(span, refused[0], f"{len(refused)} of {len(outcomes)}: " if outcomes[1:] else "")


def _fail(span: Span, error: BaseException, before: str = "") -> None:
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(StatusCode.ERROR, f"{before}{type(error).__qualname__}: {error}")
    if not isinstance(error, GiveUp | GeneratorExit | asyncio.CancelledError):
        span.record_exception(error)
