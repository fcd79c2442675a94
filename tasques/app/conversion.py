"""
Values of Python as JSON and back, by their declared types; strict, so that tests fail where production
would.

cattrs does the walking: attrs classes, dataclasses, enums, dates, Optional, unions it can tell apart,
containers of these. Kindness is left out: ``5`` is no ``str``, ``"5"`` no ``int``, ``1`` no ``bool``. What
is declared as ``object`` or ``Any``, or not at all, must be JSON as it is, and comes back as JSON has it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final, NoReturn
from uuid import UUID

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import CattrsError
from cattrs.preconf.json import make_converter

from tasques.core.errors import Fault, InvalidInput
from tasques.core.json_object import JsonObject

Hook = Callable[[Any, Any], Any]


def dump(value: object, declared: Any, name: str) -> Any:
    """
    *value*, which is of the type *declared*, as JSON has it.

    Raises:
        InvalidInput: If it is not of that type, or JSON cannot say it; faults begin with *name*.
    """
    try:
        plain = converter().unstructure(value, unstructure_as=declared)
        # One way to find out whether it will be readable: the way a worker reads it.
        converter().structure(plain, declared)
        JsonObject.of({name: plain})
    except _TROUBLE as error:
        raise _invalid(error, name) from error
    return plain


def load(plain: object, declared: Any, name: str) -> Any:
    """
    What :func:`dump` made *plain* of.

    Raises:
        InvalidInput: If it is nothing of the type *declared*.
    """
    try:
        return converter().structure(plain, declared)
    except _TROUBLE as error:
        raise _invalid(error, name) from error


#: What cattrs, and the constructors of other people's classes, raise.
_TROUBLE: Final = (
    BaseValidationError,
    CattrsError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


def _invalid(error: Exception, name: str) -> InvalidInput:
    if isinstance(error, BaseValidationError):
        told = transform_error(error, path=name, format_exception=_told)
        faults = []
        for each in told:
            message, _, path = each.rpartition(" @ ")
            faults.append(Fault(path or name, "type", message or each))
        return InvalidInput(faults)
    return InvalidInput([Fault(name, "type", _told(error, None))])


def _told(error: BaseException, kind: type | None) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) or type(error).__name__


# ----------------------------------------------------------------------------------- hooks


def _exactly(*kinds: type) -> Hook:
    def hook(value: Any, declared: Any) -> Any:
        # Not isinstance: True would pass for 1.
        if type(value) not in kinds:
            _refuse(value, declared)
        return value

    return hook


def _refuse(value: object, declared: Any) -> NoReturn:
    raise ValueError(f"{type(value).__name__} is not {getattr(declared, '__name__', declared)}")


def _float(value: Any, declared: Any) -> float:
    if type(value) not in (int, float):
        _refuse(value, declared)
    return float(value)


def _decimal(value: Any, declared: Any) -> Decimal:
    try:
        return Decimal(_exactly(str)(value, declared))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a decimal number") from error


def _seconds(value: Any, declared: Any) -> timedelta:
    return timedelta(seconds=_float(value, declared))


def _is_opaque(declared: Any) -> bool:
    return declared in (object, Any)


@cache
def converter() -> Converter:
    """The converter of all tasks, made once; hooks for types of one's own are registered on it."""
    made = make_converter(detailed_validation=True)
    for kind in (str, int, bool, type(None)):
        made.register_structure_hook(kind, _exactly(kind))
    made.register_structure_hook(float, _float)
    made.register_unstructure_hook(Decimal, str)
    made.register_unstructure_hook(UUID, str)
    made.register_structure_hook(Decimal, _decimal)
    made.register_structure_hook(UUID, lambda value, declared: UUID(_exactly(str)(value, declared)))
    made.register_unstructure_hook(timedelta, lambda value: value.total_seconds())
    made.register_structure_hook(timedelta, _seconds)
    made.register_unstructure_hook_func(_is_opaque, lambda value: value)
    made.register_structure_hook_func(_is_opaque, lambda value, declared: value)
    return made
