"""The adapter's settings, from backend URLs and from the server's options."""

import pytest

from tasques.adapters.elasticsearch import settings
from tasques.adapters.elasticsearch.settings import DEFAULT_POLICY, parse
from tasques.core.errors import InvalidInput
from tasques.core.values import Duration


def test_a_url_says_it_all() -> None:
    """Nodes, credentials with any character, and what comes as parameters."""
    parsed = parse(
        "elasticsearch+https://el%40stic:p%3Ass@w0rd@a:9200,b:9201/es?prefix=t_&ca_file=/ca.pem"
        "&request_timeout=3s",
        {},
    )
    assert parsed.addresses == ("https://a:9200/es", "https://b:9201/es")
    assert parsed.user == ("el@stic", "p:ss@w0rd")
    assert (parsed.prefix, parsed.ca_file) == ("t_", "/ca.pem")
    assert parsed.request_timeout == Duration.parse("3s")
    assert parsed.url == "https://a:9200/es,https://b:9201/es"


def test_a_scheme_alone_takes_the_server_s_settings() -> None:
    """As an original's configuration file has them."""
    parsed = parse(
        "elasticsearch:",
        {
            "elasticsearch.addresses": ("http://a:9200", "http://b"),
            "elasticsearch.user.name": "u",
            "elasticsearch.user.password": "p",
            "elasticsearch.request_timeout": Duration.parse("2s"),
        },
    )
    assert parsed.addresses == ("http://a:9200", "http://b:80")
    assert parsed.user == ("u", "p")
    assert parsed.prefix == ".tasques_"
    assert parsed.request_timeout == Duration.parse("2s")
    assert parsed.lifecycle.enabled
    assert parsed.lifecycle.policy == DEFAULT_POLICY


def test_texts_of_an_environment_are_read() -> None:
    """There a list is a comma list, and all else a text."""
    parsed = parse(
        "elasticsearch:",
        {
            "elasticsearch.addresses": "http://a:9200,http://b:9200",
            "elasticsearch.request_timeout": "1m",
            "lifecycle_setup.archived_tasks.enabled": "false",
        },
    )
    assert len(parsed.addresses) == 2
    assert parsed.request_timeout == Duration.parse("1m")
    assert not parsed.lifecycle.enabled


def test_what_a_url_leaves_out_the_settings_may_say() -> None:
    """A URL with nodes, and credentials kept out of it."""
    options = {"elasticsearch.user.name": "u", "elasticsearch.prefix": "x_"}
    parsed = parse("elasticsearch://es", options)
    assert parsed.addresses == ("http://es:9200",)
    assert (parsed.user, parsed.prefix) == (("u", ""), "x_")


def test_an_ipv6_address_keeps_its_brackets() -> None:
    """Else its port could not be told."""
    assert parse("elasticsearch://[::1]", {}).addresses == ("http://[::1]:9200",)


def test_authorization_is_basic_or_an_api_key() -> None:
    """As the header's value; the password may hold colons and any letter."""
    assert parse("elasticsearch://a", {}).authorization is None
    assert parse("elasticsearch://u:p%C3%A9:x@a", {}).authorization == "Basic dTpww6k6eA=="
    assert parse("elasticsearch://a?api_key=abc%3D", {}).authorization == "ApiKey abc="


def test_secrets_are_not_shown() -> None:
    """Settings are logged by somebody some day."""
    shown = repr(parse("elasticsearch://u:secret@a", {}))
    shown += repr(parse("elasticsearch://a?api_key=secret", {}))
    assert "secret" not in shown


def test_a_policy_of_one_s_own() -> None:
    """Its name and its content belong together."""
    section = "lifecycle_setup.archived_tasks.custom_policy"
    options: dict[str, object] = {f"{section}.name": "mine", f"{section}.policy": {"phases": {}}}
    parsed = parse("elasticsearch://a", options)
    assert (parsed.lifecycle.policy_name, parsed.lifecycle.policy) == ("mine", {"phases": {}})


@pytest.mark.parametrize(
    ("url", "options", "path"),
    [
        ("elasticsearch:", {}, "elasticsearch.addresses"),
        ("elasticsearch:x", {}, "backend"),
        ("elasticsearch://a:b:c", {}, "elasticsearch.addresses"),
        ("elasticsearch://", {}, "elasticsearch.addresses"),
        ("elasticsearch://a,,b", {}, "elasticsearch.addresses"),
        ("elasticsearch://a?prefx=x", {}, "backend"),
        ("elasticsearch://a?prefix=Upper", {}, "elasticsearch.prefix"),
        ("elasticsearch://a?prefix=_x", {}, "elasticsearch.prefix"),
        ("elasticsearch://a?prefix=x*", {}, "elasticsearch.prefix"),
        (f"elasticsearch://a?prefix={'x' * 65}", {}, "elasticsearch.prefix"),
        ("elasticsearch://a?request_timeout=3", {}, "elasticsearch.request_timeout"),
        ("elasticsearch://a?request_timeout=0s", {}, "elasticsearch.request_timeout"),
        ("elasticsearch://u:p@a?api_key=k", {}, "elasticsearch.api_key"),
        ("elasticsearch:", {"elasticsearch.addresses": ["ftp://a"]}, "elasticsearch.addresses"),
        (
            "elasticsearch:",
            {"elasticsearch.addresses": ["http://a:1", "https://b:1"]},
            "elasticsearch.addresses",
        ),
        ("elasticsearch://a", {"elasticsearch.prefix": 7}, "elasticsearch.prefix"),
        (
            "elasticsearch://a",
            {"lifecycle_setup.archived_tasks.custom_policy.name": "x"},
            "lifecycle_setup.archived_tasks.custom_policy",
        ),
    ],
)
def test_what_makes_no_sense_is_a_fault(url: str, options: dict[str, object], path: str) -> None:
    """Named by the setting it is about."""
    with pytest.raises(InvalidInput) as caught:
        parse(url, options)
    assert path in {fault.path for fault in caught.value.faults}


def test_a_fault_does_not_repeat_a_password() -> None:
    """Its text ends in a log."""
    with pytest.raises(InvalidInput) as caught:
        parse("elasticsearch://u:secret@a:nonsense", {})
    assert "secret" not in str(caught.value)


def test_schemes() -> None:
    """Three are ours; what only begins so is not."""
    for url in ("elasticsearch:", "elasticsearch+http://a", "ELASTICSEARCH+https://a"):
        assert settings.is_ours(url)
    for url in ("memory:", "elasticsearchx:", "http://a"):
        assert not settings.is_ours(url)
