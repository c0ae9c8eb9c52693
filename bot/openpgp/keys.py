"""OpenPGP: verifies what officers sign against the register's keys, and signs what the bot sends.

The only home of python-gnupg, which makes and lists the bot's own key. It is not used where others choose the
bytes: it cuts gpg's status where a user id tells it to, and it waits for ever (threats, section 2).
"""

import os
import re
import subprocess
import weakref
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gnupg

from bot.openpgp.block import read_clearsigned, read_signature_part
from bot.openpgp.call import Gpg, GpgAnswer, GpgFault, private_files
from bot.openpgp.ring import Ring, make_ring
from bot.openpgp.status import judge, refuse_signature
from bot.toml_file import Fault
from handlers.rules.reasons import Reason
from handlers.rules.register import Register

__all__ = ["BotKey", "GpgFault", "OfficerKeys", "Verified", "gpg_version", "make_bot_key"]

# the agent's socket lies in the home, and a socket's path may hold 107 bytes
_LONGEST_HOME = 80


@dataclass(frozen=True)
class Verified:
    """A signature that counts: one, strong, by a pinned key that is good now.

    `fingerprint`: of the primary key, in capitals. `digest`: RFC 9580 9.5. `status`: gpg's status lines, for
    the evidence. `output`: what a clearsigned block says, LF, no blanks at line ends; else None.
    """

    fingerprint: str
    signed_at: datetime
    digest: int
    status: bytes
    output: bytes | None


class OfficerKeys:
    """The pinned keys of one state of the register. Threads may share it; a reload makes another.

    `warnings`: keys that could not sign today, being expired or revoked.
    """

    def __init__(self, ring: Ring, pinned: frozenset[str]) -> None:
        self._gpg = ring.gpg
        self._pinned = pinned
        self.warnings: tuple[Fault, ...] = ring.warnings
        weakref.finalize(self, os.close, ring.lock)

    @classmethod
    def load(cls, register: Register, register_dir: Path, home: Path, gpg: str = "gpg") -> "OfficerKeys":
        """Imports the key files that `register` names into a new gpg home under the directory `home`.

        Raises RegisterFault with every fault of the key files (unreadable, not the pinned key alone, secret,
        not for signing), GpgFault where gpg does not work. An expired or revoked key is only a warning.
        """
        officers = (o for institution in register.institutions.values() for o in institution.officers)
        pinned = frozenset(key.fingerprint for officer in officers for key in officer.openpgp)
        return cls(make_ring(register, register_dir, home, gpg), pinned)

    def verify_detached(self, signed: bytes, signature: bytes, now: datetime) -> Verified | Reason:
        """`signed`: the exact bytes, lines ended by CRLF. `signature`: the decoded signature part.

        `now`: when the mail arrived (INTERNALDATE). Raises GpgFault.
        """
        packet = read_signature_part(signature)
        if isinstance(packet, Reason):
            return packet
        self._require_ring()
        with private_files(signature=packet, signed=signed) as directory:
            answer = self._gpg.verify(directory / "signature", directory / "signed")
        return self._verdict(answer, now)

    def verify_inline(self, block: bytes, now: datetime) -> Verified | Reason:
        """`block`: one clearsigned block and nothing else but blank lines (threats PGP7). Raises GpgFault."""
        clearsigned = read_clearsigned(block)
        if isinstance(clearsigned, Reason):
            return clearsigned
        self._require_ring()
        with private_files(block=clearsigned.block) as directory:
            answer = self._gpg.verify_clearsigned(directory / "block", directory / "output")
            output = _read_if_there(directory / "output")
        verdict = self._verdict(answer, now, clearsigned=True)
        if isinstance(verdict, Reason):
            return verdict
        return replace(verdict, output=output) if output == clearsigned.text else Reason.SIGNATURE_BLOCK

    def _verdict(self, answer: GpgAnswer, now: datetime, *, clearsigned: bool = False) -> Verified | Reason:
        signature = judge(answer.exit, answer.status, clearsigned=clearsigned)
        if isinstance(signature, Reason):
            return signature
        if refused := refuse_signature(signature, self._pinned, now):
            return refused
        return Verified(signature.fingerprint, signature.signed_at, signature.digest, answer.status, None)

    def _require_ring(self) -> None:
        # without its ring gpg would call every key unknown, and the officer would be told so
        if not (self._gpg.home / "pubring.kbx").is_file():
            raise GpgFault(f"the officers' keyring is gone: {self._gpg.home}", temporary=False)


