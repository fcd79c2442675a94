"""Finds the Java runtimes of this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r'version "(\d+)')
_NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Java:
    """A Java runtime: its home folder and its major version, such as 17."""

    home: Path
    major: int


def find_java(minimum: int) -> Java | None:
    """
    The oldest Java of this machine that is at least *minimum*, or nothing.

    The oldest, because a program is best tested with the Java of its own time: later ones take
    things away. Looks at ``JAVA_HOME``, at ``java`` on the path, and where Linux distributions
    install theirs.
    """
    suitable = [java for java in installed() if java.major >= minimum]
    return min(suitable, key=lambda java: java.major, default=None)


def installed() -> list[Java]:
    """Every Java of this machine that an unprivileged user can run, each once."""
    homes = dict.fromkeys(home.resolve() for home in _candidates())
    return [Java(home=home, major=major) for home in homes if (major := _major(home)) is not None]


def _candidates() -> Iterator[Path]:
    if configured := os.environ.get("JAVA_HOME"):
        yield Path(configured)
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parent.parent
    yield from sorted(Path("/usr/lib/jvm").glob("*"))


def _major(home: Path) -> int | None:
    # Asked by running it, and for root as nobody: a Java below a private folder is of no use to
    # the account that will run it.
    unprivileged: dict[str, int] = {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}
    try:
        answer = subprocess.run(
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=30,
            check=True,
            user=unprivileged.get("user"),
            group=unprivileged.get("group"),
            extra_groups=[] if unprivileged else None,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stderr)
    return int(found.group(1)) if found else None
