"""What ``show config`` prints: everything, no secret, and where it came from."""

from __future__ import annotations

import json
from pathlib import Path

from tasques.settings import TABLE, File, Settings, load, show

EXAMPLE = File(
    "tasques.yaml", (Path(__file__).parent / "tasques.example.yaml").read_text(encoding="utf-8")
)


def test_durations_are_nanoseconds_in_the_originals_shape():
    """Scripts that read the original's output find the same numbers in the same places."""
    shown = json.loads(json.dumps(show(load(EXAMPLE))))

    assert shown["bind_address"] == "localhost:8080"
    assert shown["shutdown_timeout"] == 5_000_000_000
    assert shown["tasks"]["defaults"]["worker_processing_timeout"] == 1_800_000_000_000
    assert shown["elasticsearch"]["addresses"] == ["http://localhost:9200"]
    assert shown["lifecycle_setup"]["archived_tasks"]["enabled"] is True


def test_every_setting_is_shown_with_its_source():
    """A setting that nobody set says that it is the default."""
    shown = show(Settings())

    assert shown["sources"] == dict.fromkeys(TABLE, "default")
    assert show(load(EXAMPLE))["sources"] == {
        name: "default" if row.is_ours else "file tasques.yaml" for name, row in TABLE.items()
    }


def test_what_is_not_set_is_null():
    """Nothing is left out, so that one sees what there is to set."""
    assert show(Settings())["backend"] is None


def test_no_secret_is_shown():
    """Passwords, tokens and keys are masked, in URLs too; that there is one is seen."""
    text = json.dumps(show(load(EXAMPLE, overrides={"backend": "x://u:hush-secret@h"})))

    for secret in ("es-secret", "kibana-secret", "apm-secret", "wonder:land", "12345", "hush"):
        assert secret not in text
    assert text.count('"***"') == 5
    assert "x://***@h" in text
