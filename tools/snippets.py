"""
Runs the console snippets of the docs against a server, and compares or rewrites their answers.

A snippet is a fenced block ``console``: lines that begin with ``$`` are commands, what follows is
what they print. All snippets of a page run in order against one fresh server, which stands in for
``localhost:8080``.

    python -m tools.snippets http://127.0.0.1:8080 README.md    write the answers into the page
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_DOCUMENTED_SERVER = "localhost:8080"

# What differs from run to run, and what it becomes before two answers are compared.
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'"(recurring-tasks-leader-)?[0-9a-f]{32}"'), '"<id>"'),
    (re.compile(r'"next":"[\w-]+"'), '"next":"<position>"'),
    (re.compile(r'"(seq_num|primary_term)": ?\d+'), r'"\1":<number>'),
)


def blocks(page: str) -> Iterator[re.Match[str]]:
    """The console blocks of a page."""
    return _BLOCK.finditer(page)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, without its ``$``, and what the docs say it prints."""
    command = ""
    printed: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(printed)
            command, printed = line[2:], []
        elif command.endswith("\\"):
            command += "\n" + line
        else:
            printed.append(line)
    if command:
        yield command, "\n".join(printed)


def run(command: str, server: str) -> str:
    """What *command* prints with *server* (``host:port``) in the place of the documented one."""
    done = subprocess.run(
        ["sh", "-c", command.replace(_DOCUMENTED_SERVER, server)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).strip().replace(server, _DOCUMENTED_SERVER)


def normalised(answer: str) -> str:
    """*answer* without what differs from run to run."""
    for pattern, replacement in _VARYING:
        answer = pattern.sub(replacement, answer)
    return answer.strip()


def rewritten(page: str, server: str) -> str:
    """*page* with the answers that *server* gives now."""

    def answered(match: re.Match[str]) -> str:
        parts = [f"$ {c}\n{run(c, server)}" for c, _ in commands(match[1])]
        return "```console\n" + "\n".join(parts) + "\n```"

    return _BLOCK.sub(answered, page)


if __name__ == "__main__":
    url, *pages = sys.argv[1:]
    for name in pages:
        path = Path(name)
        path.write_text(rewritten(path.read_text(), url.removeprefix("http://")))
