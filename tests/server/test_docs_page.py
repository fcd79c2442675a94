"""The interactive pages in a real browser that can reach nothing but the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Literal

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import State, TaskKey
from tasques.server.app import create_app
from tasques.server.front import Front
from tasques.server.options import ServerOptions
from tasques.server.routes import ROUTES
from tasques.settings.kinds import User
from tests.browser import Browser, fresh, started
from tests.server.conftest import World


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    yield from started(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Browser:
    return fresh(driver)


@pytest.fixture
def server(world: World, serve: Callable[..., Front]) -> Front:
    return serve(create_app(world.services, ServerOptions()))


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/swagger/index.html"])
def test_the_page_shows_every_operation_and_needs_nothing_but_the_server(
    path: str, browser: Browser, server: Front
) -> None:
    """All routes can be read, nothing is fetched from elsewhere, and the policy forbids nothing."""
    browser.driver.get(server.url + path)
    for route in ROUTES:
        browser.find(f"#operations-{route.tag}-{route.operation_id}")
    assert "Tasques API" in browser.find(".info .title").text
    requested = browser.requested()
    assert server.url + path in requested
    assert not [url for url in requested if not url.startswith((server.url + "/", "data:"))]
    assert not browser.complaints()


def test_a_task_can_be_created_from_the_page(browser: Browser, server: Front, world: World) -> None:
    """Trying it out with the example as it stands gets 201, twice, and shows the task."""
    browser.driver.get(server.url + "/docs")
    shown = _create_two(browser)
    assert not browser.complaints()
    for id in shown:
        stored = world.services.tasks.get(TaskKey(QueueName("run-later"), TaskId(id)))
        assert stored.document.state is State.QUEUED


def test_credentials_can_be_given_on_the_page(
    browser: Browser, world: World, serve: Callable[..., Front]
) -> None:
    """Where users are configured, the page asks who one is, and passes it on."""
    options = ServerOptions(users=(User(name="ann", password="secret"),))
    server = serve(create_app(world.services, options))
    browser.driver.get(server.url + "/docs")
    browser.click(".scheme-container .authorize")
    browser.find(".auth-container input[name=username]").send_keys("ann")
    browser.find(".auth-container input[name=password]").send_keys("secret")
    browser.click(".auth-btn-wrapper .authorize")
    browser.click(".auth-btn-wrapper .btn-done")
    assert len(_create_two(browser)) == 2
    assert not browser.complaints()


def _create_two(browser: Browser) -> list[str]:
    """The ids of two tasks, created from the example as it stands."""
    operation = browser.find("#operations-tasks-create-task")
    browser.click(".opblock-summary-control", within=operation)
    browser.click(".try-out__btn", within=operation)
    shown: list[str] = []
    for _ in range(2):
        browser.click(".btn.execute", within=operation)
        shown.append(browser.wait(partial(_created, operation, shown), "no new task is shown"))
    return shown


def _created(operation: WebElement, before: list[str], _: object) -> str | Literal[False]:
    """The id of the task that an answer with 201 shows, once it is not one of *before*."""
    # swagger-ui replaces the answer's elements whenever there is another.
    with suppress(NoSuchElementException, StaleElementReferenceException):
        answer = operation.find_element(By.CSS_SELECTOR, ".live-responses-table .response")
        status = answer.find_element(By.CSS_SELECTOR, ".response-col_status").text
        task = json.loads(answer.find_element(By.CSS_SELECTOR, "code.language-json").text)
        if status.startswith("201") and task["id"] not in before:
            return str(task["id"])
    return False
