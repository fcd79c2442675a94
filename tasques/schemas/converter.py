"""
JSON to wire model, strictly, with every fault named; and back.

cattrs does the walking, but none of its kindness is kept: it would take ``5`` for ``"5"`` and
``null`` for ``"None"``. Here a type is what it is in JSON, and a rule that is broken is a
:class:`~tasques.core.errors.Fault` with the path of the field and the rule's name:

======================  ==========================================================================
``required``            not there, ``null``, or an empty string where one character is needed
``string`` ``boolean``
``integer`` ``object``
``array``               another JSON type; ``1.0`` and ``1e3`` are not integers
``minimum`` ``maximum``  out of range
``maxLength`` ``maxItems``  too long
``duration`` ``time``   not in the notation of wire contract, section 2
``queueName`` ``taskId``  see :mod:`tasques.core.queues`
``scheduleExpression``  see :mod:`tasques.core.cron`
``position``            see :mod:`tasques.schemas.positions`
``enum``                none of the values that there are
``unknown``             a field that the model does not have, where that is not ignored
``json``                the body as a whole is not JSON
======================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar, get_args, get_origin

import attrs
import msgspec
from cattrs import BaseValidationError, ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from tasques.core import cron
from tasques.core.errors import Fault, InvalidInput
from tasques.core.json_object import JsonObject, JsonValue, NotJson, parse_json
from tasques.core.listing import Position
from tasques.core.queues import QueueName, TaskId, queue_name, task_id
from tasques.core.recurring import RecurringTaskId
from tasques.core.tasks import ClaimId
from tasques.core.values import Duration, Instant
from tasques.schemas.envelope import MAX_ITEMS, Items
from tasques.schemas.fields import About, about_of, is_required
from tasques.schemas.positions import parse_position, position_text
from tasques.schemas.queue_requests import CLOSED
from tasques.schemas.recurring_requests import ScheduleExpression

Model = TypeVar("Model")

#: An answer lists at most so many faults: a hostile body may hold millions.
MAX_FAULTS: Final = 1000
#: So many of them are repeated in the message.
_MENTIONED: Final = 20


def read(model: type[Model], body: bytes) -> Model:
    """
    The *model* that *body* holds; ``null`` is read as ``{}``, unless the model is closed.

    Raises:
        InvalidInput: With every fault of the body, each with its path.
    """
    if not body:
        raise _invalid([Fault("", "required", "a body is required, at least {}")])
    try:
        value = parse_json(body)
    except NotJson as error:
        raise _invalid([Fault("", "json", f"not valid JSON: {error}")]) from error
    return structure(model, {} if value is None and model not in CLOSED else value)


def structure(model: type[Model], value: JsonValue) -> Model:
    """
    The *model* that parsed JSON describes.

    Raises:
        InvalidInput: With every fault, each with its path.
    """
    try:
        return _CONVERTER.structure(value, model)
    except (BaseValidationError, InvalidInput) as error:
        raise _invalid(list(_faults(error, ""))) from error


def unstructure(value: object) -> Any:
    """
    A wire model as what :func:`encode` writes; fields that are None are left out.

    Durations and times come in the contract's notation, free-form objects as :class:`msgspec.Raw`.
    """
    return _CONVERTER.unstructure(value)


def encode(value: object) -> bytes:
    """
    What :func:`unstructure` gave, or plain dicts of the like, as one line of JSON.

    ``<``, ``>``, ``&``, U+2028 and U+2029 are escaped, as the original writes them: they can only
    stand inside strings, so replacing bytes is safe.
    """
    text = msgspec.json.encode(value)
    for plain, escaped in _ESCAPES:
        if plain in text:
            text = text.replace(plain, escaped)
    return text + b"\n"


_ESCAPES: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)

# ---------------------------------------------------------------------------------- faults


def _invalid(faults: list[Fault]) -> InvalidInput:
    """With a message that names each field and the rule it breaks."""
    described = "; ".join(f"{fault} ({fault.rule})" for fault in faults[:_MENTIONED])
    if len(faults) > _MENTIONED:
        described += f"; and {len(faults) - _MENTIONED} more"
    return InvalidInput(faults, described)


def _faults(error: BaseException, path: str) -> Iterator[Fault]:
    """The faults in what cattrs collected, each with the path from the top of the body."""
    if isinstance(error, ClassValidationError):
        with_notes, without = error.group_exceptions()
        for inner, note in with_notes:
            yield from _faults(inner, _joined(path, note.name))
        for inner in without:
            yield from _faults(inner, path)
    elif isinstance(error, InvalidInput):
        for fault in error.faults:
            yield attrs.evolve(fault, path=_joined(path, fault.path))
    elif isinstance(error, KeyError):
        yield Fault(path, "required", "is required")
    else:
        raise error


def _joined(path: str, step: str) -> str:
    return f"{path}.{step}" if path and step and not step.startswith("[") else path + step


def _refuse(rule: str, message: str) -> NoReturn:
    raise InvalidInput([Fault("", rule, message)])


def _refuse_type(value: object, rule: str, message: str) -> NoReturn:
    _refuse(*(("required", "is required") if value is None else (rule, message)))


# ----------------------------------------------------------------------------------- hooks

Hook = Callable[[Any, Any], Any]


def _typed(kind: type, rule: str, message: str) -> Hook:
    def hook(value: Any, _: object) -> Any:
        # Not isinstance: True would pass for 1.
        if type(value) is not kind:
            _refuse_type(value, rule, message)
        return value

    return hook


_string: Final = _typed(str, "string", "must be a string")
_integer: Final = _typed(int, "integer", "must be an integer")
_boolean: Final = _typed(bool, "boolean", "must be true or false")
_array: Final = _typed(list, "array", "must be an array")
_object: Final = _typed(dict, "object", "must be an object")


def _duration(value: Any, _: object) -> Duration:
    try:
        if type(value) is int:
            return Duration(value)
        if type(value) is str:
            return Duration.parse(value)
    except ValueError as error:
        _refuse("duration", str(error))
    _refuse_type(value, "duration", "must be a duration such as 1h30m, or integer nanoseconds")


def _instant(value: Any, _: object) -> Instant:
    if type(value) is not str:
        _refuse_type(value, "time", "must be a time such as 2020-01-31T23:59:59.5Z")
    try:
        return Instant.parse(value)
    except ValueError as error:
        _refuse("time", str(error))


def _json_object(value: Any, _: object) -> JsonObject:
    return JsonObject.from_parsed(_object(value, dict))


def _items(value: Any, _: object) -> Items:
    items = _array(value, list)
    if len(items) > MAX_ITEMS:
        _refuse("maxItems", f"must not have more than {MAX_ITEMS} items")
    return Items(tuple(items))


def _queue_name(value: Any, _: object) -> QueueName:
    name: QueueName = _named(queue_name, _string(value, str))
    return name


def _task_id(value: Any, _: object) -> TaskId | None:
    # The original's clients cannot leave a string out, so an empty one is none.
    return _named(task_id, value) if _string(value, str) else None


def _claim_id(value: Any, _: object) -> ClaimId:
    # As of the header: white space around it does not count.
    text = _string(value, str).strip()
    if not text:
        _refuse("required", "must not be empty")
    return ClaimId(text)


def _recurring_task_id(value: Any, _: object) -> RecurringTaskId:
    return RecurringTaskId(_named(task_id, _not_empty(value)))


def _schedule_expression(value: Any, _: object) -> ScheduleExpression:
    text = _not_empty(value)
    try:
        cron.parse(text)
    except cron.InvalidSchedule as error:
        _refuse("scheduleExpression", str(error))
    return ScheduleExpression(text)


def _position(value: Any, _: object) -> Position:
    try:
        return parse_position(_string(value, str))
    except InvalidInput:
        raise
    except ValueError as error:
        _refuse("position", str(error))


def _not_empty(value: Any) -> str:
    text: str = _string(value, str)
    if not text:
        _refuse("required", "must not be empty")
    return text


def _named(rule: Callable[[str], Any], text: str) -> Any:
    """Core's names for the place of a fault give way to the path in the body."""
    try:
        return rule(text)
    except InvalidInput as error:
        raise InvalidInput([attrs.evolve(fault, path="") for fault in error.faults]) from error


