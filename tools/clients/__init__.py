"""
Has workers and producers written for the original server work against ours, and accounts for it.

``python -m tools.clients --help`` says how; ``docs/how-to/keep-your-clients.md`` what it proves.
The original's own programs are built from a checkout of it and not changed; clients in Java and
Rust are generated from the descriptions that our server serves. All of them talk to our server
through a proxy, which waits while the server is restarted.

- :mod:`~tools.clients.messages`: HTTP/1.1 messages on a stream, whole, and as they were sent.
- :mod:`~tools.clients.proxy`: what stands in front of the server, and notes what passes.
- :mod:`~tools.clients.ciphers`: the tasks, and what a worker has to make of each.
- :mod:`~tools.clients.database`: a stand-in for the database of the original's example.
- :mod:`~tools.clients.building`: the programs, built with what the package registries have.
- :mod:`~tools.clients.original`, :mod:`~tools.clients.generated`: how they are started.
- :mod:`~tools.clients.programs`: processes that must not end by themselves.
- :mod:`~tools.clients.judging`: what passed, as :mod:`tools.accounting` judges it.
- :mod:`~tools.clients.run`, :mod:`~tools.clients.report`: one run, and its table.
"""
