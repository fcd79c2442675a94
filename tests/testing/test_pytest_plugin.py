"""The plugin as others have it: pytest in a folder of theirs."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from tasques import Tasques

app = Tasques("http://nobody.invalid:9", queue="mail")

@app.task(kind="mail.send", retries=3)
def send(to: str) -> None:
    raise ValueError(f"{to} is unknown")

@pytest.fixture
def tasques_application():
    return app
"""


def run(pytester: pytest.Pytester, test: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


def test_a_failing_test_shows_its_tasks(pytester: pytest.Pytester) -> None:
    """What happened to them, with times and errors."""
    result = run(
        pytester,
        """
        from conftest import send

        def test_mail(tasques_app):
            send.enqueue("ann")
            tasques_app.drain()
            assert False
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*tasks of tasques_app*",
            'mail.send * in mail, {"to":"ann"}',
            "*+0s created",
            "*+0s claimed by test-worker, attempt 1",
            "*+0s failed *ann is unknown*: again at *",
        ]
    )


def test_a_passing_test_shows_nothing(pytester: pytest.Pytester) -> None:
    """And its tasks are nobody else's."""
    result = run(
        pytester,
        """
        import pytest
        from conftest import send

        @pytest.mark.parametrize("number", range(3))
        def test_mail(tasques_app, number):
            assert tasques_app.enqueued() == []
            send.enqueue("ann")
            tasques_app.assert_enqueued(send, to="ann")
        """,
    )
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*tasks of tasques_app*")


def test_without_an_application_there_is_an_empty_one(pytester: pytest.Pytester) -> None:
    """For tests that declare their tasks themselves."""
    pytester.makepyfile(
        """
        def test_mail(tasques_app):
            @tasques_app.app.task(queue="mail")
            def send(to: str) -> str:
                return to

            handle = send.enqueue("ann")
            tasques_app.drain(raises=True)
            assert handle.result() == "ann"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_plugin_costs_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    """It is loaded into every run of pytest, so it imports nothing of ours that it does not need."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            ours = {name for name in sys.modules if name.startswith("tasques.")}
            assert ours <= {"tasques.lazily", "tasques.testing", "tasques.testing.pytest_plugin"}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
