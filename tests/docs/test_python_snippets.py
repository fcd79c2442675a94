"""Every Python block of the pages about the library runs."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from tasques import Tasques
from tests.serving import served

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["how-to/enqueue-from-python.md", "how-to/use-as-a-library.md"]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DOCUMENTED_SERVER = "http://localhost:8080"


def close_all(names: dict[str, object]) -> None:
    """Close what a program would close by ending."""
    for value in names.values():
        if isinstance(value, Tasques):
            value.close()


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In order, in one namespace, against one fresh server; what they assert holds."""
    text = (DOCS / page).read_text()
    blocks = list(_BLOCK.finditer(text))
    assert blocks
    # Functions look their annotations up in the module that they come from.
    names: dict[str, object] = {"__name__": "__main__"}
    with contextlib.ExitStack() as applications, served() as url:
        applications.callback(close_all, names)
        for block in blocks:
            # So that a traceback has the line of the page.
            above = "\n" * text[: block.start(1)].count("\n")
            code = compile(above + block[1].replace(DOCUMENTED_SERVER, url), page, "exec")
            exec(code, names)
