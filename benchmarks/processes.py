"""Processes of others: a server by its start command, or by the port that it listens on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LISTENS: Final = "0A"  # in /proc/net/tcp
_STOPS_WITHIN_SECONDS: Final = 15.0
_TRIES: Final = 100


class ServerFailed(Exception):
    """A server does not come up; the message says which."""


class CommandServer:
    """
    A server that a shell command starts; a context manager, at whose end its group is stopped.

    The command gets ``PORT`` and ``ES_URL`` in its environment, and must listen on that port of the
    loopback interface.
    """

    def __init__(
        self, command: str, *, port: int, environment: Mapping[str, str], start_seconds: float = 60
    ) -> None:
        self._command = command
        self._port = port
        self._environment = {**os.environ, "PORT": str(port), **environment}
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The root of its processes."""
        if self._process is None:
            raise RuntimeError("The server is not running: no process id.")
        return self._process.pid

    def __enter__(self) -> Self:
        # A session, and so a group, of its own: what is stopped is what was started, and no more.
        self._process = subprocess.Popen(
            self._command,
            shell=True,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._await_listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _await_listening(self) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not listens(self._port):
            if self._process is not None and self._process.poll() is not None:
                raise ServerFailed(f"[{self._command}] ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"[{self._command}] does not listen on port {self._port}")
            time.sleep(0.1)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(_STOPS_WITHIN_SECONDS)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()


def free_ports(count: int) -> range:
    """
    Ports of the loopback interface, one after another, that nobody listens on at the moment.

    Raises:
        OSError: If there are none.
    """
    for _ in range(_TRIES):
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(_bound(0)).getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for port in range(first + 1, first + count):
                    stack.enter_context(_bound(port))
                return range(first, first + count)
    raise OSError(f"no {count} ports in a row are free")


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    # What a load of before has left behind, connections that linger for a minute, takes no port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except BaseException:
        bound.close()
        raise
    return bound


def listens(port: int) -> bool:
    """Whether a connection to that port of the loopback interface is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listener(port: int) -> int | None:
    """
    The process that listens on a port; of a server of several, the one that the others come from.

    None if it is not of this machine, or of another user.
    """
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    owners = [pid for pid in _pids() if wanted & set(_open_files(pid))]
    return next((pid for pid in owners if _parent(pid) not in owners), None)


def cpu_seconds(pids: Iterable[int]) -> float:
    """The processor time that processes have spent so far, as far as they are there."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _listening_inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            rows = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids() -> Iterator[int]:
    return (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())


def _open_files(pid: int) -> Iterator[str]:
    try:
        for each in Path(f"/proc/{pid}/fd").iterdir():
            yield str(each.readlink())
    except OSError:  # It has just ended, or is not ours to look at.
        return


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
