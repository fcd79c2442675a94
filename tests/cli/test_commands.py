"""Commands and their exit statuses, as the contract's section 10 has them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tasques import bootstrap
from tasques.cli import main
from tasques.cli.serving import MEMORY_FORGETS
from tasques.core.errors import Fault, InvalidInput, StoreUnavailable
from tasques.core.ports import Problem, SetupStep

ROOT = Path(__file__).parents[2]


class FakeBackend:
    """As much of a backend as the commands ask."""

    def __init__(
        self,
        problems: Sequence[Problem] = (),
        steps: Sequence[SetupStep] = (),
        durable: bool = True,
    ) -> None:
        self.url = "fake://host"
        self.is_durable = durable
        self.problems = problems
        self.steps = steps
        self.applied: list[bool] = []
        self.dashboards: list[bool] = []
        self.is_closed = False

    def check(self) -> Sequence[Problem]:
        return self.problems

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        self.applied.append(apply)
        self.dashboards.append(dashboards)
        return self.steps

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    def use(backend: FakeBackend) -> FakeBackend:
        monkeypatch.setattr(bootstrap, "open_backend", lambda settings, runtime: backend)
        return backend

    return use


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings of each time that serving began."""
    calls: list[Any] = []

    def serve(settings: Any, *, announce: object) -> int:
        calls.append(settings)
        return 0

    monkeypatch.setattr(bootstrap, "serve", serve, raising=False)
    return calls


MISSING = SetupStep(what="index template a", state="missing")
PRESENT = SetupStep(what="index template b", state="present", detail="version 3")
DIFFERENT = SetupStep(what="index template c", state="different")
INSTALLED = SetupStep(what="index template a", state="installed")

# ------------------------------------------------------------------------------------ serve


def test_tasques_alone_serves_from_memory_and_says_that_memory_forgets(
    served: list[Any], capsys: pytest.CaptureFixture[str]
):
    """Nobody shall lose tasks without having been told: in the first line, and in the log."""
    assert main([]) == 0

    assert len(served) == 1
    out, err = capsys.readouterr()
    assert out == f"{MEMORY_FORGETS}\n"
    line = json.loads(err)
    assert (line["level"], line["message"]) == ("warn", MEMORY_FORGETS)


def test_with_elasticsearch_nothing_is_said_about_memory(
    served: list[Any], capsys: pytest.CaptureFixture[str]
):
    """The warning is for memory only."""
    assert main(["serve", "--set", "elasticsearch.addresses=http://a:9200"]) == 0

    assert capsys.readouterr() == ("", "")
    assert served[0].elasticsearch.addresses == ("http://a:9200",)


