"""What holds for the package as a whole."""

import importlib.metadata
import subprocess
import sys

import tasques


def test_the_version_is_that_of_the_metadata() -> None:
    """The version is written twice, for readers and for pip; both say the same."""
    assert tasques.__version__ == importlib.metadata.version("tasques")


def test_importing_the_package_loads_neither_server_nor_client_libraries() -> None:
    """A program that only wants the types pays for no web framework and no Elasticsearch client."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, tasques; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "tasques" in loaded
    assert not {"falcon", "waitress", "elasticsearch", "elastic_transport"} & set(loaded)
