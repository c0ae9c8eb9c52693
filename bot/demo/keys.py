"""People's OpenPGP keys: made, exported, used to check a signature, all with the gpg program itself."""

import re
import shutil
import subprocess
from pathlib import Path

_GPG_SECONDS = 120


def make_key(gpg_home: Path, user_id: str) -> str:
    """A new OpenPGP key without a passphrase, good for a year; returns its primary fingerprint.

    It gets an encryption subkey too: Thunderbird takes no key as a person's own without one.
    """
    gpg_home.mkdir(mode=0o700, parents=True, exist_ok=True)
    make = ["--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", user_id]
    _gpg(gpg_home, *make, "future-default", "default", "1y")
    listing = _gpg(gpg_home, "--with-colons", "--list-secret-keys", f"={user_id}").decode()
    found = re.search(r"^fpr:+([0-9A-F]{40,64}):", listing, re.MULTILINE)
    assert found, "gpg made a key and does not list it"
    return found[1]


def export_key(gpg_home: Path, fingerprint: str, *, secret: bool = False) -> bytes:
    """The key as an armored block."""
    how = (
        ["--pinentry-mode", "loopback", "--passphrase", "", "--export-secret-keys"]
        if secret
        else ["--export"]
    )
    return _gpg(gpg_home, "--armor", *how, fingerprint)


def import_key(gpg_home: Path, key_file: Path) -> None:
    """Take a public key into the ring."""
    _gpg(gpg_home, "--import", str(key_file))


def stop_agent(gpg_home: Path) -> None:
    """End the agent that gpg left behind for `gpg_home`."""
    if shutil.which("gpgconf") is None:
        return
    command = ["gpgconf", "--homedir", str(gpg_home), "--kill", "all"]
    subprocess.run(command, capture_output=True, check=False, timeout=_GPG_SECONDS)


def _gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=_GPG_SECONDS).stdout
