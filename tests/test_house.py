"""The habits of the house that no linter knows: what the repository's own files promise each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.processes import ROOT, environment
from tests.settings import NAMES

PACKAGES = ("audits", "groupadmin", "members", "telegram_ops", "whitelist", "tests")
PRODUCT = [
    path
    for package in PACKAGES
    if package != "tests"
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
]
LINES_A_FILE_MAY_HAVE = 450
"""The rule is about 400. A test file is as long as its feature has cases."""


def names_read_by(source: Path) -> set[str]:
    """The first argument of every `env.something("NAME")`."""
    return {
        call.args[0].value
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def direct_dependencies(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def test_env_example_lists_what_the_settings_read_and_nothing_else() -> None:
    assert sorted(NAMES) == sorted(names_read_by(ROOT / "groupadmin" / "settings.py"))


def test_env_example_can_be_copied_as_it_is() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert all(re.fullmatch(r"(#.*|[A-Z][A-Z0-9_]*=|)", line) for line in lines)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_direct_dependency_is_exact_and_has_its_reason(name: str) -> None:
    for line in direct_dependencies(name):
        assert re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+  # \S.{5,}", line), line


def test_every_indirect_dependency_is_exact() -> None:
    pins = direct_dependencies("constraints.txt")

    assert pins
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)


def test_no_dependency_is_pinned_twice() -> None:
    names = [
        re.split(r"[\[=]", line)[0].lower()
        for file in ("requirements.txt", "requirements-dev.txt", "constraints.txt")
        for line in direct_dependencies(file)
    ]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_names_the_same_versions_and_the_hash_of_every_file(name: str) -> None:
    files = ("requirements.txt", "constraints.txt") + (("requirements-dev.txt",) if "dev" in name else ())
    pins = dict(_pin(line) for file in files for line in direct_dependencies(file))
    entries = re.split(r"\n(?=\S)", (ROOT / f"{name}.lock").read_text())[1:]
    locked = dict(_pin(entry) for entry in entries)

    assert all("--hash=sha256:" in entry for entry in entries)
    assert {package: pins.get(package, version) for package, version in locked.items()} == locked
    direct = [_pin(line)[0] for line in direct_dependencies(f"{name}.txt")]
    assert set(direct) <= set(locked)


def _pin(line: str) -> tuple[str, str]:
    """The package's name, as it is normalized (PEP 503), and its version."""
    found = re.match(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", line)
    assert found is not None, line
    return re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]


def test_there_is_no_other_top_level_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert packages == set(PACKAGES)


def test_files_stay_short_enough_to_do_one_thing() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in PRODUCT
        if (lines := len(path.read_text().splitlines())) > LINES_A_FILE_MAY_HAVE
    }

    assert long == {}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in PRODUCT
        if re.search(r"os\.(environ|getenv)\b", path.read_text())
    }

    assert readers <= {
        "groupadmin/environment.py",
        "groupadmin/celery.py",  # names the settings module, as Django's own files do
        "groupadmin/wsgi.py",  # the same
        "groupadmin/processes.py",  # hands it on to the processes it starts
        "groupadmin/management/commands/demo.py",  # the same
    }


def test_warnings_are_errors_and_markers_are_explained() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]

    assert all(": " in marker for marker in config["markers"])
    assert "error" in config["filterwarnings"]


def test_a_process_begins_without_what_most_never_need(tmp_path: Path) -> None:
    """Each takes a tenth of a second or more, and one import in the wrong place brings it back."""
    script = "import django, sys; django.setup(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(VAR_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    spared = {"aiohttp", "groupadmin.site", "openpyxl", "slack_sdk", "telethon"}

    assert spared & set(done.stdout.split()) == set()
