"""Fixtures for all tests; what needs a program outside Python asks `need` for it."""

import os
import shutil
from collections.abc import Callable

import pytest

# program -> where it may lie when PATH lacks it, and what installs it on Debian
_PROGRAMS = {
    "dovecot": (("/usr/sbin",), "dovecot-imapd dovecot-lmtpd"),
    "postfix": (("/usr/sbin",), "postfix"),
    "gpg": ((), "gnupg"),
    "openssl": ((), "openssl"),
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
        reason = f"{name} is missing; on Debian: apt-get install {_PROGRAMS[name][1]}"
        required = os.environ.get("RINGI_REQUIRE", "")
        if required == "all" or name in required.split(","):
            pytest.fail(reason)
        pytest.skip(reason)

    return find
