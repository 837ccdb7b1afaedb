"""Django's settings, from the environment alone; `.env.example` lists every name with its meaning.

A name that the process environment lacks is looked up in `.env`. With neither, Group Admin is
*embedded*: one process, an SQLite file, no broker to install.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from django.core.management.utils import get_random_secret_key
from kombu import Queue

from groupadmin.environment import Environment, kept_secret, new_encryption_key, writable_folder
from groupadmin.logging import keep_secret, logging_config
from groupadmin.sentry import start_sentry

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment.load(BASE_DIR / ".env")

# --- What runs, and where it keeps its files ---------------------------------------------------

PRODUCT_VERSION = "1.0.0.dev0"
"""What evidence says of the program that made it."""
DEBUG = env.bool("DEBUG", default=False)
REDIS_URL: str = env.str("REDIS_URL", default="")
EMBEDDED = not REDIS_URL
"""One process is web server, worker and beat; naming a broker splits them (see `manage.py serve`)."""

VAR_DIR = writable_folder(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media"))).resolve()
REPORT_FONTS: list[str] = env.list("REPORT_FONTS", default=[])
"""TrueType files with letters that the font of the PDF reports lacks."""
MEDIA_URL = "media/"

# --- Who may talk to us ------------------------------------------------------------------------

SECRET_KEY: str = env.str("SECRET_KEY", default="") or kept_secret(
    "SECRET_KEY", VAR_DIR / "secret_key", get_random_secret_key
)
SECRET_KEY_GENERATED = "SECRET_KEY" not in env.ENVIRON
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Behind a TLS proxy the public address has to be named above anyway; from then on all is HTTPS.
HTTPS = any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # HSTS for the domain's other hosts is not ours
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_HOURS = env.float("SESSION_HOURS", default=12)
"""How long a sign-in lasts at most."""
SESSION_IDLE_MINUTES = env.float("SESSION_IDLE_MINUTES", default=60)
"""How long it lasts while nobody does anything."""
SESSION_COOKIE_AGE = round(SESSION_HOURS * 3600)
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DEFAULT_EXCEPTION_REPORTER_FILTER = "groupadmin.error_reports.ErrorReportFilter"

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it keeps those out who guessed too often
    "django.contrib.auth.backends.ModelBackend",
]
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
"""How many proxies of ours add to X-Forwarded-For, one after the other; at 0 the header is not believed."""
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the time that the page names stays true
AXES_CLIENT_IP_CALLABLE = "groupadmin.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "groupadmin.lockout.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # who signed in from where is kept nowhere else either
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username"]  # people type passwords there by mistake; the address is for the log
REQUIRE_SECOND_FACTOR = env.bool("REQUIRE_SECOND_FACTOR", default=True)
REQUIRE_SECOND_PERSON = env.bool("REQUIRE_SECOND_PERSON", default=False)
FIELD_ENCRYPTION_KEYS: list[str] = env.list("FIELD_ENCRYPTION_KEYS", default=[]) or [
    kept_secret("FIELD_ENCRYPTION_KEYS", VAR_DIR / "field_encryption_key", new_encryption_key)
]
FIELD_ENCRYPTION_KEYS_GENERATED = "FIELD_ENCRYPTION_KEYS" not in env.ENVIRON

UPLOAD_MAX_MB = env.float("UPLOAD_MAX_MB", default=10)
"""How large a file may be that somebody uploads; the text of a form ends at Django's usual 2.5 MB."""

API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", default=120)
"""How many calls one API token may make in one minute."""

# --- The platforms -----------------------------------------------------------------------------

SLACK_USER_TOKEN: str = env.str("SLACK_USER_TOKEN", default="")
SLACK_APP_TOKEN: str = env.str("SLACK_APP_TOKEN", default="")
SLACK_API_URL: str = env.str("SLACK_API_URL", default="https://slack.com/api/")
SLACK_NOTIFY_CHANNEL: str = env.str("SLACK_NOTIFY_CHANNEL", default="")

