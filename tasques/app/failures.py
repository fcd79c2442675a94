"""Failures as they are stored: type, message and traceback, bounded in size; and read back."""

from __future__ import annotations

import traceback
from typing import Final

import attrs

from tasques.client.values import Task
from tasques.core.errors import TasquesError
from tasques.core.json_object import JsonObject
from tasques.core.tasks import EndReason

MAX_TYPE: Final = 200
MAX_MESSAGE: Final = 2_000
MAX_TRACEBACK: Final = 16_000

_CUT: Final = "\n... cut ...\n"


@attrs.frozen(kw_only=True)
class Failure:
    """
    What went wrong in an attempt.

    Attributes:
        type: The exception's class with its module, builtins without.
        traceback: As Python prints it, its middle cut out if it is long; empty if there is none.
    """

    type: str
    message: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What *error* leaves behind; never raises, whatever the error's own methods do."""
        return cls(
            type=type_name(type(error))[:MAX_TYPE],
            message=_bounded(_text_of(error), MAX_MESSAGE),
            traceback=_bounded(_traceback_of(error), MAX_TRACEBACK),
        )

    @classmethod
    def read(cls, data: JsonObject | None) -> Failure:
        """
        What was stored, by whichever worker; what does not have our form is shown as a message.
        """
        if data is None:
            return cls(type="", message="nothing was said")
        stored = data.value()
        kind = stored.get("type")
        if not isinstance(kind, str):
            return cls(type="", message=_bounded(data.text, MAX_MESSAGE))
        texts = {name: stored.get(name) for name in ("message", "traceback")}
        return cls(type=kind, **{n: t for n, t in texts.items() if isinstance(t, str)})

    def document(self) -> dict[str, object]:
        """What is stored."""
        return {name: text for name, text in attrs.asdict(self).items() if text}


class TaskFailed(TasquesError):
    """
    A task whose result was asked for is dead.

    Attributes:
        task: As it is.
        failure: What went wrong in its last attempt.
        reason: Why it ended before its attempts were used up; None if they were.
    """

    def __init__(self, task: Task) -> None:
        claim = task.last_claimed
        result = None if claim is None else claim.result
        self.task = task
        self.failure = Failure.read(None if result is None else result.failure)
        self.reason: EndReason | None = None if task.ended is None else task.ended.reason
        said = ": ".join(part for part in (self.failure.type, self.failure.message) if part)
        ended = "" if self.reason is None else f" ({self.reason})"
        super().__init__(f"the task [{task.id}] is dead{ended}: {said}")

    def __str__(self) -> str:
        """The message, and the traceback of the worker below it."""
        message = super().__str__()
        return f"{message}\n\n{self.failure.traceback}" if self.failure.traceback else message


def type_name(kind: type) -> str:
    """The name of a class as tracebacks have it."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody else's code
        return "(its message cannot be shown)"


def _traceback_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)) if error.__traceback__ else ""
    except Exception:  # noqa: BLE001 - it calls somebody else's code for each cause
        return ""


def _bounded(text: str, most: int) -> str:
    """*text* with its middle cut out, and as UTF-8 can have it."""
    if len(text) > most:
        half = (most - len(_CUT)) // 2
        text = text[:half] + _CUT + text[-half:]
    return text.encode(errors="replace").decode()
