"""The command line; see the package's text."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tools.fresh_install import extras, newcomer, plugins, wheels
from tools.fresh_install.environments import StepFailed
from tools.fresh_install.wheels import Wheels

Check = Callable[[Wheels, Path], None]

_PLUGINS = Path(__file__).parents[2] / "plugins"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status is 0 if everything that was checked works."""
    arguments = _parser().parse_args(argv)
    chosen = {name: check for name, check in checks().items() if name.startswith(arguments.only)}
    if arguments.list:
        print(*chosen, sep="\n")
        return 0
    if not chosen:
        print(f"no check begins with [{arguments.only}]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="tasques-fresh-") as name:
        return _checked(chosen, Path(name))


def checks() -> Mapping[str, Check]:
    """All there are, by name, in the order in which they are run."""
    return {
        **{f"extra {each.name or '(none)'}": partial(_extra, each) for each in extras.EXTRAS},
        **{f"plugin {name}": partial(plugins.check, name) for name in plugin_names()},
        "newcomer: a worker": newcomer.write_a_worker,
        "newcomer: tests": newcomer.tests_of_tasks,
        "newcomer: a plugin": newcomer.write_a_plugin,
    }


def plugin_names() -> Sequence[str]:
    """The distributions in ``plugins``."""
    return sorted(path.parent.name for path in _PLUGINS.glob("*/pyproject.toml"))


def _extra(extra: extras.Extra, built: Wheels, folder: Path) -> None:
    extras.check(extra, built, folder)


def _checked(chosen: Mapping[str, Check], folder: Path) -> int:
    (folder / "wheels").mkdir()
    try:
        built = wheels.build(folder / "wheels")
        extras.ensure_known(built)
    except StepFailed as error:
        print(f"FAILED  wheels\n{error}")
        return 1
    print("ok      wheels:", *(wheel.name for wheel in (built.base, *built.plugins.values())))
    failed = 0
    for number, (name, check) in enumerate(chosen.items()):
        place = folder / str(number)
        place.mkdir()
        failed += not _passes(name, check, built, place)
    print(f"{len(chosen) - failed} of {len(chosen)} work, in {_cpu_seconds():.0f} s of CPU")
    return 1 if failed else 0


def _passes(name: str, check: Check, built: Wheels, folder: Path) -> bool:
    before = _cpu_seconds()
    try:
        check(built, folder)
    except StepFailed as error:
        print(f"FAILED  {name}\n{error}", flush=True)
        return False
    print(f"ok      {name} ({_cpu_seconds() - before:.0f} s of CPU)", flush=True)
    return True


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fresh_install",
        description="Installs built wheels into fresh environments, and follows the docs there.",
    )
    parser.add_argument(
        "--only", default="", metavar="BEGINNING", help="the checks whose names begin so"
    )
    parser.add_argument("--list", action="store_true", help="name the checks, and run none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
