"""
Reading what a request brings in its query.

Parameters that a route does not have are not looked at, and of one that comes several times the last
counts, save ``state``. What is there is read strictly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import attrs
import falcon

from tasques.core.errors import Fault, InvalidInput
from tasques.core.listing import ListOrder, Position, TaskFilter, TaskQuery
from tasques.core.operations import MAX_PAGE
from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.recurring_service import MAX_PREVIEW
from tasques.core.tasks import State
from tasques.core.values import ZERO, Duration, Instant
from tasques.schemas.positions import parse_position
from tasques.server.routes import LISTED, PREVIEWED

Value = TypeVar("Value")

#: Reads the text of a parameter; raises :class:`_Broken` if it does not have that form.
Parse: TypeAlias = Callable[[str], Value]

#: Of at most so many digits that it is read at once, however many are sent.
_INTEGER: Final = re.compile("-?(0|[1-9][0-9]{0,18})", re.ASCII)


@attrs.frozen
class _Broken(Exception):
    """A text that breaks *rule*."""

    rule: str
    message: str


def run_in(request: falcon.Request) -> Duration | None:
    """
    How long a task that is given back is to rest, if that is said.

    Raises:
        InvalidInput: If it is not a duration, or negative.
    """
    return _read(request, "run_in", _rest)


def archived(request: falcon.Request) -> bool:
    """
    Whether the archive is to be looked into; false if that is not said.

    Raises:
        InvalidInput: If it is neither ``true`` nor ``false``.
    """
    return _read(request, "archived", _boolean) or False


def count(request: falcon.Request) -> int:
    """
    How many slots are to be previewed.

    Raises:
        InvalidInput: If it is no number that is allowed.
    """
    found = _read(request, "count", _number_up_to(MAX_PREVIEW))
    return PREVIEWED if found is None else found


@attrs.frozen(kw_only=True)
class Listing:
    """Which tasks an operator wants to see, and whether those of the archive."""

    query: TaskQuery
    archived: bool


def listing(request: falcon.Request, queue: QueueName) -> Listing:
    """
    Which tasks of *queue* are to be listed.

    Raises:
        InvalidInput: With every fault of the query, each with the name of its parameter.
    """
    faults: list[Fault] = []

    def read(name: str, parse: Parse[Value]) -> Value | None:
        try:
            return _read(request, name, parse)
        except InvalidInput as error:
            faults.extend(error.faults)
            return None

    states = _states(request, faults)
    kind, worker = read("kind", _text), read("worker", _text)
    created_from, created_before = read("created_from", _time), read("created_before", _time)
    order, limit = read("order", _order), read("limit", _number_up_to(MAX_PAGE))
    after, is_archived = read("after", _position), read("archived", _boolean)
    if faults:
        raise InvalidInput(faults)
    meant = TaskFilter(
        queue=queue,
        states=states,
        kind=kind,
        worker=None if worker is None else WorkerId(worker),
        created_from=created_from,
        created_before=created_before,
    )
    asked = TaskQuery(
        filter=meant, order=order or ListOrder.NEWEST, after=after, limit=limit or LISTED
    )
    return Listing(query=asked, archived=is_archived or False)


def _read(request: falcon.Request, name: str, parse: Parse[Value]) -> Value | None:
    """The parameter *name*, if it was sent."""
    text = request.get_param(name)
    try:
        return None if text is None else parse(text)
    except _Broken as error:
        raise InvalidInput([Fault(name, error.rule, error.message)]) from error


def _states(request: falcon.Request, faults: list[Fault]) -> frozenset[State]:
    """Each ``state`` that was sent; what none is called goes to *faults*, once."""
    sent = set(request.get_param_as_list("state") or ())
    if sent - set(State):
        faults.append(Fault("state", "enum", f"must be one of {', '.join(State)}"))
    return frozenset(state for state in State if state in sent)


def _rest(text: str) -> Duration:
    try:
        rest = Duration.parse(text)
    except ValueError as error:
        raise _Broken("duration", str(error)) from error
    if rest < ZERO:
        raise _Broken("minimum", "must not be negative")
    return rest


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise _Broken("boolean", "must be true or false")
    return text == "true"


def _number_up_to(maximum: int) -> Parse[int]:
    def parse(text: str) -> int:
        if _INTEGER.fullmatch(text) is None:
            raise _Broken("integer", "must be an integer")
        number = int(text)
        if number < 1:
            raise _Broken("minimum", "must not be less than 1")
        if number > maximum:
            raise _Broken("maximum", f"must not be more than {maximum}")
        return number

    return parse


def _text(text: str) -> str:
    if not text:
        raise _Broken("required", "must not be empty")
    return text


def _time(text: str) -> Instant:
    try:
        return Instant.parse(text)
    except ValueError as error:
        raise _Broken("time", str(error)) from error


def _order(text: str) -> ListOrder:
    try:
        return ListOrder(text)
    except ValueError as error:
        raise _Broken("enum", f"must be one of {', '.join(ListOrder)}") from error


def _position(text: str) -> Position:
    try:
        return parse_position(text)
    except ValueError as error:
        raise _Broken("position", str(error)) from error
