"""The spans of a server's requests, from a real client over a real socket, as one collector sees them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pluggy
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tasques_opentelemetry import OpenTelemetry, OpenTelemetryPlugin
from tasques_opentelemetry.requests import RequestSpans

from tasques import bootstrap, hookspecs
from tasques.app import Tasques
from tasques.bootstrap.plugins import http_middleware
from tasques.client.beside import saying
from tasques.core.errors import TaskNotFound
from tasques.http_middleware import HttpAnswer, HttpRequest
from tasques.runtime import ThreadRuntime
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.settings import Settings
from tasques.settings.kinds import Address


class Collected:
    """One collector for all sides."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def named(self, *names: str) -> list[ReadableSpan]:
        """The spans of these names that have ended, in that order."""
        return [each for each in self._exporter.get_finished_spans() if each.name in names]


@pytest.fixture
def collected() -> Iterator[Collected]:
    """New for each test."""
    made = Collected()
    yield made
    made.provider.shutdown()


@pytest.fixture
def url(collected: Collected) -> Iterator[str]:
    """Of a server with the plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(OpenTelemetryPlugin(tracer_provider=collected.provider))
    runtime = ThreadRuntime()
    node = bootstrap.build(Settings(), bootstrap.open_backend(Settings(), runtime), runtime)
    options = ServerOptions(address=Address("127.0.0.1", 0))
    app = create_app(node.services, options, middleware=http_middleware(manager))
    front = Front(app, options)
    thread = threading.Thread(target=front.run, name="front")
    thread.start()
    yield front.url
    node.services.claims.close()
    front.close()
    thread.join(60)
    node.stop()


def said(span: ReadableSpan) -> Mapping[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> tuple[int, int] | None:
    """Of its trace, and its parent's own id."""
    return None if span.parent is None else (span.parent.trace_id, span.parent.span_id)


def of(span: ReadableSpan) -> tuple[int, int]:
    """Of its trace and its own."""
    return span.context.trace_id, span.context.span_id


def test_a_trace_goes_from_the_enqueue_over_the_server_to_the_worker(
    collected: Collected, url: str
) -> None:
    """The request that creates is below the enqueue, and so is the attempt; what that asks is below it."""
    with Tasques(url, queue="mail") as app:
        app.use(OpenTelemetry(tracer_provider=collected.provider))

        @app.task()
        def first() -> None:
            looking = collected.provider.get_tracer("shop").start_as_current_span("look")
            with looking, pytest.raises(TaskNotFound):
                app.get("mail", "none")

        with collected.provider.get_tracer("shop").start_as_current_span("order"):
            first.enqueue()
        app.worker(burst=True).run()
    (order,) = collected.named("order")
    (enqueue,) = collected.named("enqueue mail")
    (create,) = collected.named("POST /tasques")
    (attempt,) = collected.named("process mail")
    (look,) = collected.named("look")
    (get,) = collected.named("GET /tasques/{queue}/{id}")
    assert parent_of(enqueue) == of(order)
    assert parent_of(create) == parent_of(attempt) == of(enqueue)
    assert parent_of(look) == of(attempt)
    assert parent_of(get) == of(look)
    assert (create.kind, create.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    request_id = said(create)["http.response.header.x-request-id"]
    assert isinstance(request_id, tuple)
    assert len(request_id[0]) == 32
    assert said(create) == {
        "http.request.method": "POST",
        "http.route": "/tasques",
        "http.response.status_code": 201,
        "http.response.body.size": said(create)["http.response.body.size"],
        "http.response.header.x-request-id": request_id,
        "url.scheme": "http",
        "url.path": "/tasques",
        "client.address": "127.0.0.1",
        "user_agent.original": "tasques-python",
    }
    assert said(get)["http.response.status_code"] == 404
    assert get.status.status_code is StatusCode.UNSET


def test_asynchronous_calls_say_their_trace_too(collected: Collected, url: str) -> None:
    """Each its own, however many are under way at a time."""

    async def enqueue_all() -> None:
        async with Tasques(url, queue="mail") as app:
            app.use(OpenTelemetry(tracer_provider=collected.provider))

            @app.task()
            async def send() -> None:
                """Nothing."""

            await asyncio.gather(*(send.enqueue_async() for _ in range(5)))

    asyncio.run(enqueue_all())
    enqueues = collected.named("enqueue mail")
    creates = collected.named("POST /tasques")
    assert len(creates) == 5
    assert {parent_of(each) for each in creates} == {of(each) for each in enqueues}


def test_a_claim_is_one_span(collected: Collected, url: str) -> None:
    """Whether or not it had to wait for the task."""
    with Tasques(url) as app:
        claimed: list[object] = []
        waiting = threading.Thread(
            target=lambda: claimed.extend(app.claim("w", ["mail"], block_for="60s"))
        )
        waiting.start()
        while not claimed and not collected.named("POST /tasques"):
            app.create("mail", "send")
        waiting.join(60)
    assert len(claimed) == 1
    (claim,) = collected.named("POST /tasques/claims")
    assert parent_of(claim) is None
    assert said(claim)["http.response.status_code"] == 200


def request(**said: object) -> HttpRequest:
    """One from nobody."""
    fields: dict[str, object] = {
        "method": "GET",
        "path": "/tasques/mail/x",
        "query": "",
        "headers": {},
        "remote": "10.0.0.1",
        "id": "r1",
    }
    return HttpRequest(**{**fields, **said})  # type: ignore[arg-type]


def answer(status: int, route: str | None = None) -> HttpAnswer:
    """One without a body."""
    return HttpAnswer(status=status, route=route, bytes=0, seconds=0.1)


def test_a_failure_of_the_server_s_is_an_error(collected: Collected) -> None:
    """A client's is none, and a path that there is not names no span."""
    spans = RequestSpans(collected.provider.get_tracer("t"))
    for status in (404, 503):
        end = spans.on_request(request(method="BREW", path=f"/{status}"))
        assert end is not None
        end(answer(status))
    absent, failed = collected.named("HTTP")
    assert absent.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert said(failed)["error.type"] == "503"
    assert said(failed)["http.request.method"] == "_OTHER"
    assert said(failed)["http.request.method_original"] == "BREW"


def test_a_span_is_not_below_what_its_thread_is_at(collected: Collected) -> None:
    """Only its headers say what it is below; nonsense in them says nothing."""
    tracer = collected.provider.get_tracer("t")
    spans = RequestSpans(tracer)
    theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracer.start_as_current_span("around"):
        for headers in ({}, {"traceparent": "nonsense"}, {"traceparent": theirs}):
            end = spans.on_request(request(headers=headers))
            assert end is not None
            end(answer(200, "/a"))
    none, nonsense, below = collected.named("GET /a")
    assert (parent_of(none), parent_of(nonsense)) == (None, None)
    assert parent_of(below) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


def test_probes_and_servers_without_an_sdk_make_no_spans(collected: Collected) -> None:
    """Nobody is kept waiting for nothing."""
    assert (
        RequestSpans(collected.provider.get_tracer("t")).on_request(request(path="/health/ready"))
        is None
    )
    assert RequestSpans(trace.NoOpTracer()).on_request(request()) is None


def test_headers_that_cannot_be_had_hinder_no_request(url: str) -> None:
    """The request goes without."""

    def fail() -> Mapping[str, str]:
        raise RuntimeError("broken")

    with Tasques(url) as app, saying(fail):
        assert app.create("mail", "send").queue == "mail"
