"""
Runs one node of a real Elasticsearch for tests, and takes it away again.

In a program::

    with ElasticsearchNode("8.19.8") as node:
        call(node.url, "GET", "/_cluster/health")
        node.kill()
        node.start()  # same address, same data

On the command line, until interrupted::

    python -m tools.elasticsearch_node --version 8.19.8

The server listens on loopback only, on ports that were free. It refuses to run as root, so root
starts it under an account made for it. When the program that started it dies, however abruptly,
a watcher stops the node and removes its folder.
"""

import argparse
import base64
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools import process_groups
from tools.elasticsearch_distribution import NodeUnavailable, distribution
from tools.java import find_java
from tools.ports import reserved_port

__all__ = ["ElasticsearchNode", "NodeUnavailable", "call", "is_alive", "minimum_java"]

_ACCOUNT = "tasques-elasticsearch"

_SETTINGS: Mapping[str, str] = {
    "cluster.name": "tasques-tests",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "transport.port": "0",
    "xpack.security.enabled": "false",
    # A machine of tests is often fuller than the watermarks allow; indices would be read-only.
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}

# The quick compiler alone: a node starts in 8 s instead of 10 s on two cores, and tests end before
# the slower compiler's better code would pay.
_QUICK_START = ("-XX:TieredStopAtLevel=1",)

# Waits for the end of its input, which comes when the starting program ends, even by SIGKILL.
# PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends.
_WATCHER = 'read -r _; kill -s KILL -- "-$1"; sleep 1; rm -rf -- "$2"'


def minimum_java(version: str) -> int:
    """
    The oldest major version of Java that this version of Elasticsearch runs on.

    Source: the support matrix of Elastic; 17 for 8.x, 21 for 9.x.
    """
    return 21 if int(version.split(".", maxsplit=1)[0]) >= 9 else 17


def call(
    url: str, method: str, path: str, body: object = None, *, timeout_seconds: float = 30.0
) -> tuple[int, Any]:
    """
    The status and the decoded JSON of one request, whatever the status is.

    Any proxy of the environment is passed by, and credentials in *url* are sent.

    Raises:
        OSError: If the node cannot be reached or does not answer in time.
    """
    parts = urllib.parse.urlsplit(url)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    request = urllib.request.Request(address + path, method=method)
    if parts.username is not None:
        pair = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            return response.status, _decoded(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _decoded(error.read())


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs; one that ended and waits to be looked at does not."""
    try:
        os.kill(pid, 0)
        # An ended process stays in the table until its parent looks, which in a container may be
        # never; its letter there is Z.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # ended between the two looks, or a system without /proc
        return not Path("/proc/self").exists()


def _decoded(content: bytes) -> Any:
    return json.loads(content) if content else None


class ElasticsearchNode:
    """
    One node with data of its own; not started until asked, and usable as a context manager.

    Address and data stay the same from the first start until :meth:`close`. Methods return when
    what they did is true: the node answers, or its process is gone. Not for use by several
    threads at once.
    """

    def __init__(
        self,
        version: str,
        *,
        heap_megabytes: int = 512,
        settings: Mapping[str, str] | None = None,
        java_options: Sequence[str] = _QUICK_START,
        start_seconds: float = 120.0,
    ) -> None:
        """
        Prepare a node; nothing is started yet.

        Args:
            version: Such as ``8.19.8``.
            heap_megabytes: The heap of the server, both least and most.
            settings: Settings of the node beside or instead of those it gets anyway.
            java_options: Options of its Java, by default for a quick start; pass none to measure.
            start_seconds: How long a start may take before it counts as failed.
        """
        self.version = version
        self._heap_megabytes = heap_megabytes
        self._settings = {**_SETTINGS, **(settings or {})}
        self._java_options = java_options
        self._start_seconds = start_seconds
        self._folder: Path | None = None
        self._reserved: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._server_pid = 0

    @property
    def url(self) -> str:
        """The address of the node; the same after a restart."""
        if self._reserved is None:
            raise RuntimeError(f"Elasticsearch {self.version} was never started: no address yet.")
        return "http://{}:{}".format(*self._reserved.getsockname())

    @property
    def pid(self) -> int:
        """The process id of the server itself, not of the launcher that waits for it."""
        if self._process is None:
            raise RuntimeError(f"Elasticsearch {self.version} is not running: no process id.")
        return self._server_pid

    @property
    def is_running(self) -> bool:
        """Whether the node was started and its process has not ended; true while paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Start the node unless it runs, and wait until it answers.

        Raises:
            NodeUnavailable: If Java or Maven is missing, or the node does not come up; the
                message says which, with the last lines of its log.
        """
        if self.is_running:
            return
        self._forget()
        java = find_java(minimum_java(self.version))
        if java is None:
            raise NodeUnavailable(
                f"Elasticsearch {self.version} needs Java {minimum_java(self.version)} or later,"
                " and no such Java was found in JAVA_HOME, on the path or in /usr/lib/jvm: install"
                " a headless JRE, or run tools/test.sh, or set TASQUES_TEST_ES_URL to a running"
                " cluster."
            )
        server = distribution(self.version)
        account = _account()
        if self._folder is None:
            self._folder = _new_folder(server, account)
        if self._reserved is None:
            self._reserved = reserved_port()
        self._launch(server, java.home, self._folder, account)
        try:
            self._await_answer(self._folder)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the server to shut down and wait for it; killed after half a minute."""
        if self._process is None:
            return
        self.resume()
        _signal(self._server_pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End the server at once, with SIGKILL, as a crash would."""
        if self._process is None:
            return
        # The launcher leads the group, so this reaches the server too.
        process_groups.send(self._process.pid, signal.SIGKILL)
        self._process.wait()
        while is_alive(self._server_pid):
            time.sleep(0.01)
        self._forget()

    def restart(self) -> None:
        """Stop the node if it runs, and start it again with the same address and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing answers."""
        if self._process is not None:
            process_groups.freeze(self._process.pid)

    def resume(self) -> None:
        """Let a frozen server go on."""
        if self._process is not None:
            process_groups.send(self._process.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait until the node ends by itself; its exit status."""
        return 0 if self._process is None else self._process.wait()

    def log(self) -> str:
        """What the server has written to its log since the first start."""
        if self._folder is None:
            return ""
        return (self._folder / "node.log").read_text(errors="replace")

    def close(self) -> None:
        """Stop the node and remove its data; a later start begins with an empty node."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
        if self._reserved is not None:
            self._reserved.close()
        self._reserved = None

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

    def _launch(
        self, server: Path, java_home: Path, folder: Path, account: pwd.struct_passwd | None
    ) -> None:
        settings = {
            **self._settings,
            "http.port": self.url.rpartition(":")[2],
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
        }
        (folder / "config" / "elasticsearch.yml").write_text(
            "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
        )
        (folder / "pid").unlink(missing_ok=True)
        heap = f"{self._heap_megabytes}m"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "ES_JAVA_HOME": str(java_home),
            "ES_JAVA_OPTS": " ".join(
                ("-XX:-UsePerfData", f"-Xms{heap}", f"-Xmx{heap}", *self._java_options)
            ),
            # The launcher lives for seconds; the quick compiler halves its share of a start.
            "CLI_JAVA_OPTS": " ".join(
                ("-XX:-UsePerfData", f"-Djava.io.tmpdir={folder / 'tmp'}", *_QUICK_START)
            ),
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(folder / "tmp"),
        }
        with (folder / "node.log").open("ab") as log:
            self._process = _spawn(
                [server / "bin" / "elasticsearch", "-p", folder / "pid"],
                account,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._server_pid = self._process.pid  # until the server tells its own
        self._watcher = _spawn(
            ["sh", "-c", _WATCHER, "watcher", str(self._process.pid), folder],
            account,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _await_answer(self, folder: Path) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not self._answers():
            if not self.is_running:
                raise NodeUnavailable(
                    f"Elasticsearch {self.version} ended while starting:\n{self._last_lines()}"
                )
            if time.monotonic() > deadline:
                raise NodeUnavailable(
                    f"Elasticsearch {self.version} did not answer within"
                    f" {self._start_seconds:g} s:\n{self._last_lines()}"
                )
            time.sleep(0.1)
        self._server_pid = int((folder / "pid").read_text())

    def _answers(self) -> bool:
        try:
            status, _ = call(self.url, "GET", "/_cluster/health?wait_for_status=yellow&timeout=10s")
        except OSError:  # not listening yet
            return False
        return status == 200

    def _last_lines(self) -> str:
        return "\n".join(self.log().splitlines()[-20:])

    def _forget(self) -> None:
        # The watcher first: it must not act on a group that is no longer ours.
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()
            if self._watcher.stdin is not None:
                self._watcher.stdin.close()
        self._process = self._watcher = None


def _account() -> pwd.struct_passwd | None:
    """The account to run the server under; nothing means the account of this process."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_ACCOUNT)
    except KeyError:
        pass
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir"]
    command += ["/nonexistent", "--shell", "/usr/sbin/nologin", _ACCOUNT]
    try:
        made = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return pwd.getpwnam(_ACCOUNT)  # made by us, or by another run a moment earlier
    except OSError as error:
        reason = str(error)
    except KeyError:
        reason = made.stderr.strip()
    raise NodeUnavailable(
        f"Elasticsearch refuses to run as root, and the account {_ACCOUNT} could not be made"
        f" ({reason}): make it, or run the tests as another user."
    )


def _new_folder(server: Path, account: pwd.struct_passwd | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tasques-elasticsearch-"))
    shutil.copytree(server / "config", folder / "config")
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir()
    if account is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
    return folder


def _spawn(
    command: list[str | Path], account: pwd.struct_passwd | None, **streams: Any
) -> subprocess.Popen[bytes]:
    # A session of its own: an interrupt at the terminal is for the tests, not for the server.
    if account is not None:
        streams.update(user=account.pw_uid, group=account.pw_gid, extra_groups=[])
    return subprocess.Popen(command, start_new_session=True, umask=0o022, **streams)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def main() -> int:
    """Run a node in the foreground until it ends or is interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.elasticsearch_node", description="Runs Elasticsearch for tests."
    )
    parser.add_argument("--version", default="8.19.8", help="default: %(default)s")
    parser.add_argument("--heap", type=int, default=512, help="in MB, default: %(default)s")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ElasticsearchNode(arguments.version, heap_megabytes=arguments.heap) as node:
            print(node.url, flush=True)
            return node.wait()
    except NodeUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
