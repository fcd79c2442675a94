"""What each extra is for: what can be imported and done with it, and what must not come along."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from tools.fresh_install import wheels
from tools.fresh_install.environments import Environment, StepFailed
from tools.fresh_install.wheels import Wheels

_SERVER: Final = ("falcon", "waitress", "swagger_ui_bundle", "yaml")
_ELASTICSEARCH: Final = ("elasticsearch", "elastic_transport")
_TESTING: Final = ("hypothesis", "pytest")


@attrs.frozen(kw_only=True)
class Extra:
    """
    An extra, or the base without any.

    Attributes:
        name: Empty for the base.
        imports: Modules of ours that it makes usable.
        absent: Foreign modules that are not there.
        program: Uses it.
    """

    name: str
    imports: tuple[str, ...]
    absent: tuple[str, ...]
    program: str


EXTRAS: Final = (
    Extra(
        name="",
        imports=("tasques.app", "tasques.client", "tasques.worker"),
        absent=(*_SERVER, *_ELASTICSEARCH, *_TESTING),
        program="""
app = tasques.Tasques("memory:", queue="q")

@app.task()
def double(number: int) -> int:
    return 2 * number

handle = double.enqueue(number=21)
app.worker("q", burst=True).run()
assert handle.result(timeout=0) == 42
tasques.Tasques("http://localhost:1").close()
""",
    ),
    Extra(
        name="server",
        imports=("tasques.server.app", "tasques.bootstrap.serving"),
        absent=(*_ELASTICSEARCH, *_TESTING),
        program="""
from tasques.cli import main
assert main(["show", "config"]) == 0
""",
    ),
    Extra(
        name="elasticsearch",
        imports=("tasques.adapters.elasticsearch.backend",),
        absent=(*_SERVER, *_TESTING),
        program="""
tasques.Tasques("elasticsearch://localhost:1/?prefix=.t_", background="none").close()
""",
    ),
    Extra(
        name="testing",
        imports=("tasques.testing.app", "tasques.testing.contract", "tasques.testing.machines"),
        absent=(*_SERVER, *_ELASTICSEARCH),
        program="""
from tasques.testing.app import TestingApp
with TestingApp(tasques.Tasques("memory:")) as testing:
    assert len(testing.drain()) == 0
""",
    ),
)

# Loading every plugin that is installed loads the built-in ones: they must not need their extras.
_PROGRAM: Final = """
import importlib.util, sys
import tasques
assert tasques.__file__.startswith(sys.prefix), tasques.__file__
loaded = {unwanted} & set(sys.modules)
assert not loaded, f"import tasques loads {{loaded}}"
present = [name for name in {absent} if importlib.util.find_spec(name) is not None]
assert not present, f"{{present}} came along"
for name in {imports}:
    importlib.import_module(name)
from tasques.bootstrap.plugins import plugins
plugins()
"""


def check(extra: Extra, built: Wheels, folder: Path) -> None:
    """
    Install *extra* alone, and use it.

    Raises:
        StepFailed: With what did not work.
    """
    names = [extra.name] if extra.name else []
    environment = Environment.fresh(folder / "environment", [built.with_extras(*names)])
    environment.run(["python", "-c", program(extra)], folder)
    environment.run(["tasques", "--help"], folder)


def program(extra: Extra) -> str:
    """What is run to see whether *extra* is whole."""
    unwanted = {*_SERVER, *_ELASTICSEARCH, *_TESTING}
    common = _PROGRAM.format(unwanted=unwanted, absent=extra.absent, imports=extra.imports)
    return common + extra.program


def ensure_known(built: Wheels) -> None:
    """
    Pass if the table above has every extra of the package.

    Raises:
        StepFailed: If one is missing.
    """
    missing = set(wheels.extras(built.base)) - {extra.name for extra in EXTRAS}
    if missing:
        raise StepFailed(f"nothing is known of the extras {sorted(missing)}")
