"""The commands that look: what they ask, and what they print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tasques.cli import main
from tests.cli.stub import Stub, task

ROOT = Path(__file__).parents[2]

QUEUES = {
    "as_of": "2026-11-22T10:00:00Z",
    "queues": [
        {
            "queue": "films",
            "counts": {},
            "ready": 0,
            "paused_at": "2026-11-22T07:57:00Z",
        },
        {
            "queue": "mail",
            "counts": {"queued": 1200, "dead": 3},
            "ready": 1100,
            "oldest_ready_at": "2026-11-22T09:54:48Z",
        },
    ],
}


def test_queues_are_a_table(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Tasks by state, what can be claimed, how long it has waited, how long it has been paused."""
    stub.say(QUEUES)

    assert main(["queues"]) == 0

    assert (stub.only.method, stub.only.target) == ("GET", "/queues")
    assert capsys.readouterr().out.splitlines() == [
        "QUEUE  QUEUED  CLAIMED  FAILED  DONE  DEAD  READY  WAITING  PAUSED",
        "films       0        0       0     0     0      0           2h3m",
        "mail    1,200        0       0     0     3  1,100  5m12s",
    ]


def test_queues_as_json_are_what_the_server_says(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """One document."""
    stub.say(QUEUES)

    assert main(["queues", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == QUEUES


def test_a_listing_is_a_table(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """A line for each task; why it ended, or that it is asked to end, stands with its state."""
    claim = {"worker_id": "w" * 40, "claimed_at": "2026-11-22T09:59:00Z"}
    stub.say(
        {
            "tasks": [
                task("mail-7", state="claimed", last_claimed=claim, cancel_requested=True),
                task("日本", state="dead", priority=-5, ended={"reason": "cancelled", "at": "x"}),
                task("x", kind="k\n" * 40),
            ]
        }
    )

    assert main(["list", "mail"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split("  2026")[0] for line in out.splitlines()[1:]] == [
        f"mail-7  welcome{' ' * 25}  claimed (cancel requested)         0      1/26",
        f"日本    welcome{' ' * 25}  dead (cancelled)                  -5      1/26",
        "x       " + "k\\n" * 10 + "k…  queued                             0      1/26",
    ]
    assert out.splitlines()[1].endswith(
        "1/26  2026-11-22T09:54:48Z  2026-11-22T09:59:00Z  " + "w" * 31 + "…"
    )


def test_a_listing_asks_for_what_is_meant(stub: Stub):
    """Every filter is a parameter of the route."""
    stub.say({"tasks": []})

    words = "list mail --state dead --state failed --kind a&b --worker w1 --order oldest --archived"
    times = ["--created-from", "2026-11-22T10:00:00+01:00", "--created-before=2027-01-01T00:00:00Z"]
    assert main([*words.split(), *times, "--limit", "7"]) == 0

    assert stub.only.path == "/queues/mail/tasks"
    assert stub.only.query == [
        ("state", "dead"),
        ("state", "failed"),
        ("kind", "a&b"),
        ("worker", "w1"),
        ("created_from", "2026-11-22T10:00:00+01:00"),
        ("created_before", "2027-01-01T00:00:00Z"),
        ("order", "oldest"),
        ("archived", "true"),
        ("limit", "7"),
    ]


@pytest.mark.parametrize(("more", "expected"), [({}, 0), ({"next": "bmV4dA"}, 1)])
def test_a_hundred_and_no_more_are_listed(
    more: dict[str, str], expected: int, stub: Stub, capsys: pytest.CaptureFixture[str]
):
    """If there are more, it is said, beside the listing."""
    stub.say({"tasks": [task(str(i)) for i in range(100)], **more})

    assert main(["list", "mail"]) == 0

    out, err = capsys.readouterr()
    assert stub.only.query == [("limit", "100")]
    assert len(out.splitlines()) == 101
    assert len(err.splitlines()) == expected
    assert "--all" in err or not expected


def test_everything_is_listed_page_by_page(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Each page begins where the one before ended; in JSON, each task is a line."""
    stub.say({"tasks": [task("1"), task("2")], "next": "a"})
    stub.say({"tasks": [task("3")], "next": "b"}).say({"tasks": []})

    assert main(["list", "mail", "--all", "--json"]) == 0

    assert [asked.query for asked in stub.asked] == [
        [("limit", "500")],
        [("limit", "500"), ("after", "a")],
        [("limit", "500"), ("after", "b")],
    ]
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == list("123")


def test_a_limit_goes_over_pages(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """The last page is asked for what is missing."""
    stub.say({"tasks": [task(str(i)) for i in range(500)], "next": "a"})
    stub.say({"tasks": [task("x")], "next": "b"})

    assert main(["list", "mail", "--limit", "501"]) == 0

    assert stub.asked[1].query == [("limit", "1"), ("after", "a")]
    assert capsys.readouterr().err == ""


def test_a_listing_that_goes_in_a_circle_ends(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """A server at fault must not keep anybody busy forever."""
    for _ in range(2):
        stub.say({"tasks": [task()], "next": "a"})

    assert main(["list", "mail", "--all"]) == 1
    assert "does not go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ([], ["2 of 1,203"]),
        (["--state", "dead", "--state", "queued"], ["2 of 1,203"]),
        (["--state", "done"], ["2"]),
        (["--kind", "x"], ["2"]),
        (["--archived"], ["2"]),
    ],
)
def test_progress_of_a_listing(
    words: Sequence[str], steps: Sequence[str], stub: Stub, capsys: pytest.CaptureFixture[str]
):
    """Out of the queue's counts, where they say how many there are; else it counts."""
    if not {"--kind", "--archived"} & set(words):
        stub.say(QUEUES)
    stub.say({"tasks": [task("1"), task("2")], "next": "a"}).say({"tasks": []})

    assert main(["list", "mail", "--all", "--progress", *words]) == 0
    assert capsys.readouterr().err.splitlines() == steps


def test_a_task_is_shown_with_everything(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Under the names of the API; the error's text as the worker wrote it."""
    failure = {"error": "Traceback\n  line 1\nOSError: no answer"}
    claim = {
        "worker_id": "w1",
        "claimed_at": "2026-11-22T09:58:00Z",
        "times_out_at": "2026-11-22T10:28:00Z",
        "result": {"at": "2026-11-22T09:59:00Z", "failure": failure},
    }
    stub.say(task(state="dead", args={"n": 1}, last_claimed=claim))

    assert main(["get", "mail", "mail-7", "--archived"]) == 0

    assert stub.only.target == "/tasques/mail/mail-7?archived=true"
    lines = capsys.readouterr().out.splitlines()
    assert "state:              dead" in lines
    assert "  created_at:  2026-11-22T09:54:48.25Z (5m11s ago)" in lines
    assert lines[lines.index("    failure:") :][:5] == [
        "    failure:",
        "      error:",
        "        | Traceback",
        "        |   line 1",
        "        | OSError: no answer",
    ]


def test_a_task_as_json_is_what_the_server_says(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """To the last digit."""
    body = json.dumps(task()).encode()[:-1] + b', "args": {"n": 1e999, "m": 1.10}}'
    stub.say(body)

    assert main(["get", "mail", "mail-7", "--json"]) == 0
    assert capsys.readouterr().out == body.decode() + "\n"


def test_a_task_that_is_not_there(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Status 1, in the server's words, and nothing for a program to read."""
    stub.say({"message": "Could not find [x] in queue [mail]"}, status=404)

    assert main(["get", "mail", "x", "--json"]) == 1
    assert capsys.readouterr() == ("", "tasques: Could not find [x] in queue [mail]\n")


def test_whoever_reads_may_stop(stub: Stub):
    """``tasques list mail | head -n 1`` ends without a complaint."""
    for page in range(20):
        tasks: list[Any] = [task(f"{page}-{i}") for i in range(500)]
        stub.say({"tasks": tasks, "next": str(page)})
    stub.say({"tasks": []})
    command = f"{sys.executable} -m tasques.cli list mail --all --url {stub.url} | head -n 2"

    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout.splitlines()[1].startswith("0-0 ")


def test_a_terminal_that_knows_few_characters(stub: Stub):
    """What it cannot show is escaped; nothing is lost behind it."""
    stub.say({"tasks": [task("日本")]})
    command = [sys.executable, "-m", "tasques.cli", "list", "mail", "--url", stub.url]

    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[1].startswith(b"\\u65e5\\u672c  welcome")
