"""The parts of the fresh installation; the whole takes its time, and is run by hand."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tools.fresh_install import extras, pages, plugins, wheels
from tools.fresh_install.__main__ import checks, main, plugin_names
from tools.fresh_install.environments import Environment, StepFailed, run
from tools.fresh_install.extras import EXTRAS, Extra
from tools.fresh_install.wheels import Wheels

PAGE = """
```python
# shop.py
one = 1
```

```toml
# pyproject.toml
[project]
```

```python
# shop.py
two = 2
```

```sh
tasques worker shop:app -q mail
curl -s localhost:8080/tasques -d '{"a": 1}'
```

```json
{"b": 2}
```
"""


def a_wheel(folder: Path, *names: str) -> Wheels:
    """One that has nothing but these extras."""
    path = folder / "tasques-1-py3-none-any.whl"
    metadata = ["Metadata-Version: 2.1", "Name: tasques", "Version: 1"]
    with ZipFile(path, "w") as content:
        lines = [*metadata, *(f"Provides-Extra: {name}" for name in names)]
        content.writestr("tasques-1.dist-info/METADATA", "\n".join(lines))
    return Wheels(base=path, plugins={})


def test_a_page_is_taken_apart() -> None:
    """Blocks of one name are one file; commands are words, or whole lines for a shell."""
    files = pages.files(PAGE)
    assert list(files) == ["shop.py", "pyproject.toml"]
    assert files["shop.py"] == "one = 1\n\ntwo = 2\n\n"
    assert len(pages.programs(PAGE)) == 2
    assert pages.commands(PAGE, "tasques worker") == [
        ["tasques", "worker", "shop:app", "-q", "mail"]
    ]
    assert pages.lines(PAGE, "curl") == ["curl -s localhost:8080/tasques -d '{\"a\": 1}'"]
    assert pages.answers(PAGE) == ['{"b": 2}']


def test_the_pages_have_what_newcomers_follow() -> None:
    """Were they written in another way, the whole would fail, and only when somebody runs it."""
    worker = pages.how_to("write-a-worker")
    assert len(pages.programs(worker)) == 3
    assert pages.commands(worker, "tasques worker")
    assert "test_sign_up.py" in pages.files(pages.how_to("test-your-tasks"))
    plugin = pages.how_to("write-a-plugin")
    assert {"pyproject.toml", "tasques_watch.py"} <= set(pages.files(plugin))
    assert len(pages.answers(plugin)) == 3


def test_every_extra_is_known(tmp_path: Path) -> None:
    """One that is new in the package fails until it is said what it is for."""
    extras.ensure_known(a_wheel(tmp_path, "server", "testing"))
    with pytest.raises(StepFailed, match="telepathy"):
        extras.ensure_known(a_wheel(tmp_path, "server", "telepathy"))


def test_a_wheel_is_asked_for_with_its_extras(tmp_path: Path) -> None:
    """As pip wants it."""
    built = a_wheel(tmp_path)
    assert built.with_extras() == str(built.base)
    assert built.with_extras("a", "b") == f"{built.base}[a,b]"
    assert wheels.extras(a_wheel(tmp_path, "a").base) == ["a"]


def test_there_is_a_check_of_everything() -> None:
    """Each extra, each plugin, and what newcomers do."""
    names = list(checks())
    assert {f"extra {extra.name or '(none)'}" for extra in EXTRAS} <= set(names)
    assert {f"plugin {name}" for name in plugin_names()} <= set(names)
    assert {"tasques-prometheus", "tasques-sqlite"} <= set(plugin_names())
    assert sum(name.startswith("newcomer: ") for name in names) == 3


def test_the_programs_of_the_extras_run(tmp_path: Path) -> None:
    """In this environment, which has everything, all but what is about being alone."""
    for extra in EXTRAS:
        done = subprocess.run(
            [sys.executable, "-c", whatever_came_along(extra)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def whatever_came_along(extra: Extra) -> str:
    """Its program, for an environment that is not its own."""
    alone = Extra(name=extra.name, imports=extra.imports, absent=(), program=extra.program)
    return extras.program(alone).replace(
        "assert tasques.__file__.startswith(sys.prefix), tasques.__file__", ""
    )


def test_what_came_along_is_seen(tmp_path: Path) -> None:
    """Here everything has."""
    text = extras.program(EXTRAS[0]).replace("startswith(sys.prefix)", "startswith('/')")
    with pytest.raises(StepFailed, match="came along"):
        run([sys.executable, "-c", text], Path.cwd())


@pytest.mark.parametrize("name", plugin_names())
def test_the_programs_of_the_plugins_run(name: str) -> None:
    """Each is found by its entry point; installed here too."""
    run([sys.executable, "-c", plugins.program(name)], Path.cwd())


def test_a_plugin_without_a_door_is_seen() -> None:
    """A distribution whose entry points are of other groups."""
    with pytest.raises(StepFailed, match="no entry point"):
        run([sys.executable, "-c", plugins.program("pytest")], Path.cwd())


def test_nothing_of_ours_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the checkout, nor settings of whoever runs it; programs of the environment come first."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("TASQUES_SERVER_BACKEND", "elasticsearch:")
    variables = Environment(tmp_path).variables({"MORE": "1"})
    assert not {"PYTHONPATH", "TASQUES_SERVER_BACKEND"} & set(variables)
    assert variables["PATH"].split(os.pathsep)[0] == str(tmp_path / "bin")
    assert variables["MORE"] == "1"


def test_what_fails_is_shown(tmp_path: Path) -> None:
    """With what was run, how it ended, and what it printed."""
    with pytest.raises(StepFailed, match=r"ended with 3:\nhello"):
        run([sys.executable, "-c", "print('hello'); raise SystemExit(3)"], tmp_path)


def test_the_command_line() -> None:
    """It lists what it checks, and refuses what it does not."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["--list", "--only", "plugin "]) == 0
    assert printed.getvalue().split("\n")[:-1] == [f"plugin {name}" for name in plugin_names()]
    assert main(["--only", "telepathy"]) == 2
