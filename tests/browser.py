"""A real browser that can reach nothing but this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")

PATIENCE_SECONDS = 30

# No name resolves, and nothing that a browser does of its own accord is done.
FLAGS = (
    "--headless",
    "--no-sandbox",  # which root may not use
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1200,1600",
)


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(
        f"{names[0]} was not found; 'apt-get install chromium chromium-driver' installs it (Debian)"
    )


class Browser:
    """A browser, and what it has done since it was last asked."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def find(self, selector: str, *, within: WebElement | None = None) -> WebElement:
        """The first visible element; waits for it."""
        place = within or self.driver

        def visible(_: object) -> WebElement | Literal[False]:
            found = place.find_elements(By.CSS_SELECTOR, selector)
            return next((each for each in found if each.is_displayed()), False)

        return self.wait(visible, f"nothing to see for {selector}")

    def wait(self, condition: Callable[[object], T | Literal[False]], message: str) -> T:
        """What *condition* gives once it gives something."""
        return WebDriverWait(self.driver, PATIENCE_SECONDS).until(condition, message)

    def click(self, selector: str, *, within: WebElement | None = None) -> None:
        """Click at the element's place in the page; waits for it."""
        self.driver.execute_script("arguments[0].click()", self.find(selector, within=within))

    def requested(self) -> list[str]:
        """The addresses of everything that pages have asked for, save the browser's own pages."""
        messages = (json.loads(line["message"])["message"] for line in self._log("performance"))
        requests = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
        return [
            request["request"]["url"]
            for request in requests
            if not request["documentURL"].startswith("chrome:")
        ]

    def complaints(self) -> list[str]:
        """The console's errors: refusals of the Content-Security-Policy, failures of scripts."""
        return [line["message"] for line in self._log("browser") if line["level"] == "SEVERE"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = self.driver.get_log(kind)
        return lines


def started(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser of one's own; a start takes a second or two."""
    options = Options()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SE_OFFLINE", "true")
        environment.setenv("NO_PROXY", "localhost,127.0.0.1")
        service = Service(executable_path=_program("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        yield driver
        driver.quit()


def fresh(driver: webdriver.Chrome) -> Browser:
    """*driver* on an empty page, with nothing done yet."""
    browser = Browser(driver)
    driver.get("about:blank")
    browser.requested()
    browser.complaints()
    return browser
