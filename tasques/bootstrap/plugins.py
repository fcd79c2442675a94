"""Who is installed: the plugins, and what they bring."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from tasques import hookspecs
from tasques.core import errors
from tasques.core.ports import Backend, Runtime
from tasques.core.service.election import Leadership
from tasques.core.service.filters import Filter
from tasques.core.service.meter import Meter
from tasques.core.service.observers import Observer
from tasques.http_middleware import HttpMiddleware
from tasques.settings import Settings, backend_url

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = logging.getLogger(__name__)


def plugins() -> pluggy.PluginManager:
    """
    Every plugin that is installed, the built-in backends among them.

    Raises:
        pluggy.PluginValidationError: If one has a hook that there is not, or another signature.
        InvalidInput: If one needs another version of the hooks.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.load_setuptools_entrypoints(hookspecs.PROJECT)
    ensure_valid(manager)
    return manager


def ensure_valid(manager: pluggy.PluginManager) -> None:
    """
    Pass if every plugin of *manager* fits this version.

    Raises:
        pluggy.PluginValidationError: If one has a hook that there is not.
        InvalidInput: If one needs another version of the hooks.
    """
    manager.check_pending()
    major, minor = hookspecs.API_VERSION
    for name, plugin in manager.list_name_plugin():
        needed = getattr(plugin, "TASQUES_API", (major, 0))
        if needed[0] != major or needed[1] > minor:
            text = ".".join(map(str, needed))
            raise errors.InvalidInput(
                [
                    errors.Fault(
                        f"plugin {name}",
                        "apiVersion",
                        f"it needs version {text} of the hooks, and this is {major}.{minor}",
                    )
                ]
            )


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


def observers(manager: pluggy.PluginManager) -> Mapping[str, Observer]:
    """By the name of each plugin that wants to know what happens to tasks, how to tell it."""

    def telling(plugin: object) -> Observer:
        others = [each for each in manager.get_plugins() if each is not plugin]
        # One plugin at a time: what one raises would else keep the event from the others.
        hook = manager.subset_hook_caller("tasques_task_event", others)
        return lambda event: hook(event=event)

    wanting = manager.hook.tasques_task_event.get_hookimpls()
    return {each.plugin_name: telling(each.plugin) for each in wanting}


def filters(manager: pluggy.PluginManager) -> Sequence[Filter]:
    """What plugins let pass; in the order in which they were installed."""
    answers: list[Sequence[Filter] | None] = manager.hook.tasques_filters()
    return [each for answer in reversed(answers) for each in answer or ()]


def http_middleware(manager: pluggy.PluginManager) -> Sequence[HttpMiddleware]:
    """
    What plugins want around requests; in the order in which they were installed.

    Raises:
        InvalidInput: If something is no middleware.
    """
    answers: list[Sequence[HttpMiddleware] | None] = manager.hook.tasques_http_middleware()
    found: list[HttpMiddleware] = []
    for answer in reversed(answers):
        given: object = () if answer is None else answer
        if not isinstance(given, Sequence):
            raise _no_middleware(given)
        for each in given:
            if not isinstance(each, HttpMiddleware):
                raise _no_middleware(each)
            found.append(each)
    return found


def _no_middleware(given: object) -> errors.InvalidInput:
    message = f"a plugin gave {given!r}, which is no sequence of HttpMiddleware"
    return errors.InvalidInput([errors.Fault("tasques_http_middleware", "type", message)])


def mounted(manager: pluggy.PluginManager, meter: Meter) -> Mapping[str, WSGIApplication]:
    """
    What plugins serve beside the API, once they know where the measurements are.

    Raises:
        InvalidInput: If a path is no path, or has an owner already.
    """
    from tasques.server.mounted import gathered

    manager.hook.tasques_metrics(collect=meter.collect)
    return gathered(manager.hook.tasques_wsgi())
