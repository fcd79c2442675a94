"""What a backend says of itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from tasques.core.ports import Backend
from tasques.testing.contract.store_fixtures import StoreFixtures, the_task, written
from tasques.testing.examples import queued


class BackendContract(StoreFixtures):
    """The fixture ``backend`` gives one that is set up and within reach."""

    def test_nothing_is_wrong_with_a_backend_that_is_set_up(self, backend: Backend) -> None:
        """``check`` finds nothing fatal."""
        assert [problem for problem in backend.check() if problem.fatal] == []

    def test_its_address_holds_no_credentials(self, backend: Backend) -> None:
        """``url`` may be logged."""
        parts = urlsplit(backend.url)
        assert parts.scheme
        assert "@" not in parts.netloc

    def test_it_has_one_store(self, backend: Backend) -> None:
        """``tasks`` is the same store each time it is asked for."""
        [stored] = written(backend.tasks, queued())
        assert the_task(backend.tasks, stored.document) == stored

    def test_setting_up_twice_changes_nothing(self, backend: Backend) -> None:
        """``setup`` finds everything there; what was written stays."""
        [stored] = written(backend.tasks, queued())
        for apply in (True, False):
            steps = backend.setup(apply=apply)
            assert [step for step in steps if step.state != "present"] == []
        assert the_task(backend.tasks, stored.document) == stored

    def test_its_clock_runs_on(self, backend: Backend) -> None:
        """``server_time`` never goes back between two calls, if there is a clock at all."""
        first, second = backend.server_time(), backend.server_time()
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert first <= second
