"""The parameters of a task's function: arguments of a call to a JSON object, and back."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from tasques.app import conversion
from tasques.app.context import Context
from tasques.core.errors import Fault, InvalidInput
from tasques.core.json_object import JsonObject

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@attrs.frozen
class Parameters:
    """
    What the function of a task takes, and what it returns.

    Attributes:
        types: By name; ``object`` where nothing is declared.
        returned: What it returns, or what awaiting it gives.
    """

    signature: inspect.Signature
    types: Mapping[str, Any]
    returned: Any

    @classmethod
    def of(cls, function: Callable[..., object], *, pass_context: bool) -> Parameters:
        """
        Those of *function*, without the leading context.

        Raises:
            TypeError: If it takes what has no name in a JSON object: ``*args``, ``**kwargs``, what is
                positional only; or no context where one is to be passed.
        """
        signature = inspect.signature(function)
        declared = _hints(function)
        parameters = list(signature.parameters.values())
        if pass_context:
            if not parameters:
                raise TypeError(f"{function.__qualname__} takes no context")
            parameters = parameters[1:]
        elif parameters and declared.get(parameters[0].name) is Context:
            raise TypeError(f"{function.__qualname__} takes a context: say pass_context=True")
        for parameter in parameters:
            if parameter.kind not in _NAMED:
                raise TypeError(
                    f"{function.__qualname__}: the arguments of a task have names, [{parameter}] has none"
                )
        return cls(
            signature=signature.replace(parameters=parameters),
            types={each.name: declared.get(each.name, object) for each in parameters},
            returned=declared.get("return", object),
        )

    def dump(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """
        The arguments of a call as JSON has them; defaults are left to the worker.

        Raises:
            TypeError: As the call itself would: one too many, or missing.
            InvalidInput: With every argument that is not of its type.
        """
        bound = self.signature.bind(*args, **kwargs).arguments
        return _each(bound, lambda name, value: conversion.dump(value, self.types[name], name))

    def load(self, stored: JsonObject | None) -> dict[str, Any]:
        """
        The arguments for a call, from what a task has.

        Raises:
            InvalidInput: With every argument that is missing, unknown, or not of its type.
        """
        given = {} if stored is None else stored.value()
        faults = [Fault(name, "unknown", "is not known here") for name in given.keys() - self.types]
        for name, parameter in self.signature.parameters.items():
            if name not in given and parameter.default is inspect.Parameter.empty:
                faults.append(Fault(name, "required", "is required"))
        if faults:
            raise InvalidInput(sorted(faults, key=lambda fault: fault.path))
        return _each(given, lambda name, plain: conversion.load(plain, self.types[name], name))


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    return typing.get_type_hints(inspect.unwrap(function))


def _each(given: Mapping[str, Any], convert: Callable[[str, Any], object]) -> dict[str, object]:
    converted: dict[str, object] = {}
    faults: list[Fault] = []
    for name, value in given.items():
        try:
            converted[name] = convert(name, value)
        except InvalidInput as error:
            faults += error.faults
    if faults:
        raise InvalidInput(faults)
    return converted
