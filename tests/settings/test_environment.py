"""The environment: every sentence of the contract's section 9, and the published manifests."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tasques.core.errors import InvalidInput
from tasques.core.values import Duration
from tasques.settings import SECTIONS, TABLE, File, Settings, User, load
from tasques.settings.table import variable

EXAMPLE = File(
    "tasques.yaml", (Path(__file__).parent / "tasques.example.yaml").read_text(encoding="utf-8")
)


def faults(**environ: str) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        load(EXAMPLE, environ)
    return {fault.path: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bind_address", "TASQUES_SERVER_BIND_ADDRESS"),
        ("tasks.defaults.retry_times", "TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES"),
        ("elasticsearch.user.password", "TASQUES_SERVER_ELASTICSEARCH_USER_PASSWORD"),
    ],
)
def test_a_variable_is_the_path_in_capitals(name: str, expected: str):
    """``_`` stands for ``.``, under ``TASQUES_SERVER``."""
    assert TABLE[name].variable == expected


def test_no_two_settings_or_sections_share_a_variable():
    """``a.b_c`` and ``a_b.c`` would; the table must not grow such a pair."""
    names = [*TABLE, *SECTIONS]

    assert len({variable(name) for name in names}) == len(names)


def test_the_environment_wins_over_the_file():
    """A variable replaces what the file says, and the source says so."""
    settings = load(EXAMPLE, {"TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES": "3"})

    assert settings.tasks.defaults.retry_times == 3
    assert settings.source("tasks.defaults.retry_times") == (
        "environment TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES"
    )


def test_a_key_that_no_file_has_can_be_set():
    """The original looks up only keys of its file; here every key counts."""
    settings = load(environ={"TASQUES_SERVER_CLOCK_RED": "1m", "TASQUES_SERVER_BACKEND": "memory:"})

    assert (settings.clock.red, settings.backend) == (Duration.of_seconds(60), "memory:")


def test_a_list_is_separated_by_commas():
    """Several nodes fit into one variable."""
    addresses = "http://a:9200,http://b:9200"
    settings = load(environ={"TASQUES_SERVER_ELASTICSEARCH_ADDRESSES": addresses})

    assert settings.elasticsearch.addresses == ("http://a:9200", "http://b:9200")


def test_an_empty_variable_for_a_section_removes_it():
    """``TASQUES_SERVER_AUTH=`` switches authentication off, and so on for every section."""
    settings = load(
        EXAMPLE,
        {"TASQUES_SERVER_AUTH": "", "TASQUES_SERVER_ELASTICSEARCH_USER": ""},
    )

    assert settings.auth == Settings().auth
    assert settings.elasticsearch.user == Settings().elasticsearch.user
    assert settings.elasticsearch.addresses == ("http://localhost:9200",)
    assert settings.source("auth.basic_auth") == "default"


def test_a_removed_section_keeps_what_other_variables_say():
    """``TASQUES_SERVER_LOGGING=`` with a level keeps only the level."""
    settings = load(
        EXAMPLE, {"TASQUES_SERVER_LOGGING": "", "TASQUES_SERVER_LOGGING_LEVEL": "debug"}
    )

    assert settings.logging.level == "debug"
    assert settings.logging.file is None


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_can_be_removed(section: str):
    """Whatever the file says below it is then the default; the rest stays."""
    settings = load(EXAMPLE, {variable(section): ""})
    prefix = f"{section}." if section else ""

    assert settings.warnings == ()
    assert set(settings.sources) == {
        name for name in load(EXAMPLE).sources if not name.startswith(prefix)
    }


def test_a_section_cannot_be_set_to_a_text():
    """The original takes any text for "remove"; users would think they had set a password."""
    assert "is a section" in faults(TASQUES_SERVER_AUTH="user:password")["auth"]


def test_an_empty_variable_for_a_number_or_a_duration_is_an_error():
    """Empty counts as set, and is no number."""
    found = faults(
        TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES="",
        TASQUES_SERVER_SHUTDOWN_TIMEOUT="",
        TASQUES_SERVER_BIND_ADDRESS="",
        TASQUES_SERVER_ELASTICSEARCH_ADDRESSES="",
    )

    assert set(found) == {
        "tasks.defaults.retry_times",
        "shutdown_timeout",
        "bind_address",
        "elasticsearch.addresses",
    }
    assert "environment TASQUES_SERVER_SHUTDOWN_TIMEOUT" in found["shutdown_timeout"]


def test_an_empty_variable_for_an_optional_text_unsets_it():
    """``TASQUES_SERVER_LOGGING_FILE=`` logs to the standard error again."""
    settings = load(EXAMPLE, {"TASQUES_SERVER_LOGGING_FILE": "", "TASQUES_SERVER_LOGGING_JSON": ""})

    assert settings.logging.file is None
    assert settings.logging.json is False  # as the original reads an empty truth value


@pytest.mark.parametrize("name", ["TASQUES_SERVER_AUTH_BASIC_AUTH", "TASQUES_SERVER_AUTH"])
def test_an_empty_variable_removes_the_users(name: str):
    """Of the list, as of its section; so the original does, whose servers are open then."""
    assert load(EXAMPLE).auth.basic_auth
    assert load(EXAMPLE, {name: ""}).auth.basic_auth == ()


@pytest.mark.parametrize("text", [" ", "alice:secret", '[{"name": "a", "password": "secret"}]'])
def test_users_cannot_be_set_by_the_environment(text: str):
    """Any other text is an error, as in the original."""
    message = faults(TASQUES_SERVER_AUTH_BASIC_AUTH=text)["auth.basic_auth"]

    assert "in the file" in message
    assert "secret" not in message


def test_an_unknown_level_is_info_with_a_warning():
    """A slip in the level must not make the log silent."""
    settings = load(environ={"TASQUES_SERVER_LOGGING_LEVEL": "chatty"})

    assert settings.logging.level == "info"
    assert len(settings.warnings) == 1
    assert "[chatty]" in settings.warnings[0]


def test_an_unknown_variable_is_a_warning():
    """``TASQUES_SERVER_TASK_…`` for ``…_TASKS_…`` would be silently without effect."""
    settings = load(
        environ={"TASQUES_SERVER_TASK_DEFAULTS_RETRY_TIMES": "1", "TASQUES_WORKER_ID": "w", "A": ""}
    )

    assert settings.warnings == (
        "environment TASQUES_SERVER_TASK_DEFAULTS_RETRY_TIMES is not the name of a setting; ignored",
    )


@pytest.mark.parametrize("service", ["", "_HTTP"])
def test_what_kubernetes_sets_for_a_service_of_that_name_is_nothing_to_us(service: str):
    """A service named ``tasques-server`` must neither break the start nor warn."""
    begin = f"TASQUES_SERVER{service}"
    settings = load(
        environ={
            f"{begin}_SERVICE_HOST": "10.0.0.11",
            f"{begin}_SERVICE_PORT": "8080",
            f"{begin}_SERVICE_PORT_HTTP": "8080",
            f"{begin}_PORT": "tcp://10.0.0.11:8080",
            f"{begin}_PORT_8080_TCP": "tcp://10.0.0.11:8080",
            f"{begin}_PORT_8080_TCP_PROTO": "tcp",
            f"{begin}_PORT_8080_TCP_PORT": "8080",
            f"{begin}_PORT_8080_TCP_ADDR": "10.0.0.11",
        }
    )

    assert settings == Settings()


def test_a_port_set_by_a_person_is_a_warning():
    """``TASQUES_SERVER_PORT=8080`` is no link of Kubernetes, and does nothing."""
    assert len(load(environ={"TASQUES_SERVER_PORT": "8080"}).warnings) == 1


def test_the_published_kubernetes_environment_works_on_the_example_file():
    """The original's manifests put these over the file of its image."""
    settings = load(
        EXAMPLE,
        {
            "GIN_MODE": "release",
            "TASQUES_SERVER_BIND_ADDRESS": "0.0.0.0:8080",
            "TASQUES_SERVER_AUTH": "",
            "TASQUES_SERVER_ELASTICSEARCH_ADDRESSES": "http://tasques-es-http:9200",
            "TASQUES_SERVER_ELASTICSEARCH_USER": "",
            "TASQUES_SERVER_KIBANA_ADDRESS": "http://tasques-kb-http:5601",
            "TASQUES_SERVER_KIBANA_USER_NAME": "elastic",
            "TASQUES_SERVER_KIBANA_USER_PASSWORD": "secret",
            "TASQUES_SERVER_APM_ADDRESS": "http://tasques-apm-http:8200",
            "TASQUES_SERVER_APM_SECRET_TOKEN": "secret",
            "TASQUES_SERVER_LOGGING": "",
            "TASQUES_SERVER_LOGGING_LEVEL": "debug",
            "TASQUES_SERVICE_HOST": "10.0.0.1",
            "TASQUES_PORT": "tcp://10.0.0.1:8080",
        },
    )

    assert settings.warnings == ()
    assert str(settings.bind_address) == "0.0.0.0:8080"
    assert settings.auth.basic_auth == ()
    assert settings.elasticsearch.addresses == ("http://tasques-es-http:9200",)
    assert settings.elasticsearch.user.name is None
    assert settings.logging == attrs.evolve(Settings().logging, level="debug")


def test_users_of_the_file_stay_where_nothing_removes_them():
    """Other variables leave the users alone."""
    settings = load(EXAMPLE, {"TASQUES_SERVER_BIND_ADDRESS": ":1"})

    assert User(name="alice", password="wonder:land") in settings.auth.basic_auth
