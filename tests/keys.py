"""Throw-away OpenPGP keys for tests, made by the real gpg; no key has a passphrase.

Either `with gpg_home() as home:`, or `make_home()` and, at the end, `remove_home(home)`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def gpg_home() -> Iterator[Path]:
    """A new gpg home; with its agent and its files it is gone afterwards."""
    home = make_home()
    try:
        yield home
    finally:
        remove_home(home)


def make_home() -> Path:
    # the agent's socket lies in it, and a socket's path may hold 107 bytes
    return Path(tempfile.mkdtemp(prefix="rg", dir="/tmp"))


def remove_home(home: Path) -> None:
    subprocess.run(
        ["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True, capture_output=True
    )
    shutil.rmtree(home, ignore_errors=True)


def run_gpg(home: Path, *arguments: str, at: str | None = None, stdin: bytes = b"") -> bytes:
    """What gpg writes to standard output. `at`: the time it takes for now, such as `20200101T000000`."""
    base = ["gpg", "--no-options", "--batch", "--no-tty", "--quiet", "--yes", "--homedir", str(home)]
    if at:
        base += ["--faked-system-time", at]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*base, *arguments], input=stdin, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def make_key(
    home: Path,
    name: str,
    address: str,
    algo: str = "ed25519",
    expires: str = "0",
    *,
    usage: str = "sign",
    digest: str = "SHA256",
    at: str | None = None,
) -> str:
    """A key without subkeys; its fingerprint.

    `algo`: also `rsa2048`. `expires`: `0`, `30d`, `1y` or a date. `usage`: also `cert`, for a key that signs by
    subkeys only. `digest`: what binds its user id.
    """
    making = ["--passphrase", "", "--cert-digest-algo", digest, "--status-fd", "1", "--quick-gen-key"]
    status = run_gpg(home, *making, f"{name} <{address}>", algo, usage, expires, at=at)
    return next(line.split()[3] for line in status.decode().split("\n") if "KEY_CREATED" in line)


def add_subkey(home: Path, fingerprint: str, expires: str = "0", *, at: str | None = None) -> None:
    """One more ed25519 key for signing; gpg signs by the newest that is good."""
    run_gpg(home, "--passphrase", "", "--quick-add-key", fingerprint, "ed25519", "sign", expires, at=at)


def revoke_key(home: Path, fingerprint: str) -> None:
    """Takes in the revocation certificate that gpg made with the key."""
    certificate = (home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace("\n:---", "\n---")
    run_gpg(home, "--import", stdin=certificate.encode())


def sign_detached(
    home: Path, fingerprint: str, data: bytes, digest: str = "SHA256", *more: str, at: str | None = None
) -> bytes:
    """An armored detached signature; with `more` options of gpg."""
    options = ["--local-user", fingerprint, "--digest-algo", digest, "--allow-weak-digest-algos", "--armor"]
    return run_gpg(home, *options, *more, "--detach-sign", at=at, stdin=data)


def clearsign(home: Path, fingerprint: str, text: bytes, digest: str = "SHA256") -> bytes:
    """A clearsigned block around `text`."""
    options = ["--local-user", fingerprint, "--digest-algo", digest, "--allow-weak-digest-algos"]
    return run_gpg(home, *options, "--clear-sign", stdin=text)


def export_key(home: Path, fingerprint: str) -> bytes:
    """The public key, armored."""
    return run_gpg(home, "--armor", "--export", fingerprint)