def _text(value: Any, kind: Any) -> str:
    # A hook serves the subclasses of its type too, and a StrEnum is one.
    is_enum = kind is not str and isinstance(kind, type) and issubclass(kind, StrEnum)
    text: str = _enum(value, kind) if is_enum else _string(value, str)
    return text


def _enum(value: Any, kind: Any) -> StrEnum:
    try:
        member: StrEnum = kind(_string(value, str))
    except InvalidInput:
        raise
    except ValueError:
        _refuse("enum", f"must be one of {', '.join(kind)}")
    return member


def _array_hook(array: Any, converter: Converter) -> Hook:
    item_type = get_args(array)[0]
    item_hook = converter.get_structure_hook(item_type)

    def hook(value: Any, _: object) -> tuple[object, ...]:
        items: list[object] = []
        faults: list[Fault] = []
        for index, item in enumerate(_array(value, list)):
            try:
                items.append(item_hook(item, item_type))
            except (InvalidInput, BaseValidationError) as error:
                faults.extend(_faults(error, f"[{index}]"))
                if len(faults) >= MAX_FAULTS:
                    break
        if faults:
            raise InvalidInput(faults[:MAX_FAULTS])
        return tuple(items)

    return hook


def _model_hook(model: type[Any], converter: Converter) -> Hook:
    attrs.resolve_types(model)
    bounded: Any = {
        attribute.name: override(struct_hook=_bounded(about_of(attribute), attribute, converter))
        for attribute in attrs.fields(model)
    }
    build: Hook = make_dict_structure_fn(model, converter, **bounded)

    def hook(value: Any, kind: Any) -> Any:
        return build(_object(value, dict), kind)

    return _closed(model, hook) if model in CLOSED else hook


