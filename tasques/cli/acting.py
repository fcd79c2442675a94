"""The commands that act: on a queue, on a task, or on all tasks that are meant."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

import attrs
import msgspec

from tasques import logs
from tasques.cli.arguments import Arguments, UsageError
from tasques.cli.layout import seconds
from tasques.cli.progress import Progress
from tasques.cli.remote import Server, as_json, decode
from tasques.cli.seeing import PAGE, Task, check_forward, count, narrowing, server, standing
from tasques.core.errors import Fault, InvalidInput
from tasques.core.lifecycle import TRANSITIONS, Action
from tasques.core.operations import Outcome

#: What each command does to a task, in the lifecycle's words.
_ACTIONS: Final[Mapping[str, frozenset[Action]]] = {
    "cancel": frozenset({Action.CANCEL, Action.REQUEST_CANCEL}),
    "retry": frozenset({Action.RETRY}),
    "expire": frozenset({Action.EXPIRE}),
    "delay": frozenset({Action.DELAY}),
    "reprioritise": frozenset({Action.REPRIORITISE}),
}

# ---------------------------------------------------------------------------------- enqueue

#: Options of ``enqueue`` that are fields of the body, as they are.
_TEXTS: Final = {
    "--id": "id",
    "--timeout": "processing_timeout",
    "--run-at": "run_at",
    "--expires-at": "expires_at",
}
_NUMBERS: Final = {"--priority": "priority", "--retry-times": "retry_times"}
_OBJECTS: Final = {"--args": "args", "--context": "context"}


def enqueue(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Create a task, and print its id."""
    queue, kind = arguments.parameters
    body: dict[str, object] = {"queue": queue, "kind": kind}
    body |= {name: arguments.text(flag) for flag, name in _TEXTS.items()}
    body |= {name: arguments.number(flag) for flag, name in _NUMBERS.items()}
    body |= {name: _json_object(flag, arguments.text(flag)) for flag, name in _OBJECTS.items()}
    key = arguments.text("--idempotency-key")
    answer = server(arguments, environ).post(
        "tasques",
        body={name: value for name, value in body.items() if value is not None},
        headers={} if key is None else {"Idempotency-Key": key},
    )
    task = decode(answer.body, Task)
    print(as_json(answer.body) if arguments.has("--json") else logs.escape(task.id))
    return 0


