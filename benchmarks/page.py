"""The docs' page about performance: its tables and pictures are made from a session's file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from benchmarks.pictures import pictures
from benchmarks.results import Results
from benchmarks.tables import tables

_DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = _DOCS / "explanation" / "performance.md"
IMAGES: Final = _DOCS / "images"
#: The session that the page shows.
RESULTS: Final = _DOCS / "explanation" / "performance.json"
_BETWEEN_MARKERS: Final = re.compile(
    r"(<!-- from the results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL
)


def with_results(page: str, results: Results) -> str:
    """*page* with what lies between its markers made anew."""
    made = {"tables": tables(results), "pictures": _links(results)}
    return _BETWEEN_MARKERS.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", page)


def write(results: Results) -> None:
    """Have page and pictures show *results*."""
    IMAGES.mkdir(exist_ok=True)
    drawn = pictures(results)
    for old in IMAGES.glob("performance-*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, picture in drawn.items():
        (IMAGES / name).write_text(picture)
    PAGE.write_text(with_results(PAGE.read_text(), results))


def _links(results: Results) -> str:
    return "\n\n".join(
        f"![{re.findall('<title>(.*?)</title>', picture)[0]}](../images/{name})"
        for name, picture in pictures(results).items()
    )