SITE_URL: str = env.str("SITE_URL", default="") or next(
    (origin for origin in CSRF_TRUSTED_ORIGINS if "*" not in origin), ""
)
"""Where people reach the admin, for links in notices; "" and notices have none."""
EMAIL_CONFIGURED = "EMAIL_URL" in env.ENVIRON
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL: str = env.str("EMAIL_FROM", default="groupadmin@localhost")

LIVE_EVENTS = env.bool("LIVE_EVENTS", default=True)
"""Whether `serve` listens to what happens on the platforms, as far as they are configured."""

TELEGRAM_API_ID: int | None = env.int("TELEGRAM_API_ID", default=None)
TELEGRAM_API_HASH: str = env.str("TELEGRAM_API_HASH", default="")
TELEGRAM_PHONE: str = env.str("TELEGRAM_PHONE", default="")
TELEGRAM_SESSION: str = env.str("TELEGRAM_SESSION", default="")
TELEGRAM_BOT_TOKEN: str = env.str("TELEGRAM_BOT_TOKEN", default="")
TELEGRAM_BOT_OWNERS: list[int] = env.list("TELEGRAM_BOT_OWNERS", cast=int, default=[])
TELEGRAM_GATED_CHAT_ID: int | None = env.int("TELEGRAM_GATED_CHAT_ID", default=None)
TELEGRAM_SERVER: str = env.str("TELEGRAM_SERVER", default="")
TELEGRAM_SERVER_KEY: str = env.str("TELEGRAM_SERVER_KEY", default="")

AUDIT_PATIENCE_SECONDS = 120.0
"""The longest single wait that an audit sleeps when a platform asks; a longer one ends that part of it."""

PLAN_LIFETIME_SECONDS = env.int("PLAN_LIFETIME_SECONDS", default=1800)
"""How long a plan may be confirmed; afterwards the world may have changed too much."""
OPERATION_CAP_REMOVED_PEOPLE = env.int("OPERATION_CAP_REMOVED_PEOPLE", default=3)
"""How many people one operation may remove unless somebody with the right to types their number."""
OPERATION_CAP_AUTOMATIC_ADDITIONS = env.int("OPERATION_CAP_AUTOMATIC_ADDITIONS", default=100)
"""How many additions may go ahead in one operation that no person has looked at."""
OPERATION_CAP_MESSAGED_PEOPLE = env.int("OPERATION_CAP_MESSAGED_PEOPLE", default=30)
"""To how many people one operation may write unless somebody with the right to types their number."""
INVITATION_TEXT: str = env.str("INVITATION_TEXT", default="", multiline=True)
"""What people read whom nobody may add to a group; empty for our own words."""
EXCLUSION_WARNING_DAYS = env.int("EXCLUSION_WARNING_DAYS", default=7)
"""How long before its end somebody is told that an exclusion ends."""
SUBSCRIPTION_GRACE_DAYS = env.int("SUBSCRIPTION_GRACE_DAYS", default=3)
"""How long an ended subscription still keeps its place in the gated community."""
OWNERSHIP_REMINDER_DAYS = env.int("OWNERSHIP_REMINDER_DAYS", default=7)
"""How long after a request for a group its owner is left alone before anybody may remind them."""
OPERATION_CAP_RENAMES = env.int("OPERATION_CAP_RENAMES", default=100)
"""How many groups one operation may rename unless somebody with the right to types their number."""
SWEEP_CAP_PEOPLE = env.int("SWEEP_CAP_PEOPLE", default=20)
"""How many people one sweep may kick; one that would kick more kicks nobody."""
SWEEP_CAP_SHARE = env.float("SWEEP_CAP_SHARE", default=0.05)
"""The same as a share of the community, 0–1; the smaller of the two counts."""
SWEEP_PAUSE_SECONDS = env.float("SWEEP_PAUSE_SECONDS", default=3.0)
"""How long a sweep waits after each kick, in seconds."""
OPERATION_SLICE_SECONDS = 120.0
"""An operation or a sync hands its worker back after so long: what somebody confirms next, an emergency
removal perhaps, waits no longer behind it, and a broker never believes the task lost."""
OPERATION_CONCURRENCY = env.int("OPERATION_CONCURRENCY", default=1)
"""How many writes may be under way at a time on one connection, and be in doubt when a process dies."""
OPERATION_PATIENCE_SECONDS = 20.0
"""The longest single wait that keeps a worker busy; for a longer one the operation waits without."""

