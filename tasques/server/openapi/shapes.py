"""
Wire models and their fields as schemas of OpenAPI 3.0.

A field of a request that may be left out may also be ``null``, and a duration may also be an
integer; what an answer has no value for is absent. So bodies and answers have different shapes for
the same type, and :class:`Use` says which is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from types import NoneType
from typing import Any, Final, TypeAlias, get_args, get_origin

import attrs

from tasques.core.json_object import JsonObject
from tasques.core.values import Duration
from tasques.schemas.definitions import BODY_NAMES, DEFINITION_NAMES, READ
from tasques.schemas.fields import About, about_of, is_required
from tasques.schemas.queue_requests import CLOSED
from tasques.server.openapi.notations import NOTATIONS, Notation

#: A JSON Schema in OpenAPI's dialect, as what ``json.dumps`` takes.
Schema: TypeAlias = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"

_INT64: Final = 2**63


class Use(Enum):
    """Where a value travels."""

    BODY = auto()
    ANSWER = auto()
    #: In the path, the query or a header: text, whatever the type.
    PARAMETER = auto()


def components() -> dict[str, Schema]:
    """The schema of every wire model, by its name, in the order of the table of names."""
    return {name: model_schema(model) for model, name in DEFINITION_NAMES.items()}


def reference(model: type) -> Schema:
    """What stands for *model* wherever it is used."""
    return {"$ref": REFERENCE + DEFINITION_NAMES[model]}


def model_schema(model: type) -> Schema:
    """
    The schema of a wire model: an object, its properties in their order on the wire.

    Further properties are allowed, save in closed models: in bodies they are ignored, and answers
    may get more.
    """
    use = Use.BODY if model in READ else Use.ANSWER
    attrs.resolve_types(model)
    fields = attrs.fields(model)
    required = [field.name for field in fields if is_required(field)]
    schema: Schema = {"type": "object", "description": _summary(model)}
    if model in BODY_NAMES and model not in CLOSED and not required:
        # A body that is ``null`` is read as ``{}``.
        schema["nullable"] = True
    if required:
        schema["required"] = required
    schema["properties"] = {field.name: _field_schema(field, use) for field in fields}
    if model in CLOSED:
        schema["additionalProperties"] = False
    return schema


def value_schema(kind: Any, about: About, use: Use) -> Schema:
    """The schema of one value of type *kind*, with the bounds, the words and the example given."""
    schema = _with_bounds(_type_schema(_without_none(kind), about, use), about)
    if use is Use.BODY and _without_none(kind) is not kind:
        schema = _or_null(schema)
    if "$ref" in schema:
        # What stands beside a reference is not looked at.
        schema = {"allOf": [schema]}
    schema["description"] = about.description
    if about.example is not None:
        schema["example"] = about.example
    return schema


def _field_schema(field: attrs.Attribute[Any], use: Use) -> Schema:
    return value_schema(field.type, about_of(field), use)


def _summary(model: type) -> str:
    return (model.__doc__ or "").strip().partition("\n\n")[0]


def _type_schema(kind: Any, about: About, use: Use) -> Schema:
    if kind in NOTATIONS:
        return _written(kind, about, use)
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type_schema(get_args(kind)[0], About(""), use)}
    if kind is str:
        return {"type": "string"}
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        return {"type": "integer", "format": about.format or "int64"}
    if kind is JsonObject:
        return {"type": "object"}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [member.value for member in kind]}
    return reference(kind)


def _written(kind: Any, about: About, use: Use) -> Schema:
    notation = NOTATIONS[kind]
    unsigned = about.minimum == 0 and notation.unsigned_pattern is not None
    pattern = notation.unsigned_pattern if unsigned else notation.pattern
    text: Schema = {"type": "string", "format": notation.format, "pattern": pattern}
    text.update(_limits(notation, about, use))
    if kind is not Duration or use is not Use.BODY:
        return text
    nanoseconds: Schema = {
        "type": "integer",
        "format": "int64",
        "description": "Nanoseconds.",
        "minimum": -_INT64 if about.minimum is None else about.minimum,
        "maximum": _INT64 - 1 if about.maximum is None else about.maximum,
    }
    return {"oneOf": [text, nanoseconds]}


def _limits(notation: Notation, about: About, use: Use) -> Iterator[tuple[str, int]]:
    shortest = 1 if use is Use.PARAMETER else about.min_length
    if shortest:
        yield "minLength", shortest
    if notation.max_length:
        yield "maxLength", notation.max_length


def _with_bounds(schema: Schema, about: About) -> Schema:
    kind = schema.get("type")
    bounds: dict[str, int | None] = {}
    if kind == "integer":
        bounds = {"minimum": about.minimum, "maximum": about.maximum}
    elif kind == "string":
        bounds = {"minLength": about.min_length, "maxLength": about.max_length}
    elif kind == "array":
        bounds = {"minItems": about.min_length, "maxItems": about.max_length}
    return schema | {name: bound for name, bound in bounds.items() if bound is not None}


def _or_null(schema: Schema) -> Schema:
    """
    *schema*, for null too.

    OpenAPI 3.0 wants that said next to a type: beside an alternative or a reference it would have no
    effect. And of a type that lists its values null has to be one.
    """
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "object", "nullable": True, "enum": [None]}]}
    if "oneOf" in schema:
        first, *others = schema["oneOf"]
        return {**schema, "oneOf": [_or_null(first), *others]}
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "nullable": True}


def _without_none(kind: Any) -> Any:
    """*kind*, or ``X`` where it is ``X | None``."""
    if NoneType not in get_args(kind):
        return kind
    (inner,) = (each for each in get_args(kind) if each is not NoneType)
    return inner