@dataclass(frozen=True)
class BotKey:
    """The bot's own key, which only signs. Every method raises GpgFault."""

    home: Path
    fingerprint: str
    passphrase: str | None = field(repr=False)
    gpg: str = "gpg"

    def sign_detached(self, data: bytes) -> bytes:
        """An armored detached signature over exactly these bytes; `micalg` is `pgp-sha256` (RFC 3156 5)."""
        gpg = Gpg(self.gpg, self.home)
        with private_files(message=data) as directory:
            signature = directory / "signature"
            answer = gpg.sign(self.fingerprint, self.passphrase, directory / "message", signature)
            if answer.exit != 0:
                raise GpgFault(f"the bot's key does not sign: {answer.said}", temporary=False)
            return signature.read_bytes()

    def export(self) -> bytes:
        """The public key, armored."""
        exported = str(_open_gnupg(self.home, self.gpg).export_keys(self.fingerprint))
        if not exported:
            raise GpgFault(f"{self.home} does not hold the key {self.fingerprint}", temporary=False)
        return exported.encode("ascii")

    def expires_at(self) -> datetime | None:
        """From when on the key no longer signs; None: never."""
        listed = _open_gnupg(self.home, self.gpg).list_keys(keys=[self.fingerprint])
        if len(listed) != 1:
            raise GpgFault(f"{self.home} does not hold the key {self.fingerprint}", temporary=False)
        return _last_signing_day(listed[0])


def make_bot_key(home: Path, name: str, address: str, passphrase: str | None) -> str:
    """Makes a sign-only ed25519 key in `home` and gives its fingerprint. Raises GpgFault.

    It never expires: people pin it by hand, and from one day on their mail programs would call every mail of
    the bot bad. gpg leaves a revocation certificate in `openpgp-revocs.d`; that ends the key.
    """
    home = home.absolute()
    if len(os.fsencode(home)) > _LONGEST_HOME:
        raise GpgFault(f"{home}: its path is too long for the socket of gpg's agent", temporary=False)
    if any(ord(character) < 0x20 for character in f"{name}{address}"):
        raise GpgFault("a control character in the name or address of the bot's key", temporary=False)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    gpg = _open_gnupg(home, "gpg")
    wanted = {"key_type": "EDDSA", "key_curve": "ed25519", "key_usage": "sign", "expire_date": 0}
    protection = {"passphrase": passphrase} if passphrase else {"no_protection": True}
    made = gpg.gen_key(gpg.gen_key_input(**wanted, **protection, name_real=name, name_email=address))
    if not made.fingerprint:
        raise GpgFault(f"gpg does not make a key: {made.stderr.strip()[-500:]}", temporary=False)
    return str(made.fingerprint)


def gpg_version(gpg: str) -> str | None:
    """Such as `2.2.40`; None where `gpg` is no GnuPG that runs."""
    try:
        answer = subprocess.run([gpg, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"gpg \(GnuPG[^)]*\) (\S+)", answer.stdout)
    return found[1].decode("ascii", "replace") if found else None


def _open_gnupg(home: Path, program: str) -> Any:
    try:
        # without an encoding it takes Latin-1
        return gnupg.GPG(gpgbinary=program, gnupghome=str(home), options=["--no-options"], encoding="utf-8")
    except (OSError, ValueError) as error:
        raise GpgFault(f"gpg cannot be started ({program}) in {home}: {error}", temporary=False) from error


def _last_signing_day(key: dict[str, Any]) -> datetime | None:
    subkeys = [row for row in key.get("subkey_info", {}).values() if "s" in row["cap"]]
    signing = [row["expires"] for row in subkeys] or [key["expires"]]
    longest = None if "" in signing else max(int(text) for text in signing)
    ends = [end for end in (longest, int(key["expires"]) if key["expires"] else None) if end is not None]
    return datetime.fromtimestamp(min(ends), UTC) if ends else None


def _read_if_there(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None
