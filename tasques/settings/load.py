"""
From the sources to the effective settings.

Command line over environment over file over default. Nothing here reads the world: texts and
mappings come in, :class:`~tasques.settings.effective.Settings` goes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from tasques.core.errors import Fault, InvalidInput
from tasques.settings.effective import TABLE, Settings
from tasques.settings.files import File
from tasques.settings.layers import Given, Layer, from_environment, from_file, from_overrides
from tasques.settings.rules import broken
from tasques.settings.table import build

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

#: What ``logging.level`` may be, from the most to the least that is written.
LEVELS: Final = ("trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled")


def load(
    file: File | None = None,
    environ: Mapping[str, str] = _NOTHING,
    overrides: Mapping[str, str] = _NOTHING,
) -> Settings:
    """
    The effective settings.

    Args:
        file: The configuration file, if there is one.
        environ: Environment variables; only those beginning with ``TASQUES_SERVER`` are looked at.
        overrides: The command line's values by dotted name, with or without ``tasques.server.``.
            As in the environment, an empty text for a section removes the section.

    Raises:
        InvalidInput: With every fault of every source; each says where its value came from.
    """
    layers = [*([from_file(file)] if file else []), from_environment(environ)]
    layers.append(from_overrides(overrides))
    given = merge(layers)
    faults = [fault for layer in layers for fault in layer.faults]
    warnings = [warning for layer in layers for warning in layer.warnings]
    values = _read(given, faults)
    warnings += _level(values)
    settings = build(Settings, values, sources={name: one.source for name, one in given.items()})
    for rule in broken(settings, except_for={fault.path for fault in faults}):
        if rule.is_fatal:
            faults.append(Fault(rule.names[0], "together", rule.describe(settings)))
        else:
            warnings.append(rule.describe(settings))
    if faults:
        raise InvalidInput(faults)
    return attrs.evolve(settings, warnings=tuple(warnings))


def merge(layers: Sequence[Layer]) -> dict[str, Given]:
    """The values that count, of layers given from the lowest to the highest."""
    merged: dict[str, Given] = {}
    for layer in layers:
        for section in layer.removed:
            prefix = f"{section}." if section else ""
            merged = {name: given for name, given in merged.items() if not name.startswith(prefix)}
        merged.update(layer.values)
    return merged


def _read(given: Mapping[str, Given], faults: list[Fault]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, one in given.items():
        try:
            values[name] = TABLE[name].read(one.value)
        except ValueError as error:
            faults.append(Fault(name, TABLE[name].kind.label, f"{error} ({one.source})"))
    return values


def _level(values: dict[str, object]) -> Iterator[str]:
    """Give the level its plain name; an unknown one becomes the default, with a warning."""
    if "logging.level" in values:
        said = str(values["logging.level"])
        values["logging.level"] = said.lower() if said.lower() in LEVELS else "info"
        if said.lower() not in LEVELS:
            yield f"logging.level [{said[:60]}] is none of {', '.join(LEVELS)}; info is used"