def _closed(model: type[Any], structure: Hook) -> Hook:
    """*structure*, and every field that *model* does not have is a fault beside what it finds."""
    names = {attribute.name for attribute in attrs.fields(model)}

    def hook(value: Any, kind: Any) -> Any:
        unknown = (name for name in _object(value, dict) if name not in names)
        faults = [
            Fault(name, "unknown", "is not known here") for name in islice(unknown, MAX_FAULTS)
        ]
        try:
            structured = structure(value, kind)
        except BaseValidationError as error:
            faults += _faults(error, "")
        if faults:
            raise InvalidInput(faults[:MAX_FAULTS])
        return structured

    return hook


def _bounded(about: About, attribute: attrs.Attribute[Any], converter: Converter) -> Hook:
    """The hook of the field's type, and then the bounds that the field declares."""
    convert: Hook = converter.get_structure_hook(attribute.type)
    required = is_required(attribute)

    def hook(value: Any, kind: Any) -> Any:
        converted = convert(value, kind)
        if isinstance(converted, Duration):
            _check_range(about, converted.nanoseconds)
        elif type(converted) is int:
            _check_range(about, converted)
        elif isinstance(converted, str):
            _check_length(about, converted)
        elif converted is None and required:
            # An empty id is none, where it may be left out.
            _refuse("required", "must not be empty")
        return converted

    def present(value: Any, kind: Any) -> Any:
        converted = convert(value, kind)
        if converted is None:
            _refuse("required", "must not be empty")
        return converted

    if _has_bounds(about):
        return hook
    # What has no bounds need not be asked for its type.
    return present if required else convert


def _has_bounds(about: About) -> bool:
    bounds = about.minimum, about.maximum, about.min_length, about.max_length
    return any(bound is not None for bound in bounds)


def _check_range(about: About, number: int) -> None:
    if about.minimum is not None and number < about.minimum:
        _refuse("minimum", f"must not be less than {about.minimum}")
    if about.maximum is not None and number > about.maximum:
        _refuse("maximum", f"must not be more than {about.maximum}")


def _check_length(about: About, text: str) -> None:
    if about.min_length is not None and len(text) < about.min_length:
        _refuse("required", "must not be empty")
    if about.max_length is not None and len(text) > about.max_length:
        _refuse("maxLength", f"must not have more than {about.max_length} characters")


def _model_unhook(model: type[Any], converter: Converter) -> Callable[[Any], Any]:
    attrs.resolve_types(model)
    return make_dict_unstructure_fn(model, converter, _cattrs_omit_if_default=True)


def _is_model(kind: Any) -> bool:
    return (
        isinstance(kind, type) and kind.__module__.startswith(__package__ or "") and attrs.has(kind)
    )


def _is_array(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _strict_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook_factory(_is_model, _model_hook)
    converter.register_structure_hook_factory(_is_array, _array_hook)
    hooks: dict[Any, Hook] = {
        str: _text,
        int: _integer,
        bool: _boolean,
        Duration: _duration,
        Instant: _instant,
        JsonObject: _json_object,
        Items: _items,
        QueueName: _queue_name,
        TaskId: _task_id,
        ClaimId: _claim_id,
        RecurringTaskId: _recurring_task_id,
        ScheduleExpression: _schedule_expression,
        Position: _position,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_unstructure_hook_factory(_is_model, _model_unhook)
    converter.register_unstructure_hook(Duration, str)
    converter.register_unstructure_hook(Instant, str)
    converter.register_unstructure_hook(Position, position_text)
    converter.register_unstructure_hook(JsonObject, lambda value: msgspec.Raw(value.text.encode()))
    return converter


_CONVERTER: Final = _strict_converter()