HISTORY_LOOK_BACK_DAYS = env.int("HISTORY_LOOK_BACK_DAYS", default=7)
"""How far back a sync looks for edits, deletions and new replies in what is kept already."""
HISTORY_RETENTION_DAYS = env.int("HISTORY_RETENTION_DAYS", default=730)
"""How many days after they were sent messages are kept, where their group's category says nothing else."""
HISTORY_REREAD_DAYS = env.int("HISTORY_REREAD_DAYS", default=30)
"""How often a Slack channel is read again as a whole: answers in old threads show nowhere else. 0: never."""
HISTORY_MEDIA_MAX_MB = env.int("HISTORY_MEDIA_MAX_MB", default=50)
"""Larger files are not fetched."""
HISTORY_MEDIA_KINDS: list[str] = env.list("HISTORY_MEDIA_KINDS", default=[]) or [
    *("photo", "video", "animation", "video_message", "voice", "audio", "sticker", "file")
]
"""Files of other kinds are not fetched."""
EXPORT_LIFETIME_DAYS = env.int("EXPORT_LIFETIME_DAYS", default=7)
"""How long the file of an export can be downloaded."""
AUDIT_RETENTION_DAYS = env.int("AUDIT_RETENTION_DAYS", default=730)
"""How many days after their end audits, findings, operations and their record are kept; 0: for ever."""
LOOK_RETENTION_DAYS = env.int("LOOK_RETENTION_DAYS", default=180)
"""The same for audits of single groups: long enough for the evidence of a quarter that is over."""
NOTICE_RETENTION_DAYS = env.int("NOTICE_RETENTION_DAYS", default=365)
"""How many days notices are kept that have gone out; 0: for ever."""
HISTORY_CONCURRENCY = 4
"""How many conversations of a platform are read side by side; rate limits are the platform's all the same."""

# --- Django ------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "groupadmin.apps.GroupAdminSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "import_export",
    "simple_history",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_static",
    "axes",
    "members.apps.MembersConfig",
    "members.notices.apps.NoticesConfig",
    "members.operations.apps.OperationsConfig",
    "telegram_ops.apps.TelegramOpsConfig",
    "audits.apps.AuditsConfig",
    "audits.history.apps.HistoryConfig",
    "audits.events.apps.EventsConfig",
    "audits.staff_changes.apps.StaffChangesConfig",
    "audits.evidence.apps.EvidenceConfig",
    "whitelist.apps.WhitelistConfig",
    "groupadmin.apps.GroupAdminConfig",
]
MIDDLEWARE = [
    "groupadmin.request_ids.request_ids",
    "groupadmin.middleware.security_headers",  # before whatever may answer or refuse by itself
    "groupadmin.health.health_pages",
    "groupadmin.body_limits.limited_bodies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "groupadmin.middleware.SessionLimits",
    "groupadmin.middleware.SecondFactor",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it puts the lock-out page in the place of a failed sign-in
]
ROOT_URLCONF = "groupadmin.urls"
WSGI_APPLICATION = "groupadmin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "groupadmin" / "locale"]  # Django's own pages in our words
FORMAT_MODULE_PATH = "groupadmin.formats"
USE_TZ = True
TIME_ZONE = "UTC"

# --- Database ----------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'groupadmin.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Under three writers and a reader one transaction in five failed with the defaults; with these, none.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;"
        "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-20000;",
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

