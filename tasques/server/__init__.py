"""
The HTTP server: a Falcon application, and waitress in front of it.

- :mod:`~tasques.server.routes`: every route, as one table.
- :mod:`~tasques.server.options`: what an operator may choose.
- :mod:`~tasques.server.app`: the application, made of the table and the services.
- :mod:`~tasques.server.tasks`, :mod:`~tasques.server.batches`, :mod:`~tasques.server.claiming`,
  :mod:`~tasques.server.recurring`, :mod:`~tasques.server.queues`, :mod:`~tasques.server.operations`,
  :mod:`~tasques.server.health`:
  the resources; each responder loads, makes one service call, dumps.
- :mod:`~tasques.server.reading`: reading paths, headers and bodies;
  :mod:`~tasques.server.query`: and queries.
- :mod:`~tasques.server.errors`: one table from an error to its status.
- :mod:`~tasques.server.credentials`, :mod:`~tasques.server.middleware`,
  :mod:`~tasques.server.plugged`: what surrounds a responder.
- :mod:`~tasques.server.waiting`: how many claims may wait at once.
- :mod:`~tasques.server.delivery`: a claim whose answer could not be sent is given back.
- :mod:`~tasques.server.front`, :mod:`~tasques.server.channel`: waitress, with limits and drain.
"""
