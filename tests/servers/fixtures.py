"""The fixtures `dovecot` and `mail_servers`: real servers, one set a test process, emptied before each test.

A test module asks for them with `pytest_plugins = ("tests.servers.fixtures",)` and imports nothing from here:
imported fixtures would start one set of servers for each importing module.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.bench.servers.dovecot import Dovecot, start_dovecot
from bot.bench.servers.tls import Tls, make_tls
from tests.required import do_without
from tests.servers.people import USERS
from tests.servers.postfix import MailServers, Postfix, start_postfix
from tests.servers.postgresql import PostgreSQL, start_postgresql


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A short path that the servers' own users can walk through (pytest's directories are closed to them)."""
    directory = Path(tempfile.mkdtemp(prefix="ringi-", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def server_tls(server_directory: Path) -> Tls:
    """The CA and the certificate that both servers show."""
    return make_tls(server_directory)


@pytest.fixture(scope="session")
def _dovecot_process(
    need: Callable[[str], str], server_directory: Path, server_tls: Tls
) -> Iterator[Dovecot]:
    program = need("dovecot")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("2.3."):
        do_without(
            "dovecot", f"these tests write Dovecot 2.3 configuration, and this is {version.split()[0]}"
        )
    server = start_dovecot(server_directory / "d", dict(USERS), server_tls, program=program)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _postfix_process(
    need: Callable[[str], str], server_directory: Path, server_tls: Tls, _dovecot_process: Dovecot
) -> Iterator[Postfix]:
    need("postfix")
    if os.geteuid() != 0:
        do_without("postfix", "Postfix must be started by root")
    server = start_postfix(server_directory / "p", list(USERS), _dovecot_process, server_tls)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql(need: Callable[[str], str], server_directory: Path) -> Iterator[PostgreSQL]:
    """A running PostgreSQL; who asks for it makes a database of its own."""
    server = start_postgresql(server_directory / "pg", need("postgres"))
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """An empty database."""
    name = f"ringi_{secrets.token_hex(4)}"
    yield postgresql.make_database(name)
    postgresql.drop_database(name)


@pytest.fixture
def dovecot(_dovecot_process: Dovecot) -> Dovecot:
    """A running Dovecot with the five users and nothing in their folders."""
    _dovecot_process.empty()
    return _dovecot_process


@pytest.fixture
def mail_servers(dovecot: Dovecot, _postfix_process: Postfix) -> MailServers:
    """Dovecot and Postfix with the five users and nothing in their folders."""
    return MailServers(dovecot, _postfix_process)
