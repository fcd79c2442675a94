"""
Everything that can be asked of Tasques, each as a value.

- :mod:`~tasques.client.commands.base`: what a command is.
- :mod:`~tasques.client.commands.tasks`: those of producers and workers.
- :mod:`~tasques.client.commands.batches`: many of these with one request.
- :mod:`~tasques.client.commands.recurring`: those of the owners of recurring tasks.
- :mod:`~tasques.client.commands.queues`: those of operators.

A command says what is wanted and knows its form in HTTP; who carries it out is another's business.
So everything above is written once, for a server and for a backend within the process.
"""

from tasques.client.commands.base import Command, Repeat, Request

__all__ = ["Command", "Repeat", "Request"]
