"""Fixtures for all tests; what needs a program outside Python asks `need` for it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.column_limits import hold_to_limits
from tests.required import do_without

if TYPE_CHECKING:
    from playwright.sync_api import Browser


hold_to_limits()


def _version(path: Path) -> int:
    return int(path.parent.name) if path.parent.name.isdigit() else 0


# Debian keeps one version of it beside the other, off PATH; the newest first
_POSTGRESQL = tuple(
    str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
)
# program -> where it may lie when PATH lacks it, and what installs it on Debian
_PROGRAMS = {
    "dovecot": (("/usr/sbin",), "dovecot-imapd dovecot-lmtpd"),
    "postfix": (("/usr/sbin",), "postfix"),
    "smtp-sink": (("/usr/sbin",), "postfix"),
    "gpg": ((), "gnupg"),
    "openssl": ((), "openssl"),
    "softhsm2-util": ((), "softhsm2"),
    "chromium": ((), "chromium fonts-noto-cjk"),
    "node": ((), "nodejs"),
    "postgres": (_POSTGRESQL, "postgresql"),
    "strace": ((), "strace"),
    "systemd-analyze": ((), "systemd"),
    "logrotate": (("/usr/sbin",), "logrotate"),
}


def find_program(name: str) -> str | None:
    places = _PROGRAMS[name][0]
    return shutil.which(name) or next(
        (f"{p}/{name}" for p in places if os.access(f"{p}/{name}", os.X_OK)), None
    )


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("gpg")`: its path; skips with the install line where it is missing, fails under RINGI_REQUIRE=all."""

    def find(name: str) -> str:
        if path := find_program(name):
            return path
        return do_without(name, f"{name} is missing; on Debian: apt-get install {_PROGRAMS[name][1]}")

    return find


@pytest.fixture(scope="module")
def browser(need: Callable[[str], str]) -> "Iterator[Browser]":
    """Chromium, once a module: tests of other modules need the thread's asyncio loop for themselves."""
    path = need("chromium")
    from tests.browser import chromium  # half a second, for the few that open it

    with chromium(path) as opened:
        yield opened
