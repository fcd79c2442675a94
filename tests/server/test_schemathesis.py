"""
Requests that nobody thought of, made from the OpenAPI description by schemathesis.

All its phases and checks: the examples, the corners of every field, random input that is valid and
random input that is not, and sequences along the links of the description. A failure prints how to
repeat it with curl. ``TASQUES_TEST_SCHEMATHESIS_EXAMPLES`` sets how many requests each phase makes
for an operation; the default takes a minute. The seed is always the same, as everywhere here, unless
``TASQUES_TEST_SCHEMATHESIS_SEED`` is another.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import falcon

from tasques.core.service.waiting import ClaimRequest
from tasques.core.tasks import StoredTask
from tasques.core.values import Duration, Instant
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.server.routes import ROUTES
from tasques.settings.kinds import User
from tests.server.conftest import World

EXAMPLES = os.environ.get("TASQUES_TEST_SCHEMATHESIS_EXAMPLES", "10")
SEED = os.environ.get("TASQUES_TEST_SCHEMATHESIS_SEED", "1")
ROOT = Path(__file__).parents[2]
MOMENT = Duration.parse("1ms")

#: Parameters that are not described are not looked at, so a request that has some is not wrong.
CONFIGURATION = "[generation]\nallow-extra-parameters = false\n"


class Impatient:
    """Claims that wait for a moment, however long they are told to: 2562047h is allowed."""

    def __init__(self, claims: Any) -> None:
        self._claims = claims

    def claim(self, request: ClaimRequest, **more: Any) -> tuple[StoredTask, ...]:
        claimed: tuple[StoredTask, ...] = self._claims.claim(_hurried(request), **more)
        return claimed

    def register(self, request: ClaimRequest, *more: Any) -> Any:
        return self._claims.register(_hurried(request), *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claims, name)


def _hurried(request: ClaimRequest) -> ClaimRequest:
    return attrs.evolve(request, block_for=min(request.block_for, MOMENT))


class Count:
    """Counts answers by method, path and status."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str | None, int]] = Counter()

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, ok: bool
    ) -> None:
        status = falcon.http_status_to_code(response.status)
        self.seen[request.method, request.uri_template, status] += 1


def test_schemathesis_finds_no_fault(
    world: World, serve: Callable[..., Front], tmp_path: Path
) -> None:
    """What is described is accepted, what is not is refused, and every answer is as described."""
    # Late enough for tasks to be due, whatever time they are created for.
    world.clock.now = Instant.parse("9998-12-31T00:00:00Z")
    impatient: Any = Impatient(world.services.claims)
    options = ServerOptions(users=(User(name="ann", password="secret"),))
    app = create_app(attrs.evolve(world.services, claims=impatient), options)
    count = Count()
    app.add_middleware(count)
    front = serve(app)
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{front.url}/openapi.json"),
            *("--auth", "ann:secret", "--max-examples", EXAMPLES, "--continue-on-failure"),
            *("--seed", SEED),
            *("--phases", "examples,coverage,fuzzing,stateful", "--no-color"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.server.schemathesis_hooks",
            "TASQUES_TEST_SERVER": front.url.replace("//", "//ann:secret@"),
            "NO_PROXY": "localhost,127.0.0.1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.returncode == 0, run.stdout.decode(errors="replace")
    assert not [key for key in count.seen if key[2] >= 500]
    for route in ROUTES:
        assert count.seen[route.method, route.path, route.status], route.operation_id
