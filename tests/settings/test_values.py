"""Single values: how they are read, their bounds, and that no message shows a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.errors import InvalidInput
from tasques.core.values import Duration
from tasques.settings import TABLE, Address, File, Settings, load
from tasques.settings.kinds import hide_credentials


def value(name: str, text: str) -> Any:
    return load(overrides={name: text}).as_options()[name]


def fault(name: str, text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        value(name, text)
    (found,) = caught.value.faults
    assert found.path == name
    return found.message


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:8080", "localhost", 8080),
        (":8080", "", 8080),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:8080", "::1", 8080),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("localhost:0", "localhost", 0),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int):
    """Every interface, IPv6 in brackets and a free port are all sayable, and written back."""
    address = value("bind_address", text)

    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "localhost:",
        "localhost:http",
        "::1:80",
        "a:65536",
        "a:-1",
        "http://a:1",
        "a b:1",
    ],
)
def test_what_is_no_address_stops_the_start(text: str):
    """Listening somewhere else than meant would be worse."""
    assert "host:port" in fault("bind_address", text)


@pytest.mark.parametrize(
    "text", ["", " 1", "1.0", "1e3", "0x10", "010", "1_000", "२५", "true", "9" * 30]
)
def test_a_whole_number_is_decimal_digits(text: str):
    """The original reads 010 as eight, which nobody means; the rest it refuses too."""
    assert "whole number" in fault("tasks.defaults.retry_times", text)


@pytest.mark.parametrize(
    ("name", "text", "bound"),
    [
        ("tasks.defaults.retry_times", "-1", "at least 0"),
        ("tasks.defaults.retry_times", "9223372036854775807", "at most 9223372036854775806"),
        ("tasks.defaults.claim_amount", "0", "at least 1"),
        ("recurring.timed_out_tasks_reaper.run_interval", "0", "at least 1ms"),
        ("tasks.defaults.block_for", "-1s", "at least 0s"),
        ("http.request_timeout", "25h", "at most 24h0m0s"),
        ("http.max_body_size", "1", "at least 1024"),
    ],
)
def test_a_value_out_of_bounds_stops_the_start(name: str, text: str, bound: str):
    """A zero interval is a busy loop in the original; the message names the bound."""
    assert bound in fault(name, text)


@pytest.mark.parametrize("name", list(TABLE))
def test_every_default_and_bound_is_allowed(name: str):
    """The table agrees with itself: bounds are inclusive, and the default lies within them."""
    row = TABLE[name]
    for allowed in (row.default, row.minimum, row.maximum):
        if allowed is not None:
            assert row.read(allowed if row.kind.label != "text" else str(allowed)) == allowed


def test_min_amount_is_a_positive_number_or_the_word_amount():
    """``amount`` is the original's way: collect all that was asked for."""
    assert value("tasks.defaults.min_amount", "3") == 3
    assert value("tasks.defaults.min_amount", "amount") == "amount"
    for text in ("0", "-1", "", "Amount", "all"):
        assert "the word amount" in fault("tasks.defaults.min_amount", text)


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "True", "TRUE"])
def test_true_is_said_as_in_the_original(text: str):
    """The words of the original's reader, and no others."""
    assert value("logging.json", text) is True
    for other in ("yes", "on", "tRUE", "2"):
        assert "true or false" in fault("logging.json", other)


@pytest.mark.parametrize("text", ["", "0", "f", "F", "false", "False", "FALSE"])
def test_false_is_said_as_in_the_original(text: str):
    """Nothing at all is false there, too."""
    assert value("logging.json", text) is False


@pytest.mark.parametrize(("number", "expected"), [(0, False), (1, True)])
def test_a_file_may_say_true_and_false_as_numbers(number: int, expected: bool):
    """The original reads them so."""
    text = json.dumps({"tasques": {"server": {"logging": {"json": number}}}})
    assert load(File("tasques.json", text)).logging.json is expected


@pytest.mark.parametrize(
    "text",
    [
        "localhost:9200",
        "http://",
        "ftp://a",
        "http://a:x",
        "http://a,",
        "http://a b",
    ],
)
def test_an_address_of_elasticsearch_is_a_url(text: str):
    """Without a scheme nobody could say whether to encrypt."""
    assert "http://localhost:9200" in fault("elasticsearch.addresses", text)


@pytest.mark.parametrize("text", ["kibana:5601", "http://", "ftp://a", "http://a,http://b c"])
def test_an_address_of_kibana_is_a_url(text: str):
    """One, and an empty text is none: ``setup`` then leaves Kibana alone."""
    assert "must be a URL such as" in fault("kibana.address", text)
    assert value("kibana.address", "") is None
    assert value("kibana.address", " https://kb:5601/s/ops/ ") == "https://kb:5601/s/ops"


