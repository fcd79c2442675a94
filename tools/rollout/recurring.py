"""Recurring tasks of a run: made on one kind of server, read, changed and deleted on the other."""

import enum
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.accounting.ledger import instant
from tools.elasticsearch_node import call
from tools.rollout.audit import Discrepancy, Fault
from tools.rollout.fleet import Fleet, Server
from tools.rollout.ledger import Kind
from tools.rollout.plan import SLOT_TIMEOUT_SECONDS, Scheme
from tools.rollout.slots import Definition

_PATH = "/recurring_tasques"
#: The leader may take up a change between the looks at two servers.
_LOOKS = 20
_LOOK_EVERY_SECONDS = 0.25
#: What an original's answer has; what ours says besides is left out of comparisons.
_FIELDS = (
    "id",
    "schedule_expression",
    "skip_if_outstanding_tasks_exist",
    "task_definition",
    "loaded_at",
    "metadata",
)


class Change(enum.Enum):
    """What is done to a recurring task."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Act:
    """
    A change, and when it is made.

    Attributes:
        phase: The index of the phase.
        at: When in it, as a part of its length.
        name: Of the recurring task, within the run.
        kind: Of the server that is asked.
        every_seconds: The new period; None for a schedule that does not come within the run.
    """

    phase: int
    at: float
    change: Change
    name: str
    kind: Kind
    every_seconds: int | None = None


_GO, _OURS = Kind.ORIGINAL, Kind.OURS


def _act(
    when: tuple[int, float], change: Change, name: str, kind: Kind, every: int | None = None
) -> Act:
    phase, at = when
    return Act(phase=phase, at=at, change=change, name=name, kind=kind, every_seconds=every)


#: In the order in which they are made; each change is followed by a look on every live server.
ACTS: Sequence[Act] = (
    _act((0, 0.1), Change.CREATE, "stays", _GO, 2),
    _act((0, 0.1), Change.CREATE, "goes", _GO, 3),
    _act((0, 0.1), Change.CREATE, "deleted-early", _GO, 3),
    _act((1, 0.2), Change.UPDATE, "goes", _OURS, 2),
    _act((1, 0.2), Change.CREATE, "of-ours", _OURS, 2),
    _act((1, 0.6), Change.DELETE, "deleted-early", _OURS),
    _act((2, 0.3), Change.CREATE, "of-ours-alone", _OURS, 3),
    _act((2, 0.5), Change.UPDATE, "stays", _OURS, 3),
    _act((3, 0.2), Change.UPDATE, "of-ours", _GO, 3),
    _act((3, 0.2), Change.CREATE, "yearly", _OURS),
    _act((3, 0.4), Change.UPDATE, "yearly", _GO),
    _act((3, 0.5), Change.DELETE, "goes", _GO),
    _act((4, 0.2), Change.UPDATE, "of-ours-alone", _GO, 2),
    _act((4, 0.8), Change.DELETE, "stays", _GO),
    _act((4, 0.8), Change.DELETE, "of-ours", _GO),
    _act((4, 0.8), Change.DELETE, "of-ours-alone", _GO),
)


def ids(scheme: Scheme) -> list[str]:
    """Of all recurring tasks of a run."""
    return sorted({_id(scheme, act.name) for act in ACTS})


def _id(scheme: Scheme, name: str) -> str:
    return f"rollout-{scheme.run}-{name}"


@dataclass(kw_only=True)
class _Known:
    """What a recurring task is to be."""

    created_at: int
    expression: str
    every_seconds: int | None
    since: int


class Recurring:
    """
    Makes the changes, and looks at what becomes of them.

    Attributes:
        discrepancies: What was refused, or is not the same on all live servers.
        changes: How many were made.
        looks: How many looks on two servers at once found the same.
        definitions: What the recurring tasks were, and when.
    """

    def __init__(self, scheme: Scheme, fleet: Fleet) -> None:
        self._scheme = scheme
        self._fleet = fleet
        self._left = list(ACTS)
        self._known: dict[str, _Known] = {}
        self._deleted: set[str] = set()
        self.discrepancies: list[Discrepancy] = []
        self.definitions: list[Definition] = []
        self.changes = 0
        self.looks = 0

    def advance(self, phase: int, at: float) -> None:
        """Make the changes whose time has come."""
        while self._left and (self._left[0].phase, self._left[0].at) <= (phase, at):
            self._make(self._left.pop(0))

    def close(self) -> None:
        """Note that what is left stays as it is."""
        for id in self._known:
            self._define(id)

    def _make(self, act: Act) -> None:
        id = _id(self._scheme, act.name)
        server = next((it for it in self._fleet.live if it.kind is act.kind), None)
        if server is None:
            self._wrong(id, f"no server to {act.change.value} it on")
            return
        status, answer = self._sent(server, act, id)
        self.changes += 1
        if status not in {200, 201}:
            self._wrong(
                id, f"{act.change.value} was answered {status} by {act.kind.value}: {answer}"
            )
            return
        self._note(act, id, answer)
        self.look(self._fleet.live, id)

    def _sent(self, server: Server, act: Act, id: str) -> tuple[int, Any]:
        """The answer to the change; the original gives up after a lost race or two."""
        for _ in range(_LOOKS):
            if act.change is Change.CREATE:
                status, answer = call(server.url, "POST", _PATH, self._body(act, id))
            elif act.change is Change.UPDATE:
                body = {"schedule_expression": _expression(act.every_seconds)}
                status, answer = call(server.url, "PUT", f"{_PATH}/{id}", body)
            else:
                status, answer = call(server.url, "DELETE", f"{_PATH}/{id}")
            if status != 409:
                break
            time.sleep(_LOOK_EVERY_SECONDS)
        return status, answer

    def _body(self, act: Act, id: str) -> Mapping[str, Any]:
        return {
            "id": id,
            "schedule_expression": _expression(act.every_seconds),
            "task_definition": {
                "queue": self._scheme.slots_queue,
                "kind": "slot",
                "retry_times": 3,
                "priority": 5,
                "processing_timeout": f"{SLOT_TIMEOUT_SECONDS}s",
                "args": {"run": self._scheme.run, "number": -1},
            },
        }

    def _note(self, act: Act, id: str, answer: Mapping[str, Any]) -> None:
        now = time.time_ns()
        if act.change is not Change.CREATE:
            self._define(id)
        if act.change is Change.DELETE:
            del self._known[id]
            self._deleted.add(id)
            return
        self._known[id] = _Known(
            created_at=instant(answer["metadata"]["created_at"]),
            expression=_expression(act.every_seconds),
            every_seconds=act.every_seconds,
            since=now,
        )

    def _define(self, id: str) -> None:
        """Note what it was until now."""
        known = self._known[id]
        if known.every_seconds is not None:
            self.definitions.append(
                Definition(
                    id=id,
                    created_at=known.created_at,
                    every_seconds=known.every_seconds,
                    began=known.since,
                    ended=time.time_ns(),
                )
            )

    # ------------------------------------------------------------------------- looks

    def look(self, servers: Sequence[Server], id: str) -> None:
        """See that every one of these servers says the same of it, and what it is to be."""
        self._see(id, lambda: list(self._differences(servers, id)), len(servers))

    def look_at_lists(self, servers: Sequence[Server]) -> None:
        """See that every one of these servers lists the same, and what there is to be."""
        self._see("the list", lambda: list(self._list_differences(servers)), len(servers))

    def look_at_all(self, servers: Sequence[Server]) -> None:
        """See everything that there was."""
        for id in sorted({*self._known, *self._deleted}):
            self.look(servers, id)
        self.look_at_lists(servers)

    def _see(self, subject: str, differences: Callable[[], list[str]], servers: int) -> None:
        found: list[str] = []
        for _ in range(_LOOKS):
            found = differences()
            if not found:
                self.looks += servers > 1
                return
            time.sleep(_LOOK_EVERY_SECONDS)
        for text in found:
            self._wrong(subject, text)

    def _differences(self, servers: Sequence[Server], id: str) -> Iterator[str]:
        answers = [call(server.url, "GET", f"{_PATH}/{id}") for server in servers]
        known = self._known.get(id)
        for server, (status, answer) in zip(servers, answers, strict=True):
            if status != (404 if known is None else 200):
                yield f"is answered {status} by {server.kind.value}"
            elif known is not None and answer["schedule_expression"] != known.expression:
                yield f"is {answer['schedule_expression']} on {server.kind.value}"
        if known is not None and any(_shown(it) != _shown(answers[0][1]) for _, it in answers):
            yield f"differs: {[it for _, it in answers]}"

    def _list_differences(self, servers: Sequence[Server]) -> Iterator[str]:
        answers = [call(server.url, "GET", _PATH) for server in servers]
        if any(status != 200 for status, _ in answers):
            yield f"is answered {[status for status, _ in answers]}"
            return
        lists = [[_shown(it) for it in answer] for _, answer in answers]
        for server, listed in zip(servers, lists, strict=True):
            if [it["id"] for it in listed] != sorted(self._known):
                yield f"has {[it['id'] for it in listed]} on {server.kind.value}"
        if any(listed != lists[0] for listed in lists):
            yield f"differs: {lists}"

    def _wrong(self, id: str, text: str) -> None:
        self.discrepancies.append(Discrepancy(fault=Fault.RECURRING, subject=id, text=text))


def _expression(every_seconds: int | None) -> str:
    return "0 0 1 1 *" if every_seconds is None else f"@every {every_seconds}s"


def _shown(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an original knows of it."""
    return {field: answer[field] for field in _FIELDS if field in answer}
