"""
What travels over the wire, and the one strict way to read and write it; server and client share it.

- :mod:`~tasques.schemas.fields`: what a field says about itself (description, bounds, example).
- :mod:`~tasques.schemas.requests`: the bodies that clients send.
- :mod:`~tasques.schemas.defaulted`: what they ask for, with the defaults for what they do not say.
- :mod:`~tasques.schemas.answers`: the bodies that the server sends.
- :mod:`~tasques.schemas.batch_requests`, :mod:`~tasques.schemas.batch_answers`: the same for many
  tasks at once, around whose items is an :mod:`~tasques.schemas.envelope`.
- :mod:`~tasques.schemas.recurring_requests`, :mod:`~tasques.schemas.recurring_answers`: the same
  about recurring tasks.
- :mod:`~tasques.schemas.queue_requests`, :mod:`~tasques.schemas.queue_answers`: the same between
  operators and server.
- :mod:`~tasques.schemas.positions`: places in a listing as opaque text.
- :mod:`~tasques.schemas.definitions`: under which names the models appear in API descriptions.
- :mod:`~tasques.schemas.converter`: JSON to model, strictly, with every fault named; and back.
- :mod:`~tasques.schemas.task_json`: a stored task as JSON, quickly.
"""
