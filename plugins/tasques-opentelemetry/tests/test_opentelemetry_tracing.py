"""From enqueue to worker, as a collector in the process sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
)
from tasques_opentelemetry import OpenTelemetry
from tasques_opentelemetry.propagation import carried, with_trace

from tasques.app import GiveUp, Retry, Snooze, Tasques
from tasques.client import NewTask
from tasques.client.commands.tasks import CreateTask
from tasques.core.errors import TaskAlreadyExists
from tasques.core.json_object import JsonObject
from tasques.testing.app import TestingApp


class Collected:
    """A collector in this process."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def spans(self) -> list[ReadableSpan]:
        """What has ended since the last look, in that order."""
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found


@pytest.fixture
def collected() -> Iterator[Collected]:
    """New for each test."""
    made = Collected()
    yield made
    made.provider.shutdown()


@pytest.fixture
def testing(collected: Collected) -> Iterator[TestingApp]:
    """An application that is traced."""
    app = Tasques("memory:", queue="mail")
    app.use(OpenTelemetry(tracer_provider=collected.provider))
    with TestingApp(app) as made:
        yield made
    app.close()


def ids(span: ReadableSpan) -> tuple[int, int]:
    """Of its trace and its own."""
    return span.context.trace_id, span.context.span_id


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    """What it links to."""
    return [(each.context.trace_id, each.context.span_id) for each in span.links]


def said(span: ReadableSpan) -> dict[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})


def test_a_task_is_traced_from_enqueue_over_a_failure_to_its_end(
    testing: TestingApp, collected: Collected
) -> None:
    """One trace: who enqueued, the enqueue, and an attempt for each claim, below it and linked."""
    attempts: list[SpanContext] = []

    @testing.app.task(retries=2)
    def send(to: str) -> str:
        attempts.append(trace.get_current_span().get_span_context())
        if len(attempts) == 1:
            raise ConnectionError("no route")
        return to

    with collected.provider.get_tracer("shop").start_as_current_span("order"):
        handle = send.options(context={"user": 7}).enqueue("ann")
    testing.drain()
    testing.clock.advance("1h")
    testing.drain()
    enqueue, order, first, second = collected.spans()

    assert (enqueue.name, enqueue.kind) == ("enqueue mail", SpanKind.PRODUCER)
    assert enqueue.parent is not None
    assert enqueue.parent.span_id == order.context.span_id
    assert said(enqueue) == {
        "messaging.system": "tasques",
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail",
        "messaging.message.id": handle.id,
        "messaging.tasques.kind": "send",
    }
    for number, span in enumerate((first, second), 1):
        assert (span.name, span.kind) == ("process mail", SpanKind.CONSUMER)
        assert span.parent is not None
        assert (span.context.trace_id, span.parent.span_id) == ids(enqueue)
        assert attempts[number - 1].span_id == span.context.span_id
        assert (
            said(span).items()
            >= {
                "messaging.system": "tasques",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": "mail",
                "messaging.client.id": "test-worker",
                "messaging.message.id": handle.id,
                "messaging.tasques.kind": "send",
                "messaging.tasques.attempt": number,
            }.items()
        )
    assert linked(first) == [ids(enqueue)]
    assert linked(second) == [ids(enqueue), ids(first)]
    assert (first.status.status_code, first.status.description) == (
        StatusCode.ERROR,
        "ConnectionError: no route",
    )
    assert said(first)["error.type"] == "ConnectionError"
    assert [event.name for event in first.events] == ["exception"]
    assert said(first)["messaging.tasques.outcome"] == "failed"
    assert second.status.status_code is StatusCode.UNSET
    assert said(second)["messaging.tasques.outcome"] == "done"
    assert "error.type" not in said(second)


