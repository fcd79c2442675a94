"""
Tasks and what goes with them in Elasticsearch, in the documents of the original server.

Pure (data and functions; no request is sent from there):

- :mod:`~tasques.adapters.elasticsearch.settings`: where the cluster is and how to speak to it.
- :mod:`~tasques.adapters.elasticsearch.indices`: names of indices, mappings, templates.
- :mod:`~tasques.adapters.elasticsearch.differences`: what a cluster lacks of those.
- :mod:`~tasques.adapters.elasticsearch.parts`: what documents of every kind are made of.
- :mod:`~tasques.adapters.elasticsearch.documents`: a task as a document, and back.
- :mod:`~tasques.adapters.elasticsearch.recurring_documents`: a recurring task likewise.
- :mod:`~tasques.adapters.elasticsearch.lock_documents`: a leader's lock likewise.
- :mod:`~tasques.adapters.elasticsearch.archive_documents`: a copy of a finished task likewise.
- :mod:`~tasques.adapters.elasticsearch.queries`: the searches, each with its reason.
- :mod:`~tasques.adapters.elasticsearch.kibana_objects`: what Kibana shows tasks with.
- :mod:`~tasques.adapters.elasticsearch.answers`: the shape of what Elasticsearch answers.
- :mod:`~tasques.adapters.elasticsearch.nesting`: JSON too deep for a parser.
- :mod:`~tasques.adapters.elasticsearch.errors`: what its failures mean to us, as one table.

Acting:

- :mod:`~tasques.adapters.elasticsearch.http_node`: one node's connections.
- :mod:`~tasques.adapters.elasticsearch.http_answers`: reading an answer off a socket.
- :mod:`~tasques.adapters.elasticsearch.client`: requests, to whichever node is well.
- :mod:`~tasques.adapters.elasticsearch.adoption`: an index is looked at before it is written to.
- :mod:`~tasques.adapters.elasticsearch.quarantine`: documents that are not of their kind,
  remembered.
- :mod:`~tasques.adapters.elasticsearch.bulk`: documents written in bulk, and read by id.
- :mod:`~tasques.adapters.elasticsearch.search`: searches that pass over those in quarantine.
- :mod:`~tasques.adapters.elasticsearch.claimable`: the search for tasks to claim.
- :mod:`~tasques.adapters.elasticsearch.narrowing`: where in a large index it looks first.
- :mod:`~tasques.adapters.elasticsearch.scan`: searches that miss nothing.
- :mod:`~tasques.adapters.elasticsearch.store`: the store of tasks.
- :mod:`~tasques.adapters.elasticsearch.recurring_store`: the store of recurring tasks.
- :mod:`~tasques.adapters.elasticsearch.lock_store`: the store of leaders' locks.
- :mod:`~tasques.adapters.elasticsearch.archive_places`: the indices in which the archive lies.
- :mod:`~tasques.adapters.elasticsearch.archive_store`: the store of finished tasks.
- :mod:`~tasques.adapters.elasticsearch.setup`: templates, lifecycle, the first archive index.
- :mod:`~tasques.adapters.elasticsearch.kibana`: giving Kibana that, as the last part of setting up.
- :mod:`~tasques.adapters.elasticsearch.health`: what keeps the cluster from being relied on.
- :mod:`~tasques.adapters.elasticsearch.backend`: all of it together.
- :mod:`~tasques.adapters.elasticsearch.plugin`: the door by which it comes in.

The modules that import the client library are loaded by ``plugin`` only when a URL asks for them.
"""
