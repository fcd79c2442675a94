"""
The reference page of the settings, made of the table.

``python -m tasques.settings.reference > docs/reference/settings.md`` writes it anew; a test fails
where the page in the tree is another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from tasques.settings.effective import TABLE
from tasques.settings.table import Setting

_HEAD: Final = """\
# Settings

<!-- Made by `python -m tasques.settings.reference`; change the table in `tasques/settings/`. -->

Every setting has a default, so the server starts without any. To change some, write a file, set
variables of the environment, or give them on the command line. Where several say something, the
command line counts before the environment, the environment before the file, and the file before
the default. `tasques show config` prints what is in effect and where each value came from;
`tasques check` tests it.

**The file** is YAML, JSON or TOML, by its ending. `--config FILE` names it; without that it is the
first that exists of `tasques.yaml`, `tasques.yml`, `tasques.json` and `tasques.toml` in `.`, then
in `./config`, then in `/app/config`. No file at all is fine, unless `--config` names one. Everything
stands under `tasques.server`; keys count in any case:

```yaml
tasques:
  server:
    bind_address: localhost:8080
    elasticsearch:
      addresses:
        - http://localhost:9200
    tasks:
      defaults:
        retry_times: 25
```

**The environment** has a variable for each setting: its path in capitals with `_` for `.`, as in
`TASQUES_SERVER_TASKS_DEFAULTS_RETRY_TIMES`. A list is separated by commas.

- An empty variable counts as set. For a number, a duration, an address or a prefix it stops the
  start; a text that is optional is then not set; `true or false` is false.
- An empty variable for a section removes what the file says in the section:
  `TASQUES_SERVER_AUTH=` switches authentication off, `TASQUES_SERVER_LOGGING=` with
  `TASQUES_SERVER_LOGGING_LEVEL=debug` keeps only the level. Any other text for a section stops the
  start.
- Users, `auth.basic_auth`, stand in the file only; an empty variable removes them.
- What Kubernetes sets for a service named `tasques-server` is left alone.

**The command line** takes any setting as `--set NAME=VALUE`, in the environment's notation. `--bind`
and `--backend` are short for two of them.

**A duration** is one or more numbers with a unit each, as Go writes them: `1h30m`, `1.5s`, `100ms`;
units are `ns`, `us`, `ms`, `s`, `m`, `h`. Without a unit only `0` is one.

**What is wrong** with a value stops the start, and all faults are named together, each with where
its value came from. A name that is no setting is a warning in the file and in the environment.

The tables below say "ours" where the original server does not know a setting; all others are the
original's, with the values of its example file as defaults.
"""

_NO_EFFECT: Final = """\
## Accepted without effect

The original's files may hold these. They are read and checked like all others, and do nothing.

| setting | default | in the original | why not here |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page as Markdown."""
    used = [row for row in TABLE.values() if not row.without_effect]
    sections: dict[str, list[Setting]] = {}
    for row in used:
        sections.setdefault(row.name.rpartition(".")[0], []).append(row)
    parts = [_HEAD, *(_section(name, rows) for name, rows in sections.items())]
    rest = [_line(*_without_effect(row)) for row in TABLE.values() if row.without_effect]
    return "\n".join([*parts, _NO_EFFECT + "".join(rest)])


def _section(name: str, rows: list[Setting]) -> str:
    title = f"## `{name}`" if name else "## The server itself"
    head = _line("setting", "type", "default", "meaning") + _line(*["---"] * 4)
    return f"{title}\n\n{head}" + "".join(_line(*_columns(row)) for row in rows)


def _columns(row: Setting) -> Iterator[str]:
    yield f"`{row.name}`" + (" (ours)" if row.is_ours else "")
    yield ", ".join(filter(None, (row.kind.label, row.unit, _bounds(row))))
    yield _default(row)
    yield " ".join(filter(None, (row.meaning, _secret(row), _small(row), _large(row), _alias(row))))


def _without_effect(row: Setting) -> Iterator[str]:
    yield f"`{row.name}`"
    yield _default(row)
    yield f"{row.meaning} {_alias(row)}".rstrip()
    yield row.without_effect


def _default(row: Setting) -> str:
    if row.default is None or row.default == ():
        return "not set"
    value = str(row.default).lower() if isinstance(row.default, bool) else str(row.default)
    return f"`{value}`"


def _bounds(row: Setting) -> str:
    if row.maximum is not None:
        return f"{row.minimum} to {row.maximum}"
    return f"at least {row.minimum}" if row.minimum is not None else ""


def _secret(row: Setting) -> str:
    return "Never printed as it is." if row.kind.hides else ""


def _small(row: Setting) -> str:
    return f"Too small: {row.too_small}" if row.too_small else ""


def _large(row: Setting) -> str:
    return f"Too large: {row.too_large}" if row.too_large else ""


def _alias(row: Setting) -> str:
    return f"Also read as `{row.alias}`." if row.alias else ""


def _line(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
