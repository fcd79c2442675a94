"""
One of several processes that work, as ``tasques worker --processes`` starts them.

``python -m tasques.cli.worker_process DESCRIPTOR NUMBER worker MODULE:APP …``: the descriptor of the
line to the supervisor, and which of the processes it is.
"""

import signal

# A terminal sends it to all, and the supervisor says what it means. As early as can be.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import socket  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

from tasques.cli import status_of  # noqa: E402
from tasques.cli.arguments import parse  # noqa: E402
from tasques.cli.working import work  # noqa: E402


def main(argv: Sequence[str]) -> int:
    """The exit status."""
    line, number, *rest = argv
    with socket.socket(fileno=int(line)) as supervisor:
        # Nobody who is started from here is to have it open.
        supervisor.set_inheritable(False)
        return status_of(lambda: work(parse(rest), number=int(number), supervisor=supervisor))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
