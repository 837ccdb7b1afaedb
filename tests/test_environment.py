"""Settings come from the process environment, then from `.env`; a mistake there is one clear line."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured

from groupadmin.environment import Environment, kept_secret, new_encryption_key, writable_folder
from tests.processes import environment, manage


@pytest.fixture
def env_file(tmp_path: Path) -> Iterator[Path]:
    with patch.dict(os.environ):
        yield tmp_path / ".env"


def test_the_process_environment_wins_over_the_file(env_file: Path) -> None:
    env_file.write_text("COLOUR=file\nSHAPE=file\n")
    os.environ["COLOUR"] = "process"

    env = Environment.load(env_file)

    assert env.str("COLOUR") == "process"
    assert env.str("SHAPE") == "file"


def test_an_empty_value_means_the_default(env_file: Path) -> None:
    env_file.write_text("COUNT=\nSHAPE=file\n")
    os.environ["SHAPE"] = ""

    env = Environment.load(env_file)

    assert env.int("COUNT", default=None) is None
    assert env.str("SHAPE", default="round") == "round"


@pytest.mark.parametrize("secret", ["$ecret", "pa$$word", r"back\$lash", "end$"])
def test_a_dollar_sign_is_just_a_dollar_sign(env_file: Path, secret: str) -> None:
    os.environ["PASSWORD"] = secret

    assert Environment.load(env_file).str("PASSWORD") == secret


def test_a_value_of_the_wrong_type_is_told_in_one_line_that_does_not_repeat_it(tmp_path: Path) -> None:
    refused = manage("check", env=environment(VAR_DIR=str(tmp_path), TELEGRAM_API_ID="hunter2"))

    assert refused.returncode == 4
    assert refused.stderr.splitlines() == [
        "Not configured: The value of TELEGRAM_API_ID cannot be read: see .env.example."
    ]


@pytest.mark.parametrize(
    ("word", "meaning"), [("True", True), ("yes", True), ("1", True), (" off ", False), ("no", False)]
)
def test_yes_and_no_are_known_words(env_file: Path, word: str, meaning: bool) -> None:
    os.environ["SWITCH"] = word

    assert Environment.load(env_file).bool("SWITCH") is meaning


@pytest.mark.parametrize("word", ["maybe", "2", "Treu", "-"])
def test_any_other_word_is_refused_and_not_taken_for_no(env_file: Path, word: str) -> None:
    os.environ["SWITCH"] = word

    with pytest.raises(ImproperlyConfigured, match=r"The value of SWITCH cannot be read"):
        Environment.load(env_file).bool("SWITCH", default=True)


@pytest.mark.parametrize(
    "address",
    [
        "groupadmin",
        "postgres://u:secret@host:port/name",
        "mysql://u@host/name",
        "sqlite://folder/file",
    ],
)
def test_a_database_address_that_is_none_is_told_in_one_line(env_file: Path, address: str) -> None:
    os.environ["PLACE"] = address

    with pytest.raises(ImproperlyConfigured) as refused:
        Environment.load(env_file).database("PLACE", default="sqlite:///x")

    assert str(refused.value) == (
        "PLACE is no database address: it looks like postgres://user@host/name, or sqlite:////path/file."
    )


@pytest.mark.parametrize("line", ["hunter2", "PASSWORD hunter2", "PASS-WORD=hunter2", "PASSWORD = hunter2"])
def test_a_line_that_is_no_setting_is_told_by_its_number_alone(env_file: Path, line: str) -> None:
    env_file.write_text(f"# secrets\n\n{line}\n")

    with pytest.raises(ImproperlyConfigured) as refused:
        Environment.load(env_file)

    assert str(refused.value) == f"{env_file}, line 3: it is not of the form NAME=value."


def kept(path: Path) -> str:
    return kept_secret("SECRET_KEY", path, new_encryption_key)


def test_a_generated_secret_is_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    key = kept(path)

    assert kept(path) == key
    assert kept(tmp_path / "another") != key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["another", "secret_key"]


def test_processes_that_start_together_use_one_secret_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: kept(path), range(64)))

    assert keys == {path.read_text()}


def test_a_folder_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ImproperlyConfigured, match="Set VAR_DIR: .* cannot be made"):
        writable_folder(tmp_path / "file" / "var")


def test_a_second_answer_about_the_same_folder_is_the_same(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "a" / "b") == writable_folder(f"{tmp_path}/a/./b")
