"""
The use cases, plain synchronous code over the ports.

- :mod:`~tasques.core.service.group_commit`: many callers' writes, one batch.
- :mod:`~tasques.core.service.settlement`: from a write to an answer one can rely on.
- :mod:`~tasques.core.service.task_service`: create, get, report, done, failed, unclaim.
- :mod:`~tasques.core.service.claims`: one dispatcher for all that wait for work.
- :mod:`~tasques.core.service.reaper`: ends claims whose time is over.
- :mod:`~tasques.core.service.clock`: how far this server's clock is from the store's.
- :mod:`~tasques.core.service.health`: whether this server can be relied on.
"""
