"""Who is installed: the plugins, and what they bring."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pluggy

from tasques import hookspecs
from tasques.core import errors
from tasques.core.ports import Backend, Runtime
from tasques.core.service.election import Leadership
from tasques.core.service.meter import Meter
from tasques.settings import Settings, backend_url

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = logging.getLogger(__name__)


def plugins() -> pluggy.PluginManager:
    """
    Every plugin that is installed, the built-in backends among them.

    Raises:
        pluggy.PluginValidationError: If one has a hook that there is not, or another signature.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.load_setuptools_entrypoints(hookspecs.PROJECT)
    manager.check_pending()
    return manager


def open_backend(settings: Settings, runtime: Runtime) -> Backend:
    """
    The backend that the settings name; nothing is sent to it yet.

    Raises:
        InvalidInput: If no plugin knows the scheme, or the rest of the URL makes no sense.
    """
    url = backend_url(settings)
    backend: Backend | None = plugins().hook.tasques_backend(
        url=url, options=settings.as_options(), runtime=runtime
    )
    if backend is None:
        scheme = url.partition(":")[0]
        raise errors.InvalidInput(
            [errors.Fault("backend", "backend", f"no plugin is installed for [{scheme}:]")]
        )
    return backend


def telling_of_leaders(
    manager: pluggy.PluginManager, runtime: Runtime
) -> Callable[[Leadership], None]:
    """
    What tells the plugins of *manager* who leads.

    Beside everything else: a plugin that takes its time must not cost the lease.
    """

    def tell(leadership: Leadership) -> None:
        def call() -> None:
            try:
                manager.hook.tasques_leader_changed(leadership=leadership)
            except Exception:  # noqa: BLE001 - whatever a plugin does
                _log.exception("a plugin failed to hear who leads")

        runtime.spawn("leader changed", call)

    return tell


def mounted(manager: pluggy.PluginManager, meter: Meter) -> Mapping[str, WSGIApplication]:
    """
    What plugins serve beside the API, once they know where the measurements are.

    Raises:
        InvalidInput: If a path is no path, or has an owner already.
    """
    from tasques.server.mounted import gathered

    manager.hook.tasques_metrics(collect=meter.collect)
    return gathered(manager.hook.tasques_wsgi())