# --- Files -------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="") or writable_folder(VAR_DIR / "static"))
"""What `collectstatic` gathers. An image keeps it apart: in a volume it would outlive its release."""
# On one machine static files come straight from the apps: nothing has to be collected first.
WHITENOISE_USE_FINDERS = DEBUG or EMBEDDED
STORAGE_BUCKET: str = env.str("STORAGE_BUCKET", default="")
"""Exports, reports and files of messages lie in MEDIA_ROOT, or in this bucket where one is named."""
STORAGE_ACCESS_KEY: str | None = env.str("STORAGE_ACCESS_KEY_ID", default="") or None
STORAGE_SECRET_KEY: str | None = env.str("STORAGE_SECRET_ACCESS_KEY", default="") or None
STORAGE_OPTIONS = {
    "bucket_name": STORAGE_BUCKET,
    "endpoint_url": env.str("STORAGE_ENDPOINT_URL", default="") or None,
    "region_name": env.str("STORAGE_REGION", default="") or None,
    "access_key": STORAGE_ACCESS_KEY,
    "secret_key": STORAGE_SECRET_KEY,
    "querystring_expire": 300,  # nothing hands out the bucket's own addresses; one that did would end soon
    "file_overwrite": False,  # two files of one name are two files, as in a folder
}
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "groupadmin.object_store.ObjectStore", "OPTIONS": STORAGE_OPTIONS}
    if STORAGE_BUCKET
    else {"BACKEND": "groupadmin.storage.WholeFiles"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Celery: it only wakes work up; rows in the database are the truth -------------------------

CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, float] = (
    {"polling_interval": 0.1}
    if EMBEDDED
    else {
        # Longer than nearly every task: a message that comes again finds its row taken, but costs a worker.
        # The sweep is prompt.
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # Nobody waits for ever for a broker that went away without a word.
        "socket_timeout": 30,
        "socket_connect_timeout": 10,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in ("default", "telegram")]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"telegram_ops.tasks.*": {"queue": "telegram"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # there is no result backend to clean up
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "groupadmin.heartbeats:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "Forget expired sign-ins": {
        "task": "groupadmin.tasks.clear_expired_sessions",
        "schedule": crontab(hour="4", minute="30"),
        "description": "Housekeeping: leave it on. Deletes sign-ins that are over.",
    },
    "Look after schedules": {
        "task": "groupadmin.tasks.look_after_schedules",
        "schedule": 300.0,
        "description": "Housekeeping: leave it on. Tells of schedules that did not run when they were due.",
    },
    "Forget unfinished imports": {
        "task": "groupadmin.tasks.forget_uploads",
        "schedule": crontab(hour="4", minute="45"),
        "description": "Housekeeping: leave it on. Deletes tables that were uploaded and never imported.",
    },
}

# --- Import and export of tables ---------------------------------------------------------------

# The rest is said where it is used: formats in members.table_files, rights in members.admin.base.
IMPORT_EXPORT_USE_TRANSACTIONS = True
IMPORT_EXPORT_IMPORT_IGNORE_BLANK_LINES = True

# --- Logs, numbers, errors -----------------------------------------------------------------------

METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
"""Who sends it as a bearer token may read /metrics; where it is empty there is no such page."""
SENTRY_DSN: str = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT: str = env.str("SENTRY_ENVIRONMENT", default="production")
start_sentry(SENTRY_DSN, environment=SENTRY_ENVIRONMENT)
keep_secret(
    [
        *(SECRET_KEY, *FIELD_ENCRYPTION_KEYS, METRICS_TOKEN, SENTRY_DSN, urlsplit(SENTRY_DSN).username),
        *(SLACK_USER_TOKEN, SLACK_APP_TOKEN, TELEGRAM_API_HASH, TELEGRAM_SESSION, TELEGRAM_BOT_TOKEN),
        *(DATABASES["default"].get("PASSWORD"), urlsplit(REDIS_URL).password),
        *(vars().get("EMAIL_HOST_PASSWORD"), STORAGE_ACCESS_KEY, STORAGE_SECRET_KEY),
    ]
)

ON_TERMINAL = sys.stderr.isatty()
LOGGING = logging_config(
    as_json=not (DEBUG or EMBEDDED or ON_TERMINAL),
    colors=ON_TERMINAL,
    celery_level="WARNING" if EMBEDDED else "INFO",
)
