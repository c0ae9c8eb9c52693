"""What an administrator gets wrong is told in a line that says what and where, never by a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.journeys.desk import RINGI, Desk

pytest_plugins = ("tests.servers.fixtures",)


@pytest.mark.parametrize("command", ["once", "explain", "journal verify"])
def test_a_store_that_is_no_database_is_told(desk: Desk, command: str) -> None:
    store = Path(desk.config.store.url.removeprefix("sqlite:///"))
    store.write_bytes(b"not a database " * 100)
    arguments = [*command.split(), *([str(desk.config_file)] if command == "explain" else [])]
    done = desk.ringi(*arguments)
    assert (done.returncode, "the store can't be used" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["once", "explain"])
def test_a_missing_gpg_is_told_with_the_way_to_get_it(desk: Desk, command: str) -> None:
    arguments = [command, *([str(desk.config_file)] if command == "explain" else [])]
    done = subprocess.run(
        [*RINGI, *arguments, "--config", str(desk.config_file)],
        env={**os.environ, "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "install gnupg" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["once", "check"])
def test_a_secret_that_is_not_text_is_told(desk: Desk, command: str) -> None:
    (desk.directory / "ca" / "passphrase").write_bytes(b"\xff\xfe\x00")
    done = desk.ringi(command)
    assert (done.returncode, "is not UTF-8 text" in done.stdout + done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["once", "once --json", "check", "journal verify", "--version"])
def test_an_answer_that_nobody_can_read_ends_with_an_error(desk: Desk, command: str) -> None:
    config = [] if command == "--version" else ["--config", str(desk.config_file)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*RINGI, *command.split(), *config], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, said) == (1, ["the answer can't be written: No space left on device"])
