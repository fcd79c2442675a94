"""
The guarantees of the ports as tests, for every backend to run.

A backend's own tests subclass the suites and supply what only they know, as pytest fixtures::

    from tasques.testing.contract import BackendContract, MalformedContract, TaskStoreContract

    class TestMyStore(TaskStoreContract):
        @pytest.fixture
        def backend(self):
            backend = MyBackend(...)  # empty, and a fresh one for each test
            backend.setup(apply=True)
            yield backend
            backend.close()

        @pytest.fixture
        def settle(self, backend):
            return backend.refresh  # what makes writes visible to searches; if nothing, leave it out

- :class:`TaskStoreContract`: G1 to G9, G11 and G12 of :class:`tasques.core.ports.TaskStore`.
- :class:`MalformedContract`: G10, for backends whose documents others can write too.
- :class:`UnreadableContract`: G13, for backends of which a part may be out of reach.
- :class:`RecurringTaskStoreContract` and :class:`LeaderLockStoreContract`: what the stores of
  recurring tasks and of leaders' locks say, G10 excepted.
- :class:`MalformedRecurringTaskContract` and :class:`MalformedLeaderLockContract`: G10 for those.
- :class:`OnePlaceArchiveContract` or :class:`SeveralPlacesArchiveContract`: what
  :class:`tasques.core.ports.ArchiveStore` says, G10 excepted. The one for archives that have one
  place, the other for those that begin a new one now and then, which also says how to make them;
  an archive that may be set up both ways runs both.
- :class:`MalformedArchiveContract`: G10 for the archive.
- :class:`PolicyContract`: what :class:`tasques.core.ports.PolicyStore` says.
- :class:`BackendContract`: what :class:`tasques.core.ports.Backend` says.

Each test names in its docstring the guarantee it guards. The tests take one backend through real
threads too, so its runtime must have locks that work between threads; those of
:class:`~tasques.testing.fake_runtime.FakeRuntime` do.
"""

import pytest

# Before the modules are imported, so that a failing assertion shows its values here as elsewhere.
pytest.register_assert_rewrite(
    "tasques.testing.contract.archiving",
    "tasques.testing.contract.backend",
    "tasques.testing.contract.deleting",
    "tasques.testing.contract.documents",
    "tasques.testing.contract.finished",
    "tasques.testing.contract.listing",
    "tasques.testing.contract.malformed",
    "tasques.testing.contract.racing",
    "tasques.testing.contract.reading",
    "tasques.testing.contract.recurring",
    "tasques.testing.contract.searching",
    "tasques.testing.contract.store_fixtures",
    "tasques.testing.contract.unreadable",
    "tasques.testing.contract.writing",
)

from tasques.testing.contract.archiving import (  # noqa: E402
    MalformedArchiveContract,
    OnePlaceArchiveContract,
    SeveralPlacesArchiveContract,
)
from tasques.testing.contract.backend import BackendContract  # noqa: E402
from tasques.testing.contract.deleting import DeletingContract  # noqa: E402
from tasques.testing.contract.finished import FinishedContract, OutstandingContract  # noqa: E402
from tasques.testing.contract.listing import ListingContract, PolicyContract  # noqa: E402
from tasques.testing.contract.malformed import MalformedContract  # noqa: E402
from tasques.testing.contract.racing import RacingContract  # noqa: E402
from tasques.testing.contract.reading import ReadingContract  # noqa: E402
from tasques.testing.contract.recurring import (  # noqa: E402
    LeaderLockStoreContract,
    MalformedLeaderLockContract,
    MalformedRecurringTaskContract,
    RecurringTaskStoreContract,
)
from tasques.testing.contract.searching import SearchingContract  # noqa: E402
from tasques.testing.contract.unreadable import UnreadableContract  # noqa: E402
from tasques.testing.contract.writing import WritingContract  # noqa: E402

__all__ = [
    "BackendContract",
    "LeaderLockStoreContract",
    "MalformedArchiveContract",
    "MalformedContract",
    "MalformedLeaderLockContract",
    "MalformedRecurringTaskContract",
    "OnePlaceArchiveContract",
    "PolicyContract",
    "RecurringTaskStoreContract",
    "SeveralPlacesArchiveContract",
    "TaskStoreContract",
    "UnreadableContract",
]


class TaskStoreContract(
    WritingContract,
    DeletingContract,
    ReadingContract,
    SearchingContract,
    FinishedContract,
    OutstandingContract,
    ListingContract,
    RacingContract,
):
    """
    G1 to G9, G11 and G12 of :class:`tasques.core.ports.TaskStore`; see the package for how to use it.
    """
