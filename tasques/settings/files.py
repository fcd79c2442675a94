"""The configuration file: where it is looked for, and the formats it may have."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from tasques.core.errors import Fault, InvalidInput

#: Where a file is looked for that nobody names; the last is that of the original's image.
DIRECTORIES: Final = (".", "./config", "/app/config")

STEM: Final = "tasques"


@attrs.frozen
class File:
    """
    A configuration file that was read.

    Attributes:
        name: Its path, for messages; its ending says the format.
        text: All of it; it may hold secrets.
    """

    name: str
    text: str = attrs.field(repr=False)

    def parse(self) -> object:
        """
        What the file says, as mappings, lists and plain values; None for an empty one.

        Raises:
            InvalidInput: If it is not in the format its name says, or that is not known. The
                message has the place but nothing of the text, which may hold secrets.
        """
        parse = _FORMATS.get(Path(self.name).suffix.lower())
        if parse is None:
            known = ", ".join(_FORMATS)
            raise _invalid(self.name, f"is in no known format; its name must end in {known}")
        return parse(self)


def find(named: str | None, directories: Sequence[str] = DIRECTORIES) -> File | None:
    """
    Read the file that is *named*, or else the first ``tasques.yaml`` and so on that exists.

    Args:
        named: A path; None: look in the *directories*, in their order, for ``.yaml``, ``.yml``,
            ``.json`` and ``.toml``.
        directories: Where to look.

    Returns:
        None if no file is named and none exists.

    Raises:
        InvalidInput: If the file cannot be read, one that is named but missing included.
    """
    if named is not None:
        return _read(Path(named), named)
    for directory in directories:
        for ending in _FORMATS:
            path = Path(directory) / f"{STEM}{ending}"
            if path.is_file():
                return _read(path, f"{directory}/{path.name}")
    return None


def _read(path: Path, name: str) -> File:
    try:
        return File(name, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _invalid(name, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _invalid(name, f"is not UTF-8 at byte {error.start}") from error


def _parse_yaml(file: File) -> object:
    # Slow to import, and wanted only where there is such a file.
    import yaml

    try:
        return yaml.safe_load(file.text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # A password that begins with "*" or "!" is an alias or a tag to YAML, and quoted here.
        problem = re.sub(r"(alias|anchor|handle|tag) .*", r"\1", str(error.problem))
        # The cause would bring lines of the file, with secrets perhaps, into a traceback.
        raise _invalid(file.name, f"is not YAML{place}: {problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _invalid(file.name, "is not YAML that can be read") from None


def _parse_json(file: File) -> object:
    try:
        return json.loads(file.text)
    except json.JSONDecodeError as error:
        place = f"at line {error.lineno}, column {error.colno}"
        raise _invalid(file.name, f"is not JSON {place}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _invalid(file.name, "is not JSON that can be read") from None


def _parse_toml(file: File) -> object:
    try:
        return tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid(file.name, f"is not TOML: {error}") from None


_FORMATS: Final[Mapping[str, Callable[[File], Any]]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".json": _parse_json,
    ".toml": _parse_toml,
}


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput([Fault("", "file", f"the configuration file {name} {message}")])