def test_half_a_user_of_kibana_is_a_warning():
    """The server does not need Kibana, so it starts."""
    settings = load(overrides={"kibana.user.name": "elastic"})

    assert "kibana.user" in settings.warnings[0]


def test_spaces_around_an_address_do_not_matter():
    """A line break at the end of a variable comes easily; so does one last slash."""
    assert value("elasticsearch.addresses", " http://a:1/ , http://b:1\n") == (
        "http://a:1",
        "http://b:1",
    )


@pytest.mark.parametrize("text", ["", "_x", "-x", "Tasks_", "a b", "a*", "a/b"])
def test_a_prefix_can_begin_the_name_of_an_index(text: str):
    """Elasticsearch would refuse the index only when the first task comes."""
    assert "index" in fault("elasticsearch.prefix", text)


def test_a_policy_is_a_json_object():
    """In the environment a policy is JSON, as Elasticsearch takes it."""
    prefix = "lifecycle_setup.archived_tasks.custom_policy"
    settings = load(overrides={f"{prefix}.name": "x", f"{prefix}.policy": '{"phases": {}}'})

    assert settings.lifecycle_setup.archived_tasks.custom_policy.policy == {"phases": {}}
    for text in ("{", "[]", "1"):
        assert "object" in fault(f"{prefix}.policy", text)


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        ({"elasticsearch.user.name": "a"}, "elasticsearch.user.password"),
        ({"elasticsearch.user.password": "a"}, "elasticsearch.user.password"),
        (
            {
                "elasticsearch.api_key": "k",
                "elasticsearch.user.name": "a",
                "elasticsearch.user.password": "b",
            },
            "elasticsearch.api_key",
        ),
        ({"clock.amber": "1m"}, "clock.red"),
        (
            {"lifecycle_setup.archived_tasks.custom_policy.name": "x"},
            "lifecycle_setup.archived_tasks.custom_policy.policy",
        ),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(overrides: dict[str, str], path: str):
    """Each is fine alone; together nobody could say what is meant."""
    with pytest.raises(InvalidInput) as caught:
        load(overrides=overrides)

    assert [fault.path for fault in caught.value.faults] == [path]
    assert "command line" in caught.value.faults[0].message


def test_a_lease_shorter_than_its_renewal_is_a_warning():
    """The original says "should"; it starts."""
    settings = load(overrides={"recurring.leader_lock.leader_lock_lease": "1s"})

    assert "leader_lock_lease" in settings.warnings[0]


@given(st.integers(1_000_000, 2**63 - 1))
def test_every_duration_is_read_as_it_is_written(nanoseconds: int):
    """What a duration prints can be put back into the settings."""
    duration = Duration(nanoseconds)

    assert value("tasks.defaults.worker_processing_timeout", str(duration)) == duration


@given(st.sampled_from(sorted(TABLE)), st.text())
def test_any_text_is_a_value_or_one_fault_of_that_setting(name: str, text: str):
    """No text, however odd, ends in anything but a value or a fault that names the setting."""
    try:
        load(overrides={name: text})
    except InvalidInput as error:
        groups = {fault.path.rpartition(".")[0] for fault in error.faults}
        assert groups == {name.rpartition(".")[0]}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("elasticsearch://u:p@a:1,b:2/?prefix=x", "elasticsearch://***@a:1,b:2/?prefix=x"),
        ("http://u:p/w@d@a:1", "http://***@a:1"),
        ("x://a?api_key=s&b=1&Token=t", "x://a?api_key=***&b=1&Token=***"),
        ("memory:", "memory:"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, shown: str):
    """Addresses may hold passwords; logs must not."""
    assert hide_credentials(url) == shown


def test_no_fault_shows_a_secret():
    """Messages go to logs and terminals."""
    for name, text in (
        ("backend", "u:p4ss@host"),
        ("elasticsearch.addresses", "ftp://u:p4ss@host"),
        ("auth.basic_auth", "p4ss"),
    ):
        if name == "backend":
            assert "p4ss" not in repr(load(overrides={name: text}))
        else:
            assert "p4ss" not in fault(name, text)


def test_settings_print_without_secrets():
    """A repr ends up in tracebacks."""
    settings = load(
        overrides={
            "elasticsearch.user.name": "u",
            "elasticsearch.user.password": "p4ss",
            "elasticsearch.addresses": "http://u:p4ss@a",
            "backend": "elasticsearch://u:p4ss@a",
            "apm.secret_token": "p4ss",
            "kibana.user.password": "p4ss",
        }
    )

    assert "p4ss" not in repr(settings)
    assert settings != Settings()
