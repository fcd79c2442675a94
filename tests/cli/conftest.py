"""A process without configuration, whose log is put back after each test."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasques import logs
from tests.cli.stub import Stub


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("TASQUES_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logs_put_back() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("tasques", *logs.LIBRARIES)]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, handlers, level, propagate in before:
        for handler in one.handlers:
            if handler not in handlers:
                handler.close()
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server that says what it is told to; the environment points at it."""
    with Stub() as stub:
        monkeypatch.setenv("TASQUES_URL", stub.url)
        yield stub
