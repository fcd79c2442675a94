"""The client against a real server: what is asked, what is answered, which errors are raised."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasques.client import (
    Client,
    Done,
    Failed,
    Finish,
    Hold,
    NewTask,
    ServerUnavailable,
    Unclaim,
    task_filter,
)
from tasques.client.commands import base
from tasques.core import errors
from tasques.core.operations import Cancel, Delay, Reprioritise, Retry
from tasques.core.tasks import State
from tasques.core.values import Duration
from tasques.server import routes
from tests.client.scripted import Say, Scripted, task_body
from tests.serving import served


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> str:
    """A queue of the test's own."""
    name: str = request.node.name.split("[")[0]
    return name


def test_a_task_goes_its_way(client: Client, queue: str) -> None:
    """Created, claimed, reported on and done; every answer shows the task as it is then."""
    created = client.create(queue, "send", {"to": "ann"}, priority=3, context={"trace": "7f"})
    assert (created.state, created.priority) == (State.QUEUED, 3)
    (claimed,) = client.claim("w1", [queue], block_for="2s")
    assert claimed.id == created.id
    assert claimed.args is not None
    assert claimed.args.value() == {"to": "ann"}
    reported = client.report(claimed, {"progress": 0.5})
    assert reported.last_claimed is not None
    assert reported.last_claimed.last_report is not None
    done = client.done(claimed, {"ok": True})
    assert done.state is State.DONE
    assert client.get(queue, created.id) == done


def test_the_asynchronous_twins_do_the_same(url: str, queue: str) -> None:
    """One task, through the twins alone."""

    async def go() -> State:
        async with Client(url) as client:
            created = await client.create_async(queue, "send", {"to": "ann"})
            (claimed,) = await client.claim_async("w1", [queue], block_for="2s")
            await client.report_async(claimed)
            await client.done_async(claimed)
            return (await client.get_async(queue, created.id)).state

    assert asyncio.run(go()) is State.DONE


def test_a_client_serves_several_event_loops(url: str, queue: str) -> None:
    """Connections of a loop that has ended are not used in the next."""
    client = Client(url)

    async def go() -> None:
        await client.create_async(queue, "send")
        await client.close_async()

    asyncio.run(go())
    asyncio.run(go())


def test_failures_wait_and_give_up(client: Client, queue: str) -> None:
    """``retry_in`` and ``give_up`` arrive, and so does the time of an unclaim."""
    client.create(queue, "send")
    (task,) = client.claim("w1", [queue])
    given_back = client.unclaim(task, run_in=0)
    assert (given_back.state, given_back.attempted) == (State.QUEUED, 0)
    (task,) = client.claim("w1", [queue])
    failed = client.failed(task, {"error": "no answer"}, retry_in=timedelta(0))
    assert failed.state is State.FAILED
    (task,) = client.claim("w1", [queue])
    assert client.failed(task, give_up=True).state is State.DEAD


def test_errors_are_those_of_the_core(client: Client, queue: str) -> None:
    """Each refusal comes back as the class that was raised in the server, in its words."""
    task = client.create(queue, "send", id="one")
    with pytest.raises(errors.TaskAlreadyExists, match="already exists"):
        client.create(queue, "send", id="one")
    with pytest.raises(errors.TaskNotFound, match=r"Could not find \[two\]"):
        client.get(queue, "two")
    with pytest.raises(errors.InvalidInput) as invalid:
        client.create("Mail", "")
    assert {fault.path for fault in invalid.value.faults} == {"queue", "kind"}
    with pytest.raises(errors.TaskNotClaimed):
        client.done(Hold(queue=queue, id=task.id, worker="w1"))
    (claimed,) = client.claim("w1", [queue])
    with pytest.raises(errors.TaskNotOwned):
        client.done(Hold(queue=queue, id=task.id, worker="w2"))
    with pytest.raises(errors.ClaimNotCurrent):
        client.done(Hold(queue=queue, id=task.id, worker="w1", claim_id="another"))
    client.done(claimed)
    with pytest.raises(errors.IllegalTransition) as illegal:
        client.change(Cancel(), queue, task.id)
    assert (illegal.value.state, illegal.value.action) == ("done", "cancel")


def test_an_idempotency_key_makes_one_task(client: Client, queue: str) -> None:
    """A repeat with the same key gets the same task; with another content it is refused."""
    first = client.create(queue, "send", {"n": 1}, idempotency_key="k")
    assert client.create(queue, "send", {"n": 1}, idempotency_key="k").id == first.id
    with pytest.raises(errors.IdempotencyKeyReused):
        client.create(queue, "send", {"n": 2}, idempotency_key="k")


