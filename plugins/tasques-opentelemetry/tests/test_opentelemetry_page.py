"""The page about tracing: its program runs, and what the plugin says is on it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tasques_opentelemetry.requests
import tasques_opentelemetry.tracing

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "trace-tasks.md"


def test_its_program_runs() -> None:
    """By itself, since what it tells OpenTelemetry is told once in a program."""
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize(
    "module",
    [tasques_opentelemetry.tracing, tasques_opentelemetry.requests],
    ids=lambda module: module.__name__,
)
def test_every_attribute_is_explained(module: ModuleType) -> None:
    """In the tables."""
    source = Path(str(module.__file__)).read_text()
    names = set(
        re.findall(r'"((?:messaging|error|http|url|client|user_agent)\.[a-z_.-]+)"', source)
    )
    assert len(names) > 8
    table = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `"))
    assert {name for name in names if f"`{name}`" not in table} == set()
