"""The commands that act: what they ask, when they ask back, and what they print."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tasques.cli import main
from tests.cli.stub import Stub, task
from tests.cli.test_seeing import QUEUES

# --------------------------------------------------------------------------------- enqueue


def test_enqueue_creates_and_prints_the_id(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Nothing is sent that was not said: the defaults are the server's."""
    stub.say(task("a1"), status=201)

    assert main(["enqueue", "mail", "welcome"]) == 0

    assert (stub.only.method, stub.only.target) == ("POST", "/tasques")
    assert stub.only.json == {"queue": "mail", "kind": "welcome"}
    assert "Idempotency-Key" not in stub.only.headers
    assert capsys.readouterr().out == "a1\n"


def test_enqueue_sends_all_that_is_said(stub: Stub, tmp_path: Path):
    """Each option is a field; numbers within objects keep their digits."""
    stub.say(task("a1"), status=201)
    (tmp_path / "ctx.json").write_text('{"trace": 1.10}')
    line = (
        "enqueue mail welcome --id a1 --priority -5 --retry-times 0 --timeout 90s --context @ctx.json"
        " --run-at 2027-01-01T00:00:00Z --expires-at 2028-01-01T00:00:00Z --idempotency-key k"
    )

    assert main([*line.split(), "--args", '{"n": 1e999}']) == 0

    content = stub.only.content.decode()
    assert '"args":{"n": 1e999}' in content
    assert '"context":{"trace": 1.10}' in content
    sent = stub.only.json
    assert {name: value for name, value in sent.items() if name not in ("args", "context")} == {
        "queue": "mail",
        "kind": "welcome",
        "id": "a1",
        "priority": -5,
        "retry_times": 0,
        "processing_timeout": "90s",
        "run_at": "2027-01-01T00:00:00Z",
        "expires_at": "2028-01-01T00:00:00Z",
    }
    assert stub.only.headers["Idempotency-Key"] == "k"


