"""
The domain, and the services over its ports; nothing here knows a database or a protocol.

Upper half, pure (values and functions; no clock, thread or randomness):

- :mod:`~tasques.core.errors`: what can go wrong, as a tree.
- :mod:`~tasques.core.values`: instants and durations, to the nanosecond.
- :mod:`~tasques.core.json_object`: free-form JSON, and the strict way to read it.
- :mod:`~tasques.core.evolving`: changed copies of values.
- :mod:`~tasques.core.queues`: what may name a queue and a task.
- :mod:`~tasques.core.tasks`: a task and its parts.
- :mod:`~tasques.core.lifecycle`: the table of moves, and the operations.
- :mod:`~tasques.core.retry`: how long a failed task waits.
- :mod:`~tasques.core.operations`: what operators may have done to tasks.
- :mod:`~tasques.core.admission`: which of the tasks found may be handed out.

Lower half:

- :mod:`~tasques.core.ports`: what the core asks of a store and of time.
- :mod:`~tasques.core.service`: the use cases, plain synchronous code over the ports.
"""
