"""
The use cases, plain synchronous code over the ports.

- :mod:`~tasques.core.service.services`: all of them, put together for one server.
- :mod:`~tasques.core.service.defaults`: what a request means where it does not say.

The write path:

- :mod:`~tasques.core.service.task_service`: create, get, report, done, failed, unclaim.
- :mod:`~tasques.core.service.batches`: the same for many tasks at once.
- :mod:`~tasques.core.service.creations`, :mod:`~tasques.core.service.changes`: what is asked for, and
  what becomes of it, decided.
- :mod:`~tasques.core.service.task_writer`: from such a decision to its end.
- :mod:`~tasques.core.service.settlement`: from a write to an answer one can rely on.
- :mod:`~tasques.core.service.held_tasks`: the versions handed out here, which need no read.
- :mod:`~tasques.core.service.group_commit`: the writes of many callers in one batch.
- :mod:`~tasques.core.service.lanes`: what waits there, and for what.
- :mod:`~tasques.core.service.queue_health`: which queues take writes, and which hold others up.
- :mod:`~tasques.core.service.batch_limits`: how much waits, and who is turned away first.
- :mod:`~tasques.core.service.group_read`: the reads of many callers in one request.

The claim path:

- :mod:`~tasques.core.service.waiting`: what those who wait want, and are told.
- :mod:`~tasques.core.service.waiting_line`: all of them, by age, queues and deadline.
- :mod:`~tasques.core.service.claims`: one dispatcher for all of them.
- :mod:`~tasques.core.service.search_schedule`: when it searches, and for what.
- :mod:`~tasques.core.service.pace`: how fast the store may be asked.
- :mod:`~tasques.core.service.candidates`: what it found and has not handed out yet.
- :mod:`~tasques.core.service.rivalry`: what of it is left to other servers.
- :mod:`~tasques.core.service.allotment`: who gets which of them.
- :mod:`~tasques.core.service.confirmation`: the decisions written, and what is learnt from that.
- :mod:`~tasques.core.service.short_way`: all of that for a lone claim on a store that shows at once.
- :mod:`~tasques.core.service.nudges`: tasks handed over to those who wait at other servers.
- :mod:`~tasques.core.service.appetites`: what these would like to hear of.

Recurring tasks:

- :mod:`~tasques.core.service.recurring_service`: what their owners do with them.
- :mod:`~tasques.core.service.election`: whether this server leads.
- :mod:`~tasques.core.service.recurring_scheduler`: takes up changes, where it does.
- :mod:`~tasques.core.service.agenda`: what the leader knows, and its writes.
- :mod:`~tasques.core.service.slot_firing`: decides the slots that have come, and makes their tasks.

In the background:

- :mod:`~tasques.core.service.reaper`: ends claims whose time is over.
- :mod:`~tasques.core.service.archiver`: moves what has been finished for a while.
- :mod:`~tasques.core.service.clock`: how far this server's clock is from the store's.
- :mod:`~tasques.core.service.health`: whether this server can be relied on.
"""
