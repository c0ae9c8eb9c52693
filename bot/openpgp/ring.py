"""Makes the keyring of one register: the officers' pinned keys and no other (threats PGP3)."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.openpgp.block import read_tags
from bot.openpgp.call import Gpg, GpgFault, private_files
from bot.openpgp.key_file import FoundKey, read_listing
from bot.register import RegisterFault
from bot.toml_file import Fault
from handlers.rules.key_ends import KeyState
from handlers.rules.register import Register
from handlers.rules.scheme import Scheme

_RING = re.compile(r"[0-9a-f]{16}-\w+")
_SECRET = frozenset({5, 7})  # RFC 9580 5: secret key, secret subkey


@dataclass(frozen=True)
class Ring:
    """A gpg home that holds the officers' keys. `lock`: a descriptor; while it is open, the home stays.

    `warnings`: keys that are in the ring and cannot sign now, being expired or revoked; `states`: the others.
    `files`: fingerprint -> the bytes of its key file.
    """

    gpg: Gpg
    lock: int
    warnings: tuple[Fault, ...]
    states: tuple[KeyState, ...]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class _Pin:
    owner: str
    fingerprint: str
    file: Path

    def fault(self, message: str) -> Fault:
        return Fault(self.file, None, self.owner, message)


@dataclass(frozen=True)
class _ListedKey:
    """`validity`: gpg's letter. `may_sign`: some key in it is made for that; `signs_now`: and good today, up to
    `ends_at`.
    """

    validity: str
    may_sign: bool
    signs_now: bool
    ends_at: datetime | None


def make_ring(register: Register, register_dir: Path, parent: Path, program: str) -> Ring:
    """A new home under `parent`; homes there that no process uses any more are removed.

    Raises RegisterFault with every fault of the key files, GpgFault where gpg or the disk fails.
    """
    pins = list(_pins(register, register_dir))
    parent = parent.absolute()
    with _sole_maker(parent):
        home = Path(tempfile.mkdtemp(prefix=f"{register.digest[:16]}-", dir=parent))
        lock = _hold(home)
        try:
            gpg = Gpg(program, home)
            files: dict[str, bytes] = {}
            warnings, states = _fill(gpg, pins, files)
        except BaseException:
            os.close(lock)
            shutil.rmtree(home)
            raise
        _remove_unused(parent)
    return Ring(gpg, lock, warnings, states, files)


def _pins(register: Register, directory: Path) -> Iterator[_Pin]:
    for institution in register.institutions.values():
        for officer in institution.officers:
            for key in officer.openpgp:
                owner = f"{officer.id} of {institution.id}"
                yield _Pin(owner, key.fingerprint, directory / key.file)


@contextmanager
def _sole_maker(parent: Path) -> Iterator[None]:
    """One process at a time makes or removes homes: a new one is not taken for an unused one."""
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(parent, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise GpgFault(f"no home for gpg in {parent}: {error.strerror}", temporary=False) from error


def _hold(home: Path) -> int:
    lock = os.open(home, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _remove_unused(parent: Path) -> None:
    for home in parent.iterdir():
        if not _RING.fullmatch(home.name):
            continue
        lock = os.open(home, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home)
        except BlockingIOError:
            # a process with another register still verifies with it
            pass
        finally:
            os.close(lock)


def _fill(
    gpg: Gpg, pins: list[_Pin], files: dict[str, bytes]
) -> tuple[tuple[Fault, ...], tuple[KeyState, ...]]:
    """Imports every pinned key. What lapsed is a warning: it must not take the other officers' keys along."""
    faults = [fault for pin in pins if (fault := _take_key(gpg, pin, files))]
    if faults:
        raise RegisterFault(faults)
    listed = _list_ring(gpg)
    faults = [
        pin.fault("cannot sign: no key in it is made for that") for pin in pins if not _signs(listed, pin)
    ]
    if faults:
        raise RegisterFault(faults)
    keys = [(pin, listed[pin.fingerprint]) for pin in pins]
    warnings = tuple(pin.fault(_state(key)) for pin, key in keys if not key.signs_now)
    states = tuple(
        KeyState(Scheme.OPENPGP, pin.fingerprint, key.ends_at) for pin, key in keys if key.signs_now
    )
    return warnings, states


def _signs(listed: dict[str, _ListedKey], pin: _Pin) -> bool:
    return pin.fingerprint in listed and listed[pin.fingerprint].may_sign


def _state(key: _ListedKey) -> str:
    return {"e": "has expired", "r": "is revoked"}.get(key.validity, "has no signing key that is good today")


def _take_key(gpg: Gpg, pin: _Pin, files: dict[str, bytes]) -> Fault | None:
    """Puts the key file of one pin into the ring; the fault if it holds anything but that key."""
    try:
        content = pin.file.read_bytes()
    except OSError as error:
        return pin.fault(f"cannot be read: {error.strerror}")
    if b"PRIVATE KEY BLOCK" in content or _SECRET & set(read_tags(content) or ()):
        return pin.fault("holds a secret key: remove it, and have the officer revoke that key")
    # the very bytes that were looked at, also where the file changes meanwhile
    with private_files(key=content) as directory:
        answer = gpg.import_keys(directory / "key")
    found = _imported(answer.status)
    if not found:
        return pin.fault(f"holds no key that gpg takes: {answer.said}")
    if found != {pin.fingerprint}:
        return pin.fault(f"holds {', '.join(sorted(found))}, not only the pinned {pin.fingerprint}")
    files[pin.fingerprint] = content
    return None


def _imported(status: bytes) -> set[str]:
    lines = [line.split(b" ") for line in status.split(b"\n")]
    return {line[3].decode().upper() for line in lines if line[:2] == [b"[GNUPG:]", b"IMPORT_OK"]}


def _list_ring(gpg: Gpg) -> dict[str, _ListedKey]:
    """The keys in the ring by the fingerprint of their primary key.

    Lines are cut at LF and fields at colons, both of which gpg escapes in user ids; text readers cut at more.
    """
    answer = gpg.list_keys()
    if answer.exit != 0:
        raise GpgFault(f"gpg does not list its ring: {answer.said}", temporary=False)
    found = {key.fingerprint: key for key in read_listing(answer.output)}
    listed: dict[str, _ListedKey] = {}
    block: list[list[str]] = []
    for line in [*answer.output.decode("utf-8", "replace").split("\n"), "pub"]:
        fields = line.split(":")
        if fields[0] == "pub" and block:
            listed[block[1][9]] = _read_block(block, found[block[1][9].upper()])
            block = []
        if fields[0] in ("pub", "sub") or (fields[0] == "fpr" and len(block) == 1):
            block.append(fields)
    return listed


def _read_block(block: list[list[str]], found: FoundKey) -> _ListedKey:
    """`block`: the fields of a pub record, its fpr record, its sub records (gpg's doc/DETAILS)."""
    keys = [fields for fields in block if fields[0] in ("pub", "sub")]
    may_sign = any("s" in fields[11] for fields in keys)
    signs_now = "S" in block[0][11] and found.can_sign
    return _ListedKey(block[0][1], may_sign, signs_now, found.signs_until)
