"""The page about testing, followed literally."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-tasks.md"


@pytest.fixture
def files(pytester: pytest.Pytester) -> dict[str, Path]:
    """What the page says to write, each part after the one before it in its file."""
    texts: dict[str, str] = {}
    for name, text in re.findall(
        r"^```python\n# (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    ):
        texts[name] = texts.get(name, "") + text + "\n"
    for name, text in texts.items():
        (pytester.path / name).write_text(text)
    return {name: pytester.path / name for name in texts}


def test_its_tests_pass(pytester: pytest.Pytester, files: dict[str, Path]) -> None:
    """All of them, in a folder that has nothing else."""
    assert set(files) == {"shop.py", "conftest.py", "test_sign_up.py", "anywhere.py"}
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)


def test_its_program_runs(pytester: pytest.Pytester, files: dict[str, Path]) -> None:
    """It prints a history."""
    result = pytester.runpython(files["anywhere.py"])
    assert result.ret == 0
    result.stdout.fnmatch_lines(["mail.welcome * in mail, *", "*+0s done *"])
