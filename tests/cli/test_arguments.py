"""The command line: what is understood, and what help there is for the rest."""

from __future__ import annotations

import itertools

import pytest

from tasques import __version__
from tasques.cli import main
from tasques.cli.arguments import COMMANDS, OPTIONS, Arguments, UsageError, parse


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
        assert "Commands:" in pages[1]
        return

    assert pages[0] == pages[1]
    assert "xit status" in pages[0]
    assert ("--dry-run" in pages[0]) == (command == "setup")


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
