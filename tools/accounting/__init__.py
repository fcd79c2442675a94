"""
Takes many tasks through their whole life over HTTP and accounts for every one of them.

``python -m tools.accounting --help`` says how; ``docs/how-to/account-for-every-task.md`` what it
proves.

- :mod:`~tools.accounting.plan`: what is to become of each task, decided before it is created.
- :mod:`~tools.accounting.client`: requests, and what is known when an answer does not come.
- :mod:`~tools.accounting.ledger`: what producers and workers saw, as they saw it.
- :mod:`~tools.accounting.work`: the producers and workers themselves.
- :mod:`~tools.accounting.audit`: the judgement, a pure function of plans and observations.
- :mod:`~tools.accounting.run`: one run from the first create to the judgement.
- :mod:`~tools.accounting.report`: the judgement for people and for programs.
"""
