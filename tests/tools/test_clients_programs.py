"""What tools.clients runs: the tasks, the example's database, what is built, and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.clients.__main__ import main
from tools.clients.building import CannotBuild, original, revision, type_name
from tools.clients.ciphers import CIPHERS, jobs
from tools.clients.database import Database
from tools.clients.programs import Programs
from tools.clients.run import Options


@pytest.mark.parametrize(
    ("kind", "ciphered"),
    [
        ("Rot1", "A, b-dé z0"),
        ("Rot13", "M, n-pé l0"),
        ("Base64", "WiwgYS1jw6kgeTA="),
        ("Md5", "d49ba627409ae912d902b55f2beccc7e"),
    ],
)
def test_ciphers(kind: str, ciphered: str) -> None:
    """Letters without marks are rotated; the others are of the text's UTF-8."""
    assert CIPHERS[kind]("Z, a-cé y0") == ciphered


def test_each_message_is_four_tasks() -> None:
    """One of each kind, in the order in which the example creates them; no two messages are equal."""
    some = list(jobs(1000))
    assert [job.number for job in some] == list(range(1000))
    assert [job.kind for job in some[4:8]] == ["Rot1", "Rot13", "Base64", "Md5"]
    assert len({job.plain for job in some}) == 250
    assert len({(job.kind, job.ciphered) for job in some}) == 1000


@pytest.mark.parametrize("tasks", [0, 4, 1001])
def test_a_run_wants_whole_messages(tasks: int) -> None:
    """And at least two."""
    with pytest.raises(ValueError, match="multiple of 4"):
        Options(elasticsearch="", tasks=tasks)


def test_generated_types_have_the_original_s_names() -> None:
    """So that what was written against its clients compiles."""
    assert type_name("task.NewTask") == "TaskNewTask"
    assert type_name("common.Metadata") == "CommonMetadata"


class TestDatabase:
    """The stand-in for the database of the original's example."""

    INDEX = "/messages_and_their_ciphers"

    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with Database() as database:
            yield database

    def call(self, database: Database, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(database.url + path, content, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_a_message_is_created_read_and_written(self, database: Database) -> None:
        """And what is written is counted, field by field."""
        index = self.INDEX
        made = self.call(database, "PUT", f"{index}/_create/1", {"plain": "a", "rot_1": None})
        assert made[0] == 201
        change = {"doc": {"rot_1": "b", "modified_at": "now"}}
        for version in (2, 3):
            path = f"{index}/_update/1?retry_on_conflict=1000"
            status, answer = self.call(database, "POST", path, change)
            assert (status, answer["_version"], answer["_type"]) == (200, version, "_doc")
        status, answer = self.call(database, "GET", f"{index}/_doc/1")
        assert (status, answer["_source"]["rot_1"]) == (200, "b")
        assert database.messages.field("1", "rot_1") == (2, "b")
        assert database.messages.field("1", "md_5") == (0, None)
        assert database.messages.plains() == {"1": "a"}

    def test_the_newest_are_listed(self, database: Database) -> None:
        """A few of them, whatever is asked for."""
        for id in range(5):
            self.call(database, "PUT", f"{self.INDEX}/_create/{id}", {"plain": str(id)})
        _, answer = self.call(database, "POST", f"{self.INDEX}/_search", {"size": 10000})
        assert [hit["_source"]["plain"] for hit in answer["hits"]["hits"]] == ["2", "3", "4"]

    def test_what_is_not_there_or_there_already_is_refused(self, database: Database) -> None:
        """As Elasticsearch does; and what the example never asks."""
        self.call(database, "PUT", f"{self.INDEX}/_create/1", {"plain": "a"})
        for status, method, path in (
            (409, "PUT", f"{self.INDEX}/_create/1"),
            (404, "GET", f"{self.INDEX}/_doc/2"),
            (404, "POST", f"{self.INDEX}/_update/2"),
            (400, "GET", "/"),
        ):
            body: object = None if method == "GET" else {"doc": {}}
            assert self.call(database, method, path, body)[0] == status


def test_a_process_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    """With its status, and what it said last."""
    with Programs(tmp_path) as programs:
        ended = programs.start("short", [sys.executable, "-c", "print('so'); raise SystemExit(3)"])
        programs.start("long", [sys.executable, "-c", "import time; time.sleep(600)"])
        ended.wait(60)
        assert programs.ended() == ["short ended with 3: so"]
        assert programs.stop() == ["short ended with 3: so"]
        assert programs.ended() == []


def test_a_checkout_that_was_changed_is_not_the_original(tmp_path: Path) -> None:
    """Nor is any other folder."""
    with pytest.raises(CannotBuild, match="no checkout"):
        revision(tmp_path)
    folder = tmp_path / "example" / "ciphers" / "worker-go"
    folder.mkdir(parents=True)
    (folder / "main.go").touch()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", str(tmp_path)]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    assert len(revision(tmp_path)) >= 7
    (folder / "main.go").write_text("package main")
    with pytest.raises(CannotBuild, match="not as it was checked out"):
        revision(tmp_path)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is called for ``go``; to be filled with a script."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


def test_the_original_comes_from_where_go_gets_modules(tmp_path: Path, go: Path) -> None:
    """Go says where it has put it."""
    go.write_text('#!/bin/sh\necho "{\\"Dir\\": \\"/modules/$4\\"}"\n')
    assert original(tmp_path / "work").name.startswith("tasques@v0.0.0-")


def test_where_go_does_not_get_it_a_checkout_is_asked_for(
    tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, since nothing was shown."""
    go.write_text("#!/bin/sh\necho 'not available' >&2; exit 1\n")
    assert main(["--language", "go", "--work", str(tmp_path / "work")]) == 1
    said = capsys.readouterr().err
    assert "not available" in said
    assert "git clone" in said
