"""Whether every task of a run is accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.figures import Json

#: What the load counts, and what it means when there are any.
_NONE_OF: tuple[tuple[str, str], ...] = (
    ("claimed_more_than_once", "claimed more than once"),
    ("creates_ambiguous", "creations without a clear answer"),
)


def faults(result: Json) -> Sequence[str]:
    """
    Why a run does not count as clean, in words; empty if each task was claimed and done once.

    A drain that met its limit is judged by what it claimed, and is no fault: its rate says it all.
    """
    return tuple(_faults(result))


def _faults(result: Json) -> Iterator[str]:
    account = result.get("account")
    if not isinstance(account, dict):
        yield "nothing was accounted for"
        return
    for field, words in _NONE_OF:
        if account.get(field):
            yield f"{account[field]} {words}"
    if account.get("exactly_once") is not True:
        yield f"not exactly once: {_counts(account)}"
    for what, count in sorted(result.get("errors", {}).items()):
        yield f"{count} times {what}"
    for what, count in sorted(result.get("other_queue", {}).get("errors", {}).items()):
        yield f"{count} times {what}, another queue"


def _counts(account: Json) -> str:
    """The counts that are not nothing."""
    shown = {name: n for name, n in account.items() if isinstance(n, int) and n is not False}
    return ", ".join(f"{name} {n}" for name, n in shown.items() if n)
