"""
Documents as JSON texts, and back.

The texts hold the core's own values: instants and durations as integers of nanoseconds, free-form
objects as the texts that they are. What is needed to find a document stands in columns besides; only
the text is read back.
"""

from __future__ import annotations

import json
from typing import Final, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from tasques.core.documents import Document, Version
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tasques.core.values import Duration, Instant

T = TypeVar("T")


class Undecodable(ValueError):
    """The text is no document of the kind; the message says why."""


def encode(document: Document) -> str:
    """*document* as a text in ASCII."""
    return json.dumps(_CONVERTER.unstructure(document), separators=(",", ":"))


def decode(text: object, kind: type[T]) -> T:
    """
    The document that *text* holds.

    Raises:
        Undecodable: If it is none of that kind.
    """
    if not isinstance(text, str):
        raise Undecodable("the column holds no text")
    try:
        return _CONVERTER.structure(json.loads(text), kind)
    except json.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error}") from error
    except Exception as error:
        raise Undecodable("; ".join(cattrs.transform_error(error))) from error


def _strictly(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise ValueError(f"must be a {kind.__name__}")
    return value


def _made() -> cattrs.Converter:
    converter = cattrs.Converter()
    # cattrs would make a text of a number, and the other way round. Not for what is derived of them.
    converter.register_structure_hook_func(lambda kind: kind in (int, str, bool), _strictly)
    for time in (Instant, Duration):
        converter.register_unstructure_hook(time, lambda value: value.nanoseconds)
        converter.register_structure_hook(time, lambda value, kind: kind(_integer(value)))
    converter.register_unstructure_hook(JsonObject, lambda value: value.text)
    converter.register_structure_hook(JsonObject, _json_object)
    converter.register_unstructure_hook(Version, lambda v: [v.primary_term, v.seq_no])
    converter.register_structure_hook(Version, lambda value, _: Version(*map(_integer, value)))
    converter.register_unstructure_hook(TaskKey, lambda key: {"queue": key.queue, "id": key.id})
    converter.register_structure_hook(TaskKey, _task_key)
    converter.register_unstructure_hook_factory(
        attrs.has,
        # What is not there is not written: most tasks lack most of what they could have.
        lambda kind: make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True),
    )
    converter.register_structure_hook_factory(
        attrs.has,
        lambda kind: make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=False),
    )
    return converter


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError("must be an integer")
    return value


def _task_key(value: object, _: object) -> TaskKey:
    match value:
        case {"queue": str(queue), "id": str(id)}:
            return TaskKey(QueueName(queue), TaskId(id))
    raise ValueError("must name a queue and an id")


def _json_object(value: object, _: object) -> JsonObject:
    if not isinstance(value, str) or not value.startswith("{"):
        raise ValueError("must be the text of a JSON object")
    return JsonObject(value)


_CONVERTER: Final = _made()
