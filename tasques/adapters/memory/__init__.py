"""
Tasks in this process's memory: for trying things out, for tests, and for small embedded use.

A store like the others, and no kinder: it creates only what is not there, replaces only the version
that was read, and refuses what Elasticsearch would refuse. What it does not do is keep anything: at
the end of the process all is gone. It starts no thread and never polls.

- :mod:`~tasques.adapters.memory.waiting`: one queue's waiting tasks, in the order of claims.
- :mod:`~tasques.adapters.memory.task_store`: the documents, and what finds them.
- :mod:`~tasques.adapters.memory.document_store`: documents of any kind; recurring tasks, locks.
- :mod:`~tasques.adapters.memory.archive_store`: finished tasks.
- :mod:`~tasques.adapters.memory.backend`: what a server needs beside a store.
- :mod:`~tasques.adapters.memory.plugin`: the door by which it comes in.
"""
