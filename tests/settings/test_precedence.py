"""Command line over environment over file over default, for every setting at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.errors import InvalidInput
from tasques.settings import TABLE, File, Settings, backend_url, load

#: For settings that a text can say: a few texts, no two of them for the same value.
_TEXTS = {
    "duration": ["40m", "50m", "1h"],
    "whole number": ["2000", "3000", "4000"],
    "true or false": ["true", "false"],
}
NAMES = sorted(
    row.name
    for row in TABLE.values()
    # These have rules together with others, or narrower bounds.
    if row.kind.label in _TEXTS
    and not row.name.startswith(
        ("clock.", "elasticsearch.request_timeout", "http.processes", "tasks.completion")
    )
)


@st.composite
def layer(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=8))
    return {name: draw(st.sampled_from(_TEXTS[TABLE[name].kind.label])) for name in names}


def as_file(values: dict[str, str]) -> File:
    return File("tasques.json", json.dumps({f"tasques.server.{k}": v for k, v in values.items()}))


@given(layer(), layer(), layer())
def test_the_highest_source_that_says_something_counts(
    file: dict[str, str], environment: dict[str, str], line: dict[str, str]
):
    """For every setting alone, whatever the sources say of others; the source is told."""
    settings = load(
        as_file(file), {TABLE[name].variable: text for name, text in environment.items()}, line
    )

    effective = settings.as_options()
    for name, row in TABLE.items():
        for values, source in (
            (line, "command line"),
            (environment, f"environment {row.variable}"),
            (file, "file tasques.json"),
        ):
            if name in values:
                assert (effective[name], settings.source(name)) == (row.read(values[name]), source)
                break
        else:
            assert (effective[name], settings.source(name)) == (row.default, "default")


@given(layer(), layer(), st.sampled_from(["", "tasks", "tasks.defaults", "recurring", "http"]))
def test_removing_a_section_is_leaving_it_out_of_the_file(
    file: dict[str, str], environment: dict[str, str], section: str
):
    """An empty variable for a section has no other effect than that."""
    prefix = f"{section}." if section else ""
    variables = {TABLE[name].variable: text for name, text in environment.items()}
    variable = f"TASQUES_SERVER_{section}".upper().replace(".", "_").rstrip("_")

    removed = load(as_file(file), {**variables, variable: ""})

    rest = {name: text for name, text in file.items() if not name.startswith(prefix)}
    assert removed == load(as_file(rest), variables)


def test_the_command_line_names_settings_with_or_without_the_root():
    """``--set`` takes what the file's path says, and what the reference page says."""
    short = load(overrides={"tasks.defaults.retry_times": "3"})

    assert short == load(overrides={"tasques.server.tasks.defaults.retry_times": "3"})
    assert short.tasks.defaults.retry_times == 3


def test_the_command_line_can_remove_a_section_of_file_and_environment():
    """``--set elasticsearch.user=`` drops the user wherever it came from."""
    environ = {
        "TASQUES_SERVER_ELASTICSEARCH_USER_NAME": "a",
        "TASQUES_SERVER_ELASTICSEARCH_USER_PASSWORD": "b",
    }

    assert load(environ=environ, overrides={"elasticsearch.user": ""}) == Settings()


def test_an_unknown_name_on_the_command_line_stops_the_start():
    """There somebody is present to read it."""
    with pytest.raises(
        InvalidInput, match=r"did you mean tasques.server.tasks.defaults.retry_times"
    ):
        load(overrides={"tasks.default.retry_times": "3"})


@pytest.mark.parametrize(
    ("overrides", "url"),
    [
        ({}, "memory:"),
        ({"elasticsearch.addresses": "http://a:9200"}, "elasticsearch:"),
        ({"elasticsearch.addresses": "http://a:9200", "backend": "memory:"}, "memory:"),
        ({"backend": "sqlite:/x.db"}, "sqlite:/x.db"),
        ({"elasticsearch.ca_file": "/x.pem"}, "memory:"),
    ],
)
def test_the_backend_is_the_one_that_is_configured(overrides: dict[str, str], url: str):
    """``backend`` decides; else Elasticsearch where its addresses are set; else memory."""
    assert backend_url(load(overrides=overrides)) == url
