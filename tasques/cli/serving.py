"""The command that serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from tasques import logs
from tasques.cli.arguments import Arguments
from tasques.cli.commands import read_settings
from tasques.core.errors import Fault, InvalidInput, TasquesError
from tasques.settings import Settings, backend_url

_log = logging.getLogger(__name__)

MEMORY_FORGETS: Final = (
    "Tasks are kept in memory: all of them are gone when this server stops. "
    "Set elasticsearch.addresses to keep them in Elasticsearch."
)


def serve(arguments: Arguments, environ: Mapping[str, str]) -> int:
    """
    Serve until told to stop; gives the exit status.

    Raises:
        TasquesError: If serving could not begin.
        OSError: If the address is taken.
    """
    settings = read_settings(arguments, environ)
    _begin_log(settings)
    for warning in settings.warnings:
        _log.warning("%s", warning)
    if backend_url(settings).lower().startswith("memory:"):
        print(MEMORY_FORGETS, flush=True)
        _log.warning("%s", MEMORY_FORGETS)
    try:
        return _serve(settings)
    except (TasquesError, OSError) as error:
        # The caller tells whoever sits before the terminal; a log in a file has to know, too.
        if settings.logging.file is not None:
            _log.error("the server could not start: %s", error)
        raise


def _serve(settings: Settings) -> int:
    # Slow to import, and not wanted for help.
    from tasques import bootstrap

    return bootstrap.serve(settings, announce=_announce)


def _announce(url: str) -> None:
    print(f"Tasques listens on {url}", flush=True)


def _begin_log(settings: Settings) -> None:
    from tasques.server.request_id import RequestIdFilter

    choice = settings.logging
    try:
        logs.configure(
            level=choice.level,
            as_json=choice.json,
            file=choice.file,
            filters=[RequestIdFilter()],
        )
    except OSError as error:
        reason = f"{choice.file} cannot be opened: {error.strerror or error}"
        raise InvalidInput(
            [Fault("logging.file", "file", f"{reason} ({settings.source('logging.file')})")]
        ) from error
