"""What happened to tasks, written down for people."""

from __future__ import annotations

from collections.abc import Sequence

from tasques.core.events import Happening, TaskEvent
from tasques.core.queues import TaskId
from tasques.core.tasks import Task
from tasques.core.values import Instant

_LONGEST = 500


def told(events: Sequence[TaskEvent], since: Instant) -> str:
    """
    *events* by task, each with the time since *since*::

        mail.send welcome-42 in mail, {"to": "ann"}
             +0s created
             +0s claimed by w, attempt 1
             +0s failed {"type": "ValueError"}: again at +19s
    """
    by_task: dict[tuple[str, TaskId], list[TaskEvent]] = {}
    for event in events:
        by_task.setdefault((event.task.queue, event.task.id), []).append(event)
    return "\n".join(_of_task(each, since) for each in by_task.values())


def _of_task(events: Sequence[TaskEvent], since: Instant) -> str:
    task = events[0].task
    args = "" if task.args is None else f", {_short(task.args.text)}"
    lines = [f"{task.kind} {task.id} in {task.queue}{args}"]
    lines += [f"{_offset(event.at, since):>12} {_said(event, since)}" for event in events]
    return "\n".join(lines)


def _said(event: TaskEvent, since: Instant) -> str:
    task = event.task
    match event.what:
        case Happening.CREATED | Happening.RETURNED | Happening.RETRIED | Happening.CHANGED:
            due = "" if task.run_at <= event.at else f", due at {_offset(task.run_at, since)}"
            return f"{event.what}{due}"
        case Happening.CLAIMED:
            return f"claimed by {_worker(task)}, attempt {task.attempted}"
        case Happening.REPORTED:
            report = None if task.last_claim is None else task.last_claim.last_report
            data = None if report is None else report.data
            return f"reported {'' if data is None else _short(data.text)}".rstrip()
        case Happening.FAILED | Happening.REAPED | Happening.DONE:
            again = f": again at {_offset(task.run_at, since)}" if task.state.is_claimable else ""
            return f"{event.what} {_result(task)}".rstrip() + again
        case Happening.DEAD:
            ended = task.extensions.ended
            return "dead" if ended is None else f"dead: {ended.reason}"
    return str(event.what)


def _worker(task: Task) -> str:
    return "nobody" if task.last_claim is None else task.last_claim.worker_id


def _result(task: Task) -> str:
    result = None if task.last_claim is None else task.last_claim.result
    return "" if result is None or result.data is None else _short(result.data.text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _offset(at: Instant, since: Instant) -> str:
    duration = at.since(since)
    return f"+{duration}" if duration.nanoseconds >= 0 else str(duration)
