"""
What it takes to test Tasques, and what is built on it; shipped, so that plugins can use it too.

Needs the extra ``[testing]`` (Hypothesis and pytest). Nothing else in Tasques imports it.

- :mod:`~tasques.testing.app`: an application on a memory of its own, for tests of what is built on
  Tasques; :mod:`~tasques.testing.pytest_plugin` has its fixtures, :mod:`~tasques.testing.history` writes
  down what happened.
- :mod:`~tasques.testing.examples`: plain tasks, for tests in which most of a task does not matter.
- :mod:`~tasques.testing.strategies`: Hypothesis strategies for the values of the core.
- :mod:`~tasques.testing.fake_runtime`: time that moves by hand, ids and jitter from a seed.
- :mod:`~tasques.testing.faulty`: a store that fails on purpose.
- :mod:`~tasques.testing.contract`: the guarantees of the ports as tests that every backend runs.
- :mod:`~tasques.testing.machines`: two backends in lockstep, which must give the same answers.
  :mod:`~tasques.testing.lockstep_side` is one of them, :mod:`~tasques.testing.lockstep_moves` what is
  done to both.
"""
