"""The pages for newcomers, followed literally with nothing but what is installed."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Final

from tools import snippets
from tools.elasticsearch_node import call
from tools.fresh_install import pages
from tools.fresh_install.environments import Environment, StepFailed, served, started
from tools.fresh_install.wheels import Wheels

_DOCUMENTED_SERVER: Final = "http://localhost:8080"
_PATIENCE_SECONDS: Final = 60.0
#: Made of files that a wheel might lack.
_SERVED_FILES: Final = ("/docs", "/openapi.json", "/swagger/index.html")


def write_a_worker(built: Wheels, folder: Path) -> None:
    """
    A server, ``tasques worker`` as the page has it, and tasks that are done.

    Raises:
        StepFailed: With what did not work.
    """
    page = pages.how_to("write-a-worker")
    application, enqueues, embedded = pages.programs(page)
    command = pages.commands(page, "tasques worker")[0]
    environment = Environment.fresh(folder / "environment", [built.with_extras("server")])
    with served(environment, folder) as url:
        for path in _SERVED_FILES:
            with urllib.request.urlopen(url + path, timeout=_PATIENCE_SECONDS):
                pass
        shop = application.replace(_DOCUMENTED_SERVER, url)
        pages.write(folder, {"shop.py": shop, "enqueues.py": enqueues, "embedded.py": embedded})
        with (
            (folder / "worker.log").open("w") as log,
            started(
                [environment.program(command[0]), *command[1:]],
                folder,
                environment.variables(),
                log.fileno(),
            ),
        ):
            environment.run(["python", "enqueues.py"], folder)
    environment.run(["python", "embedded.py"], folder)


def tests_of_tasks(built: Wheels, folder: Path) -> None:
    """
    The page's tests, with the fixtures that come with the package, and its program.

    Raises:
        StepFailed: With what did not work.
    """
    environment = Environment.fresh(folder / "environment", [built.with_extras("testing")])
    pages.write(folder, pages.files(pages.how_to("test-your-tasks")))
    printed = environment.run(["python", "-m", "pytest", "test_sign_up.py"], folder)
    if "4 passed" not in printed:
        raise StepFailed(f"the tests of the page did not all pass:\n{printed}")
    environment.run(["python", "anywhere.py"], folder)


def write_a_plugin(built: Wheels, folder: Path) -> None:
    """
    The page's plugin, built, tested, installed beside a server, and its hooks firing.

    Raises:
        StepFailed: With what did not work.
    """
    page = pages.how_to("write-a-plugin")
    environment = Environment.fresh(
        folder / "environment", [built.with_extras("server", "testing")]
    )
    source = folder / "tasques-watch"
    source.mkdir()
    pages.write(source, pages.files(page))
    environment.install([source])
    environment.run(["python", "-m", "pytest", "test_tasques_watch.py"], source)
    noted = folder / "failures.jsonl"
    with served(environment, folder, {"WATCH_FILE": str(noted)}) as url:
        _follow(page, url)
        task = {"queue": "images", "kind": "resize", "args": {"image": 1000 * "x"}}
        status, answer = call(url, "POST", "/tasques", task)
        if status != 403:
            raise StepFailed(f"a veto was answered with {status}: {answer}")
        _expect(_first_line(noted), pages.answers(page)[2], f"{noted.name} has")


def _follow(page: str, url: str) -> None:
    """Run the commands of the page; what it shows for the first ones is what they print."""
    address = url.removeprefix("http://")
    printed = [snippets.run(command, address) for command in pages.lines(page, "curl")]
    for answer, documented in zip(printed, pages.answers(page)[:2], strict=False):
        _expect(answer, documented, "the server answers")


def _expect(found: str, documented: str, what: str) -> None:
    if snippets.normalised(found) != snippets.normalised(documented):
        raise StepFailed(f"{what}\n{found}\nand the page says\n{documented}")


def _first_line(file: Path) -> str:
    """The first line of *file*, once it is there."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (file.exists() and file.read_text().endswith("\n")):
        if time.monotonic() > deadline:
            raise StepFailed(f"the plugin wrote nothing into {file.name}")
        time.sleep(0.05)
    return file.read_text().splitlines()[0]
