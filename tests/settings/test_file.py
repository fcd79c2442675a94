"""The configuration file: the original's keys, three formats, and where it is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tasques.core.errors import InvalidInput
from tasques.core.values import Duration
from tasques.settings import TABLE, File, Settings, User, find, load

EXAMPLE = (Path(__file__).parent / "tasques.example.yaml").read_text(encoding="utf-8")

#: The keys of the original that have no default here, as its example has them.
NOT_SET_BY_DEFAULT = (
    "logging.file",
    "elasticsearch.addresses",
    "elasticsearch.user",
    "kibana",
    "apm",
    "auth.basic_auth",
    "lifecycle_setup.archived_tasks.custom_policy",
)


def yaml_file(text: str) -> File:
    return File("tasques.yaml", text)


def server(**settings: object) -> File:
    """A file with *settings* under ``tasques.server``."""
    return File("tasques.json", json.dumps({"tasques": {"server": settings}}))


def faults(file: File) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        load(file)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_a_file_of_the_original_is_read_without_a_warning():
    """Every key of the original's example means the same here."""
    settings = load(yaml_file(EXAMPLE))

    assert settings.warnings == ()
    assert settings.elasticsearch.addresses == ("http://localhost:9200",)
    assert settings.elasticsearch.user.password == "es-secret"
    assert settings.auth.basic_auth == (
        User(name="alice", password="wonder:land"),
        User(name="bob", password="12345"),
    )
    assert settings.logging.file == "/app/logs/server.log"
    assert settings.lifecycle_setup.archived_tasks.custom_policy.name == "keep_for_a_year"
    assert settings.source("tasks.defaults.retry_times") == "file tasques.yaml"


def test_the_example_names_every_key_of_the_original():
    """The example is complete: what it lacks is ours."""
    given = load(yaml_file(EXAMPLE)).sources

    assert {name for name in TABLE if name not in given} == {
        row.name for row in TABLE.values() if row.is_ours
    }


def test_the_values_of_the_originals_example_are_the_defaults():
    """Without a file everything is as in the original's example, save what says where things are."""
    example, defaults = load(yaml_file(EXAMPLE)).as_options(), Settings().as_options()

    different = {name for name in TABLE if example[name] != defaults[name]}

    assert different == {
        name
        for name in TABLE
        if any(f"{name}.".startswith(f"{key}.") for key in NOT_SET_BY_DEFAULT)
    }


def test_yaml_json_and_toml_say_the_same():
    """The format is chosen by the file's ending, and changes nothing."""
    from_yaml = load(File("a.yaml", EXAMPLE)).as_options()

    assert load(File("a.yml", EXAMPLE)).as_options() == from_yaml
    assert load(File("a.json", json.dumps(yaml.safe_load(EXAMPLE)))).as_options() == from_yaml
    toml = '[tasques.server]\nbind_address = ":1"\n[tasques.server.tasks.defaults]\nretry_times = 3'
    settings = load(File("a.toml", toml))
    assert (str(settings.bind_address), settings.tasks.defaults.retry_times) == (":1", 3)


@pytest.mark.parametrize("text", ["", "tasques:", "tasques:\n  server:", "tasques: {server: {}}"])
def test_a_file_that_says_nothing_leaves_the_defaults(text: str):
    """Empty files and empty sections are fine."""
    assert load(yaml_file(text)) == Settings()


def test_null_says_nothing():
    """A key without a value has its default, a section without settings too."""
    text = "tasques:\n  server:\n    bind_address:\n    kibana:\n    logging:\n      level: ~"

    assert load(yaml_file(text)) == Settings()


def test_keys_count_in_any_case():
    """The original's reader does not look at the case of keys."""
    text = "Tasques:\n  SERVER:\n    Tasks:\n      Defaults: {Retry_Times: 7}"

    settings = load(yaml_file(text))

    assert (settings.tasks.defaults.retry_times, settings.warnings) == (7, ())


def test_a_dotted_key_is_its_path():
    """``tasks.defaults`` on one line is the same as two sections."""
    text = "tasques.server: {tasks.defaults: {retry_times: 7}}"

    assert load(yaml_file(text)).tasks.defaults.retry_times == 7


def test_the_key_that_the_original_really_reads_counts():
    """Files written for the original's misnamed key keep working; the documented name wins."""
    other, documented = (
        {"last_activity_tracker_max_size": 5},
        {"recently_touched_queues_tracker_max_size": 6},
    )

    def size(**queues: int) -> int:
        queues_settings = load(server(tasks={"queues": queues})).tasks.queues
        return queues_settings.recently_touched_queues_tracker_max_size

    assert size(**other) == 5
    assert size(**other, **documented) == size(**documented, **other) == 6


def test_an_unknown_key_is_a_warning_that_suggests_the_right_one():
    """A slip of the pen is noticed, and keeps nobody from serving."""
    settings = load(server(shutdown_timeuot="9s", tasks={"x": {"y": 1}}))

    assert settings == Settings(warnings=settings.warnings)
    first, second = settings.warnings
    assert "tasques.server.shutdown_timeuot is not a setting" in first
    assert "did you mean tasques.server.shutdown_timeout?" in first
    assert "tasques.server.tasks.x is not a setting" in second