def test_enqueue_reads_the_standard_input(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """``--args -``; with --json the whole task is printed."""
    stub.say(task("a1"), status=201)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"n": "\xc3\xa4"}\n')))

    assert main(["enqueue", "mail", "welcome", "--args", "-", "--json"]) == 0

    assert stub.only.json["args"] == {"n": "ä"}
    assert json.loads(capsys.readouterr().out) == task("a1")


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ("[1]", 2, "--args wants a JSON object, @FILE or -"),
        ("{", 2, "--args wants a JSON object"),
        ("\udcff", 2, "--args wants a JSON object"),
        ("@list.json", 1, "--args: [@list.json] has no JSON object"),
        ("@none.json", 1, "No such file"),
    ],
)
def test_what_is_no_object_is_not_sent(
    args: str,
    status: int,
    message: str,
    stub: Stub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    """Status 2 where it stands on the command line, 1 where it was read."""
    (tmp_path / "list.json").write_text("[1]")

    assert main(["enqueue", "mail", "welcome", "--args", args]) == status
    assert message in capsys.readouterr().err
    assert stub.asked == []


# ---------------------------------------------------------------------------- pause, resume


def test_pause_and_resume(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """One request without a body each; what holds then is said."""
    paused = {"queue": "mail", "paused_at": "2026-11-22T10:00:00.5Z", "modified_at": "x"}
    stub.say(paused).say({"queue": "mail", "modified_at": "x"}).say(paused)

    assert [main([word, "mail"]) for word in ("pause", "resume")] == [0, 0]
    assert main(["pause", "mail", "--json"]) == 0

    assert [(it.method, it.target, it.content) for it in stub.asked[:2]] == [
        ("POST", "/queues/mail/pause", b""),
        ("POST", "/queues/mail/resume", b""),
    ]
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["mail is paused since 2026-11-22T10:00:00Z", "mail hands out tasks"]
    assert json.loads(out[2]) == paused


# --------------------------------------------------------------------------------- one task


@pytest.mark.parametrize(
    ("line", "body", "answer", "printed"),
    [
        ("cancel mail 7", None, {"state": "dead", "ended": {"reason": "cancelled"}}, "cancelled)"),
        ("cancel mail 7", None, {"cancel_requested": True}, "queued (cancel requested)"),
        ("retry mail 7", None, {}, "7 queued"),
        ("expire mail 7", None, {"state": "dead", "ended": {"reason": "expired"}}, "(expired)"),
        (
            "delay mail 7 --run-in 5m",
            {"run_in": "5m"},
            {},
            "queued, not before 2026-11-22T09:59:00Z",
        ),
        ("delay mail 7 --run-at 2027-01-01T00:00:00Z", {"run_at": "2027-01-01T00:00:00Z"}, {}, ""),
        (
            "reprioritise mail 7 --priority 9",
            {"priority": 9},
            {"priority": 9},
            "queued, priority 9",
        ),
    ],
)
def test_one_task(
    line: str,
    body: object,
    answer: dict[str, Any],
    printed: str,
    stub: Stub,
    capsys: pytest.CaptureFixture[str],
):
    """One request, and how the task stands then."""
    stub.say(task("7", **answer)).say(task("7", **answer))

    assert main(line.split()) == 0
    assert main([*line.split(), "--json"]) == 0

    asked = stub.asked[0]
    assert (asked.method, asked.target) == (
        "POST",
        f"/queues/mail/tasks/7/{line.partition(' ')[0]}",
    )
    assert (asked.json if asked.content else None) == body
    text, json_line = capsys.readouterr().out.splitlines()
    assert printed in text
    assert json.loads(json_line)["id"] == "7"


def test_what_is_not_possible_with_one_is_status_1(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """In the server's words."""
    stub.say({"message": "A task that is done cannot cancel: [7]"}, status=400)

    assert main(["cancel", "mail", "7"]) == 1
    assert capsys.readouterr() == ("", "tasques: A task that is done cannot cancel: [7]\n")


# ------------------------------------------------------------------------------------- many

CHANGED = {"id": "1", "outcome": "changed"}
NOT_POSSIBLE = {"id": "2", "outcome": "not_possible", "reason": "it is\ndone"}
GONE = {"id": "3", "outcome": "gone"}
FAILED = {"id": "4", "outcome": "failed", "reason": "no node"}


def test_all_that_match_are_changed_page_by_page(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Until there is no next page; what was not changed has a line, and the rest is counted."""
    stub.say({"outcomes": [CHANGED] * 500, "next": "a"})
    stub.say({"outcomes": [NOT_POSSIBLE, GONE], "next": "b"}).say({"outcomes": [CHANGED]})
    line = "cancel mail --all --yes --kind k --worker w --created-from 2026-01-01T00:00:00Z"

    assert main(line.split()) == 0

    filters = {"kind": "k", "worker": "w", "created_from": "2026-01-01T00:00:00Z"}
    states = ["claimed", "failed", "queued"]
    common = {"states": states, **filters, "dry_run": False, "limit": 500}
    assert {(it.method, it.target) for it in stub.asked} == {("POST", "/queues/mail/tasks/cancel")}
    assert [it.json for it in stub.asked] == [
        common,
        {**common, "after": "a"},
        {**common, "after": "b"},
    ]
    assert capsys.readouterr().out.splitlines() == [
        "2 not possible: it is\\ndone",
        "3 gone",
        "501 changed, 1 not possible, 1 gone",
    ]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("retry mail", {"states": ["dead"]}),
        ("expire mail", {"states": ["failed", "queued"]}),
        ("delay mail --run-in 1h", {"states": ["failed", "queued"], "run_in": "1h"}),
        ("reprioritise mail --priority -1", {"states": ["failed", "queued"], "priority": -1}),
        ("cancel mail --state dead --state done", {"states": ["dead", "done"]}),
    ],
)
def test_what_is_meant_by_all(line: str, fields: dict[str, Any], stub: Stub):
    """Tasks in the states that the lifecycle lets it act upon, unless others are named."""
    stub.say({"outcomes": []})

    assert main([*line.split(), "--all", "--yes"]) == 0

    assert stub.only.target == f"/queues/mail/tasks/{line.partition(' ')[0]}"
    assert stub.only.json == {**fields, "dry_run": False, "limit": 500}


def test_a_dry_run_says_what_would_be_done(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """The server decides; nothing is asked first, since nothing is changed."""
    stub.say({"outcomes": [CHANGED, NOT_POSSIBLE]})

    assert main(["cancel", "mail", "--all", "--dry-run"]) == 0

    assert stub.only.json["dry_run"] is True
    assert capsys.readouterr().out.splitlines() == [
        "1 would be changed",
        "2 not possible: it is\\ndone",
        "1 would be changed, 1 not possible",
    ]


def test_many_as_json_are_a_line_each(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """The count is for people, so it goes to the standard error."""
    stub.say({"outcomes": [CHANGED, NOT_POSSIBLE]})

    assert main(["retry", "mail", "--all", "--yes", "--json"]) == 0

    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [CHANGED, NOT_POSSIBLE]
    assert err == "1 changed, 1 not possible\n"


def test_a_failure_among_many_is_status_1(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Nobody knows what became of it: somebody has to look."""
    stub.say({"outcomes": [CHANGED, FAILED]})

    assert main(["retry", "mail", "--all", "--yes"]) == 1
    assert "4 failed: no node" in capsys.readouterr().out


def test_broken_off_it_says_how_far_it_got(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """What was done is done."""
    stub.say({"outcomes": [CHANGED] * 3, "next": "a"})
    stub.say({"message": "broken"}, status=500)

    assert main(["retry", "mail", "--all", "--yes"]) == 1

    out, err = capsys.readouterr()
    assert out == "3 changed\n"
    assert "is in trouble (500): broken" in err


def test_what_did_not_begin_is_not_counted(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """``0 changed`` would be an answer, and there was none."""
    stub.say(b"", status=401)

    assert main(["retry", "mail", "--all", "--yes"]) == 1
    assert capsys.readouterr().out == ""


def test_a_page_is_asked_for_again_when_the_server_says_later(stub: Stub):
    """A repeat finds what is changed already changed."""
    stub.say({"message": "later"}, status=503, Retry_After="0").say({"outcomes": [CHANGED]})

    assert main(["retry", "mail", "--all", "--yes"]) == 0


def test_a_limit_is_of_tasks_looked_at(stub: Stub):
    """Over pages; the last one is asked for the rest."""
    stub.say({"outcomes": [CHANGED] * 500, "next": "a"})
    stub.say({"outcomes": [CHANGED] * 2, "next": "b"})

    assert main(["retry", "mail", "--all", "--yes", "--limit", "502"]) == 0
    assert [it.json["limit"] for it in stub.asked] == [500, 2]


def test_progress_of_many(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """Out of so many, where the counts of the queue say it."""
    stub.say(QUEUES).say({"outcomes": [CHANGED] * 500, "next": "a"}).say({"outcomes": [CHANGED]})

    assert main(["cancel", "mail", "--all", "--yes", "--progress"]) == 0

    assert capsys.readouterr().err.splitlines() == ["500 of 1,200"]


# ------------------------------------------------------------------------------ asking first


class Keyboard(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_many_want_yes(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """A script that forgot it changes nothing."""
    assert main(["cancel", "mail", "--all"]) == 2

    assert "wants --yes" in capsys.readouterr().err
    assert stub.asked == []


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "yesterday\n"])
def test_whatever_is_not_yes_is_no(
    typed: str, stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nothing is changed, and the status says so."""
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    stub.say(QUEUES)

    assert main(["cancel", "mail", "--all"]) == 1

    assert stub.only.target == "/queues"
    assert "nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ([], "cancel 1,200 tasks of mail (claimed or failed or queued)? [y/N] "),
        (["--state", "dead"], "cancel 3 tasks of mail (dead)? [y/N] "),
        (["--limit", "5"], "cancel 5 tasks of mail (claimed or failed or queued)? [y/N] "),
        (
            ["--state", "dead", "--kind", "a\nb"],
            "cancel every task of mail (dead, kind a\\nb)? [y/N] ",
        ),
    ],
)
def test_yes_goes_on(
    words: Sequence[str],
    question: str,
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """The question says how many, where that is known, and which; on the standard error."""
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    if "--kind" not in words:
        stub.say(QUEUES)
    stub.say({"outcomes": [CHANGED]})

    assert main(["cancel", "mail", "--all", *words]) == 0

    out, err = capsys.readouterr()
    assert err == question
    assert out == "1 changed\n"
