"""What holds for the package as a whole."""

import importlib.metadata

import tasques


def test_the_version_is_that_of_the_metadata() -> None:
    """The version is written twice, for readers and for pip; both say the same."""
    assert tasques.__version__ == importlib.metadata.version("tasques")
