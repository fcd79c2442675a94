"""
The real services under a simulated clock, over a model of Elasticsearch that is meant to be nasty.

One *history* is one run of several servers, workers, producers and operators, from a seed: the seed
decides who runs next, how long everything takes, and what goes wrong. The same seed gives the same
history, in every process.

- :mod:`~tests.simulation.runtime`: virtual time, actors, locks; the services' ``Runtime``.
- :mod:`~tests.simulation.faults`: what goes wrong, and when.
- :mod:`~tests.simulation.model`: the model of Elasticsearch: shards, copies, answers.
- :mod:`~tests.simulation.stores`: the ports over the model, as one server sees them.
- :mod:`~tests.simulation.properties`: what is demanded, P1–P21.
- :mod:`~tests.simulation.requests`: what is known of requests and of the lives of tasks.
- :mod:`~tests.simulation.auditor`: checks the properties at every write and answer.
- :mod:`~tests.simulation.world`: servers, put together by ``tasques.bootstrap``, and their fate.
- :mod:`~tests.simulation.workload`: what producers, workers and operators do.
- :mod:`~tests.simulation.batching`: what they ask for in one request.
- :mod:`~tests.simulation.history`: one seed, one history, one verdict.
- :mod:`~tests.simulation.mutants`: planted errors that must be found.
- :mod:`~tests.simulation.facts`: what the model claims of Elasticsearch, checked on the real one.

``docs/explanation/simulation.md`` says how to read and extend it.
"""
