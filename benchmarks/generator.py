"""The load: a program in Go, built when it is needed, outside the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Json

_SOURCES = Path(__file__).parent / "load"


class LoadFailed(Exception):
    """The load cannot be built or did not come to its end; the message has what it said."""


def program() -> Path:
    """
    The built program; built now if its sources have changed since.

    Raises:
        LoadFailed: If Go is missing, or does not build it.
    """
    folder = _cache() / _digest()
    built = folder / "load"
    if built.exists():
        return built
    if shutil.which("go") is None:
        raise LoadFailed("The load is a program in Go: install Go 1.22 or later.")
    folder.mkdir(parents=True, exist_ok=True)
    # Into a name of its own first: another session may build at the same time.
    fresh = folder / f"load.{os.getpid()}"
    done = subprocess.run(
        ["go", "build", "-o", fresh, "."],
        cwd=_SOURCES,
        env={
            # Go wants to know where to keep its parts, and without a home it does not.
            "GOCACHE": str(_cache() / "go-build"),
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-buildvcs=false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LoadFailed(f"go build ended with {done.returncode}:\n{done.stderr}")
    return fresh.replace(built)


def run(arguments: Sequence[str], *, limit_seconds: float) -> Json:
    """
    Run the load; the object that it prints.

    Raises:
        LoadFailed: If it ends with an error, or takes longer than *limit_seconds*.
    """
    return _printed([str(program()), *arguments], limit_seconds)


def run_module(name: str, arguments: Sequence[str], *, limit_seconds: float) -> Json:
    """
    Run a module of Python as the load; the object that it prints.

    Raises:
        LoadFailed: As of :func:`run`.
    """
    return _printed([sys.executable, "-m", name, *arguments], limit_seconds)


def _printed(command: Sequence[str], limit_seconds: float) -> Json:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"no end within {limit_seconds:g} s") from error
    if done.returncode != 0:
        raise LoadFailed(done.stderr.strip()[-500:] or f"it ended with {done.returncode}")
    result = json.loads(done.stdout)
    if not isinstance(result, dict):
        raise LoadFailed("it printed no object")
    return result


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tasques-benchmarks"


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted([*_SOURCES.glob("*.go"), _SOURCES / "go.mod"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
