"""The WSGI entry point, for gunicorn and waitress."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groupadmin.settings")

application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018  # imports every page, so that nobody's first look waits for it
# What is loaded by now stays. Looked through as garbage again and again, it would hold up every thread for
# 150 ms and more each time.
gc.collect()
gc.freeze()
