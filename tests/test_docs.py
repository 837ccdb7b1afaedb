"""What the documentation says must be so: commands, settings, links, messages, values."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import fnmatch
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandParser
from django.utils.text import capfirst
from django_celery_beat.models import PeriodicTask

from audits.models import RunState
from audits.rows import Verdict
from groupadmin import navigation
from groupadmin.health import readiness
from groupadmin.settings import CELERY_BEAT_SCHEDULE
from members.management.base import ExitCode
from members.notices.kinds import NoticeKind
from members.operations.words import OUTCOME_WORDS, STATE_WORDS
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Level, Match, ScopeKind
from members.policy_file import SECTIONS, PolicyFile, parse
from tests.processes import ROOT
from tests.settings import NAMES

README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"
DOCS = ROOT / "docs"
ARCHITECTURE, PERFORMANCE = DOCS / "architecture.md", DOCS / "performance.md"
FIRST_DAY, INSTALL, SETTINGS = DOCS / "first-day.md", DOCS / "install.md", DOCS / "settings.md"
OPERATING, POLICY, REPORTS = DOCS / "operating.md", DOCS / "policy.md", DOCS / "reports.md"
RUNBOOKS, TROUBLESHOOTING = DOCS / "runbooks.md", DOCS / "troubleshooting.md"
FOR_PEOPLE = [FIRST_DAY, INSTALL, OPERATING, POLICY, REPORTS, RUNBOOKS, TROUBLESHOOTING]
"""For those who work with it, not on it."""
DOCUMENTS = [README, CHANGELOG, *sorted(DOCS.glob("*.md"))]
PACKAGES = ("audits", "groupadmin", "members", "telegram_ops", "whitelist")

ELSEWHERE = {
    *("App-Level Tokens", "Basic Information", "Create New App", "Event Subscriptions", "From scratch"),
    *("Install to Workspace", "Subscribe to events on behalf of users", "User OAuth Token"),
    *("User Token Scopes", "Settings › Devices", "Manage group → Administrators", "Transfer group ownership"),
    *("Data › From Text/CSV", "Can add exclusion", "Can add exclusion request"),
}
"""What stands on the screens of Slack's app pages, the Telegram app and Excel; and Django's rights."""
OTHER_NAMES = {
    *("BENCH_DATABASE_URL", "BENCH_REDIS_URL", "BENCH_SECONDS", "TEST_DATABASE_URL", "TEST_REDIS_URL"),
    *("PROOF_KILLS", "PROOF_SEED", "POSTGRES_PASSWORD", "WEB_WORKERS", "WORKER_CONCURRENCY"),
    *("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "PEER_FLOOD"),
}
"""No settings of the product: those of benchmark, tests, containers and Django; a word of Telegram's."""

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


# --- Reading Markdown -------------------------------------------------------------------------


@cache
def prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", document.read_text())


def fenced(text: str, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(text) if found == language]


def blocks(document: Path, language: str) -> list[str]:
    return fenced(document.read_text(), language)


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


def commands_in(block: str) -> Iterator[str]:
    """The commands of a block; one whose quotation goes on in the next line is one command."""
    pending = ""
    for line in block.splitlines():
        pending = f"{pending}\n{line}" if pending else line.strip()
        try:
            shlex.split(pending)
        except ValueError:  # a quotation is open
            continue
        if pending:
            yield pending
        pending = ""
    assert not pending, pending


def spoken_commands(document: Path) -> Iterator[list[str]]:
    """Every command in the text, as words; those in blocks are run (`test_runbooks`)."""
    for span in spans(prose(document)):
        if span.startswith(("manage.py ", "make ", "docker compose ")):
            yield shlex.split(span)


def parser_of(name: str) -> CommandParser:
    command = load_command_class(get_commands()[name], name)
    return command.create_parser("manage.py", name)


def check_command(words: list[str]) -> None:
    """Raises unless the command exists and takes these arguments; a name alone speaks of the command."""
    match words:
        case ["make", target, *assignments]:
            makefile = (ROOT / "Makefile").read_text()
            assert re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE), f"make {target}"
            for assignment in assignments:
                assert f"$({assignment.partition('=')[0]})" in makefile, assignment
        case ["manage.py", name, *arguments]:
            assert name in get_commands(), name
            if arguments:
                parser_of(name).parse_args(arguments)
        case ["docker", "compose", *_]:
            check_containers(words)