def test_the_sources_reach_the_server_in_their_order(
    served: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Command line over environment over the file that is found."""
    (tmp_path / "tasques.json").write_text(
        '{"tasques": {"server": {"bind_address": ":1", "shutdown_timeout": "1s", "backend": "a:"}}}'
    )
    monkeypatch.setenv("TASQUES_SERVER_SHUTDOWN_TIMEOUT", "2s")
    monkeypatch.setenv("TASQUES_SERVER_BACKEND", "b:")

    main(["--backend", "c:"])

    (settings,) = served
    assert [str(settings.bind_address), str(settings.shutdown_timeout), settings.backend] == [
        ":1",
        "2s",
        "c:",
    ]


def test_wrong_settings_are_status_1_with_every_fault(
    served: list[Any], capsys: pytest.CaptureFixture[str]
):
    """Each fault has its line, and nothing is served."""
    assert main(["--set", "bind_address=x", "--set", "shutdown_timeout=5"]) == 1

    err = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in err] == ["bind_address", "shutdown_timeout"]
    assert served == []


def test_a_file_that_is_named_must_exist(served: list[Any], capsys: pytest.CaptureFixture[str]):
    """``--config`` is a promise."""
    assert main(["--config", "none.yaml"]) == 1

    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_warnings_of_the_settings_are_logged(
    served: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An unknown level is ``info`` and a warning; serving goes on."""
    monkeypatch.setenv("TASQUES_SERVER_LOGGING_LEVEL", "chatty")
    monkeypatch.setenv("TASQUES_SERVER_LOGGING_JSON", "false")

    assert main([]) == 0
    assert "WARN  logging.level [chatty]" in capsys.readouterr().err
    assert logging.getLogger("tasques").level == logging.INFO


def test_a_log_file_that_cannot_be_opened_is_status_1(
    served: list[Any], capsys: pytest.CaptureFixture[str]
):
    """Serving without the log that was asked for would hide what happens."""
    assert main(["--set", "logging.file=none/log"]) == 1

    assert "logging.file: none/log cannot be opened" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(98, "Address already in use"),
        StoreUnavailable("no node answers"),
        InvalidInput([Fault("backend", "backend", "no plugin")]),
    ],
)
def test_what_keeps_the_server_from_starting_is_status_1(
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    """It is said on the terminal, and in the log where that is a file; never as a traceback."""

    def serve(settings: object, *, announce: object) -> int:
        raise error

    monkeypatch.setattr(bootstrap, "serve", serve, raising=False)
    assert main(["--set", "logging.file=log"]) == 1

    err = capsys.readouterr().err
    assert err.startswith("tasques: ")
    assert "Traceback" not in err
    assert "could not start" in (tmp_path / "log").read_text()


def test_the_status_of_serving_is_the_status(monkeypatch: pytest.MonkeyPatch):
    """1 where requests did not finish in time."""
    monkeypatch.setattr(bootstrap, "serve", lambda settings, announce: 1, raising=False)

    assert main(["serve"]) == 1


# ------------------------------------------------------------------------------------ setup


def test_setup_installs_and_prints_each_thing(use: Any, capsys: pytest.CaptureFixture[str]):
    """With its state and what there is to say; status 0 when everything is there."""
    backend = use(FakeBackend(steps=[INSTALLED, PRESENT]))

    assert main(["setup"]) == 0
    assert (backend.applied, backend.is_closed) == ([True], True)
    assert capsys.readouterr().out.splitlines() == [
        "installed index template a",
        "present   index template b: version 3",
    ]


def test_setup_that_did_not_finish_is_status_1(use: Any):
    """A script must not go on to serve."""
    use(FakeBackend(steps=[MISSING]))

    assert main(["setup"]) == 1


@pytest.mark.parametrize(("step", "status"), [(PRESENT, 0), (MISSING, 1), (DIFFERENT, 1)])
def test_setup_check_changes_nothing_and_tells_by_its_status(
    step: SetupStep, status: int, use: Any
):
    """1 if something is missing or different."""
    backend = use(FakeBackend(steps=[step]))

    assert main(["setup", "--check"]) == status
    assert backend.applied == [False]


def test_setup_dry_run_says_what_it_would_do(use: Any, capsys: pytest.CaptureFixture[str]):
    """Nothing is changed, and the status is 0 whatever there is to do."""
    backend = use(FakeBackend(steps=[MISSING, DIFFERENT, PRESENT]))

    assert main(["setup", "--dry-run"]) == 0
    assert backend.applied == [False]
    assert [line.split(" index")[0].strip() for line in capsys.readouterr().out.splitlines()] == [
        "would install",
        "would update",
        "present",
    ]


def test_setup_asks_for_dashboards_where_that_is_said(
    use: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """``--kibana``; also beside ``--dry-run``, which changes nothing all the same."""
    monkeypatch.setenv("TASQUES_SERVER_KIBANA_ADDRESS", "http://kibana:5601")
    backend = use(FakeBackend())

    for line in (["setup"], ["setup", "--kibana"], ["setup", "--kibana", "--dry-run"]):
        assert main(line) == 0
    assert backend.dashboards == [False, True, True]
    assert backend.applied == [True, True, False]


def test_dashboards_want_a_kibana(use: Any, capsys: pytest.CaptureFixture[str]):
    """Whoever asks for them learns which setting is missing; nothing is done."""
    backend = use(FakeBackend())

    assert main(["setup", "--kibana"]) == 1
    assert capsys.readouterr().err.startswith("tasques: kibana.address: is not set")
    assert backend.applied == []


def test_what_setup_cannot_change_and_tasks_do_not_mind_is_no_failure(
    use: Any, capsys: pytest.CaptureFixture[str]
):
    """A deployment that waits for ``setup`` goes on; the line is there for whoever reads."""
    step = SetupStep(what="mappings of queue indices", state="tolerated", detail="state is a text")
    skipped = SetupStep(what="Kibana objects", state="skipped")
    use(FakeBackend(steps=[step, skipped]))

    for line in (["setup"], ["setup", "--check"]):
        assert main(line) == 0
        assert capsys.readouterr().out.splitlines() == [
            "tolerated mappings of queue indices: state is a text",
            "skipped   Kibana objects",
        ]


def test_setup_of_a_backend_that_needs_none(use: Any, capsys: pytest.CaptureFixture[str]):
    """Memory has nothing to install; that is no failure."""
    use(FakeBackend())

    assert main(["setup"]) == 0
    assert capsys.readouterr().out == "fake://host needs no setup\n"


def test_setup_that_cannot_reach_the_store_is_status_1(
    use: Any, capsys: pytest.CaptureFixture[str]
):
    """The reason is printed; the backend is closed."""
    backend = use(FakeBackend())
    backend.setup = lambda apply, dashboards: (_ for _ in ()).throw(
        StoreUnavailable("no node\nanswers")
    )

    assert main(["setup"]) == 1
    assert capsys.readouterr().err == "tasques: no node\\nanswers\n"
    assert backend.is_closed


# ------------------------------------------------------------------------- the original's lines


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("help", 0),
        ("--help", 0),
        ("-h", 0),
        ("help setup", 0),
        ("setup --help", 0),
        ("show", 0),
        ("show config", 0),
        ("show config --config there.yaml", 0),
        ("--config there.yaml show config", 0),
        ("--config=there.yaml show config", 0),
        ("setup --config there.yaml", 0),
        ("--config there.yaml", 0),
        ("show config --config none.yaml", 1),
        ("setup --config none.yaml", 1),
        ("--config none.yaml", 1),
        ("--config broken.yaml", 1),
        ("setup --config wrong.yaml", 1),
    ],
)
def test_command_lines_of_the_original_end_as_there(
    line: str, status: int, use: Any, served: list[Any], tmp_path: Path
):
    """As observed of it; but for `help`, for which it wants a configuration file."""
    use(FakeBackend())
    (tmp_path / "there.yaml").write_text("tasques: {server: {shutdown_timeout: 5s}}")
    (tmp_path / "broken.yaml").write_text("tasques: [")
    (tmp_path / "wrong.yaml").write_text("tasques: {server: {shutdown_timeout: 1d}}")

    assert main(line.split()) == status


