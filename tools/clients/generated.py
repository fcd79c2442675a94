"""Drivers of ours on clients that were generated from our descriptions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tools.clients.building import JavaProgram
from tools.clients.ciphers import QUEUE, Job
from tools.clients.programs import Place, ProducerFailed, Programs

_WORKERS = 16


class Generated:
    """A driver: one process of many workers, and one that creates tasks."""

    workers = _WORKERS
    keeps_messages = False
    port = 0
    failure: Mapping[str, str] = MappingProxyType({"error": "the first attempt fails"})

    def __init__(self, name: str, about: str, command: Sequence[str | Path]) -> None:
        self.name = name
        self.about = about
        self._command = command

    def start(self, programs: Programs, place: Place) -> Callable[[Iterable[Job]], None]:
        """Start both."""
        url = f"http://{place.server}"
        programs.start("workers", [*self._command, "work", url, QUEUE, str(_WORKERS)])
        timeout = f"{place.timeout_seconds}s"

        def create(jobs: Iterable[Job]) -> None:
            # Of its own, since it ends when it has read everything.
            with Programs(place.folder) as own:
                command = [*self._command, "produce", url, QUEUE, timeout]
                producer = own.start("producer", command, reads=True)
                lines = "".join(f"{job.number}\t{job.kind}\t{job.plain}\n" for job in jobs)
                producer.communicate(lines)
                if producer.returncode != 0:
                    raise ProducerFailed(own.last_lines("producer"))

        return create

    def success(self, job: Job) -> Mapping[str, str]:
        """The result that a worker gives."""
        return {"ciphered": self.ciphered(job)}

    def ciphered(self, job: Job) -> str:
        """What a worker makes of a message."""
        return job.ciphered


def java(driver: JavaProgram) -> Generated:
    """The driver in Java."""
    return Generated("java", "a client generated from /openapi.json", driver.command())


def rust(driver: Path) -> Generated:
    """The driver in Rust."""
    return Generated("rust", "a client generated from /swagger/doc.json", [driver])
