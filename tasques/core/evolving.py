"""
Changed copies of frozen values.

:func:`attrs.evolve` looks a class's fields up anew for each copy, which takes twice as long as making
the copy, and five copies of a task are made in its life. So the call is written out here once for
each class, as attrs itself writes ``__init__``: 3.4 µs in place of 6.1 for a task, a tenth of a whole
life in memory (explanation/hot-path.md).
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
    changes = ", ".join(f"{field.name}=_same" for field in fields)
    content = ", ".join(f"{n}=_old.{n} if {n} is _same else {n}" for n in (f.name for f in fields))
    # No field's name begins as these do: its alias would be another.
    return eval(f"lambda _old, *, {changes}: _kind({content})", {"_kind": kind, "_same": object()})
