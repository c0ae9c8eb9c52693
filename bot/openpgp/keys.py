"""OpenPGP: verifies what officers sign against the register's keys, and signs what the bot sends.

The only home of python-gnupg, which makes and lists the bot's own key. It is not used where others choose the
bytes: it cuts gpg's status where a user id tells it to, and it waits for ever (threats, section 2).
"""

import os
import re
import subprocess
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gnupg

from bot.openpgp.block import read_clearsigned, read_signature_part
from bot.openpgp.call import Gpg, GpgAnswer, GpgFault, GpgStuck, private_files
from bot.openpgp.key_file import read_listing
from bot.openpgp.ring import Ring, make_ring
from bot.openpgp.status import judge, refuse_signature
from bot.toml_file import Fault
from bot.verified import MailFault, Verified
from handlers.incoming import Material
from handlers.rules.key_ends import KeyState
from handlers.rules.reasons import Reason
from handlers.rules.register import Register

__all__ = ["BotKey", "GpgFault", "OfficerKeys", "Verified", "gpg_version", "make_bot_key"]

# the agent's socket lies in the home, and a socket's path may hold 107 bytes
_LONGEST_HOME = 80
# what a gpg that does not work (no ring, no room) says of a good signature too
_OF_A_BROKEN_GPG = frozenset({Reason.UNKNOWN_KEY, Reason.UNVERIFIABLE})


class OfficerKeys:
    """The pinned keys of one state of the register. Threads may share it; a reload makes another.

    `warnings`: keys that could not sign today, being expired or revoked; `states`: until when the others can.
    """

    def __init__(self, ring: Ring, pinned: frozenset[str]) -> None:
        self._gpg = ring.gpg
        self._pinned = pinned
        self._files = ring.files
        self.warnings: tuple[Fault, ...] = ring.warnings
        self.states: tuple[KeyState, ...] = ring.states
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

        `now`: when the mail arrived (INTERNALDATE). Raises GpgFault, MailFault.
        """
        packet = read_signature_part(signature)
        if isinstance(packet, Reason):
            return packet
        with private_files(signature=packet, signed=signed) as directory:
            answer = self._ask(lambda: self._gpg.verify(directory / "signature", directory / "signed"))
        return self._verdict(answer, now)

    def verify_inline(self, block: bytes, now: datetime) -> Verified | Reason:
        """`block`: one clearsigned block and nothing else but blank lines (PGP7). Raises GpgFault, MailFault."""
        clearsigned = read_clearsigned(block)
        if isinstance(clearsigned, Reason):
            return clearsigned
        with private_files(block=clearsigned.block) as directory:
            answer = self._ask(
                lambda: self._gpg.verify_clearsigned(directory / "block", directory / "output")
            )
            output = _read_if_there(directory / "output")
        verdict = self._verdict(answer, now, clearsigned=True)
        if isinstance(verdict, Reason):
            return verdict
        return replace(verdict, output=output) if output == clearsigned.text else Reason.SIGNATURE_BLOCK

    def _verdict(self, answer: GpgAnswer, now: datetime, *, clearsigned: bool = False) -> Verified | Reason:
        signature = judge(answer.exit, answer.status, clearsigned=clearsigned)
        if isinstance(signature, Reason):
            if signature in _OF_A_BROKEN_GPG:
                self._require_working_gpg()
            return signature
        if refused := refuse_signature(signature, self._pinned, now):
            return refused
        return Verified(
            fingerprint=signature.fingerprint,
            signed_at=signature.signed_at,
            digest=signature.digest,
            status=answer.status,
            output=None,
            materials=(Material("key.asc", self._files[signature.fingerprint]),),
        )

    def _ask(self, verify: Callable[[], GpgAnswer]) -> GpgAnswer:
        try:
            return verify()
        except GpgStuck as fault:
            self._require_working_gpg()
            raise MailFault(f"{fault}, with this mail only") from fault

    def _require_working_gpg(self) -> None:
        """Before a mail is blamed: gpg must know every pinned key, and be quick about it. Raises GpgFault."""
        listed = self._gpg.list_keys(in_hurry=True)
        if listed.exit != 0 or not self._pinned <= {key.fingerprint for key in read_listing(listed.output)}:
            raise GpgFault(
                f"gpg can't read the officers' keyring {self._gpg.home}: {listed.said}", temporary=False
            )


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