# ------------------------------------------------------------------------------------ check


def test_check_of_what_is_well(use: Any, capsys: pytest.CaptureFixture[str]):
    """Settings and backend each have their line."""
    backend = use(FakeBackend())

    assert main(["check", "--bind", ":1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok        settings: from command line",
        "ok        backend: fake://host",
    ]
    assert backend.is_closed


def test_check_tells_the_fatal_from_the_rest(use: Any, capsys: pytest.CaptureFixture[str]):
    """Status 1 only if something is fatal; all findings are printed."""
    soft = Problem(code="mapping_drift", message="a field is new", fatal=False)
    hard = Problem(code="unreachable", message="no node answers")

    use(FakeBackend(problems=[soft], durable=False))
    assert main(["check", "--set", "logging.level=x"]) == 0
    out = capsys.readouterr().out
    assert "warning   backend: mapping_drift: a field is new" in out
    assert "warning   backend: forgets every task" in out
    assert "warning   settings: logging.level [x]" in out

    use(FakeBackend(problems=[soft, hard]))
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "fatal     backend: unreachable: no node answers" in out
    assert "ok        backend" not in out


def test_check_names_every_fault_of_the_settings(capsys: pytest.CaptureFixture[str]):
    """The backend is not asked: nobody knows which."""
    assert main(["check", "--set", "bind_address=x", "--set", "clock.red=1"]) == 1

    out = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in out] == ["bind_address", "clock.red"]
    assert all(line.startswith("fatal     settings: ") for line in out)


def test_check_of_a_backend_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It is a finding like others."""

    def open_backend(settings: object, runtime: object) -> FakeBackend:
        raise InvalidInput([Fault("backend", "backend", "no plugin")])

    monkeypatch.setattr(bootstrap, "open_backend", open_backend)

    assert main(["check", "--backend", "x:"]) == 1
    assert "fatal     settings: backend: no plugin" in capsys.readouterr().out


# ------------------------------------------------------------------------------ show config


def test_show_config_prints_json_with_sources_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """On the standard output, and nothing else there."""
    monkeypatch.setenv("TASQUES_SERVER_ELASTICSEARCH_API_KEY", "hush")

    assert main(["show", "config", "--set", "shutdown_timeout=7s"]) == 0

    out, err = capsys.readouterr()
    shown = json.loads(out)
    assert err == ""
    assert "hush" not in out
    assert shown["shutdown_timeout"] == 7_000_000_000
    assert shown["sources"]["shutdown_timeout"] == "command line"
    assert shown["sources"]["elasticsearch.api_key"].startswith("environment")


def test_show_config_tells_warnings_beside_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A name that is no setting is seen, without spoiling the output for programs."""
    monkeypatch.setenv("TASQUES_SERVER_BIND", ":1")

    assert main(["show", "config"]) == 0

    out, err = capsys.readouterr()
    json.loads(out)
    assert "TASQUES_SERVER_BIND" in err


@pytest.mark.parametrize("module", ["tasques", "tasques.cli"])
def test_the_command_runs_as_a_module(module: str):
    """Without installing anything; quickly, since nothing heavy is imported for it."""
    code = (
        f"import runpy, sys; sys.argv = ['tasques', 'show', 'config']\n"
        f"try: runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: assert not end.code, end\n"
        "assert not {'falcon', 'waitress', 'elasticsearch', 'yaml'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    json.loads(done.stdout)
