"""What ends a body before its time."""

from __future__ import annotations


class SoftTimeLimitExceeded(Exception):
    """
    The body runs longer than the soft limit; raised within it, where it is.

    It may tidy up, and still return or raise what it likes, until the hard limit.
    """


class HardTimeLimitExceeded(Exception):
    """The body ran longer than the hard limit; stored as what went wrong, and never raised within it."""


class TaskCancelled(Exception):
    """An asynchronous body was cancelled, for the reason in its message; stored as what went wrong."""


class UnknownKind(Exception):
    """A task of a kind that is not declared here was claimed; stored as what went wrong."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the worker knows no task of the kind [{kind}]")
