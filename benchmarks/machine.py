"""The machine that was measured on, without its name or any path."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.figures import Json

_PACKAGES = ("tasques", "falcon", "waitress", "elasticsearch", "msgspec", "urllib3")
_CHECKOUT = Path(__file__).parents[1]


def description(elasticsearch: str) -> Json:
    """
    What figures depend on.

    Args:
        elasticsearch: Its version.
    """
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "go": _said("go", "version").removeprefix("go version ").partition(" ")[0],
        "elasticsearch": elasticsearch,
        "packages": {name: _version(name) for name in _PACKAGES},
        "revision": _said("git", "rev-parse", "--short", "HEAD"),
    }


def busy_cores() -> float:
    """How many cores were at work of late, by whomever: the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    try:
        names = re.findall(
            r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
        )
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _said(*command: str) -> str:
    try:
        return subprocess.run(
            command, cwd=_CHECKOUT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