def test_what_is_enqueued_by_a_task_is_of_its_trace(
    testing: TestingApp, collected: Collected
) -> None:
    """Synchronous or not: the attempt is the parent of what its body enqueues."""

    @testing.app.task()
    def last() -> None:
        """Nothing."""

    @testing.app.task()
    async def middle() -> None:
        await asyncio.sleep(0)
        await last.enqueue_async()

    @testing.app.task()
    def first() -> None:
        middle.enqueue()

    first.enqueue()
    testing.drain()
    spans = collected.spans()
    assert len({span.context.trace_id for span in spans}) == 1
    by_id = {span.context.span_id: span for span in spans}
    span = spans[-1]
    lineage = []
    while span.parent is not None:
        lineage.append((span.name.split()[0], said(span)["messaging.tasques.kind"]))
        span = by_id[span.parent.span_id]
    lineage.append((span.name.split()[0], said(span)["messaging.tasques.kind"]))
    assert lineage == [
        (operation, kind)
        for kind in ("last", "middle", "first")
        for operation in ("process", "enqueue")
    ]


def test_many_are_one_enqueue(testing: TestingApp, collected: Collected) -> None:
    """One span for the call, which every task of it carries; refusals are counted."""
    app = testing.app
    app.create_many([NewTask.of("mail", "a"), NewTask.of("bulk", "b")])
    app.create("mail", "c", id="c")
    app.create_many([NewTask.of("mail", "c", id="c"), NewTask.of("mail", "d")])
    both, _, refused = collected.spans()
    assert (both.name, refused.name) == ("enqueue", "enqueue mail")
    assert said(both)["messaging.batch.message_count"] == 2
    assert "messaging.destination.name" not in said(both)
    contexts = [task.context for task in testing.enqueued()]
    origins = [carried(context) for context in contexts]
    assert [each and each.span_id for each in origins[:2]] == [both.context.span_id] * 2
    assert (refused.status.status_code, said(refused)["error.type"]) == (
        StatusCode.ERROR,
        "TaskAlreadyExists",
    )
    assert str(refused.status.description).startswith("1 of 2: ")


def test_a_refused_enqueue_is_an_error(testing: TestingApp, collected: Collected) -> None:
    """And is raised."""
    testing.app.create("mail", "c", id="c")
    with pytest.raises(TaskAlreadyExists):
        testing.app.create("mail", "c", id="c")
    _, refused = collected.spans()
    assert refused.status.status_code is StatusCode.ERROR
    assert said(refused)["error.type"] == "TaskAlreadyExists"
    assert [event.name for event in refused.events] == ["exception"]


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (Snooze("1m"), "returned", StatusCode.UNSET),
        (Retry("later"), "failed", StatusCode.ERROR),
        (GiveUp("never"), "failed", StatusCode.ERROR),
    ],
)
def test_what_is_raised_on_purpose_is_told_as_meant(
    testing: TestingApp,
    collected: Collected,
    error: Exception,
    outcome: str,
    status: StatusCode,
) -> None:
    """A task given back is no error."""

    @testing.app.task()
    def odd() -> None:
        raise error

    odd.enqueue()
    testing.drain()
    attempt = collected.spans()[-1]
    assert (said(attempt)["messaging.tasques.outcome"], attempt.status.status_code) == (
        outcome,
        status,
    )


def test_a_task_without_a_trace_begins_one(testing: TestingApp, collected: Collected) -> None:
    """As when somebody else enqueued it, or a schedule did; not below what the worker is at."""

    @testing.app.task()
    def send() -> None:
        """Nothing."""

    testing.app.operations.do(CreateTask.of("mail", "send", None, {}))
    with collected.provider.get_tracer("shop").start_as_current_span("around the worker"):
        testing.drain()
    attempt, _ = collected.spans()
    assert (attempt.name, attempt.parent, linked(attempt)) == ("process mail", None, [])


def test_a_repeat_under_a_key_stays_the_same(testing: TestingApp) -> None:
    """It would be refused if it said another thing than the first, such as another trace."""

    @testing.app.task()
    def send() -> None:
        """Nothing."""

    handles = [send.options(idempotency_key="k").enqueue() for _ in range(2)]
    assert handles[0].id == handles[1].id
    assert {task.context for task in testing.enqueued()} == {None}