def test_many_have_one_outcome_each(client: Client, queue: str) -> None:
    """In their order, an error for one leaves the others alone."""
    created = client.create_many(
        [
            NewTask.of(queue, "send", id="a"),
            NewTask.of(queue, ""),
            NewTask.of(queue, "send", id="b"),
        ]
    )
    assert [getattr(each, "id", type(each)) for each in created] == ["a", errors.InvalidInput, "b"]
    tasks = client.claim("w1", [queue], amount=2, min_amount=2)
    lost = Hold(queue=queue, id="c", worker="w1")
    ends = [Finish(tasks[0], Done()), Finish(lost, Unclaim()), Finish(tasks[1], Failed())]
    outcomes = client.finish_many(ends)
    assert [getattr(each, "state", type(each)) for each in outcomes] == [
        State.DONE,
        errors.TaskNotFound,
        State.FAILED,
    ]


def test_operators_see_and_change(client: Client, queue: str) -> None:
    """Queues, listings, one task and many."""
    for id in ("a", "b"):
        client.create(queue, "send", id=id)
    assert queue in [each.queue for each in client.queues().queues]
    assert client.change(Reprioritise(priority=4), queue, "a").priority == 4
    client.change(Delay(run_in=Duration.parse("1h")), queue, "b")
    page = client.list_tasks(task_filter(queue, states=["queued"]), limit=1)
    assert len(page.tasks) == 1
    rest = client.list_tasks(task_filter(queue), limit=10, after=page.next)
    assert {page.tasks[0].id, *(task.id for task in rest.tasks)} == {"a", "b"}
    dry = client.change_many(Cancel(), task_filter(queue), dry_run=True)
    assert [each.outcome for each in dry.outcomes] == ["changed", "changed"]
    client.change_many(Cancel(), task_filter(queue))
    assert client.change(Retry(), queue, "a").state is State.QUEUED
    assert client.pause_queue(queue).paused_at is not None
    assert client.resume_queue(queue).paused_at is None


def test_recurring_tasks_have_owners(client: Client, queue: str) -> None:
    """Create, change, pause, run, preview, delete."""
    made = client.definition(queue, "write", {"pages": 2}, retry_times=1)
    created = client.create_recurring(queue, "@daily", made)
    assert created.task_definition.retry_times == 1
    with pytest.raises(errors.RecurringTaskAlreadyExists):
        client.create_recurring(queue, "@daily", made)
    assert client.update_recurring(queue, schedule="@yearly").schedule_expression == "@yearly"
    assert client.pause_recurring(queue).paused_at is not None
    assert client.resume_recurring(queue).paused_at is None
    assert client.run_recurring(queue).recurring_task_id == queue
    assert len(client.preview_recurring(queue, 2)) == 2
    assert client.get_recurring(queue).id in [each.id for each in client.list_recurring()]
    client.delete_recurring(queue)
    with pytest.raises(errors.RecurringTaskNotFound):
        client.get_recurring(queue)


def test_times_are_those_of_python(client: Client, queue: str) -> None:
    """Zoned datetimes and timedeltas; one without a zone is refused here."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    task = client.create(queue, "send", run_at=at, processing_timeout=timedelta(minutes=5))
    assert (str(task.run_at), str(task.processing_timeout)) == ("2030-01-01T00:00:00Z", "5m0s")
    with pytest.raises(errors.InvalidInput, match="zone"):
        client.create(queue, "send", run_at=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(errors.InvalidInput, match="together"):
        client.create(queue, "send", run_at=at, run_in="1h")


def test_headers_are_the_servers() -> None:
    """Written twice, since the client must not know the server's code; both are the same."""
    assert base.WORKER_ID_HEADER == routes.WORKER_ID_HEADER
    assert base.CLAIM_ID_HEADER == routes.CLAIM_ID_HEADER
    assert base.IDEMPOTENCY_KEY_HEADER == routes.IDEMPOTENCY_KEY_HEADER


@pytest.mark.parametrize(
    "text", ["localhost:8080", "ftp://a", "http://", "http://a?b=c", "http://a b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """And not repeated, for it may hold a password."""
    with pytest.raises(errors.InvalidInput):
        Client(text)


def test_https_trusts_what_it_is_told_to(tmp_path: Path) -> None:
    """The certificates of the system, or those of the given context; a stranger's is refused."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    command = [openssl, "req", "-x509", "-days", "2", *made, *subject]
    subprocess.run(command, check=True, capture_output=True)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with Scripted([Say(200, task_body())], ssl_context=ours) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        with Client(url, ssl_context=trusting) as client:
            assert client.get("mail", "t1").id == "t1"
        with Client(url, patience=0) as client, pytest.raises(ServerUnavailable, match="verify"):
            client.get("mail", "t1")


def test_whatever_the_package_names_is_there() -> None:
    """Loaded when it is asked for; and nothing else is."""
    import tasques.client as package

    assert {name for name in package.__all__ if not hasattr(package, name)} == set()
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="nonsense"):
        package.nonsense  # type: ignore[attr-defined] # noqa: B018
