"""The commands that look: queues, tasks, one task."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs
import msgspec

from tasques.cli.arguments import Arguments
from tasques.cli.layout import Column, Table, age, readable, seconds
from tasques.cli.progress import Progress
from tasques.cli.remote import DEFAULT_TIMEOUT, NoAnswer, Server, as_json, decode
from tasques.cli.vocabulary import FILTERS
from tasques.core.tasks import State
from tasques.core.values import Duration, Instant

#: Tasks in one request of a listing; small enough that a line comes soon.
PAGE: Final = 500
#: What ``list`` shows if nothing says otherwise.
_DEFAULT_LIMIT: Final = 100


def server(arguments: Arguments, environ: Mapping[str, str]) -> Server:
    """
    The server that a command line means.

    Raises:
        InvalidInput: If the environment's part of that makes no sense.
    """
    timeout = arguments.text("--request-timeout")
    return Server.of(
        arguments.text("--url"),
        environ,
        timeout=DEFAULT_TIMEOUT if timeout is None else Duration.parse(timeout),
    )


# ----------------------------------------------------------------------------------- queues


@attrs.frozen(kw_only=True)
class _Queue:
    queue: str
    counts: Mapping[str, int] = attrs.field(factory=dict)
    ready: int = 0
    oldest_ready_at: str | None = None
    paused_at: str | None = None


@attrs.frozen(kw_only=True)
class _Queues:
    as_of: str
    queues: tuple[_Queue, ...]


def queues(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print how every queue stands."""
    answer = server(arguments, environ).get("queues")
    found = decode(answer.body, _Queues)
    if arguments.has("--json"):
        print(as_json(answer.body))
        return 0
    now = _instant(found.as_of)
    counted = [Column(state.upper(), is_number=True) for state in State]
    ready = Column("READY", is_number=True)
    table = Table(Column("QUEUE"), *counted, ready, Column("WAITING"), Column("PAUSED"))
    for line in table.lines(_queue_row(queue, now) for queue in found.queues):
        print(line)
    return 0


def _queue_row(queue: _Queue, now: Instant) -> Sequence[str]:
    counts = (f"{queue.counts.get(state, 0):,}" for state in State)
    since = (queue.oldest_ready_at, queue.paused_at)
    ages = ("" if at is None else age(_instant(at), now) for at in since)
    return (queue.queue, *counts, f"{queue.ready:,}", *ages)


def _instant(text: str) -> Instant:
    try:
        return Instant.parse(text)
    except ValueError as error:
        raise NoAnswer(f"the answer is not one of a Tasques server's: {error}") from error


def count(server: Server, queue: str, states: Iterable[str]) -> int:
    """
    How many tasks of a queue are in these states; as of the server's last look.

    Raises:
        RemoteError: If the server cannot be asked.
    """
    found = decode(server.get("queues").body, _Queues)
    wanted = frozenset(states)
    return sum(
        number
        for each in found.queues
        if each.queue == queue
        for state, number in each.counts.items()
        if state in wanted
    )


# ------------------------------------------------------------------------------------- list


@attrs.frozen(kw_only=True)
class _Page:
    """
    Attributes:
        tasks: Each as it came.
        next: How to ask for what follows; None if nothing does.
    """

    tasks: tuple[msgspec.Raw, ...]
    next: str | None = None


