"""What the tests share: the sandbox company, a worker that runs tasks, and a browser."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import Style
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django import DjangoDbBlocker, Settings

from groupadmin.celery import app
from groupadmin.embedded import Engine
from groupadmin.sandbox.company import Company, Size, build_company
from groupadmin.sandbox.runner import Sandbox
from members.platforms import telegram_writer
from tests import remembered
from tests.databases import migrated_database, named, put_database, put_migrated_database
from tests.processes import celery_worker

SMALL = Size(
    slack_in_scope=30,
    slack_other=20,
    slack_users=200,
    telegram_shared=40,
    telegram_other=8,
    telegram_users=300,
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)


# No example is too slow for a busy machine, and half the usual number finds what there is to find.
hypothesis.settings.register_profile("suite", max_examples=50, deadline=None)
hypothesis.settings.register_profile("long", max_examples=5_000, deadline=None)  # --hypothesis-profile=long
hypothesis.settings.load_profile("suite")


# What this machine cannot run


@pytest.hookimpl(tryfirst=True)  # before pytest-django puts those that empty the database behind the others
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run; `pytest_terminal_summary` says so. What is long begins."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    impossible = {"browser"} if BROWSER is None else set()
    if django_settings.EMBEDDED:
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


# The database


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """On SQLite the test database lies in a folder that goes away with us."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Begin with the tables instead of migrating."""
    test = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        put_migrated_database(Path(test["NAME"]))
    else:
        with django_db_blocker.unblock():
            test["TEMPLATE"] = migrated_database()
    test["MIGRATE"] = False


@pytest.fixture(scope="session")
def fresh_database(django_db_blocker: DjangoDbBlocker) -> str:
    """On PostgreSQL: a database as `migrate` leaves it, to be copied; no test writes to it."""
    with django_db_blocker.unblock():
        return migrated_database()


@pytest.fixture
def installation(worker_id: str, fresh_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A fresh installation on PostgreSQL: the database of the test and of the processes that it starts."""
    name = f"installed_{worker_id}"
    with django_db_blocker.unblock(), put_database(name) as put:
        put(like=fresh_database)
        with named(name):
            yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A test that empties the database leaves it as migrations do: which tests come after it is up to chance.

    No test changes content types or permissions: to delete them and make them anew, as Django does, takes
    most of the time that emptying the database takes.
    """
    others = [
        table
        for table in apps.get_models(include_auto_created=True)
        if table not in (ContentType, Permission) and not table._meta.proxy
    ]
    with django_db_blocker.unblock():
        migrated = {table: rows for table, rows in remembered.read(others).items() if rows}

    def all_but_those(style: Style, connection: BaseDatabaseWrapper, **options: bool) -> list[str]:
        return connection.ops.sql_flush(style, sorted(table._meta.db_table for table in others), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", all_but_those)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: remembered.write(migrated))
        yield


@pytest.fixture(scope="session", autouse=True)
def _kicks_are_quick() -> Iterator[None]:
    """The sandbox ends a ban as soon as it is asked to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telegram_writer, "KICK_PAUSE", 0.0)
        yield


@pytest.fixture(autouse=True)
def _log_goes_on_where_it_went() -> Iterator[None]:
    """A command that runs in a test's process sends the log elsewhere, for good: to a file of its own, or to
    the standard error that pytest captures for this test alone and then closes."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers = before


def pytest_collection_finish() -> None:
    """What is there now stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


# The sandbox company


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One small company for the whole run. Use `sandbox`."""
    with Sandbox(build_company(SMALL)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """A small company on both platforms, with the settings pointing at it.

    Calls are counted from zero and no fault is scripted yet. The servers are shared: a test that
    changes the company itself takes `start_sandbox`.
    """
    for server in (shared_sandbox.slack, shared_sandbox.telegram):
        server.script.clear()
        server.calls.clear()
        server.bugs.clear()
    _point_at(shared_sandbox, settings)
    yield shared_sandbox
    _assert_no_bugs(shared_sandbox)


@pytest.fixture
def start_sandbox(settings: Settings) -> Iterator[Callable[..., Sandbox]]:
    """`start_sandbox(company, **options)`: a sandbox of the test's own, with the settings pointing at it."""
    with ExitStack() as stack:

        def start(company: Company, **options: Any) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(company, **options))
            stack.callback(_assert_no_bugs, sandbox)
            _point_at(sandbox, settings)
            return sandbox

        yield start


def _point_at(sandbox: Sandbox, settings: Settings) -> None:
    for name, value in sandbox.environment().items():
        setattr(settings, name, int(value) if name == "TELEGRAM_API_ID" else value)


def _assert_no_bugs(sandbox: Sandbox) -> None:
    assert (sandbox.slack.bugs, sandbox.telegram.bugs) == ([], []), "the sandbox itself failed"


# Somebody who runs tasks


@pytest.fixture
def worker(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """Runs the tasks that the test sends, against the test's own database.

    On the embedded default it is a thread of this process; with `make test-services` a real Celery
    worker process, which gets the platforms' settings as they are when it starts.
    """
    if "sandbox" in request.fixturenames:
        request.getfixturevalue("sandbox")  # its settings come first
    app.control.purge()  # what earlier tests sent without anybody listening
    if django_settings.EMBEDDED:
        with Engine(app, beat=False):
            yield
    else:
        with celery_worker(tmp_path):
            yield


# A browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium without a window; alive for one module, as its event loop would disturb async tests."""
    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the test's own thread
        browser = playwright.chromium.launch(executable_path=BROWSER, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page without a past; a script error on anything it shows fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []
