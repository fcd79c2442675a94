"""The door by which the backend comes in."""

import subprocess
import sys

import pytest

from tasques.adapters.elasticsearch import plugin
from tasques.core.errors import InvalidInput
from tasques.runtime import ThreadRuntime


def test_a_url_opens_a_backend_and_sends_nothing() -> None:
    """Where nobody listens too; its address is shown without the credentials."""
    url = "elasticsearch+http://user:secret@127.0.0.1:1/?prefix=t_"
    backend = plugin.tasques_backend(url=url, options={}, runtime=ThreadRuntime())
    assert backend is not None
    assert backend.url == "http://127.0.0.1:1"
    assert backend.is_durable
    assert [problem.code for problem in backend.check()] == ["unreachable"]
    backend.close()


def test_other_schemes_are_not_ours() -> None:
    """Another plugin may know them."""
    opened = plugin.tasques_backend(url="memory:", options={}, runtime=ThreadRuntime())
    assert opened is None


def test_a_url_without_sense_is_refused() -> None:
    """By its own faults, not by an attempt."""
    with pytest.raises(InvalidInput):
        plugin.tasques_backend(url="elasticsearch:", options={}, runtime=ThreadRuntime())


def run(program: str) -> str:
    """What a Python of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_client_library_is_imported_only_when_it_is_wanted() -> None:
    """A server on memory starts without it, installed or not."""
    program = """
import sys
from tasques.adapters.elasticsearch import plugin
assert plugin.tasques_backend(url="memory:", options={}, runtime=None) is None
print([name for name in ("elasticsearch", "elastic_transport") if name in sys.modules])
"""
    assert run(program) == "[]"


def test_a_missing_client_library_is_said_with_what_to_install() -> None:
    """Not by a traceback."""
    program = """
import sys
sys.modules["elastic_transport"] = None
from tasques.adapters.elasticsearch import plugin
from tasques.core.errors import InvalidInput
try:
    plugin.tasques_backend(url="elasticsearch://a", options={}, runtime=None)
except InvalidInput as error:
    print(error)
"""
    assert "pip install 'tasques[elasticsearch]'" in run(program)
