"""
Changes leaders in every way there is while recurring tasks fire, and accounts for every slot.

``python -m tools.leadership --help`` says how; ``docs/how-to/check-leadership.md`` what it proves.

- :mod:`~tools.leadership.schedule`: the recurring tasks of a run, and the slots that they have.
- :mod:`~tools.leadership.watch`: every version of the lock and of the recurring tasks, as it is met.
- :mod:`~tools.leadership.fleet`: the servers, one of which may be an original one.
- :mod:`~tools.leadership.fates`: what is done to leaders, and how long until another led.
- :mod:`~tools.leadership.work`: a worker, so that tasks are finished, or outstanding.
- :mod:`~tools.leadership.audit`: the judgement, a pure function of what is due, seen and found.
- :mod:`~tools.leadership.run`: one run from the first recurring task to the judgement.
- :mod:`~tools.leadership.report`: the judgement for people and for programs.

It computes slots itself and shares no code with the package: a mistake made there is not made here.
"""
