"""Wheels of this project's distributions, from what git knows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

import attrs

from tools.fresh_install.environments import run

_CHECKOUT = Path(__file__).parents[2]


@attrs.frozen(kw_only=True)
class Wheels:
    """
    The built files.

    Attributes:
        base: Of the package.
        plugins: Of each distribution in ``plugins``, by its name.
    """

    base: Path
    plugins: dict[str, Path]

    def with_extras(self, *names: str) -> str:
        """What to ask pip for, to get the package with these extras."""
        return f"{self.base}[{','.join(names)}]" if names else str(self.base)


def build(folder: Path) -> Wheels:
    """
    Build everything into *folder*, which is there and empty.

    Raises:
        StepFailed: If a distribution cannot be built.
    """
    source = folder / "source"
    _copy(source)
    plugins = sorted(path.parent for path in (source / "plugins").glob("*/pyproject.toml"))
    return Wheels(
        base=_built(source, folder / "base"),
        plugins={each.name: _built(each, folder / each.name) for each in plugins},
    )


def extras(wheel: Path) -> Sequence[str]:
    """The names of the extras that *wheel* has."""
    with zipfile.ZipFile(wheel) as content:
        [name] = [each for each in content.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(content.read(name).decode())
    return metadata.get_all("Provides-Extra", [])


def _copy(target: Path) -> None:
    # What is not in git is in no release, and a build leaves folders behind.
    known = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, known.split("\0")):
        if (_CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_CHECKOUT / name, target / name)


def _built(source: Path, target: Path) -> Path:
    target.mkdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    run([*pip, "--wheel-dir", str(target), str(source)], target)
    [wheel] = target.glob("*.whl")
    return wheel