def test_a_setting_outside_the_section_is_a_warning():
    """Everything belongs under ``tasques.server``; elsewhere it would be silently without effect."""
    settings = load(yaml_file("bind_address: :1\ntasques:\n  shutdown_timeout: 1s"))

    assert settings.bind_address == Settings().bind_address
    assert [warning.split(" is not")[0] for warning in settings.warnings] == [
        "file tasques.yaml: bind_address",
        "file tasques.yaml: tasques.shutdown_timeout",
    ]


def test_every_fault_is_named_at_once_with_its_source():
    """Whoever starts a server sees all that is wrong, not one thing a try."""
    found = faults(
        server(
            bind_address="nowhere",
            shutdown_timeout=5,
            logging="loud",
            tasks={"defaults": {"retry_times": -1, "claim_amount": "many"}},
            clock={"amber": "31s"},
        )
    )

    assert set(found) == {
        "bind_address",
        "shutdown_timeout",
        "logging",
        "tasks.defaults.retry_times",
        "tasks.defaults.claim_amount",
        "clock.red",
    }
    assert all("file tasques.json" in message for message in found.values())


def test_a_number_without_a_unit_is_no_duration():
    """5 what? The message says how to say it; 0 needs no unit."""
    assert "needs a unit: 5s, 5ms" in faults(server(shutdown_timeout=5))["shutdown_timeout"]
    assert "shutdown_timeout" in faults(server(shutdown_timeout="5"))
    for zero in (0, "0", "0s"):
        assert load(server(shutdown_timeout=zero)).shutdown_timeout == Duration(0)


def test_a_comma_list_and_a_single_user_are_read_as_the_original_does():
    """The original's reader is lenient about lists, and files rely on it."""
    settings = load(
        server(
            elasticsearch={"addresses": "http://a:9200, http://b:9200/"},
            auth={"basic_auth": {"name": "a", "password": "b"}},
        )
    )

    assert settings.elasticsearch.addresses == ("http://a:9200", "http://b:9200")
    assert settings.auth.basic_auth == (User(name="a", password="b"),)


@pytest.mark.parametrize(
    "users",
    [
        [{"name": "a"}],
        [{"name": "", "password": "hidden"}],
        [{"name": "a", "password": ""}],
        [{"name": "a:b", "password": "hidden"}],
        [{"name": "a", "password": "hidden"}, {"name": "a", "password": "other"}],
        [{"name": "a", "password": "hidden", "role": "x"}],
        [{"name": "a", "password": True}],
        ["hidden"],
        "hidden",
        5,
    ],
)
def test_users_that_could_not_log_in_stop_the_start(users: object):
    """Half a user would be an open door or a locked one; the message shows no password."""
    message = faults(server(auth={"basic_auth": users}))["auth.basic_auth"]

    assert "hidden" not in message


def test_a_file_that_is_not_in_its_format_says_where_and_shows_nothing():
    """The place of the mistake is named, the secrets around it are not."""
    for name, text in (
        ("a.yaml", "tasques:\n  password: hidden\n bad: [hidden"),
        ("a.json", '{"password": "hidden" "x"'),
        ("a.toml", 'password = "hidden\nx'),
        ("a.yaml", "password: !hidden"),
        ("a.yaml", "password: *hidden"),
        ("a.json", "[" * 100_000),
    ):
        with pytest.raises(InvalidInput) as caught:
            load(File(name, text))
        assert name in str(caught.value)
        assert "hidden" not in str(caught.value)
        assert caught.value.__suppress_context__


def test_a_format_that_nobody_knows_is_a_fault():
    """The message says which endings are known."""
    assert ".toml" in faults(File("a.ini", "x=1"))[""]


def test_a_file_is_found_in_the_order_of_directories_and_endings(tmp_path: Path):
    """The first directory wins, in it YAML; no file is no fault."""
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    places = [str(near), str(far)]
    assert find(None, places) is None

    for path in (far / "tasques.yaml", near / "tasques.toml", near / "tasques.json"):
        path.write_text("", encoding="utf-8")
        assert find(None, places) == File(str(path), "")
    (near / "tasques.yml").mkdir()  # a directory of that name is no file
    assert find(None, places) == File(str(near / "tasques.json"), "")


def test_a_file_that_is_named_must_be_there_and_readable(tmp_path: Path):
    """Falling back to defaults would serve with the wrong store and without users."""
    binary = tmp_path / "tasques.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (str(tmp_path / "none.yaml"), str(tmp_path), str(binary)):
        with pytest.raises(InvalidInput) as caught:
            find(path)
        assert path in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path):
    """Editors of some systems put one."""
    path = tmp_path / "tasques.json"
    path.write_bytes(b'\xef\xbb\xbf{"tasques": {}}')
    found = find(str(path))

    assert found is not None
    assert load(found) == Settings()
