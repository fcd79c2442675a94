"""The same behaviour over memory and over a server; over Elasticsearch see ``tests/elasticsearch``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasques import Tasques
from tests.app.behaviour import AppBehaviour
from tests.serving import served


class TestMemory(AppBehaviour):
    """Within the process."""

    @pytest.fixture
    def app(self) -> Iterator[Tasques]:
        with Tasques("memory:") as made:
            yield made


class TestServer(AppBehaviour):
    """Over HTTP."""

    @pytest.fixture
    def app(self) -> Iterator[Tasques]:
        with served() as url, Tasques(url) as made:
            yield made
