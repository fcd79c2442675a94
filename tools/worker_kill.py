"""
Kills workers with SIGKILL while they work, and accounts for every task.

    python -m tools.worker_kill --tasks 500 --milliseconds 20 --kills 10

Nothing is said of a timeout, unless by --timeout: what a killed worker held comes back after the default one.

A server of its own, in memory unless a backend is named; workers as processes, with their default
settings, killed at random and started again. Each body writes a line when it begins and when it ends, so
that what ran is known from outside. In the end each task must be done, once; it may have been started
more often: once for each time that its worker was killed. Exit status 0 if that is so.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from tasques.app import Tasques
from tasques.app.options import EnqueueOptions
from tasques.client import Task
from tasques.core.tasks import State
from tasques.core.values import Duration
from tools.tasques_server import TasquesServer

_MODULE = """
import os, pathlib, time
from tasques.app import Context, Tasques

app = Tasques("{url}", queue="kill")
lines = os.open(pathlib.Path(__file__).parent / "lines", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@app.task(pass_context=True)
def work(context: Context) -> int:
    os.write(lines, f"begun {{context.id}} {{context.attempt}}\\n".encode())
    time.sleep({seconds})
    os.write(lines, f"ended {{context.id}} {{context.attempt}}\\n".encode())
    return context.attempt
"""


@attrs.frozen(kw_only=True)
class Plan:
    """
    What to do; see the options of the command line.

    Attributes:
        timeout: Of each task: how soon another worker gets what a killed one held; empty for the default.
        patience: So many seconds after the last kill all must be done.
        seed: Of when whom is killed.
    """

    tasks: int = 500
    milliseconds: int = 20
    kills: int = 10
    workers: int = 2
    timeout: str = ""
    patience: float = 300.0
    seed: int = 0
    settings: Mapping[str, str] = attrs.field(factory=lambda: {"backend": "memory:"})


@attrs.frozen(kw_only=True)
class Account:
    """
    What became of it.

    Attributes:
        lost: Tasks that are not done, by id, with their states.
        begun: How often bodies began; at least once for each task.
        twice: Tasks whose body began more than once.
        unaccounted: Done tasks of which no body ended in the attempt that the server counted.
        timeout: Of the tasks.
        seconds: From the first kill until all were done.
    """

    tasks: int
    kills: int
    lost: Mapping[str, str]
    begun: int
    twice: int
    unaccounted: Sequence[str]
    timeout: Duration
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether each task was done, by a body that came to its end."""
        return not self.lost and not self.unaccounted

    def __str__(self) -> str:
        return (
            f"{self.tasks} tasks, {self.kills} workers killed: {self.tasks - len(self.lost)} done, "
            f"{len(self.lost)} lost, {len(self.unaccounted)} done by nobody; bodies began "
            f"{self.begun} times, {self.twice} tasks more than once; {self.seconds:.0f} s "
            f"with a timeout of {self.timeout}"
        )


def run(plan: Plan) -> Account:
    """Carry *plan* out, with a server and a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tasques-worker-kill-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = stack.enter_context(TasquesServer(dict(plan.settings)))
        module = _MODULE.format(url=server.url, seconds=plan.milliseconds / 1000)
        (folder / "kills.py").write_text(module)
        app = stack.enter_context(Tasques(server.url, queue="kill"))
        _enqueue(app, plan)
        timeout = app.get("kill", "0").processing_timeout
        workers = stack.enter_context(_workers(folder, plan.workers))
        began = time.monotonic()
        _kill(workers, folder, plan)
        _wait(app, plan)
        return _account(app, folder, plan, timeout, time.monotonic() - began)


def _enqueue(app: Tasques, plan: Plan) -> None:
    # As the workers' module declares it, whose default timeout is meant.
    @app.task()
    def work() -> int:
        raise NotImplementedError

    new = [work.options(**_said(plan, number)).prepare() for number in range(plan.tasks)]
    for place in range(0, len(new), 500):
        for outcome in app.enqueue_many(new[place : place + 500]):
            if isinstance(outcome, Exception):
                raise outcome


def _said(plan: Plan, number: int) -> EnqueueOptions:
    said: EnqueueOptions = {"id": str(number)}
    if plan.timeout:
        said["timeout"] = plan.timeout
    return said


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tasques", "worker", "kills:app", "--log-level", "error"]
    return subprocess.Popen(command, cwd=folder)


@contextlib.contextmanager
def _workers(folder: Path, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    workers = [_start(folder) for _ in range(number)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _kill(workers: list[subprocess.Popen[bytes]], folder: Path, plan: Plan) -> None:
    """Kills spread over the work: each once so many more bodies have begun."""
    chance = random.Random(plan.seed)
    for kill in range(plan.kills):
        _wait_for_lines(folder, (kill + 1) * plan.tasks // (plan.kills + 2), plan.patience)
        time.sleep(chance.random() * plan.milliseconds / 1000)
        place = chance.randrange(len(workers))
        workers[place].kill()
        workers[place].wait()
        workers[place] = _start(folder)


def _wait_for_lines(folder: Path, bodies: int, patience: float) -> None:
    until = time.monotonic() + patience
    while len(_lines(folder, "begun")) < bodies and time.monotonic() < until:
        time.sleep(0.005)


def _lines(folder: Path, what: str) -> list[tuple[str, int]]:
    path = folder / "lines"
    if not path.exists():
        return []
    found = [line.split() for line in path.read_text().splitlines()]
    return [(each[1], int(each[2])) for each in found if len(each) == 3 and each[0] == what]


def _unfinished(app: Tasques, plan: Plan) -> dict[str, str]:
    tasks = (app.get("kill", str(number), archived=True) for number in range(plan.tasks))
    return {str(task.id): str(task.state) for task in tasks if task.state is not State.DONE}


def _wait(app: Tasques, plan: Plan) -> None:
    until = time.monotonic() + plan.patience
    waiting = {str(number) for number in range(plan.tasks)}
    while waiting and time.monotonic() < until:
        done = {id for id in waiting if _is_done(app.get("kill", id, archived=True))}
        waiting -= done
        if not done:
            time.sleep(0.5)


def _is_done(task: Task) -> bool:
    return task.state is State.DONE


def _account(app: Tasques, folder: Path, plan: Plan, timeout: Duration, seconds: float) -> Account:
    begun = collections.Counter(id for id, _ in _lines(folder, "begun"))
    ended = set(_lines(folder, "ended"))
    unaccounted = []
    for number in range(plan.tasks):
        task = app.get("kill", str(number), archived=True)
        if _is_done(task) and (str(task.id), task.attempted) not in ended:
            unaccounted.append(str(task.id))
    return Account(
        tasks=plan.tasks,
        kills=plan.kills,
        lost=_unfinished(app, plan),
        begun=begun.total(),
        twice=sum(times > 1 for times in begun.values()),
        unaccounted=unaccounted,
        timeout=timeout,
        seconds=seconds,
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    for field in attrs.fields(Plan):
        if field.name != "settings":
            kind = type(field.default)
            parser.add_argument(f"--{field.name}", type=kind, default=field.default)
    parser.add_argument("--backend", default="memory:", help="of the server; set up already")
    given = vars(parser.parse_args())
    account = run(Plan(settings={"backend": given.pop("backend")}, **given))
    print(account)
    for id, state in account.lost.items():
        print(f"lost: {id} is {state}")
    return 0 if account.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