def list_tasks(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print tasks of a queue, page by page as they come."""
    asked = server(arguments, environ)
    (queue,) = arguments.parameters
    limit = None if arguments.has("--all") else arguments.number("--limit") or _DEFAULT_LIMIT
    progress = Progress(is_wanted=_shows_progress(arguments))
    total = _total(arguments, asked, queue) if _shows_progress(arguments) else None
    if total is not None and limit is not None:
        total = min(total, limit)
    print_page = _json_lines if arguments.has("--json") else _TaskLines()
    done = 0
    for page in _pages(asked, queue, _query(arguments), limit):
        progress.clear()
        print_page(page.tasks)
        done += len(page.tasks)
        if page.next is not None and done != limit:
            progress.show(done, total)
        elif page.next is not None:
            _note_more(done, arguments)
    progress.clear()
    return 0


def _shows_progress(arguments: Arguments) -> bool:
    """Where the tasks themselves appear on the terminal, they are progress enough."""
    is_seen = sys.stderr.isatty() and not sys.stdout.isatty()
    return arguments.has("--progress") or (is_seen and arguments.has("--all"))


def _total(arguments: Arguments, server: Server, queue: str) -> int | None:
    if narrowing(arguments) or arguments.has("--archived"):
        return None
    return count(server, queue, arguments.options.get("--state") or State)


def narrowing(arguments: Arguments) -> dict[str, str]:
    """The filters but for states, which alone are counted by queue: the API's names and texts."""
    flags = [flag for flag in FILTERS if flag != "--state"]
    given = {flag: arguments.text(flag) for flag in flags}
    return {
        flag.removeprefix("--").replace("-", "_"): text
        for flag, text in given.items()
        if text is not None
    }


def _note_more(done: int, arguments: Arguments) -> None:
    if not arguments.has("--limit"):
        print(f"tasques: these are {done}, and there are more: --all, or --limit", file=sys.stderr)


def _query(arguments: Arguments) -> list[tuple[str, str]]:
    query = [("state", state) for state in arguments.options.get("--state", ())]
    query += narrowing(arguments).items()
    order = arguments.text("--order")
    if order is not None:
        query.append(("order", order))
    if arguments.has("--archived"):
        query.append(("archived", "true"))
    return query


def _pages(
    server: Server, queue: str, query: Sequence[tuple[str, str]], limit: int | None
) -> Iterator[_Page]:
    after: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(left, PAGE)
        place = [] if after is None else [("after", after)]
        asked = [*query, ("limit", str(size)), *place]
        page = decode(server.get("queues", queue, "tasks", query=asked).body, _Page)
        yield page
        if page.next is None:
            return
        check_forward(after, page.next)
        after = page.next
        left = None if left is None else left - len(page.tasks)


def check_forward(before: str | None, after: str) -> None:
    """
    Refuse to ask for the same page forever.

    Raises:
        NoAnswer: If a page's end is where it began.
    """
    if before == after:
        raise NoAnswer("the server does not go on: a page ends where it began")


def _json_lines(tasks: Iterable[msgspec.Raw]) -> None:
    for task in tasks:
        print(as_json(task))
    sys.stdout.flush()


@attrs.frozen(kw_only=True)
class _Ended:
    reason: str


@attrs.frozen(kw_only=True)
class _Claimed:
    worker_id: str


@attrs.frozen(kw_only=True)
class _Metadata:
    created_at: str


@attrs.frozen(kw_only=True)
class Task:
    """What the commands look at in a task."""

    id: str
    kind: str
    state: str
    priority: int
    attempted: int
    retry_times: int
    run_at: str
    metadata: _Metadata
    last_claimed: _Claimed | None = None
    cancel_requested: bool = False
    ended: _Ended | None = None


def standing(task: Task) -> str:
    """A task's state, and what it is on its way to, or why it ended."""
    if task.cancel_requested:
        return f"{task.state} (cancel requested)"
    return task.state if task.ended is None else f"{task.state} ({task.ended.reason})"


class _TaskLines:
    """Prints pages of tasks as one table."""

    def __init__(self) -> None:
        self._table = Table(
            Column("ID"),
            Column("KIND", longest=32),
            Column("STATE"),
            Column("PRIORITY", is_number=True),
            Column("ATTEMPTS", is_number=True),
            Column("CREATED AT"),
            Column("RUN AT"),
            Column("WORKER", longest=32),
        )

    def __call__(self, tasks: Iterable[msgspec.Raw]) -> None:
        for line in self._table.lines(_row(decode(task, Task)) for task in tasks):
            print(line)
        sys.stdout.flush()


def _row(task: Task) -> Sequence[str]:
    return (
        task.id,
        task.kind,
        standing(task),
        str(task.priority),
        f"{task.attempted}/{task.retry_times + 1}",
        seconds(task.metadata.created_at),
        seconds(task.run_at),
        "" if task.last_claimed is None else task.last_claimed.worker_id,
    )


# -------------------------------------------------------------------------------------- get


def get(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print one task."""
    query = [("archived", "true")] if arguments.has("--archived") else []
    answer = server(arguments, environ).get("tasques", *arguments.parameters, query=query)
    decode(answer.body, Task)
    if arguments.has("--json"):
        print(as_json(answer.body))
        return 0
    for line in readable(answer.body, now=answer.at):
        print(line)
    return 0
