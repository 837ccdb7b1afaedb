#!/usr/bin/env python
"""Django's command line for Group Admin."""

import os
import sys

NOT_CONFIGURED = 4
INTERRUPTED = 130
READER_GONE = 141


def main() -> None:
    """Run the command; a wrong setting or Ctrl-C ends in one line and its exit code, not in a traceback.

    When whoever reads what it prints has enough, as in `manage.py find_user ada | head`, it ends silently.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groupadmin.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        try:
            execute_from_command_line(sys.argv)
        finally:
            print_the_rest()
    except KeyboardInterrupt:  # while the project was still being loaded, which takes a second
        stop("Interrupted.", INTERRUPTED)
    except ImproperlyConfigured as error:
        stop(f"Not configured: {error}", NOT_CONFIGURED)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # else Python complains of what is left over while it ends
            os.dup2(nowhere, stream.fileno())
        sys.exit(READER_GONE)


def print_the_rest() -> None:
    """What Python would do only while it ends. Raises BrokenPipeError when nobody reads it."""
    try:
        print(end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError:  # a full disk, of which Python tells while it ends
        pass


def stop(line: str, code: int) -> None:
    sys.stderr.write(f"{line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
