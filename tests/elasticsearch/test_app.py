"""An application that holds Elasticsearch itself behaves as over memory and over a server."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator

import pytest

from tasques import Tasques
from tasques.app import NobodyReaps
from tasques.app.embedded import Embedded
from tasques.core.errors import StoreUnavailable
from tests.app.behaviour import AppBehaviour


def app_url(elasticsearch_url: str, prefix: str) -> str:
    """The same cluster, as an application takes it."""
    parts = urllib.parse.urlsplit(elasticsearch_url)
    scheme = "elasticsearch" if parts.scheme == "http" else f"elasticsearch+{parts.scheme}"
    return f"{scheme}://{parts.netloc}/?prefix={prefix}"


class TestElasticsearch(AppBehaviour):
    """Through the plugin of the scheme."""

    @pytest.fixture
    def app(self, elasticsearch_url: str, prefix: str) -> Iterator[Tasques]:
        with Tasques(app_url(elasticsearch_url, prefix), background="none") as made:
            assert isinstance(made.operations, Embedded)
            made.operations.node.backend.setup(apply=True)
            yield made


def test_that_nobody_reaps_is_said(elasticsearch_url: str, prefix: str) -> None:
    """Unless somebody has said that it is meant."""
    with pytest.warns(NobodyReaps, match='background="all"'):
        Tasques(app_url(elasticsearch_url, prefix)).close()


def test_a_cluster_that_was_not_set_up_is_refused(elasticsearch_url: str, prefix: str) -> None:
    """As a server refuses to start: without its templates it would store what nobody finds."""
    with (
        Tasques(app_url(elasticsearch_url, prefix), background="none") as app,
        pytest.raises(StoreUnavailable, match="setup"),
    ):
        app.create("mail", "send")
