"""
How a row of the table of settings is written, and the table read back from the groups.

A setting is a field of a frozen group, made by :func:`setting`; a group inside a group is made by
:func:`group`. So the table, the typed access and the reference page are the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import Kind

T = TypeVar("T", bound=attrs.AttrsInstance)

#: Where all settings live in the file, and what every variable begins with.
ROOT: Final = "tasques.server"

_ROW: Final = "tasques.setting"
_GROUP: Final = "tasques.group"


@attrs.frozen(kw_only=True)
class Setting:
    """
    One row of the table.

    Attributes:
        name: Dotted, without ``tasques.server.``: ``tasks.defaults.retry_times``.
        kind: What its value may be.
        default: The value where nothing is said; None: not set.
        meaning: What it is for, in sentences.
        unit: Of a number; empty for kinds that carry their own.
        minimum: Less than this stops the start.
        maximum: More than this stops the start.
        too_small: What one notices when it is small but allowed, or wrong.
        too_large: What one notices when it is large.
        is_ours: Whether the original does not know it.
        alias: Another name it is read by.
        without_effect: Why it is accepted and does nothing; empty where it does something.
    """

    name: str
    kind: Kind[Any]
    default: object
    meaning: str
    unit: str = ""
    minimum: int | Duration | None = None
    maximum: int | Duration | None = None
    too_small: str = ""
    too_large: str = ""
    is_ours: bool = False
    alias: str = ""
    without_effect: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return variable(self.name)

    def read(self, value: object) -> object:
        """
        The value for *value* as a text or as a file has it.

        Raises:
            ValueError: If it is malformed or out of bounds; says what it must be.
        """
        read = self.kind.read(value)
        if self.minimum is not None and read < self.minimum:
            raise ValueError(f"must be at least {self.minimum}, not {read}")
        if self.maximum is not None and read > self.maximum:
            raise ValueError(f"must be at most {self.maximum}, not {read}")
        return read


def variable(name: str) -> str:
    """The environment variable for a dotted name: its path in capitals, with ``_`` between."""
    path = f"{ROOT}.{name}" if name else ROOT
    return path.upper().replace(".", "_").replace("-", "_")


def setting(kind: Kind[Any], default: object, meaning: str, **more: Any) -> Any:
    """
    Declare a setting as a field of a group.

    Args:
        kind: What its value may be.
        default: As a text or a value of *kind*; None: not set.
        meaning: What it is for.
        more: Further columns of :class:`Setting`; a bound may be a duration's text.
    """
    value = None if default is None else kind.read(default)
    for bound in {"minimum", "maximum"} & more.keys():
        more[bound] = kind.read(more[bound])
    row = Setting(name="", kind=kind, default=value, meaning=meaning, **more)
    return attrs.field(default=value, metadata={_ROW: row}, repr=not kind.hides)


def group(cls: type[T]) -> T:
    """Declare a group of settings as a field of another group."""
    made: T = attrs.field(factory=cls, metadata={_GROUP: cls})
    return made


def rows(cls: type[attrs.AttrsInstance], prefix: str = "") -> Iterator[Setting]:
    """Every setting of a group, those of its groups included, in the order of writing."""
    for field in attrs.fields(cls):
        name = f"{prefix}{field.name}"
        if _GROUP in field.metadata:
            yield from rows(field.metadata[_GROUP], f"{name}.")
        elif _ROW in field.metadata:
            yield attrs.evolve(field.metadata[_ROW], name=name)


def sections(cls: type[attrs.AttrsInstance], prefix: str = "") -> Iterator[str]:
    """The dotted names of all groups inside a group, outer ones first."""
    for field in attrs.fields(cls):
        if _GROUP in field.metadata:
            yield f"{prefix}{field.name}"
            yield from sections(field.metadata[_GROUP], f"{prefix}{field.name}.")


def build(cls: type[T], values: Mapping[str, object], prefix: str = "", **more: object) -> T:
    """
    A group of *values* by dotted name; what is not among them has its default.

    Args:
        cls: The group.
        values: Already read.
        prefix: Of the names that belong to this group.
        more: Fields that are no settings.
    """
    given = dict(more)
    for field in attrs.fields(cls):
        name = f"{prefix}{field.name}"
        if _GROUP in field.metadata:
            given[field.name] = build(field.metadata[_GROUP], values, f"{name}.")
        elif name in values:
            given[field.name] = values[name]
    return cls(**given)


def flatten(group: attrs.AttrsInstance, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings of a built group as pairs of dotted name and value."""
    for field in attrs.fields(type(group)):
        value = getattr(group, field.name)
        if _GROUP in field.metadata:
            yield from flatten(value, f"{prefix}{field.name}.")
        elif _ROW in field.metadata:
            yield f"{prefix}{field.name}", value
