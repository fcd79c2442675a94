"""
What is loaded for what: a program that starts pays for the parts that it uses.

By the names of modules, in a Python of its own; never by time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

#: Nobody needs them who does not serve or hold an Elasticsearch.
SERVING = frozenset({"falcon", "waitress", "elasticsearch", "elastic_transport", "pluggy"})
#: A way to a server, and waiting without threads.
NETWORK = frozenset(
    {"asyncio", "ssl", "socket", "http.client", "httpcore", "email", "urllib.request"}
)
#: What a server, or an application that holds its backend, consists of.
SERVICES = frozenset({"tasques.bootstrap", "tasques.core.service", "tasques.core.ports"})
#: What reads and writes JSON by types.
CONVERSION = frozenset({"cattrs", "msgspec", "tasques.schemas"})
SETTINGS = frozenset({"tasques.settings"})
#: Tests and tools of theirs.
TESTING = frozenset({"pytest", "hypothesis", "tasques.testing"})


def loaded_by(program: str) -> frozenset[str]:
    """The modules that are there after *program*, beyond those of a Python that does nothing."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print('MODULES', *sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(done.stdout.rpartition("MODULES ")[2].split()) - _at_start()


def _at_start() -> frozenset[str]:
    # Among them what others have put into the environment to be loaded always.
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(done.stdout.split())


@pytest.mark.parametrize(
    ("program", "not_wanted"),
    [
        pytest.param(
            "import tasques",
            SERVING | NETWORK | SERVICES | CONVERSION | SETTINGS | {"attr", "tasques.core"},
            id="the package",
        ),
        pytest.param(
            "from tasques import Tasques",
            SERVING | NETWORK | SERVICES | SETTINGS,
            id="the application",
        ),
        pytest.param(
            "from tasques import Blueprint\n"
            "mail = Blueprint(queue='mail')\n"
            "@mail.task()\n"
            "def send(to: str) -> None: ...\n",
            SERVING | NETWORK | SERVICES | SETTINGS,
            id="declared tasks",
        ),
        pytest.param(
            "from tasques import Tasques\nTasques('http://localhost:1').close()",
            SERVING | SERVICES | SETTINGS,
            id="an application of a server",
        ),
        pytest.param(
            "from tasques import Tasques\n"
            "with Tasques('memory:') as app:\n"
            "    app.create('mail', 'send')\n"
            "    (task,) = app.claim('w', ['mail'], block_for=0)\n"
            "    app.done(task)\n",
            SERVING | {"http.client", "email", "httpcore", "tasques.client.client"},
            id="an application over memory",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['--help']) == 0",
            SERVING | NETWORK | SERVICES | CONVERSION | SETTINGS | {"yaml"},
            id="tasques --help",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['help', 'list']) == 0",
            SERVING | NETWORK | SERVICES | CONVERSION | SETTINGS | {"yaml"},
            id="tasques help list",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['--version']) == 0",
            SERVING | NETWORK | SERVICES | CONVERSION | SETTINGS | {"yaml"},
            id="tasques --version",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['completion', 'bash']) == 0",
            SERVING | NETWORK | SERVICES | CONVERSION | SETTINGS | {"yaml"},
            id="tasques completion",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['show', 'config']) == 0",
            SERVING | {"asyncio", "ssl", "http.client", "httpcore"} | SERVICES | CONVERSION,
            id="tasques show config",
        ),
        pytest.param(
            "from tasques.cli import main; assert main(['list', 'mail', '--url', 'http://localhost:1']) == 1",
            SERVING | SERVICES | {"asyncio", "httpcore", "yaml"},
            id="tasques list",
        ),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(program: str, not_wanted: Collection[str]) -> None:
    """Each of these takes longer to load than to use."""
    found = loaded_by(program)
    assert "tasques" in found
    assert sorted((TESTING | set(not_wanted)) & found) == []