def _json_object(flag: str, text: str | None) -> msgspec.Raw | None:
    """
    The object that is meant, as it was written: numbers keep all their digits.

    Raises:
        UsageError: If the command line has it, and it is none.
        InvalidInput: If it was read, and is none.
        OSError: If it cannot be read.
    """
    if text is None:
        return None
    if text != "-" and not text.startswith("@"):
        written = text.encode(errors="surrogateescape")
    elif text == "-":
        written = sys.stdin.buffer.read()
    else:
        written = Path(text[1:]).read_bytes()
    try:
        msgspec.json.decode(written, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if text != "-" and not text.startswith("@"):
            raise UsageError(f"{flag} wants a JSON object, @FILE or -: {error}") from error
        raise InvalidInput(
            [Fault(flag, "json", f"[{text}] has no JSON object: {error}")]
        ) from error
    return msgspec.Raw(written)


# ----------------------------------------------------------------------------- pause, resume


@attrs.frozen(kw_only=True)
class _Policy:
    queue: str
    paused_at: str | None = None


def pause_or_resume(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Have a queue hand out nothing, or tasks again."""
    (queue,) = arguments.parameters
    answer = server(arguments, environ).post("queues", queue, arguments.command, may_repeat=True)
    policy = decode(answer.body, _Policy)
    if arguments.has("--json"):
        print(as_json(answer.body))
    elif policy.paused_at is None:
        print(logs.escape(f"{policy.queue} hands out tasks"))
    else:
        print(logs.escape(f"{policy.queue} is paused since {seconds(policy.paused_at)}"))
    return 0


# -------------------------------------------------------------------------------- one, or many


def one_or_all(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Do what the command says, to one task or to all that are meant."""
    asked = server(arguments, environ)
    return _all(arguments, asked) if arguments.has("--all") else _one(arguments, asked)


def _one(arguments: Arguments, server: Server) -> int:
    queue, id = arguments.parameters
    # Repeated, it would find its own work done, and be told that it is not possible.
    answer = server.post(
        "queues", queue, "tasks", id, arguments.command, body=_what(arguments) or None
    )
    task = decode(answer.body, Task)
    if arguments.has("--json"):
        print(as_json(answer.body))
    else:
        print(logs.escape(f"{task.id} {standing(task)}{_more(arguments, task)}"))
    return 0


def _more(arguments: Arguments, task: Task) -> str:
    match arguments.command:
        case "delay":
            return f", not before {seconds(task.run_at)}"
        case "reprioritise":
            return f", priority {task.priority}"
        case _:
            return ""


def _what(arguments: Arguments) -> dict[str, object]:
    """What the operation needs to know beside the tasks."""
    match arguments.command:
        case "delay":
            fields = {"run_at": arguments.text("--run-at"), "run_in": arguments.text("--run-in")}
            return {name: text for name, text in fields.items() if text is not None}
        case "reprioritise":
            return {"priority": arguments.number("--priority")}
        case _:
            return {}


@attrs.frozen(kw_only=True)
class _TaskOutcome:
    id: str
    outcome: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class _Swept:
    outcomes: tuple[msgspec.Raw, ...]
    next: str | None = None


def _all(arguments: Arguments, server: Server) -> int:
    (queue,) = arguments.parameters
    body = {"states": list(_states(arguments)), **narrowing(arguments), **_what(arguments)}
    is_dry = arguments.has("--dry-run")
    total = None
    if _asks(arguments) or _shows_progress(arguments):
        total = _total(arguments, server, queue)
    if _asks(arguments) and not _confirmed(_question(arguments, total)):
        print("nothing was changed", file=sys.stderr)
        return 1
    counts: Counter[str] = Counter()
    is_over = False
    progress = Progress(is_wanted=_shows_progress(arguments))
    try:
        for page in _pages(server, queue, arguments, body):
            progress.clear()
            counts.update(_print_outcomes(arguments, page.outcomes))
            if page.next is not None:
                progress.show(counts.total(), total)
        is_over = True
    finally:
        progress.clear()
        # Also where it broke off: what was done is done.
        if is_over or counts:
            print(_summary(counts, is_dry=is_dry), file=_beside(arguments))
    return 1 if counts[Outcome.FAILED] else 0


def _states(arguments: Arguments) -> Sequence[str]:
    """Those asked for, or else those in which a task can be acted upon; the others are many."""
    possible = {state for state, action in TRANSITIONS if action in _ACTIONS[arguments.command]}
    return arguments.options.get("--state") or sorted(possible)


def _pages(
    server: Server, queue: str, arguments: Arguments, body: Mapping[str, object]
) -> Iterator[_Swept]:
    after: str | None = None
    left = arguments.number("--limit")
    while left is None or left > 0:
        asked = {
            **body,
            "dry_run": arguments.has("--dry-run"),
            "limit": PAGE if left is None else min(left, PAGE),
            **({} if after is None else {"after": after}),
        }
        path = ("queues", queue, "tasks", arguments.command)
        page = decode(server.post(*path, body=asked, may_repeat=True).body, _Swept)
        yield page
        if page.next is None:
            return
        check_forward(after, page.next)
        after = page.next
        left = None if left is None else left - len(page.outcomes)


def _print_outcomes(arguments: Arguments, outcomes: Sequence[msgspec.Raw]) -> Iterator[str]:
    """Print what is worth a line; gives each outcome."""
    for raw in outcomes:
        task = decode(raw, _TaskOutcome)
        if arguments.has("--json"):
            print(as_json(raw))
        elif task.outcome != Outcome.CHANGED:
            reason = f": {task.reason}" if task.reason else ""
            print(logs.escape(f"{task.id} {_in_words(task.outcome)}{reason}"))
        elif arguments.has("--dry-run"):
            print(logs.escape(f"{task.id} would be changed"))
        yield task.outcome
    sys.stdout.flush()


def _in_words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _summary(counts: Counter[str], *, is_dry: bool) -> str:
    others = [
        f", {number:,} {_in_words(outcome)}"
        for outcome in Outcome
        if outcome is not Outcome.CHANGED and (number := counts[outcome])
    ]
    return f"{counts[Outcome.CHANGED]:,} {'would be ' if is_dry else ''}changed{''.join(others)}"


def _beside(arguments: Arguments) -> TextIO:
    return sys.stderr if arguments.has("--json") else sys.stdout


# ------------------------------------------------------------------------------------ asking


def _shows_progress(arguments: Arguments) -> bool:
    return arguments.has("--progress") or sys.stderr.isatty()


def _total(arguments: Arguments, server: Server, queue: str) -> int | None:
    """How many tasks are meant, where the counts of a queue say it."""
    if narrowing(arguments):
        return None
    total = count(server, queue, _states(arguments))
    return min(total, arguments.number("--limit") or total)


def _asks(arguments: Arguments) -> bool:
    """
    Whether somebody is asked first.

    Raises:
        UsageError: If somebody should be, and nobody is there.
    """
    if arguments.has("--yes") or arguments.has("--dry-run"):
        return False
    if not sys.stdin.isatty():
        raise UsageError(f"{arguments.command} --all wants --yes where no terminal is to ask at")
    return True


def _question(arguments: Arguments, total: int | None) -> str:
    (queue,) = arguments.parameters
    states = " or ".join(_states(arguments))
    tasks = "every task" if total is None else f"{total:,} tasks"
    others = "".join(f", {name} {text}" for name, text in narrowing(arguments).items())
    return f"{arguments.command} {tasks} of {queue} ({states}{others})?"


def _confirmed(question: str) -> bool:
    print(f"{logs.escape(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
