"""Nothing that users meet is undocumented: routes, statuses, errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasques import hookspecs
from tasques.core import errors
from tasques.core.events import Happening
from tasques.server.errors import STATUS_BY_ERROR, status_of
from tasques.server.routes import ROUTES, Route

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def concrete(kind: type[errors.TasquesError]) -> Iterator[type[errors.TasquesError]]:
    """The classes below *kind* that are raised: those with a status and no bare family name."""
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            if below not in (errors.TaskError, errors.RecurringTaskError, errors.Unavailable):
                yield below
            yield from concrete(below)


@pytest.mark.parametrize(
    "kind", list(concrete(errors.TasquesError)), ids=lambda kind: kind.__name__
)
def test_every_error_is_explained_with_its_status(kind: type[errors.TasquesError]) -> None:
    """A row of the table of errors names the class and the status that it is answered with."""
    status = status_of(kind.__new__(kind))
    assert status is not None
    page = (REFERENCE / "errors.md").read_text()
    assert re.search(rf"^\| `{kind.__name__}` \| {status.value} \|", page, re.MULTILINE)


def test_the_table_of_statuses_has_no_stranger() -> None:
    """Each class of the server's table is one of the core's."""
    assert all(issubclass(kind, errors.TasquesError) for kind in STATUS_BY_ERROR)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_route_has_its_section_with_every_status(route: Route) -> None:
    """The heading is the route; its own statuses, parameters and headers are named below it."""
    page = (REFERENCE / "http.md").read_text()
    sections = re.split(r"^#+ ", page, flags=re.MULTILINE)
    section = next((s for s in sections if s.startswith(f"`{route.method} {route.path}`")), None)
    assert section is not None, f"no section for {route.method} {route.path}"
    assert str(route.status) in section
    for status in route.errors:
        assert str(status) in section, f"{status} of {route.method} {route.path}"
    for parameter in route.parameters:
        assert f"`{parameter.name}`" in section or f"{{{parameter.name}}}" in section, (
            f"{parameter.name} of {route.method} {route.path}"
        )


@pytest.mark.parametrize(
    "hook", sorted(name for name in vars(hookspecs) if name.startswith("tasques_"))
)
def test_every_hook_has_its_section_with_its_arguments(hook: str) -> None:
    """The heading is its name; the call is written out below it."""
    page = (REFERENCE / "hooks.md").read_text()
    names = inspect.signature(getattr(hookspecs, hook)).parameters
    assert f"\n## `{hook}`\n" in page
    assert f"`{hook}({', '.join(names)})`" in page


@pytest.mark.parametrize("what", Happening, ids=str)
def test_every_event_is_explained(what: Happening) -> None:
    """A row of the table of events names it."""
    assert f"\n| `{what}` |" in (REFERENCE / "hooks.md").read_text()
