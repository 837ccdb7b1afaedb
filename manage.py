#!/usr/bin/env python
"""Django's command line for Group Admin."""

import os
import sys

NOT_CONFIGURED = 4


def main() -> None:
    """Run the command; a wrong setting ends in one line and exit code 4, not in a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groupadmin.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"Not configured: {error}\n")
        sys.exit(NOT_CONFIGURED)


if __name__ == "__main__":
    main()
