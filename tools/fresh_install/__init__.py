"""
Does what a new user does: installs built wheels into fresh virtual environments, and follows the docs.

    python -m tools.fresh_install                     everything; 80 s of CPU
    python -m tools.fresh_install --only extra        the checks whose names begin so
    python -m tools.fresh_install --list              which there are

Wheels of the package and of each distribution in ``plugins`` are built from a copy of the files that
git knows, so what a checkout has besides cannot help. In an environment of its own for each:

- every extra is installed alone, imported, and used; what it is not for must not come along;
- every plugin is installed beside the base, and found by its entry point;
- the pages about workers, tests and plugins are followed, with their programs as they stand.

What the wheels need comes from the package index that pip is configured for, and the packages of this
project from the wheels alone.

- :mod:`~tools.fresh_install.wheels` builds, :mod:`~tools.fresh_install.environments` installs.
- :mod:`~tools.fresh_install.extras` says what each extra is for, :mod:`~tools.fresh_install.plugins` the
  same of plugins, :mod:`~tools.fresh_install.newcomer` follows the pages that
  :mod:`~tools.fresh_install.pages` takes apart.
"""
