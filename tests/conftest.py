"""What the tests share: a worker that runs tasks, a browser, and the sandbox company."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, sync_playwright

from groupadmin.celery import app
from groupadmin.embedded import Engine
from tests.processes import ROOT, environment, eventually, running, test_database_url

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run; `pytest_terminal_summary` says so."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    impossible = {"browser"} if BROWSER is None else set()
    if settings.EMBEDDED:
        impossible.add("services")
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in impossible)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if BROWSER is None:
        terminalreporter.write_line(
            "Browser tests were left out: no Chromium here. On Debian: apt-get install chromium", yellow=True
        )


@pytest.fixture
def worker(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """Somebody runs the tasks that the test sends, against the test's own database.

    On the embedded default a worker thread of this process; with `make test-services` a real
    Celery worker process, which knows the sandbox if the test uses it.
    """
    app.control.purge()  # what earlier tests sent without anybody listening
    if settings.EMBEDDED:
        with Engine(app, beat=False):
            yield
    else:
        with _worker_process(tmp_path / "worker.log"):
            yield


@contextmanager
def _worker_process(log: Path) -> Iterator[None]:
    env = environment(
        DATABASE_URL=test_database_url(), REDIS_URL=settings.REDIS_URL, VAR_DIR=str(settings.VAR_DIR)
    )
    command = [sys.executable, "-m", "celery", "--app", "groupadmin", "worker", "--concurrency=1", "--loglevel=INFO"]
    with running(command, env=env, log=log) as process:
        eventually(lambda: " ready." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium without a window; alive for one module, as its event loop would disturb async tests."""
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the test's own thread
        browser = playwright.chromium.launch(executable_path=BROWSER, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page with no history; a script error on anything it shows fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []
