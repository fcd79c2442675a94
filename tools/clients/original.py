"""
The programs of the original's example, as they are.

Its server takes a message by a form, stores it and creates four tasks; its workers encipher it. The
worker in Go is on the original's own library for workers, and pauses up to nine seconds on
each task; those told to do so fail every other task. The worker in Java is on a client that was
generated from the original's description; it looks for the server at ``localhost:8080`` only.
"""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from tools.clients.building import GoPrograms, JavaProgram
from tools.clients.ciphers import QUEUE, Job
from tools.clients.programs import Place, ProducerFailed, Programs
from tools.ports import reserved_port

_GO_WORKERS = 40
#: Every so many-th fails every other task; all of them, as the example has it, take ten minutes.
_ONE_FAILS_IN = 10
_JAVA_WORKERS = 4
_START_SECONDS = 30.0


class Go:
    """The example as it is: server and workers in Go."""

    name = "go"
    about = "the example's workers, on the original's library"
    workers = _GO_WORKERS
    keeps_messages = True
    port = 0
    failure: Mapping[str, str] = MappingProxyType({"error": "Destined to fail, I guess"})

    def __init__(self, programs: GoPrograms) -> None:
        self._programs = programs

    def start(self, programs: Programs, place: Place) -> Callable[[Iterable[Job]], None]:
        """Start workers and server."""
        tasques = {
            "server": {"address": place.server},
            "loop_exit_wait": "15s",
            "block_for": "5s",
            "claim_amount": 1,
        }
        configuration = {
            "cipher_worker": {"queue": QUEUE, "tasques_worker": tasques},
            "elasticsearch": {"addresses": [place.database]},
        }
        file = _written(place.folder / "worker.json", configuration)
        for number in range(_GO_WORKERS):
            command: list[str | Path] = [
                self._programs.worker,
                "--config",
                file,
                "--worker-id",
                f"go-{number}",
            ]
            if number % _ONE_FAILS_IN == _ONE_FAILS_IN - 1:
                command.append("--random-failures")
            programs.start(f"worker-{number}", command)
        return example_server(self._programs.server, programs, place)

    def success(self, job: Job) -> Mapping[str, str]:
        """The result that a worker gives."""
        return {"ciphered": self.ciphered(job)}

    def ciphered(self, job: Job) -> str:
        """What a worker makes of a message."""
        return job.ciphered


class ExampleInJava:
    """The example's server in Go, and its workers in Java."""

    name = "java-example"
    about = "the example's workers, on a client of the original's"
    workers = _JAVA_WORKERS
    keeps_messages = True
    port = 8080
    failure: Mapping[str, str] = MappingProxyType({})

    def __init__(self, programs: GoPrograms, worker: JavaProgram) -> None:
        self._server = programs.server
        self._worker = worker

    def start(self, programs: Programs, place: Place) -> Callable[[Iterable[Job]], None]:
        """Start workers and server."""
        database = f"-Delasticsearch.addresses.0={place.database}"
        for number in range(_JAVA_WORKERS):
            name = f"-Dcipher_worker.tasques_worker.id=java-{number}"
            programs.start(f"worker-{number}", self._worker.command(database, name))
        return example_server(self._server, programs, place)

    def success(self, job: Job) -> None:
        """
        None: its result is lost on its own side.

        It makes the data of an anonymous class, which the library that it uses writes as ``null``.
        """

    def ciphered(self, job: Job) -> str:
        """What a worker makes of a message."""
        return job.ciphered.upper() if job.kind == "Md5" else job.ciphered


def example_server(
    program: Path, programs: Programs, place: Place
) -> Callable[[Iterable[Job]], None]:
    """Start the example's server; what creates tasks by it, a message at a time."""
    with reserved_port() as reserved:
        address = "{}:{}".format(*reserved.getsockname())
        configuration = {
            "bind_address": address,
            "cipher_queuer": {"server": {"address": place.server}, "queue": QUEUE},
            "elasticsearch": {"addresses": [place.database]},
        }
        file = _written(place.folder / "server.json", configuration)
        programs.start("server", [program, "--config", file])
        _await(f"http://{address}/")

    def create(jobs: Iterable[Job]) -> None:
        for plain in dict.fromkeys(job.plain for job in jobs):
            form = urllib.parse.urlencode({"Plain": plain}).encode()
            _fetch(f"http://{address}/_create", form)

    return create


def _await(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            _fetch(url)
        except ProducerFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _fetch(url: str, form: bytes | None = None) -> None:
    try:
        with urllib.request.urlopen(url, form, timeout=90) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        said = " ".join(re.sub("<[^>]*>", " ", error.read().decode(errors="replace")).split())
        raise ProducerFailed(f"the example's server answered {error.code}: {said}") from error
    except OSError as error:
        raise ProducerFailed(f"the example's server does not answer: {error}") from error


def _written(path: Path, configuration: object) -> Path:
    path.write_text(json.dumps(configuration))
    return path
