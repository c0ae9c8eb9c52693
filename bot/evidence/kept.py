"""Register and key files as they were: kept at each load, so that an old signature can be judged years later (AP5)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from handlers.rules.register import Register
from store import inbox

log = structlog.get_logger()


def keep_register_files(session: Session, register: Register, directory: Path) -> dict[str, str]:
    """Keep the bytes of every institution's file and of every key file that it names.

    Returns what the journal says of it: the name of each key file, relative to the register -> its SHA-256.
    """
    for institution in register.institutions.values():
        path = directory / f"{institution.id}.toml"
        data = _read(path)
        if data is None or hashlib.sha256(data).hexdigest() != institution.digest:
            # edited since it was taken: what is in force is no longer there to be kept
            log.error("register file not kept", file=path.name)
        else:
            inbox.keep_blob(session, data)
    keys = {name: _read(directory / name) for name in sorted(set(_key_files(register)))}
    return {name: inbox.keep_blob(session, data) for name, data in keys.items() if data is not None}


def _key_files(register: Register) -> Iterator[str]:
    for institution in register.institutions.values():
        for officer in institution.officers:
            yield from (key.file for key in (*officer.openpgp, *officer.smime))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        log.error("register file not kept", file=path.name, error=error.strerror)
        return None
