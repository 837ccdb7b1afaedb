"""Settings of the test suite: the product's own, with nothing of the developer's machine in them.

Neither a developer's `.env` nor a developer's shell reaches the tests: every name is set empty,
which wins over both and means "unset". `TEST_DATABASE_URL` and `TEST_REDIS_URL` choose the servers
of `make test-services`; without them the suite runs on the embedded default.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ENV_EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
NAMES = [
    line.partition("=")[0]
    for line in ENV_EXAMPLE.read_text().splitlines()
    if line and not line.startswith("#")
]

# Each process has a folder of its own, so that suites run side by side; those of xdist's workers lie in the
# folder of the process that started them, which removes it at its end.
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
HOME = Path(tempfile.mkdtemp(prefix="groupadmin-tests-", dir=os.environ["VAR_DIR"] if WORKER else None))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

# xdist's workers share the Redis server, hence one of its numbered databases each.
REDIS_DATABASE = (WORKER or "gw0").removeprefix("gw")
TEST_REDIS_URL = os.environ.get("TEST_REDIS_URL")

BLANK_ENVIRONMENT = dict.fromkeys(NAMES, "")
os.environ |= BLANK_ENVIRONMENT | {
    "VAR_DIR": str(HOME),
    "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", ""),
    "REDIS_URL": f"{TEST_REDIS_URL}/{REDIS_DATABASE}" if TEST_REDIS_URL else "",
}

from groupadmin.settings import *  # noqa: E402, F403  # only now: it reads the environment above
from groupadmin.settings import CELERY_BROKER_TRANSPORT_OPTIONS, DATABASES, EMBEDDED, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: live servers and workers use it from other threads and processes.
    DATABASES["default"]["TEST"] = {"NAME": HOME / "test.sqlite3"}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = (
        0  # an idle connection would keep the test database from being dropped
    )

# Nothing is collected for tests; hashing passwords well would take most of their time.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
REQUIRE_SECOND_FACTOR = AXES_ENABLED = False  # the tests of signing in ask for both
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if EMBEDDED:
    CELERY_BROKER_TRANSPORT_OPTIONS["polling_interval"] = 0.01
