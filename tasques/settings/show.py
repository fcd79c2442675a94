"""The effective settings as ``tasques show config`` prints them."""

from __future__ import annotations

from tasques.settings.effective import TABLE, Settings


def show(settings: Settings) -> dict[str, object]:
    """
    A JSON object in the shape of the file below ``tasques.server``, secrets as ``***``.

    Durations are nanoseconds and what is not set is null. Beside the sections stands ``sources``:
    by dotted name, where each value came from.
    """
    shown: dict[str, object] = {}
    for name, value in settings.as_options().items():
        *path, last = name.split(".")
        section = shown
        for step in path:
            inner = section.setdefault(step, {})
            assert isinstance(inner, dict), f"{name} is a setting and a section"
            section = inner
        section[last] = None if value is None else TABLE[name].kind.dump(value)
    shown["sources"] = {name: settings.source(name) for name in TABLE}
    return shown
