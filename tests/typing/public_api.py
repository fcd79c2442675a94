"""
What type checkers know of the public API: read by mypy and pyright, and never run.

A line that is wrong on purpose has a comment to be ignored; both complain of one that is not needed.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Any, assert_type

from tasques import (
    Blueprint,
    Client,
    Context,
    GiveUp,
    Handle,
    Retry,
    RetryOn,
    Snooze,
    Tasques,
    exponential,
)
from tasques.app import AsyncTask, SyncTask
from tasques.client import Task
from tasques.core.errors import TasquesError

app = Tasques("memory:", queue="mail")
blueprint = Blueprint(queue="mail")


@app.task(retries=8, timeout="60s", retry=RetryOn(backoff=exponential("10s")))
def send(to: str, copies: int = 1) -> list[str]:
    return [to] * copies


@app.task(queue="bulk", pass_context=True)
async def render(context: Context, page: int) -> bytes:
    context.report(percent=50, data={"page": page})
    if context.shutting_down:
        raise Snooze("30s")
    if context.is_last:
        raise GiveUp("enough")
    raise Retry(in_="5m")


@blueprint.task(schedule="@daily")
def clean() -> None: ...


def by_attempt(error: BaseException, attempt: int) -> Retry | GiveUp | None:
    return None if attempt < 3 else GiveUp(str(error))


@blueprint.task(retry=by_attempt)
async def fetch(url: str) -> dict[str, int]:
    return {url: 1}


def functions_keep_their_types() -> None:
    assert_type(send("ann"), list[str])
    sync_task: SyncTask[..., list[str]] = send
    async_task: AsyncTask[..., bytes] = render
    del sync_task, async_task
    send(5)  # type: ignore[arg-type]


def enqueuing_has_them_too() -> None:
    assert_type(send.enqueue("ann", copies=2), Handle[list[str]])
    assert_type(send.options(priority=5, run_in="10m", id="a").enqueue("ann"), Handle[list[str]])
    assert_type(render.enqueue(1).result(timeout="1s"), bytes)
    assert_type(fetch.enqueue(url="x").result(), dict[str, int])
    assert_type(send.enqueue("ann").wait(), Task)
    clean.periodic("@hourly", id="often").call()
    send.enqueue()  # type: ignore[call-arg]
    send.enqueue("ann", 1, 2)  # type: ignore[call-arg]
    send.enqueue(to=1)  # type: ignore[arg-type]
    send.options(copies=2)  # type: ignore[call-arg]
    send.periodic("@daily").call(5)  # type: ignore[arg-type]
    app.task(retris=8)  # type: ignore[call-overload]


async def the_twins_have_them_too() -> None:
    assert_type(await render(page=1), bytes)
    await render("1")  # type: ignore[arg-type]
    assert_type(await send.enqueue_async("ann"), Handle[list[str]])
    assert_type(await (await render.enqueue_async(1)).result_async(), bytes)
    await send.enqueue_async(1)  # type: ignore[arg-type]


def many_and_by_name() -> None:
    outcomes = app.enqueue_many([send.prepare("ann"), render.prepare(1)])
    assert_type(outcomes, list[Handle[Any] | TasquesError])
    assert_type(app.enqueue("mail.send", queue="mail", args={"to": "ann"}), Handle[Any])


def plain_calls(client: Client) -> None:
    for each in (client, app):
        assert_type(each.create("mail", "send", {"to": "ann"}, run_in="1h"), Task)
        assert_type(each.claim("w1", ["mail"], amount=2), tuple[Task, ...])
    client.create("mail", "send", prio=3)  # type: ignore[call-arg]
