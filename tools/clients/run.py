"""One run: clients of one make, a server that is restarted behind a proxy, and the judgement."""

import enum
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.accounting.audit import Discrepancy, Judgement
from tools.clients.ciphers import CIPHERS, QUEUE, Job, jobs
from tools.clients.database import Database
from tools.clients.judging import Case, Writes, is_done, judged, written
from tools.clients.programs import Clients, Place, ProducerFailed, Programs
from tools.clients.proxy import HTTP, REPEATING, TCP, Exchange, Manner, Proxy, Traffic
from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer, elasticsearch_settings

_TIMEOUT_SECONDS = 30
_LOOK_EVERY_SECONDS = 0.2
_PROGRESS_SECONDS = 10.0
_DOWN_SECONDS = 2.0


class Restart(enum.Enum):
    """How the server goes down in the middle of the run; it comes up again in any case."""

    TERM = "SIGTERM"
    KILL = "SIGKILL"


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What to do.

    Attributes:
        elasticsearch: The address of the one behind the server.
        tasks: How many; a multiple of four, since each message is four tasks.
        is_for_http: Whether the proxy in front of a server that stops in order is one for HTTP, and
            not for TCP alone.
        limit_seconds: The run ends by then, finished or not.
        stall_seconds: It ends, too, when for so long no further task was done; one that failed
            for the third time waits for up to 118 s.
    """

    elasticsearch: str
    tasks: int = 1000
    restart: Restart = Restart.TERM
    is_for_http: bool = False
    limit_seconds: float = 900.0
    stall_seconds: float = 240.0
    progress: Callable[[str], None] = field(default=lambda line: None)

    def __post_init__(self) -> None:
        if self.tasks < 8 or self.tasks % len(CIPHERS):
            raise ValueError("The number of tasks has to be a multiple of 4, and at least 8.")

    @property
    def manner(self) -> Manner:
        """That of the proxy; a server that is killed leaves requests without an answer."""
        if self.restart is Restart.KILL:
            return REPEATING
        return HTTP if self.is_for_http else TCP


@dataclass(frozen=True, kw_only=True)
class Result:
    """
    What came of a run.

    Attributes:
        complaints: What is wrong beside what the judgement found.
        down_seconds: From the signal until the server was ready again.
        writes: What is in the example's database; None where it is not used.
    """

    clients: Clients
    options: Options
    judgement: Judgement
    complaints: Sequence[str]
    traffic: Traffic
    seconds: float
    down_seconds: float
    writes: Writes | None

    @property
    def discrepancies(self) -> list[Discrepancy]:
        """Everything that is wrong with tasks."""
        found = list(self.judgement.discrepancies)
        return found if self.writes is None else found + self.writes.wrong

    @property
    def ok(self) -> bool:
        """Whether every task is accounted for, and no client ended by itself."""
        return not self.complaints and not self.discrepancies


def run(clients: Clients, options: Options) -> Result:
    """
    Have clients do all tasks, and judge.

    Raises:
        ServerUnavailable: If the server does not come up.
    """
    settings = elasticsearch_settings(options.elasticsearch, _prefix(clients))
    settings |= {
        "tasks.defaults.worker_processing_timeout": f"{_TIMEOUT_SECONDS}s",
        "recurring.timed_out_tasks_reaper.run_interval": "1s",
    }
    server = TasquesServer(settings)
    server.set_up()
    with (
        server,
        Proxy(_port(server.url), options.manner, listen=clients.port) as proxy,
        Database() as database,
        tempfile.TemporaryDirectory(prefix="tasques-clients-") as folder,
        Programs(Path(folder)) as programs,
    ):
        place = Place(
            server=proxy.address,
            database=database.url,
            folder=Path(folder),
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        work = _Work(clients, options, server, proxy)
        began = time.monotonic()
        work.carry_out(clients.start(programs, place), programs)
        seconds = time.monotonic() - began
        complaints = work.complaints + programs.stop()
        return _judged(work, complaints, database, seconds)


def _judged(work: "_Work", complaints: Sequence[str], database: Database, seconds: float) -> Result:
    texts = database.messages.plains()

    def plain(args: Mapping[str, Any]) -> str | None:
        return (
            texts.get(args.get("message_id", "")) if work.clients.keeps_messages else args["plain"]
        )

    case = Case(
        exchanges=work.proxy.traffic.exchanges,
        jobs=work.jobs,
        success=work.clients.success,
        ciphered=work.clients.ciphered,
        failure=work.clients.failure,
        plain=plain,
        look=work.look,
        timeout_seconds=_TIMEOUT_SECONDS,
        undisturbed=work.options.restart is Restart.TERM,
    )
    return Result(
        clients=work.clients,
        options=work.options,
        judgement=judged(case),
        # What ended in the middle is named at the end once more.
        complaints=list(dict.fromkeys([*complaints, *work.proxy.traffic.broken])),
        traffic=work.proxy.traffic,
        seconds=seconds,
        down_seconds=work.down_seconds,
        writes=written(case, database.messages) if work.clients.keeps_messages else None,
    )


class _Work:
    """From the first task to the last."""

    def __init__(
        self, clients: Clients, options: Options, server: TasquesServer, proxy: Proxy
    ) -> None:
        self.clients = clients
        self.options = options
        self.proxy = proxy
        self.jobs = list(jobs(options.tasks))
        self.complaints: list[str] = []
        self.down_seconds = 0.0
        self._server = server
        self._done: set[str] = set()
        self._seen = 0

    def carry_out(self, create: Callable[[Iterable[Job]], None], programs: Programs) -> None:
        """Create the tasks, restart the server meanwhile, and wait until all are done."""
        # A create without an id must not be repeated; so none is under way when a kill may lose
        # its answer. Else the second half is created while the server is restarted.
        half = len(self.jobs) // 2 // len(CIPHERS) * len(CIPHERS)
        early = len(self.jobs) if self.options.restart is Restart.KILL else half
        creating = threading.Thread(target=self._create, args=(create, self.jobs[:early]))
        creating.start()
        self._await_done(len(self.jobs) // 4, programs)
        creating.join()
        if not self.complaints:
            creating = threading.Thread(target=self._create, args=(create, self.jobs[early:]))
            creating.start()
            self._restart()
            self._await_done(len(self.jobs), programs)
            creating.join()

    def _create(self, create: Callable[[Iterable[Job]], None], some: Sequence[Job]) -> None:
        try:
            if some:
                create(some)
        except ProducerFailed as error:
            self.complaints.append(f"the producer failed: {error}")

    def _restart(self) -> None:
        self._say(f"{self.options.restart.value} to the server")
        began = time.monotonic()
        if self.options.restart is Restart.KILL:
            self._server.kill()
        else:
            status, _ = self._server.terminate()
            if status != 0:
                self.complaints.append(f"the server ended with {status}")
        time.sleep(_DOWN_SECONDS)
        self._server.start()
        self.down_seconds = time.monotonic() - began
        self._say(f"the server is back after {self.down_seconds:.1f} s")

    def _await_done(self, count: int, programs: Programs) -> None:
        """Wait for so many tasks to be done, for something to go wrong, or for the time to be up."""
        stop_at = time.monotonic() + self.options.limit_seconds
        moved_at = line_at = time.monotonic()
        while not self.complaints:
            now = time.monotonic()
            if self._count_done():
                moved_at = now
            if len(self._done) >= count:
                return
            self.complaints += programs.ended()
            if now > min(stop_at, moved_at + self.options.stall_seconds):
                self.complaints.append(f"only {len(self._done)} of {count} tasks were done in time")
            if now >= line_at:
                line_at = now + _PROGRESS_SECONDS
                self._say(f"done {len(self._done)} of {len(self.jobs)}")
            time.sleep(_LOOK_EVERY_SECONDS)

    def _count_done(self) -> int:
        """Look at what has passed since the last look; how many more tasks are done."""
        before = len(self._done)
        fresh: Sequence[Exchange] = self.proxy.traffic.exchanges[self._seen :]
        self._seen += len(fresh)
        self._done.update(each.request.start[1] for each in fresh if is_done(each))
        return len(self._done) - before

    def look(self, id: str) -> Mapping[str, Any] | None:
        """A task as the server has it, asked directly."""
        path = f"/tasques/{QUEUE}/{urllib.parse.quote(id, safe='')}"
        status, body = call(self._server.url, "GET", path)
        return body if status == 200 else None

    def _say(self, line: str) -> None:
        self.options.progress(f"{self.clients.name}: {line}")


def _prefix(clients: Clients) -> str:
    """Each make has indices of its own."""
    word = "".join(letter for letter in clients.name if letter.isalnum())
    return f".tasques_{word}_"


def _port(url: str) -> int:
    return urllib.parse.urlsplit(url).port or 80
