"""The node of Elasticsearch that other tests rely on does what it says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import elasticsearch_distribution
from tools.elasticsearch_node import (
    ElasticsearchNode,
    NodeUnavailable,
    call,
    is_alive,
    minimum_java,
)
from tools.java import find_java

CHECKOUT = Path(__file__).parents[2]

# Dies without a chance to clean up while its node is starting, having said which and where it is.
DIES = """
import os, signal, sys
from tools.elasticsearch_node import ElasticsearchNode

class Abandoned(ElasticsearchNode):
    def _await_answer(self, folder):
        print(self.pid, folder, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

Abandoned(sys.argv[1]).start()
"""


def answers(url: str) -> bool:
    """Whether something answers there within a second."""
    try:
        return call(url, "GET", "/_cluster/health", timeout_seconds=1)[0] == 200
    except OSError:
        return False


def test_a_started_node_answers_as_the_version_it_is(
    elasticsearch_url: str, elasticsearch_target: str
) -> None:
    """The node is the version that was asked for."""
    _, nodes = call(elasticsearch_url, "GET", "/_nodes/_local")
    versions = {node["version"] for node in nodes["nodes"].values()}
    assert "://" in elasticsearch_target or versions == {elasticsearch_target}


def test_an_index_of_a_prefix_can_be_made_and_read(elasticsearch_url: str, prefix: str) -> None:
    """A document written under the test's own prefix is read back."""
    document = f"/{prefix}queue-a/_doc/1"
    assert call(elasticsearch_url, "PUT", document, {"n": 1})[0] == 201
    assert call(elasticsearch_url, "GET", document)[1]["_source"] == {"n": 1}


def test_what_a_node_stored_survives_a_restart_and_a_kill(
    own_elasticsearch_node: ElasticsearchNode,
) -> None:
    """After a restart, and after SIGKILL, address and data are the same and the process is not."""
    node = own_elasticsearch_node
    url, pid = node.url, node.pid
    assert call(url, "PUT", "/kept/_doc/1", {"n": 1})[0] in (200, 201)

    node.restart()
    assert (node.url, node.pid != pid) == (url, True)
    assert call(url, "GET", "/kept/_doc/1")[1]["_source"] == {"n": 1}

    node.kill()
    assert not node.is_running
    assert not answers(url)
    node.start()
    assert node.url == url
    assert call(url, "GET", "/kept/_doc/1")[1]["_source"] == {"n": 1}


def test_a_paused_node_is_silent_until_it_is_resumed(
    own_elasticsearch_node: ElasticsearchNode,
) -> None:
    """A paused node accepts connections and answers nothing; resumed, it answers again."""
    node = own_elasticsearch_node
    node.pause()
    assert not answers(node.url)
    assert node.is_running
    node.resume()
    assert call(node.url, "GET", "/_cluster/health")[0] == 200


def test_a_node_does_not_outlive_the_program_that_started_it(
    own_elasticsearch_node: ElasticsearchNode,
) -> None:
    """When the starting program is killed, the node's processes and its folder are gone soon."""
    dying = subprocess.run(
        [sys.executable, "-c", DIES, own_elasticsearch_node.version],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    pid, _, folder = dying.stdout.strip().partition(" ")
    assert dying.returncode == -signal.SIGKILL, dying.stderr
    deadline = time.monotonic() + 60
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not is_alive(int(pid))


def test_without_a_java_the_error_says_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that needs a Java from the future names that Java and what to do."""
    monkeypatch.setattr("tools.elasticsearch_node.minimum_java", lambda version: 999)
    with pytest.raises(NodeUnavailable, match=r"needs Java 999 or later.*install"):
        ElasticsearchNode("8.19.8").start()


def test_without_maven_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the server must be fetched and mvn is not on the path, the error names Maven."""
    monkeypatch.setattr(elasticsearch_distribution, "_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(NodeUnavailable, match=r"Maven \(mvn\).*missing: install"):
        elasticsearch_distribution.distribution("8.19.8")


@pytest.mark.parametrize(("version", "java"), [("8.19.8", 17), ("9.0.0", 21), ("9.5.0", 21)])
def test_each_version_has_a_least_java(version: str, java: int) -> None:
    """8.x runs on Java 17, 9.x wants 21."""
    assert minimum_java(version) == java


def test_the_oldest_java_that_suffices_is_chosen() -> None:
    """A higher wish never gets an older Java."""
    lower, higher = find_java(17), find_java(21)
    if lower is not None and higher is not None:
        assert 17 <= lower.major <= higher.major
