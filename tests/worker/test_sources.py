"""Source files that change while somebody looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasques.worker.sources import Sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("shop.py", "parts/mail.py", ".hidden/x.py", "env/lib/x.py", "__pycache__/x.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_text("one")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    return tmp_path


@pytest.mark.parametrize("path", ["shop.py", "parts/mail.py"])
def test_a_change_is_seen_once(folder: Path, path: str) -> None:
    """Written, though its length is the same; removed; made."""
    sources, file = Sources(folder), folder / path
    assert not sources.have_changed()
    at = file.stat().st_mtime_ns
    os.utime(file, ns=(at, at + 1_000_000))
    assert sources.have_changed()
    assert not sources.have_changed()
    file.unlink()
    assert sources.have_changed()
    file.write_text("two")
    assert sources.have_changed()
    assert not sources.have_changed()


@pytest.mark.parametrize(
    "path", [".hidden/x.py", "env/lib/x.py", "__pycache__/x.py", "notes.txt", "env/new.py"]
)
def test_what_nobody_writes_is_passed_over(folder: Path, path: str) -> None:
    """Hidden folders, environments and caches; and what is no Python."""
    sources = Sources(folder)
    (folder / path).write_text("something longer")
    assert not sources.have_changed()


def test_a_folder_that_goes_away_is_a_change(folder: Path) -> None:
    """And no fault."""
    sources = Sources(folder / "parts")
    (folder / "parts" / "mail.py").unlink()
    (folder / "parts").rmdir()
    assert sources.have_changed()
    assert not sources.have_changed()
