"""A cluster that answers by hand, for the tests that need no real one."""

import pytest

from tests.elasticsearch.stub import StubCluster


@pytest.fixture
def cluster() -> StubCluster:
    """A cluster that has the index of the queue ``q``."""
    stub = StubCluster()
    stub.has_index("t_queue-q")
    return stub
