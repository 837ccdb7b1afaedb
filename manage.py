#!/usr/bin/env python
"""Django's command line for Group Admin."""

import os
import sys

NOT_CONFIGURED = 4
INTERRUPTED = 130


def main() -> None:
    """Run the command; a wrong setting or Ctrl-C ends in one line and its exit code, not in a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groupadmin.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:  # while the project was still being loaded, which takes a second
        stop("Interrupted.", INTERRUPTED)
    except ImproperlyConfigured as error:
        stop(f"Not configured: {error}", NOT_CONFIGURED)


def stop(line: str, code: int) -> None:
    sys.stderr.write(f"{line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
