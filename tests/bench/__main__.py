"""Run the benchmarks and print their tables."""

from __future__ import annotations

import os
import platform
import shutil
import sys

from tests.bench import workplace


def main(sections: list[str]) -> None:
    workplace.prepare()
    from tests.bench import (
        audits,
        history,
        killed,
        load,
        operations,
        overview,
        people,
        renames,
        searching,
        workbooks,
    )
    from tests.bench.whitelist import whitelist

    known = {
        "accuracy": audits.accuracy,
        "calls": audits.calls_and_time,
        "scale": audits.scale,
        "workbook": workbooks.workbook,
        "additions": operations.additions,
        "pace": operations.pace,
        "engine": operations.engine,
        "renames": renames.renames,
        "finding": people.finding,
        "overview": overview.overview,
        "whitelist": whitelist,
        "searching": searching.searching,
        "history": history.history,
        "killed": killed.killed,
        "load": load.load,
    }
    unknown = set(sections) - known.keys()
    if unknown:
        sys.exit(f"No such section: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    system = f"{platform.system()} {platform.machine()}"
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {system}")
    try:
        for name in sections or known:
            known[name]()
    finally:
        shutil.rmtree(workplace.HOME, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
