"""
Every setting, and how it is read: command line over environment over file over default.

- :mod:`~tasques.settings.effective`: the top of the table; :class:`Settings` and the backend's URL.
- :mod:`~tasques.settings.serving`, :mod:`~tasques.settings.storage`,
  :mod:`~tasques.settings.work`, :mod:`~tasques.settings.background`: the table's groups.
- :mod:`~tasques.settings.table`: how a row is written, and the table read back.
- :mod:`~tasques.settings.kinds`: what a value may be.
- :mod:`~tasques.settings.rules`: what settings must be together.
- :mod:`~tasques.settings.files`: the configuration file and its formats.
- :mod:`~tasques.settings.layers`: what file, environment and command line say.
- :mod:`~tasques.settings.load`: from these to the effective settings.
- :mod:`~tasques.settings.show`: the effective settings as JSON, without secrets.
- :mod:`~tasques.settings.reference`: the reference page, made of the table.
"""

from tasques.settings.effective import SECTIONS, TABLE, Settings, backend_url
from tasques.settings.files import DIRECTORIES, File, find
from tasques.settings.kinds import Address, MinAmount, User
from tasques.settings.load import LEVELS, load
from tasques.settings.show import show
from tasques.settings.table import Setting

__all__ = [
    "DIRECTORIES",
    "LEVELS",
    "SECTIONS",
    "TABLE",
    "Address",
    "File",
    "MinAmount",
    "Setting",
    "Settings",
    "User",
    "backend_url",
    "find",
    "load",
    "show",
]
