"""The distributions in ``plugins``, each installed beside the base alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.fresh_install.environments import Environment, StepFailed
from tools.fresh_install.wheels import Wheels

_PROGRAM: Final = """
import importlib
from importlib.metadata import distribution
from tasques.bootstrap.plugins import plugins

importlib.import_module({module!r})
names = [each.name for each in distribution({name!r}).entry_points.select(group="tasques")]
assert names, "it has no entry point"
found = plugins()
missing = [name for name in names if not found.has_plugin(name)]
assert not missing, f"{{missing}} are not found"
"""


def check(name: str, built: Wheels, folder: Path) -> None:
    """
    Install the distribution, import it, and let the door find it.

    Raises:
        StepFailed: With what did not work.
    """
    if name not in built.plugins:
        raise StepFailed(f"{name} is in plugins, and git does not know it")
    environment = Environment.fresh(folder / "environment", [built.base, built.plugins[name]])
    environment.run(["python", "-c", program(name)], folder)


def program(name: str) -> str:
    """What is run to see whether the plugin is whole."""
    return _PROGRAM.format(name=name, module=name.replace("-", "_"))
