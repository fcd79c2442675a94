"""
How fast it is: several servers, side by side, on one Elasticsearch.

``python -m benchmarks run`` measures and writes one JSON file; ``python -m benchmarks report`` makes
the tables and pictures of the docs from it. Nothing imports this package.

- :mod:`~benchmarks.scenarios`: what is measured, and which figures are read off it.
- :mod:`~benchmarks.subjects`: what is measured against what; :mod:`~benchmarks.original` is the Go
  server, :mod:`~benchmarks.naive` ours without its dispatcher and its group commit, and
  :mod:`~benchmarks.proxy` stands before several.
- :mod:`~benchmarks.library_worker`: our own worker in Python.
- :mod:`~benchmarks.cluster`: the Elasticsearch under all of them.
- :mod:`~benchmarks.generator`: the load, a program in Go (``load/``), built when it is needed.
- :mod:`~benchmarks.session`: rounds of all that, one after another.
- :mod:`~benchmarks.accounting`: whether every task of a run is accounted for.
- :mod:`~benchmarks.results`: the JSON file, and medians of what is in it.
- :mod:`~benchmarks.targets`, :mod:`~benchmarks.tables`, :mod:`~benchmarks.pictures`,
  :mod:`~benchmarks.page`: what is made of it.
"""
