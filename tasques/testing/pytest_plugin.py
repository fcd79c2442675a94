"""
Fixtures for tests of what is built on Tasques; pytest loads this wherever the package is installed.

``tasques_app`` is a :class:`~tasques.testing.app.TestingApp` on the application that the fixture
``tasques_application`` gives. Override that one, in ``conftest.py``::

    import pytest
    from shop.tasks import app

    @pytest.fixture
    def tasques_application():
        return app

A test that fails shows what happened to its tasks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tasques.app import Tasques
    from tasques.testing.app import TestingApp

_FIXTURE = "tasques_app"


@pytest.fixture
def tasques_application() -> Tasques:
    """What is tested; to be overridden. A new application in memory, if it is not."""
    from tasques.app import Tasques

    return Tasques("memory:")


@pytest.fixture
def tasques_app(tasques_application: Tasques) -> Iterator[TestingApp]:
    """The application in a memory of this test's own, with a clock that it moves."""
    from tasques.testing.app import TestingApp

    with TestingApp(tasques_application) as application:
        yield application


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failing test's tasks."""
    report = yield
    application = getattr(item, "funcargs", {}).get(_FIXTURE)
    if report.failed and call.when == "call" and application is not None:
        report.sections.append(("tasks of tasques_app", application.history() or "none"))
    return report
