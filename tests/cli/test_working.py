"""The command that works: which application, and what the command line says of the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasques.cli import main
from tasques.cli.arguments import UsageError, parse
from tasques.cli.working import application, options
from tasques.core.errors import InvalidInput

APPLICATION = """
from tasques.app import Tasques

class Holder:
    app = Tasques("memory:", queue="mail")

app = Holder.app
number = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory, that nobody else has imported."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    return name


def test_the_application_is_found_in_the_working_directory(module: str) -> None:
    """By its module and its name, which may have dots."""
    assert application(f"{module}:app") is application(f"{module}:Holder.app")


@pytest.mark.parametrize("place", ["shop", ":app", "shop:", "no.such.module:app"])
def test_what_is_no_place_is_refused(place: str, module: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError, match=r"MODULE:NAME|no module"):
        application(place)


@pytest.mark.parametrize("name", ["number", "nothing"])
def test_what_is_no_application_is_refused(name: str, module: str) -> None:
    """Before anything is claimed."""
    with pytest.raises(UsageError, match="is no application"):
        application(f"{module}:{name}")


def test_the_command_line_says_what_the_worker_is_told() -> None:
    """Each option has its place; what is not said is the worker's default."""
    line = (
        "worker a:b -q mail -q bulk -q mail -c 3 --grace 5s --burst --max-tasks 7 --soft-limit 1m"
    )
    found = options(parse([*line.split(), "--hard-limit", "2m", "--worker-id", "me"]))
    assert found.queues == ("mail", "bulk")
    assert (found.concurrency, found.max_tasks, found.burst) == (3, 7, True)
    assert (found.grace.seconds, found.worker_id) == (5, "me")
    assert found.soft_limit is not None
    assert found.hard_limit is not None
    assert (found.soft_limit.seconds, found.hard_limit.seconds) == (60, 120)
    assert options(parse(["worker", "a:b"])).concurrency == 8


def test_queues_may_have_weights() -> None:
    """After a colon, which no queue's name has; one without has none of its own."""
    found = options(parse(["worker", "a:b", "-q", "mail:3", "-q", "bulk"]))
    assert (found.queues, dict(found.weights), found.strict) == (
        ("mail", "bulk"),
        {"mail": 3},
        False,
    )
    assert options(parse(["worker", "a:b", "-q", "mail", "-q", "bulk", "--strict"])).strict
    for wrong in ("mail:", "mail:x", "mail:-1", "mail:1:2"):
        with pytest.raises(UsageError, match="QUEUE:3"):
            parse(["worker", "a:b", "-q", wrong])


def test_processes_are_a_setting_of_servers_and_an_option_of_workers() -> None:
    """The same word for the same thing; a worker has no settings."""
    served = parse(["serve", "--set", "http.processes=2", "--processes", "3"])
    assert (served.overrides, served.options) == ({"http.processes": "3"}, {})
    worked = parse(["worker", "a:b", "--processes", "3"])
    assert (worked.overrides, worked.number("--processes")) == ({}, 3)
    with pytest.raises(UsageError, match="--set goes with"):
        parse(["worker", "a:b", "--set", "http.processes=2"])


def test_a_command_line_can_be_written_again() -> None:
    """As the processes of a worker are told it."""
    line = ["worker", "a:b", "-q", "mail", "-q", "bulk", "--burst", "--worker-id=-x=y"]
    parsed = parse(line)
    assert parse(["worker", *parsed.line]) == parsed


def test_limits_that_contradict_each_other_are_refused() -> None:
    """As is a queue that no queue can be."""
    with pytest.raises(InvalidInput, match="soft_limit"):
        options(parse(["worker", "a:b", "--soft-limit", "2m", "--hard-limit", "1m"]))
    with pytest.raises(InvalidInput):
        options(parse(["worker", "a:b", "-q", "Mail"]))


@pytest.mark.parametrize(
    "wrong",
    [
        ["-c", "0"],
        ["--health-port", "65536"],
        ["--grace", "soon"],
        ["--processes", "0"],
        ["--processes", "many"],
        ["--burst", "--reload"],
        ["--health-port", "65535", "--processes", "2"],
    ],
)
def test_values_that_cannot_be_are_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As a command line that makes no sense."""
    assert main(["worker", "a:b", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
