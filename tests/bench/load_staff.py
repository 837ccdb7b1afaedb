"""Staff at their desks, as a program of its own: each opens a page, reads for a while, and opens another.

Reads from standard input what `load_stack.browse` writes there, and answers with a line for each page opened.
It imports nothing of Django's: it has to cost little beside what it measures.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from threading import Lock, Thread
from typing import Any

_AS_IT_COMES = 0.4
"""The share of looks at a list without a filter, a search or another order."""


def main() -> None:
    wish = json.load(sys.stdin)
    answers = Answers()
    people = [
        Thread(target=work, args=(number, cookie, wish, answers))
        for number, cookie in enumerate(wish["cookies"])
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()


class Answers:
    """One line each: page, milliseconds, status."""

    def __init__(self) -> None:
        self._lock = Lock()

    def note(self, page: str, milliseconds: float, status: int) -> None:
        with self._lock:
            print(json.dumps([page, milliseconds, status]), flush=True)


def work(number: int, cookie: str, wish: dict[str, Any], answers: Answers) -> None:
    """One person: all pages in an order of their own, a list mostly as it comes, until the time is over."""
    rng = random.Random(number)
    least, most = wish["think_seconds"]
    end = time.monotonic() + wish["seconds"]
    time.sleep(rng.uniform(0, most))
    while True:
        pages = list(wish["pages"].items())
        rng.shuffle(pages)
        for page, urls in pages:
            url = urls[0] if rng.random() < _AS_IT_COMES else rng.choice(urls)
            if time.monotonic() > end:
                return
            started = time.perf_counter()
            status = get(wish["port"], url, cookie)
            answers.note(page, 1000 * (time.perf_counter() - started), status)
            time.sleep(rng.uniform(least, most))


def get(port: int, url: str, cookie: str) -> int:
    """Open the page and read it to its end; its status, 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", url, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    main()
