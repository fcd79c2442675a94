"""What goes with every request, and what is made of warnings; no cluster takes part."""

import logging

import pytest

from tests.elasticsearch.stub import StubCluster


def test_credentials_are_sent_and_never_shown(cluster: StubCluster) -> None:
    """With every request; the address that health shows has none."""
    cluster.answer("GET /_nodes/_local/stats/os", {"nodes": {"x": {"timestamp": 1}}})
    backend = cluster.backend(user=("u", "p"))
    backend.server_time()
    assert cluster.requests[0].headers["authorization"] == "Basic dTpw"
    assert backend.url == "http://es:9200"


def test_the_time_of_the_answer_is_asked_for(cluster: StubCluster) -> None:
    """
    Statistics are cached by Elasticsearch, their time with them: of two servers that compared their
    clocks at the same moment, one was given the time of the comparison before, and stood still.
    """
    cluster.answer("GET /_nodes/_local/stats/os", {"nodes": {"x": {"timestamp": 1795342374947}}})
    assert str(cluster.backend().server_time()) == "2026-11-22T10:12:54.947Z"
    assert cluster.requests[0].query == "filter_path=nodes.*.timestamp"


def test_warnings_about_dots_are_counted_and_others_logged_once(
    cluster: StubCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Names that begin with a dot are the contract; what else Elasticsearch warns about is news."""
    caplog.set_level(logging.INFO)
    index = "index name [.t_q] starts with a dot '.', in the next major version, reserved"
    full = "Index [.t_q] name begins with a dot (.), which is deprecated"
    other = "Legacy index templates are deprecated in favor of composable templates."
    warning = ", ".join(f'299 Elasticsearch-9.5.0-8d42 "{text}"' for text in (index, full, other))
    cluster.answer("GET /x", {}, warning=warning)
    client = cluster.connect()
    for _ in range(2):
        client.request("GET", "/x")
    assert client.dot_warnings == 4
    assert [record.getMessage() for record in caplog.records] == [f"Elasticsearch warns: {other}"]
