"""The site is made of the pages without a warning, and can be searched without a network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser import Browser, fresh, started

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as tox builds it: a process of its own, since Sphinx leaves much behind in one."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    yield from started(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Browser:
    return fresh(driver)


def test_every_page_is_in_the_site(site: Path) -> None:
    """And is reached from the first one."""
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    front = (site / "index.html").read_text()
    for page in pages - {Path("index.html")}:
        assert (site / page).exists()
        assert f'href="{page}"' in front


def test_a_search_finds_pages_without_a_network(site: Path, browser: Browser) -> None:
    """From the files alone, as whoever downloads the site has them."""
    browser.driver.get(f"{site.as_uri()}/search.html?q=idempotency")

    def found(_: object) -> list[str]:
        links = browser.driver.find_elements("css selector", "#search-results li a")
        return [link.text for link in links]

    assert browser.wait(lambda _: found(_) or False, "nothing was found")
    assert not [url for url in browser.requested() if not url.startswith(("file:", "data:"))]
    assert not browser.complaints()
