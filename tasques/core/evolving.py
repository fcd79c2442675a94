"""
Changed copies of frozen values.

:func:`attrs.evolve` looks a class's fields up anew for each copy, which takes twice as long as making
the copy, and ten copies of a task and its parts are made in its life. So the copying is written out
here once for each class, as attrs itself writes ``__init__``: 6.1 µs for a task become 3.4.

Most of what is left is the price of being frozen: ``__init__`` cannot assign, and has to call
``object.__setattr__`` for each field. So where nothing but assigning is to be done, a copy is filled
as an instance of a class with the same slots that is not frozen, and made one of the frozen class when
it is complete: 2.5 µs become 1.0 for a task (explanation/hot-path.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    # So that mypy checks the names and types of what is changed.
    from attrs import evolve as evolve  # noqa: PLC0414 - exports it
else:

    def evolve(value, /, **changes):
        """A copy of *value*, an instance of a frozen attrs class, with *changes* by field."""
        kind = type(value)
        copy = _COPIES.get(kind)
        if copy is None:
            copy = _COPIES[kind] = _copying(kind)
        return copy(value, **changes)


#: By class: a function that copies its instances.
_COPIES: Final[dict[type, Any]] = {}


def _copying(kind: type[Any]) -> Any:
    fields = attrs.fields(kind)
    if any(field.alias != field.name or not field.init for field in fields):
        raise TypeError(f"{kind.__name__} is not made of its fields alone")
    # No field's name begins as these do: its alias would be another.
    names: dict[str, Any] = {"_kind": kind, "_same": object()}
    changes = ", ".join(f"{field.name}=_same" for field in fields)
    values = {n: f"_old.{n} if {n} is _same else {n}" for n in (f.name for f in fields)}
    draft = _draft(kind)
    if draft is None:
        content = ", ".join(f"{name}={value}" for name, value in values.items())
        return eval(f"lambda _old, *, {changes}: _kind({content})", names)
    names |= {"_draft": draft, "_new": object.__new__}
    assignments = "".join(f"    _copy.{name} = {value}\n" for name, value in values.items())
    exec(
        f"def copy(_old, *, {changes}):\n    _copy = _new(_draft)\n{assignments}"
        "    _copy.__class__ = _kind\n    return _copy\n",
        names,
    )
    return names["copy"]


def _draft(kind: type[Any]) -> type[Any] | None:
    """
    A class whose instances can become ones of *kind*; None if *kind* itself has to make them.

    That is where it has rules to check, and where it has more slots than fields: CPython lets nothing
    become an instance of a class that can be referred to weakly (``weakref_slot=False``).
    """
    fields = attrs.fields(kind)
    slots = tuple(field.name for field in fields)
    is_plain = kind.__bases__ == (object,) and kind.__dict__.get("__slots__") == slots
    if not is_plain or any(field.validator or field.converter for field in fields):
        return None
    if any(hasattr(kind, f"__attrs_{when}_init__") for when in ("pre", "post")):
        return None
    return type(kind.__name__, (), {"__slots__": slots})
