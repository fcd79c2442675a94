"""
What each source says about settings: file, environment, command line.

A source becomes a :class:`Layer`: values by dotted name, not read yet, and the sections it removes
from the layers below it. Removing comes before setting, so that an empty
``TASQUES_SERVER_LOGGING`` with ``TASQUES_SERVER_LOGGING_LEVEL=debug`` keeps only the level.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from tasques.core.errors import Fault
from tasques.settings.effective import SECTIONS, TABLE
from tasques.settings.files import File
from tasques.settings.table import ROOT, variable

#: By every name that is read, aliases included: the name in the table.
NAMES: Final[Mapping[str, str]] = {
    **{name: name for name in TABLE},
    **{row.alias: row.name for row in TABLE.values() if row.alias},
}

_FILE_SECTIONS: Final = frozenset(
    {"", "tasques", ROOT, *(f"{ROOT}.{section}" for section in SECTIONS if section)}
)

# What Kubernetes sets in every container for a service named tasques-server or tasques-server-x:
# TASQUES_SERVER_SERVICE_HOST, TASQUES_SERVER_PORT=tcp://10.0.0.1:8080 and so on. They mean nothing
# to us. A TASQUES_SERVER_PORT=8080 is somebody's mistake, and deserves its warning.
_KUBERNETES: Final = re.compile(
    r"\w+(?:_SERVICE_HOST|_SERVICE_PORT(?:_\w+)?|_PORT_\d+_[A-Z]+_(?:PROTO|PORT|ADDR))=.*"
    r"|\w+_PORT(?:_\d+_[A-Z]+)?=\w+://.*",
    re.DOTALL,
)


@attrs.frozen
class Given:
    """
    A value as its source has it.

    Attributes:
        value: A text, or what the file's format makes of it.
        source: Where it stands, for messages and for ``show config``.
    """

    value: object = attrs.field(repr=False)
    source: str


@attrs.define
class Layer:
    """
    One source.

    Attributes:
        values: By dotted name of the table.
        removed: Sections of which the layers below count no more.
        faults: What stops the start.
        warnings: What was odd.
    """

    values: dict[str, Given] = attrs.field(factory=dict)
    removed: list[str] = attrs.field(factory=list)
    faults: list[Fault] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)

    def put(self, name: str, given: Given) -> None:
        """Take a value by its name in the table, or by its alias if that name is not given."""
        if name in TABLE:
            self.values[name] = given
        else:
            self.values.setdefault(NAMES[name], given)


def from_file(file: File) -> Layer:
    """
    What a file says under ``tasques.server``; names count in any case, as in the original.

    Raises:
        InvalidInput: If the file is not in its format.
    """
    layer = Layer()
    source = f"file {file.name}"
    for path, value in _leaves(file.parse(), "", layer, source):
        name = path.removeprefix(f"{ROOT}.")
        if name == path or name not in NAMES:
            layer.warnings.append(f"{source}: {path} is not a setting{_suggestion(name)}; ignored")
        elif value is not None:  # null, or nothing after the colon, says nothing
            layer.put(name, Given(value, source))
    return layer


def _leaves(value: object, path: str, layer: Layer, source: str) -> Iterator[tuple[str, object]]:
    """Path and value of everything that is no section on the way to a setting."""
    if path not in _FILE_SECTIONS:
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}".lstrip(".").lower(), layer, source)
    elif value is not None:
        message = f"must be a section with settings in it ({source})"
        layer.faults.append(Fault(path.removeprefix(f"{ROOT}."), "section", message))


def from_environment(environ: Mapping[str, str]) -> Layer:
    """What variables beginning with ``TASQUES_SERVER`` say."""
    names = {variable(name): name for name in (*NAMES, *SECTIONS)}
    prefix = variable("")
    layer = Layer()
    for key in sorted(environ):
        if key in names:
            _say(layer, names[key], Given(environ[key], f"environment {key}"))
        elif key.startswith(f"{prefix}_") and not _KUBERNETES.fullmatch(f"{key}={environ[key]}"):
            layer.warnings.append(f"environment {key} is not the name of a setting; ignored")
    return layer


def from_overrides(overrides: Mapping[str, str]) -> Layer:
    """What the command line says: names of settings, with or without ``tasques.server.``."""
    layer = Layer()
    for key, value in overrides.items():
        name = key.lower().removeprefix(f"{ROOT}.")
        if name in NAMES or (name and name in SECTIONS):
            _say(layer, name, Given(value, "command line"))
        else:
            message = f"is not a setting{_suggestion(name)} (command line)"
            layer.faults.append(Fault(name, "unknown", message))
    return layer


def _say(layer: Layer, name: str, given: Given) -> None:
    """Set a value, or remove a section with an empty text."""
    if name in NAMES:
        layer.put(name, given)
    elif given.value == "":
        layer.removed.append(name)
    else:
        message = f"is a section; only an empty text, which removes it, can be set ({given.source})"
        layer.faults.append(Fault(name or ROOT, "section", message))


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
    return f" (did you mean {ROOT}.{close[0]}?)" if close else ""
