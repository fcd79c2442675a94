"""The command line: what is understood, and what help there is for the rest."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tasques import __version__
from tasques.cli import main
from tasques.cli.arguments import Arguments, UsageError, parse
from tasques.cli.vocabulary import COMMANDS, OPTIONS

ROOT = Path(__file__).parents[2]


def test_without_a_command_tasques_serves():
    """As the original does; options alone change nothing about it."""
    assert parse([]) == Arguments(command="serve")
    assert parse(["--bind", ":0"]).command == "serve"


@pytest.mark.parametrize("words", [["serve"], ["setup"], ["check"], ["show", "config"]])
def test_general_options_stand_anywhere(words: list[str]):
    """``--config FILE`` and its like are taken before, between and after the words."""
    options = ["--config", "x.yaml"]
    expected = Arguments(command=" ".join(words), config="x.yaml")

    for place in range(len(words) + 1):
        assert parse([*words[:place], *options, *words[place:]]) == expected


def test_the_short_options_are_settings():
    """``--backend`` and ``--bind`` say the same as ``--set``; the last one counts."""
    parsed = parse(
        [
            "--bind",
            ":1",
            "serve",
            "--backend",
            "memory:",
            "--set",
            "bind_address=:2",
            "--set=a.b=c=d",
        ]
    )

    assert parsed.overrides == {"bind_address": ":2", "backend": "memory:", "a.b": "c=d"}


@pytest.mark.parametrize(
    "argv",
    [
        ["sreve"],
        ["serve", "now"],
        ["config"],
        ["--set", "a"],
        ["--set", "=a"],
        ["--config"],
        ["--conf", "x"],
        ["--unknown"],
        ["serve", "--check"],
        ["check", "--dry-run"],
        ["setup", "--check", "--dry-run"],
        ["setup", "--check", "--kibana"],
        ["serve", "--kibana"],
        ["help", "sreve"],
        ["help", "list", "mail"],
        ["list"],
        ["list", "mail", "other"],
        ["list", ""],
        ["get", "mail"],
        ["queues", "mail"],
        ["queues", "--config", "x"],
        ["list", "mail", "--set", "a=b"],
        ["serve", "--json"],
        ["list", "mail", "--yes"],
        ["list", "mail", "--all", "--limit", "3"],
        ["list", "mail", "--limit", "0"],
        ["list", "mail", "--limit", "1_0"],
        ["list", "mail", "--limit", "1" * 30],
        ["list", "mail", "--state", "gone"],
        ["list", "mail", "--order", "random"],
        ["list", "mail", "--created-from", "yesterday"],
        ["list", "mail", "--request-timeout", "0s"],
        ["cancel", "mail"],
        ["cancel", "mail", "7", "--all"],
        ["cancel", "mail", "7", "--dry-run"],
        ["cancel", "mail", "7", "--state", "dead"],
        ["cancel", "mail", "7", "--run-in", "5m"],
        ["delay", "mail", "7"],
        ["delay", "mail", "7", "--run-in", "5 minutes"],
        ["delay", "mail", "7", "--run-in", "5m", "--run-at", "2027-01-01T00:00:00Z"],
        ["reprioritise", "mail", "7"],
        ["enqueue", "mail"],
        ["enqueue", "mail", "x", "--priority", "high"],
        ["enqueue", "mail", "x", "--args", "-", "--context", "-"],
        ["enqueue", "mail", "x", "--idempotency-key", ""],
        ["enqueue", "mail", "x", "--idempotency-key", "a\r\nb"],
        ["enqueue", "mail", "x", "--idempotency-key", "\udcff"],
    ],
)
def test_what_makes_no_sense_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    """Nothing is done, and the message says what to write."""
    with pytest.raises(UsageError):
        parse(argv)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tasques: ")


def test_parameters_follow_the_words():
    """Options stand anywhere; after ``--`` nothing is one, so an id may begin with a dash."""
    assert parse(["--json", "get", "mail", "a b"]).parameters == ("mail", "a b")
    assert parse(["get", "--json", "mail", "7"]).has("--json")
    assert parse(["get", "--archived", "--", "mail", "-7"]).parameters == ("mail", "-7")


def test_options_are_texts_by_flag():
    """Each time that one is given counts for filters by state; else the last."""
    arguments = parse(
        ["list", "mail", "--state", "dead", "--state=done", "--limit", "3", "--limit", "4"]
    )

    assert arguments.options["--state"] == ("dead", "done")
    assert (arguments.text("--limit"), arguments.number("--limit")) == ("4", 4)
    assert (arguments.text("--kind"), arguments.number("--kind")) == (None, None)
    assert parse(["reprioritise", "mail", "7", "--priority", "-5"]).number("--priority") == -5


def test_a_flag_that_goes_elsewhere_says_where(capsys: pytest.CaptureFixture[str]):
    """And a command with too few parameters how it is written."""
    main(["queues", "--yes"])
    main(["get", "mail"])

    assert capsys.readouterr().err.splitlines() == [
        "tasques: --yes goes with cancel, retry, expire, delay, reprioritise, not with queues",
        "tasques: write: tasques get QUEUE ID; tasques help get has more",
    ]


def test_a_slip_of_the_pen_is_corrected(capsys: pytest.CaptureFixture[str]):
    """The nearest command is suggested."""
    main(["sreve"])

    assert "did you mean serve?" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["help"], ["--help"], ["-h"], ["--help", "--config", "x"]])
def test_help_names_every_command_and_general_option(
    argv: list[str], capsys: pytest.CaptureFixture[str]
):
    """Help is complete, on the standard output, with status 0."""
    assert main(argv) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert all(command.words in out and command.summary in out for command in COMMANDS)
    assert all(option.flags[0] in out for option in OPTIONS if option.is_general)
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("command", [command.words for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    """``help COMMAND`` and ``COMMAND --help`` are the same page, with its options and statuses."""
    pages = []
    for argv in (["help", *command.split()], [*command.split(), "--help"]):
        assert main(argv) == 0
        pages.append(capsys.readouterr().out)
    if command == "help":
        assert "Commands" in pages[1]
        return

    assert pages[0] == pages[1]
    assert "xit status" in pages[0]
    (taken,) = [it.options for it in COMMANDS if it.words == command]
    general = [option.flags[0] for option in OPTIONS if option.is_general]
    assert re.findall(r"^  (--[a-z-]+)", pages[0], re.MULTILINE) == [
        *(option.flags[0] for option in OPTIONS if option.flags[0] in taken),
        *general,
    ]
    assert f"tasques {command} " in pages[0]


def test_half_a_command_explains_itself(capsys: pytest.CaptureFixture[str]):
    """``tasques show`` shows what it can show, as the original does."""
    assert main(["show"]) == 0

    assert "tasques show config" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    """For reports of bugs."""
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"tasques {__version__}\n"


def test_the_tables_have_no_doubles():
    """Each command and each flag is written once."""
    flags = list(itertools.chain.from_iterable(option.flags for option in OPTIONS))
    words = [command.words for command in COMMANDS]

    assert len(set(flags)) == len(flags)
    assert len(set(words)) == len(words)
