"""
Runs a real server in a process of its own, for tests and measurements.

In a program::

    with TasquesServer({"backend": "memory:"}) as server:
        call(server.url, "GET", "/health/ready")
        status, seconds = server.terminate()

It listens on loopback only, on a port that was free. When the program that started it dies, however
abruptly, a watcher kills the server.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.elasticsearch_node import call
from tools.ports import reserved_port

__all__ = ["ServerUnavailable", "TasquesServer", "elasticsearch_settings"]

_CHECKOUT = Path(__file__).parents[1]

# Waits for the end of its input, which comes when the starting program ends, even by SIGKILL.
_WATCHER = 'read -r _; kill -s KILL -- "-$1"; sleep 1; rm -rf -- "$2"'


class ServerUnavailable(Exception):
    """The server does not come up, or cannot be set up; the message has the end of its log."""


def elasticsearch_settings(url: str, prefix: str | None = None) -> dict[str, str]:
    """
    The settings for a server on an Elasticsearch.

    Args:
        url: May hold a user and a password.
        prefix: What its indices begin with; None for the default.
    """
    parts = urllib.parse.urlsplit(url)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    settings = {"elasticsearch.addresses": address}
    if parts.username is not None:
        settings["elasticsearch.user.name"] = urllib.parse.unquote(parts.username)
        settings["elasticsearch.user.password"] = urllib.parse.unquote(parts.password or "")
    if prefix is not None:
        settings["elasticsearch.prefix"] = prefix
    return settings


class TasquesServer:
    """
    One server; not started until asked, and usable as a context manager.

    Its address stays the same from one start to the next. Methods return when what they did is
    true. Not for use by several threads at once, apart from the properties.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        users: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        start_seconds: float = 60.0,
        checkout: Path = _CHECKOUT,
    ) -> None:
        """
        Prepare a server; nothing is started yet.

        Args:
            settings: By dotted name, such as ``backend``; handed over in the environment, where
                nobody else sees them.
            users: Who may use the API, with their passwords; empty for everybody.
            arguments: Further arguments of ``tasques serve``.
            environment: Further variables, beside those of this process.
            start_seconds: How long it may take to become ready.
            checkout: Whose server to run, if not this one's; by the same Python.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="tasques-server-"))
        self._reserved = reserved_port()
        self._port: int = self._reserved.getsockname()[1]
        self._settings = dict(settings or {})
        self._users = dict(users or {})
        self._arguments = tuple(arguments)
        self._more_environment = dict(environment or {})
        self._start_seconds = start_seconds
        self._checkout = checkout
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address, without credentials; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id."""
        if self._process is None:
            raise RuntimeError("The server is not running: no process id.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and its process has not ended; true while paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything it has written, to whatever stream, since the first start."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def set_up(self) -> None:
        """
        Have the backend prepared, as ``tasques setup`` does.

        Raises:
            ServerUnavailable: If that fails.
        """
        done = subprocess.run(
            [sys.executable, "-m", "tasques.cli", "setup", *self._config()],
            cwd=self._checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self._start_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise ServerUnavailable(
                f"tasques setup ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )

    def start(self, *, wait: bool = True) -> None:
        """
        Start it unless it runs.

        Args:
            wait: Return when it is ready to take requests; else at once.

        Raises:
            ServerUnavailable: If it does not come up in time.
        """
        if self.is_running:
            return
        self._forget()
        with (self._folder / "log").open("ab") as log:
            # A session of its own: an interrupt at the terminal is for the tests.
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._checkout,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCHER, "watcher", str(self._process.pid), self._folder],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if wait:
            try:
                self.await_ready(self._start_seconds)
            except BaseException:
                self.kill()
                raise

    def readiness(self) -> int | None:
        """The status of ``/health/ready``; None while nothing answers."""
        try:
            return call(self.url, "GET", "/health/ready", timeout_seconds=5)[0]
        except OSError:
            return None

    def await_ready(self, seconds: float = 60.0) -> None:
        """
        Wait until it is ready to take requests.

        Raises:
            ServerUnavailable: If it ends, or the time is over, before.
        """
        deadline = time.monotonic() + seconds
        while self.readiness() != 200:
            if not self.is_running:
                raise ServerUnavailable(f"The server ended while starting:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"The server was not ready within {seconds:g} s:\n{self._last_lines()}"
                )
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_running and self._process is not None:
            self._process.send_signal(number)

    def ask_to_stop(self) -> None:
        """Send SIGTERM, and do not wait."""
        self.signal(signal.SIGTERM)

    def wait(self, seconds: float = 60.0) -> int:
        """
        The exit status, once it has ended.

        Raises:
            subprocess.TimeoutExpired: If it does not end in time.
        """
        if self._process is None:
            raise RuntimeError("The server was not started.")
        return self._process.wait(timeout=seconds)

    def terminate(self, seconds: float = 60.0) -> tuple[int, float]:
        """
        Send SIGTERM; the exit status, and how many seconds it took.

        Raises:
            subprocess.TimeoutExpired: If it does not end in time.
        """
        began = time.monotonic()
        self.ask_to_stop()
        return self.wait(seconds), time.monotonic() - began

    def kill(self) -> None:
        """End it at once, with SIGKILL, as a crash would."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._forget()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it, in order if it can, and remove its log."""
        if self.is_running:
            self.resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.terminate(15)
        self.kill()
        self._reserved.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "tasques.cli", "serve"),
            *("--bind", f"127.0.0.1:{self._port}"),
            *self._config(),
            *self._arguments,
        ]

    def _config(self) -> list[str]:
        """Users can only be given in a file, and the file must be nobody else's to read."""
        if not self._users:
            return []
        users = [{"name": name, "password": password} for name, password in self._users.items()]
        path = self._folder / "tasques.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"tasques": {"server": {"auth": {"basic_auth": users}}}}))
        return ["--config", str(path)]

    def _environment(self) -> dict[str, str]:
        # Settings of whoever runs the tests are none of the server's.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASQUES_")}
        given = {_variable(name): value for name, value in self._settings.items()}
        return {**inherited, **self._more_environment, "PYTHONUNBUFFERED": "1", **given}

    def _last_lines(self) -> str:
        return "\n".join(self.log.splitlines()[-30:])

    def _forget(self) -> None:
        # The watcher first: it must not act on a group that is no longer ours.
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
            if self._watcher.stdin is not None:
                self._watcher.stdin.close()
        self._process = self._watcher = None


def _variable(name: str) -> str:
    return "TASQUES_SERVER_" + name.upper().replace(".", "_").replace("-", "_")
