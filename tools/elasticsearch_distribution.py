"""Puts an Elasticsearch server of a given version on this machine's disk, once."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POM = Path(__file__).with_name("elasticsearch") / "pom.xml"


class NodeUnavailable(Exception):
    """No node of Elasticsearch can be had here; the message says what is missing."""


def distribution(version: str) -> Path:
    """
    The folder of the unpacked server, fetched through Maven when it is not there yet.

    It lies outside the checkout, where an unprivileged account can read it, and nothing writes to
    it afterwards: nodes keep configuration, data and logs elsewhere. Safe to call from several
    processes at once.

    Raises:
        NodeUnavailable: If Maven is missing or fails.
    """
    folder = _cache() / f"elasticsearch-{version}"
    if not folder.is_dir():
        with _lock():
            if not folder.is_dir():
                _unpack(version, folder)
    return folder


def _cache() -> Path:
    # Root's home is usually closed to others, and it is not root who runs the server.
    if os.geteuid() == 0:
        caches = Path("/var/cache")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tasques-elasticsearch"


@contextmanager
def _lock() -> Iterator[None]:
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        cache.chmod(0o755)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(version: str, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NodeUnavailable(
            f"Elasticsearch {version} is not on this machine yet, and Maven (mvn), which fetches"
            " it, is missing: install the package maven, or run tools/test.sh, or set"
            " TASQUES_TEST_ES_URL to a running cluster."
        )
    # Into a folder of its own first, so that an interrupted run leaves no half server behind.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as fresh:
        run = subprocess.run(
            [
                *(maven, "--quiet", "--batch-mode", "-Dstyle.color=never", "--file", _POM),
                "dependency:unpack",
                f"-Delasticsearch.version={version}",
                f"-Delasticsearch.directory={fresh}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            umask=0o022,
        )
        if run.returncode != 0:
            lines = "\n".join(run.stdout.splitlines()[-15:])
            raise NodeUnavailable(f"Maven could not fetch Elasticsearch {version}:\n{lines}")
        (Path(fresh) / folder.name).rename(folder)
