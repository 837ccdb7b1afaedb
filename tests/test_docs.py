"""What the documentation says must be so: commands, settings, links, messages, values."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandParser
from django.urls import resolve
from django_celery_beat.models import PeriodicTask

from audits.models import RunState
from audits.rows import Verdict
from groupadmin.settings import CELERY_BEAT_SCHEDULE
from members.management.base import ExitCode
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Level, Match, ScopeKind
from members.policy_file import SECTIONS, PolicyFile, parse
from tests.processes import ROOT
from tests.settings import NAMES

README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"
OPERATING, ARCHITECTURE = ROOT / "docs" / "operating.md", ROOT / "docs" / "architecture.md"
DOCUMENTS = [README, CHANGELOG, *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("audits", "groupadmin", "members", "telegram_ops", "whitelist")

OTHER_NAMES = {"BENCH_DATABASE_URL", "PEER_FLOOD", "POSTGRES_PASSWORD"}
"""No settings of the product, but of the benchmark and of the containers; and Telegram's own words."""

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


# --- Reading Markdown -------------------------------------------------------------------------


@cache
def prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", document.read_text())


def blocks(document: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(document.read_text()) if found == language]


def spans(text: str) -> list[str]:
    return SPAN.findall(text)


def section(document: Path, title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    level, rest = next(
        (len(found[1]), prose(document)[found.end() :])
        for found in HEADING.finditer(prose(document))
        if found[2] == title
    )
    following = next((found for found in HEADING.finditer(rest) if len(found[1]) <= level), None)
    return rest[: following.start()] if following else rest


def first_cells(text: str, head: str) -> list[str]:
    """The first column of the table whose head begins with `head`."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2
    cells = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells.append(line.split("|")[1].strip())
    return cells


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings."""
    titles = (found[2].lower() for found in HEADING.finditer(prose(document)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


# --- Commands ---------------------------------------------------------------------------------


def shown_commands(document: Path) -> Iterator[list[str]]:
    """Every command of the document, as words: those in blocks, and those in the text."""
    for block in blocks(document, "bash"):
        pending = ""
        for line in block.splitlines():
            pending = f"{pending}\n{line}" if pending else line.strip()
            try:
                words = shlex.split(pending)
            except ValueError:  # a quotation goes on in the next line
                continue
            pending = ""
            yield words
        assert not pending, pending
    for span in spans(prose(document)):
        if span.startswith("manage.py "):
            yield [".venv/bin/python", *shlex.split(span)]
        elif span.startswith(("make ", "pg_dump ")):
            yield shlex.split(span)


def parser_of(name: str) -> CommandParser:
    command = load_command_class(get_commands()[name], name)
    return command.create_parser("manage.py", name)


def check_command(words: list[str]) -> None:
    """Raises unless the command exists and takes these arguments."""
    match words:
        case ["make", target, *assignments]:
            makefile = (ROOT / "Makefile").read_text()
            assert re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE), f"make {target}"
            for assignment in assignments:
                assert f"$({assignment.partition('=')[0]})" in makefile, assignment
        case [".venv/bin/python", "manage.py", name, *arguments]:
            assert name in get_commands(), name
            parser_of(name).parse_args(arguments)
        case [".venv/bin/python", "-m", "tests.bench", *sections]:
            source = (ROOT / "tests" / "bench" / "__main__.py").read_text()
            assert all(f'"{name}":' in source for name in sections), sections
        case [".venv/bin/python", "-c", code]:
            compile(code, "documentation", "exec")
        case ["pg_dump", *_]:
            pass  # not ours
        case ["curl", "-H", _, address]:
            asked = urlsplit(address)
            resource = resolve(asked.path).kwargs["resource"]
            assert set(parse_qs(asked.query)) <= {each.name for each in resource.filters}, address
        case _:
            raise AssertionError(f"Nobody checks a command like this one: {shlex.join(words)}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_shown_is_accepted(document: Path) -> None:
    for words in shown_commands(document):
        check_command(words)


def options_of(parser: CommandParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}


def test_every_option_in_the_text_belongs_to_a_command() -> None:
    ours = [name for name, app in get_commands().items() if app.split(".")[0] in PACKAGES]
    known = {"--deploy"}.union(*(options_of(parser_of(name)) for name in ours))

    for document in DOCUMENTS:
        shown = {span for span in spans(prose(document)) if span.startswith("--")}
        assert shown <= known, document.name


@pytest.mark.parametrize("command", ["audit", "add_missing", "add_member"])
def test_the_readme_names_every_option(command: str) -> None:
    inherited = options_of(BaseCommand().create_parser("manage.py", command))

    assert options_of(parser_of(command)) - inherited <= set(spans(section(README, "Daily use")))


def test_the_readme_opens_with_a_picture_and_the_two_commands() -> None:
    text = README.read_text()

    assert text.index("![") < text.index("```bash")
    assert blocks(README, "bash")[0].split("\n") == ["make demo", "make test", ""]


# --- Settings ---------------------------------------------------------------------------------


def test_operating_explains_every_setting() -> None:
    explained = {name for name in spans(section(OPERATING, "Settings")) if re.fullmatch(r"[A-Z_]+", name)}

    assert explained == set(NAMES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_names_in_capitals_are_settings(document: Path) -> None:
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", document.read_text()))

    assert named <= {*NAMES, *OTHER_NAMES}


# --- Links, files and pictures ----------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(prose(README))}

    assert set(DOCUMENTS) - {README} <= linked


def test_pictures_are_light() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))

    assert pictures
    assert all(picture.stat().st_size < 300_000 for picture in pictures)


def test_architecture_names_files_that_exist() -> None:
    folders = [ROOT / name for name in (*PACKAGES, "tests", "docs", "templates")]
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.iterdir() if path.is_file()]
    files += [path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.*")]

    for span in spans(prose(ARCHITECTURE)):
        if re.fullmatch(r"[\w/*.]+\.(py|md|toml|example)", span):
            assert any(fnmatch(f"/{file}", f"*/{span}") for file in files), span


# --- Words and values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "head", "words"),
    [
        ("Audits", "state", set(RunState.values) - set(RunState.unfinished())),
        ("Reading the report", "verdict", {str(verdict).replace("_", " ") for verdict in Verdict}),
        ("People and rules", "status", {str(status).replace("_", " ") for status in EmployeeStatus}),
    ],
)
def test_tables_list_every_word_and_no_other(title: str, head: str, words: set[str]) -> None:
    assert set(first_cells(section(OPERATING, title), head)) == words


def test_every_kind_of_finding_is_explained() -> None:
    cells = first_cells(section(OPERATING, "Findings"), "kind")

    assert {kind for cell in cells for kind in spans(cell)} == {*FindingKind}


def test_every_exit_code_is_explained() -> None:
    codes = first_cells(section(README, "Daily use"), "exit code")

    assert {int(code) for code in codes} == {*ExitCode}


@pytest.mark.parametrize("values", [Platform, EmployeeStatus, Level, ScopeKind, Match])
def test_the_policy_reference_names_every_value(values: type[StrEnum]) -> None:
    assert {*values} <= set(spans(section(OPERATING, "The policy file")))


@pytest.mark.parametrize("document", [README, OPERATING], ids=lambda path: path.name)
def test_example_policies_can_be_loaded(document: Path) -> None:
    for block in blocks(document, "json"):
        assert isinstance(parse(block.encode()), PolicyFile)


def test_the_example_in_the_reference_has_every_section() -> None:
    file = parse(blocks(OPERATING, "json")[0].encode())

    assert all(getattr(file, name) for name in SECTIONS)


@pytest.mark.django_db
def test_every_schedule_is_listed() -> None:
    names = set(PeriodicTask.objects.values_list("name", flat=True))

    assert set(first_cells(section(OPERATING, "Schedules"), "name")) == names | set(CELERY_BEAT_SCHEDULE)


# --- Messages ---------------------------------------------------------------------------------


@cache
def product_texts() -> tuple[str, ...]:
    """Everything that the product can say: its string literals, and its templates."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    literals = (
        node.value
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return (*literals, *(path.read_text() for path in (ROOT / "templates").rglob("*.html")))


def messages() -> list[str]:
    lines = section(OPERATING, "Troubleshooting").splitlines()
    return [span for line in lines for span in spans(line.split("|")[1] if line.startswith("| `") else "")]


@pytest.mark.parametrize("message", messages())
def test_the_product_really_prints_what_troubleshooting_quotes(message: str) -> None:
    """ "…" stands for what differs; every piece between must be a part of something that the product says."""
    pieces = [piece.strip() for piece in message.split("…")]

    for piece in pieces:
        if re.search(r"\w", piece):
            assert any(piece in text for text in product_texts()), piece
