"""Command lines that a shell completes, in the shells themselves."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tasques.cli import main
from tasques.cli.completion import script
from tasques.cli.vocabulary import COMMANDS, OPTIONS, SHELLS

BASH = """
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_tasques
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# What the completion of zsh hands its words to, and what asks for it.
ZSH = """
compdef() {{ :; }}
_describe() {{ print -rl -- "${{(@)${{(@P)@[-1]}}%%:*}}" }}
compadd() {{ shift; print -rl -- "$@" }}
_files() {{ print -rl -- *(N) }}
{script}
words=({words})
CURRENT=$#words
_tasques
"""


def completed(shell: str, *words: str) -> set[str]:
    """What the shell offers for the last of the words."""
    program = shutil.which(shell)
    assert program is not None, f"{shell} is to be installed; tools/test.sh does it"
    written = " ".join(map(shlex.quote, ["tasques", *words]))
    match shell:
        case "bash":
            text = script("bash") + BASH.format(words=written)
        case "zsh":
            text = ZSH.format(script=script("zsh"), words=written)
        case _:
            text = script("fish") + f"complete -C {shlex.quote(' '.join(['tasques', *words]))}\n"
    options = {"bash": ["--norc"], "zsh": ["-f"]}.get(shell, ["--no-config"])
    ran = subprocess.run(
        [program, *options], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.stderr == ""
    offered = {line.partition("\t")[0] for line in ran.stdout.splitlines() if line}
    # Not every shell leaves it to its user's settings which of them begin so.
    return {each for each in offered if each.startswith(words[-1])}


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_completed(shell: str) -> None:
    """The first word, the second where there is one, and what some of them take."""
    assert completed(shell, "re") == {"retry", "reprioritise", "resume"}
    assert completed(shell, "show", "") == {"config"}
    assert completed(shell, "completion", "") == set(SHELLS)
    assert completed(shell, "help", "wor") == {"worker"}
    assert completed(shell, "worker", "") == set()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", ["worker", "list", "show config", "serve"])
def test_options_are_completed(shell: str, words: str) -> None:
    """Those of the command and the general ones, and no others; in whatever place."""
    (command,) = (it for it in COMMANDS if it.words == words)
    expected = {
        flag
        for option in OPTIONS
        if option.is_general or option.flags[0] in command.options
        for flag in option.flags
        if flag.startswith("--")
    }
    assert completed(shell, *words.split(), "--") == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_the_value_of_an_option_is_no_command(shell: str) -> None:
    """Whatever it looks like; and without a command it serves."""
    assert "--burst" in completed(shell, "worker", "--worker-id", "serve", "--bu")
    assert "--processes" in completed(shell, "--config", "list", "--pro")


@pytest.mark.parametrize("shell", SHELLS)
def test_values_are_completed_where_there_are_few(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And files where one is wanted; nothing where anything could be."""
    assert completed(shell, "list", "mail", "--state", "d") == {"done", "dead"}
    assert completed(shell, "worker", "--log-level", "wa") == {"warn"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live.yaml").touch()
    assert completed(shell, "--config", "li") == {"live.yaml"}
    assert completed(shell, "worker", "--grace", "") == set()


def test_an_equals_sign_is_a_word_to_bash() -> None:
    """As it is split there."""
    assert completed("bash", "list", "--state", "=", "do") == {"done"}
    assert completed("bash", "list", "--state", "=", "done", "--arch") == {"--archived"}


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """For the shells that there are."""
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == script("bash")
    assert main(["completion", "tcsh"]) == 2
    assert "fish" in capsys.readouterr().err
