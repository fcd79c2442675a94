"""
Rolls this server out beside the original one, and back, and accounts for every task meanwhile.

``python -m tools.rollout --help`` says how; ``docs/how-to/roll-out-beside-go.md`` what it proves.

- :mod:`~tools.rollout.plan`: the phases, and what is to become of each task, decided beforehand.
- :mod:`~tools.rollout.fleet`: the servers of both kinds, and which of them take requests.
- :mod:`~tools.rollout.ledger`: what producers and workers saw, of whom, and in which phase.
- :mod:`~tools.rollout.work`: the producers and workers; each request goes to a server by chance.
- :mod:`~tools.rollout.recurring`: recurring tasks, changed on one kind and read on the other.
- :mod:`~tools.rollout.documents`: what Elasticsearch holds.
- :mod:`~tools.rollout.audit`: the judgement about tasks, a pure function of plans and observations.
- :mod:`~tools.rollout.slots`: the judgement about slots of recurring tasks, likewise.
- :mod:`~tools.rollout.watch`: who leads, and from when to when.
- :mod:`~tools.rollout.ending`: what is left at the end, and what both kinds say of it.
- :mod:`~tools.rollout.run`: one run, from the first original server to the judgement.
- :mod:`~tools.rollout.report`: the judgement for people.
"""