def check_containers(words: list[str]) -> None:
    """Raises unless the services and profiles that are named exist, and what is run in them."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    profiles = {name for service in services.values() for name in service.get("profiles", ())}
    for word, value in pairwise(words):
        if word == "--profile":
            assert value in profiles, value
        elif word == "--scale":
            assert value.partition("=")[0] in services, value
        elif word == "--rm":
            assert value in services, value
    if "python" in words:
        check_command(words[words.index("python") + 1 :])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_text_is_accepted(document: Path) -> None:
    for words in spoken_commands(document):
        check_command(words)


def test_what_the_unit_starts_is_accepted() -> None:
    (unit,) = blocks(INSTALL, "ini")
    started = re.findall(r"^Exec\w+=(\S+) (.+)$", unit, re.MULTILINE)

    assert started
    for program, line in started:
        assert program.endswith("/.venv/bin/python")
        check_command(shlex.split(line))


def test_every_command_of_ours_is_in_the_reference() -> None:
    ours = {name for name, app in get_commands().items() if app.split(".")[0] in PACKAGES}
    listed = first_cells(section(SETTINGS, "Commands"), "command")

    assert {span.split()[0] for cell in listed for span in spans(cell)} == ours


def options_of(parser: CommandParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}


def test_every_option_in_the_text_belongs_to_a_command() -> None:
    ours = [name for name, app in get_commands().items() if app.split(".")[0] in PACKAGES]
    known = {"--deploy"}.union(*(options_of(parser_of(name)) for name in ours))

    for document in DOCUMENTS:
        shown = {span for span in spans(prose(document)) if span.startswith("--")}
        assert shown <= known, document.name


@pytest.mark.parametrize("command", ["audit", "add_missing", "add_member"])
def test_the_reference_names_every_option(command: str) -> None:
    inherited = options_of(BaseCommand().create_parser("manage.py", command))

    assert options_of(parser_of(command)) - inherited <= set(spans(section(SETTINGS, "Commands")))


def test_the_readme_says_how_good_it_is_by_what_was_measured() -> None:
    figures = re.findall(r"\*\*([\d., of]+)\*\*", section(README, "How good it is"))
    measured = set(re.findall(r"[\d.,]+(?: of \d+)?", PERFORMANCE.read_text()))

    assert len(figures) > 5
    assert [figure for figure in figures if figure not in measured] == []


def test_the_readme_opens_with_a_picture_and_the_two_commands() -> None:
    text = README.read_text()

    assert text.index("![") < text.index("```bash")
    assert blocks(README, "bash")[0].split("\n") == ["make demo", "make test", ""]


# --- Settings ---------------------------------------------------------------------------------


def test_the_reference_explains_every_setting() -> None:
    explained = {name for name in spans(section(SETTINGS, "Settings")) if re.fullmatch(r"[A-Z_]+", name)}

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
    ("page", "title", "head", "words"),
    [
        (OPERATING, "Audits", "state", set(RunState.values) - set(RunState.unfinished())),
        (REPORTS, "Reading the report", "verdict", {str(each).replace("_", " ") for each in Verdict}),
        (POLICY, "People and rules", "status", {str(each).replace("_", " ") for each in EmployeeStatus}),
        (OPERATING, "Notices", "notice", {each.label for each in NoticeKind} - {NoticeKind.TEST.label}),
        (TROUBLESHOOTING, "Notices", "notice", {each.label for each in NoticeKind} - {NoticeKind.TEST.label}),
    ],
)
def test_tables_list_every_word_and_no_other(page: Path, title: str, head: str, words: set[str]) -> None:
    assert set(first_cells(section(page, title), head)) == words


def test_every_kind_of_finding_is_explained() -> None:
    cells = first_cells(section(REPORTS, "Findings"), "kind")

    assert {kind for cell in cells for kind in spans(cell)} == {*FindingKind}


def test_every_exit_code_is_explained() -> None:
    codes = first_cells(section(SETTINGS, "Exit codes"), "exit code")

    assert {int(code) for code in codes} == {*ExitCode}


@pytest.mark.parametrize("values", [Platform, EmployeeStatus, Level, ScopeKind, Match])
def test_the_policy_reference_names_every_value(values: type[StrEnum]) -> None:
    assert {*values} <= set(spans(section(POLICY, "The policy file")))


@pytest.mark.parametrize("document", [FIRST_DAY, POLICY], ids=lambda path: path.name)
def test_example_policies_can_be_loaded(document: Path) -> None:
    assert blocks(document, "json")
    for block in blocks(document, "json"):
        assert isinstance(parse(block.encode()), PolicyFile)


def test_the_example_in_the_reference_has_every_section() -> None:
    file = parse(blocks(POLICY, "json")[0].encode())

    assert all(getattr(file, name) for name in SECTIONS)


@pytest.mark.django_db
def test_every_schedule_is_listed() -> None:
    names = set(PeriodicTask.objects.values_list("name", flat=True))

    assert set(first_cells(section(OPERATING, "Schedules"), "name")) == names | set(CELERY_BEAT_SCHEDULE)


# --- Messages ---------------------------------------------------------------------------------


@cache
def product_texts() -> str:
    """Everything that the product can say: its string literals, and its templates."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    literals = (
        node.value
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    templates = (path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    return "\0".join((*literals, *templates))


def unsaid(quotation: str, said: str) -> list[str]:
    """ "…" stands for what differs; the pieces between that are a part of nothing that the product says."""
    pieces = (piece.strip() for piece in quotation.split("…"))
    return [piece for piece in pieces if re.search(r"\w", piece) and piece not in said]


def test_the_product_really_says_what_troubleshooting_quotes() -> None:
    """What stands in the first column between backticks; the operating procedure's own errors aside."""
    text = prose(TROUBLESHOOTING).replace(section(TROUBLESHOOTING, "What /readyz says"), "")
    cells = [line.split("|")[1] for line in text[text.index("\n## ") :].splitlines() if line.startswith("| ")]
    quotations = [span for cell in cells for span in spans(cell)]

    assert len(quotations) > 100
    assert [piece for each in quotations for piece in unsaid(each, product_texts())] == []


def test_troubleshooting_knows_every_complaint_about_the_settings() -> None:
    told = prose(TROUBLESHOOTING)
    calls = ast.walk(ast.parse((ROOT / "groupadmin" / "checks.py").read_text()))
    lines = [
        str(ast.literal_eval(node.args[0]))
        for node in calls
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Error", "Warning")
    ]

    assert len(lines) > 5
    assert [line for line in lines if line not in told] == []


@pytest.mark.django_db
def test_troubleshooting_knows_every_part_of_readyz_and_every_outcome() -> None:
    parts = first_cells(section(TROUBLESHOOTING, "What /readyz says"), "part")
    outcomes = first_cells(section(TROUBLESHOOTING, "Plans and operations"), "outcome")

    named = {part for cell in parts for part in spans(cell)}
    assert {check.name for check in readiness()} == named
    explained = {word for cell in outcomes for word in spans(cell)}
    assert set(OUTCOME_WORDS.values()) - {"Done", "Refused"} == explained


@pytest.mark.parametrize("document", FOR_PEOPLE, ids=lambda path: path.name)
def test_what_stands_in_italics_stands_on_the_screen(document: Path) -> None:
    """Whatever the case, as a heading's first word is written large and a column's name is not."""
    models = [model._meta for model in apps.get_models()]
    names = (f"Add {model.verbose_name}\0{model.verbose_name_plural}" for model in models)
    fields = (field.name.replace("_", " ") for model in models for field in model.get_fields())
    said = "\0".join((product_texts(), *names, *fields, *RunState.labels, *STATE_WORDS.values())).lower()
    quoted = re.findall(r"(?<!\*)\*([^*\n]+(?:\n[^*\n]+)?)\*(?!\*)", prose(document))

    labels = {" ".join(each.split()) for each in quoted} - ELSEWHERE
    assert len(labels) > 5
    assert [each for each in labels if unsaid(each.lower(), said)] == []


def test_pages_that_are_named_are_in_the_navigation() -> None:
    places = {each.name: {place.name for place in each.places} for each in navigation.SECTIONS}
    for each in navigation.SECTIONS:
        models = (apps.get_model(label) for label in each.pages)
        places[each.name] |= {capfirst(str(model._meta.verbose_name_plural)) for model in models}
    strays = []
    texts = {document.name: prose(document) for document in DOCUMENTS if document != CHANGELOG}
    for name, whole in {**texts, "the product": product_texts()}.items():
        text = " ".join(whole.replace("*", "").split())
        for found in re.finditer(rf"\b({'|'.join(places)}) › ", text):
            rest = text[found.end() :].lower()
            if not rest.startswith(tuple(place.lower() for place in places[found[1]])):
                strays.append((name, text[found.start() : found.end() + 30]))

    assert strays == []
