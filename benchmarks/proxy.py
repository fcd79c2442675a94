"""What stands before several servers: each connection goes to the next one, as bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from benchmarks import generator
from benchmarks.processes import ServerFailed


class Proxy:
    """
    A proxy for TCP, taking the servers in turn; a context manager.

    It is part of the load's program: in Python it would cost as much as what it stands before.

    Args:
        servers: Host and port of each.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = servers
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._address}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [generator.program(), "-scenario", "proxy", "-targets", ",".join(self._servers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()
        if not self._address:
            self._stop()
            raise ServerFailed("the proxy does not listen")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None
