"""What the commands do, apart from serving; each prints, and gives its exit status."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from tasques import logs
from tasques.cli.arguments import Arguments
from tasques.core.errors import Fault, InvalidInput
from tasques.settings import Settings, find, load, show

if TYPE_CHECKING:
    from tasques.core.ports import Backend, SetupStep

#: What ``--dry-run`` says of a step in a state; others say the state.
_WOULD: Final = {"missing": "would install", "different": "would update"}


def read_settings(arguments: Arguments, environ: Mapping[str, str]) -> Settings:
    """
    The settings in effect for a command line.

    Raises:
        InvalidInput: With everything that is wrong.
    """
    return load(find(arguments.config), environ, arguments.overrides)


def show_config(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print the settings in effect."""
    settings = read_settings(arguments, environ)
    _warn(settings)
    print(json.dumps(show(settings), indent=2, ensure_ascii=False))
    return 0


def check(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Print what is wrong with settings and backend."""
    try:
        settings = read_settings(arguments, environ)
        _check_settings(settings)
        with _backend(settings) as backend:
            return _check_backend(backend)
    except InvalidInput as error:
        for fault in error.faults:
            _say("fatal", "settings", str(fault))
        return 1


def _check_settings(settings: Settings) -> None:
    for warning in settings.warnings:
        _say("warning", "settings", warning)
    sources = sorted(set(settings.sources.values()))
    _say("ok", "settings", f"from {', '.join(sources)}" if sources else "all are the defaults")


def _check_backend(backend: Backend) -> int:
    problems = backend.check()
    for problem in problems:
        words = f"{problem.code}: {problem.message}"
        _say("fatal" if problem.fatal else "warning", "backend", words)
    if not backend.is_durable:
        _say("warning", "backend", "forgets every task when the server stops")
    if any(problem.fatal for problem in problems):
        return 1
    _say("ok", "backend", backend.url)
    return 0


def setup(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """Install what is missing, or only say so."""
    settings = read_settings(arguments, environ)
    _warn(settings)
    if arguments.has("--kibana") and settings.kibana.address is None:
        message = "is not set, so --kibana has nowhere to import to"
        raise InvalidInput([Fault("kibana.address", "required", message)])
    with _backend(settings) as backend:
        steps = backend.setup(
            apply=not (arguments.has("--check") or arguments.has("--dry-run")),
            dashboards=arguments.has("--kibana"),
        )
        for step in steps:
            _say_step(step, would=arguments.has("--dry-run"))
        if not steps:
            print(f"{backend.url} needs no setup")
    if arguments.has("--dry-run"):
        return 0
    return 0 if all(step.is_done for step in steps) else 1


def _say_step(step: SetupStep, *, would: bool) -> None:
    state = _WOULD.get(step.state, step.state) if would else step.state
    _say(state, step.what, step.detail)


@contextlib.contextmanager
def _backend(settings: Settings) -> Iterator[Backend]:
    # Slow to import, and not wanted for help.
    from tasques import bootstrap
    from tasques.runtime import ThreadRuntime

    _quiet_log()
    with contextlib.closing(bootstrap.open_backend(settings, ThreadRuntime())) as backend:
        yield backend


def _quiet_log() -> None:
    """Let warnings through, as text: somebody sits before the terminal."""
    logs.configure(level="warn", as_json=False)


def _warn(settings: Settings) -> None:
    for warning in settings.warnings:
        print(logs.escape(f"tasques: warning: {warning}"), file=sys.stderr)


def _say(state: str, what: str, more: str) -> None:
    print(logs.escape(f"{state:<9} {what}{': ' if more else ''}{more}"))