def test_a_trace_that_the_caller_has_put_there_is_kept(
    testing: TestingApp, collected: Collected
) -> None:
    """The enqueue links to it, and the attempt is below it."""

    @testing.app.task()
    def send() -> None:
        """Nothing."""

    theirs = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    send.options(context=theirs).enqueue()
    testing.drain()
    enqueue, attempt = collected.spans()
    own = (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert linked(enqueue) == linked(attempt) == [own]
    assert attempt.parent is not None
    assert (attempt.context.trace_id, attempt.parent.span_id) == own
    assert [task.context for task in testing.enqueued()] == [JsonObject.of(theirs)]


def test_without_an_sdk_nothing_changes() -> None:
    """Then there is no trace, and tasks are enqueued as they are."""
    with Tasques("memory:", queue="mail") as app:
        app.use(OpenTelemetry(tracer_provider=trace.NoOpTracerProvider()))

        @app.task()
        def send() -> None:
            """Nothing."""

        task = send.enqueue().get()
        assert task.context is None
        app.worker(burst=True).run()
        assert app.get("mail", task.id).state == "done"


def test_a_real_worker_traces_threads_and_event_loop(collected: Collected) -> None:
    """Each body is within its own attempt's span."""
    with Tasques("memory:", queue="mail") as app:
        app.use(OpenTelemetry(tracer_provider=collected.provider))

        @app.task()
        def here() -> str:
            return f"{trace.get_current_span().get_span_context().span_id:x}"

        @app.task()
        async def there() -> str:
            await asyncio.sleep(0)
            return f"{trace.get_current_span().get_span_context().span_id:x}"

        handles = app.enqueue_many([here.prepare(), there.prepare(), there.prepare()])
        (enqueue,) = collected.spans()
        app.worker(burst=True).run()
        spans = collected.spans()
        found = {said(span)["messaging.message.id"]: f"{span.context.span_id:x}" for span in spans}
        assert found == {
            each.id: each.result() for each in handles if not isinstance(each, Exception)
        }
        assert len(found) == 3
        assert {span.parent and span.parent.span_id for span in spans} == {enqueue.context.span_id}


SPAN = NonRecordingSpan(
    SpanContext(
        0x0AF7651916CD43DD8448EB211C80319C,
        0xB7AD6B7169203331,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState([("vendor", "a")]),
    )
)


@pytest.mark.parametrize(
    "text",
    [None, "{}", '{"a":1.50,"b":{"traceparent":1}}', '{"big":123456789012345678901234567890}'],
)
def test_what_goes_along_comes_back(text: str | None) -> None:
    """The trace and its state; all else is as it was written, to the letter."""
    context = None if text is None else JsonObject(text)
    sent = with_trace(context, SPAN)
    assert sent is not None
    received = JsonObject.from_parsed(sent.value())
    found = carried(received)
    assert found is not None
    assert (found.trace_id, found.span_id, found.trace_flags) == (
        SPAN.get_span_context().trace_id,
        SPAN.get_span_context().span_id,
        SPAN.get_span_context().trace_flags,
    )
    assert dict(found.trace_state) == {"vendor": "a"}
    assert found.is_remote
    if text not in (None, "{}"):
        assert sent.text.startswith(str(text)[:-1] + ',"traceparent":"00-0af7')


@pytest.mark.parametrize(
    "value", [1, None, "", "00-zz-00-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01", ["a"]]
)
def test_nonsense_is_no_trace(value: object) -> None:
    """Whoever put it there; it is left there, too."""
    context = JsonObject.of({"traceparent": value})
    assert carried(context) is None
    assert with_trace(context, SPAN) is context


def test_links_are_to_failures_of_the_same_task(testing: TestingApp, collected: Collected) -> None:
    """Not to those of others."""

    @testing.app.task(retries=1)
    def fail() -> None:
        raise LookupError

    fail.enqueue()
    fail.enqueue()
    testing.drain()
    testing.clock.advance("1h")
    testing.drain()
    attempts = [span for span in collected.spans() if span.kind is SpanKind.CONSUMER]
    by_task: dict[object, list[ReadableSpan]] = {}
    for span in attempts:
        by_task.setdefault(said(span)["messaging.message.id"], []).append(span)
    assert [len(each) for each in by_task.values()] == [2, 2]
    for first, second in by_task.values():
        assert ids(first) in linked(second)
        assert len(second.links) == 2
        assert all(isinstance(link, Link) for link in second.links)
