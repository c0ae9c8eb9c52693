"""Makes a desk of a backup, in a new folder: every byte compared, and what must not be done twice made sure of."""

import os
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

from pydantic import ValidationError
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from bot.backup.manifest import ELSEWHERE, NAME, BackupFault, Manifest, Member, place_of
from store import journal
from store.restored import Unsure, distrust
from store.tables import Lease
from store.transaction import open_store, reading, upgrade, writing

_CHUNK = 1024 * 1024
_LARGEST_MANIFEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Restored:
    """`unsure`: the mails that may have gone out since the backup; `elsewhere`: files that lay outside the desk."""

    manifest: Manifest
    unsure: Sequence[Unsure]
    elsewhere: tuple[str, ...]


def restore(file: Path, directory: Path, by: str, now: datetime, *, hold_mails: bool) -> Restored:
    """Fill `directory`, which must be new or empty: whole, or not at all. Raises BackupFault.

    Mails that waited when the backup was made go out again, by the same bytes and Message-ID: whether the old desk has
    sent them since, nobody here knows, and a mail twice is better than none. `hold_mails`: none of them goes out.
    """
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupFault(f"{directory} is not empty: nothing is overwritten")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".ringi-restore-", dir=directory.parent) as name:
            place = Path(name) / "desk"
            place.mkdir(mode=0o755)
            manifest, digest = _unpack(file, place)
            unsure = _make_ready(place_of(manifest.store, place), manifest, digest, by, now, hold_mails)
            os.rename(place, directory)
    except tarfile.TarError as error:
        raise BackupFault(f"{file} is no backup of ours, or a part of it is missing: {error}") from error
    except OSError as error:
        raise BackupFault(f"{error.filename or file}: {error.strerror or error}") from error
    outside = tuple(m.name for m in manifest.files if m.name.startswith(f"{ELSEWHERE}/"))
    return Restored(manifest, unsure, outside)


def _unpack(file: Path, place: Path) -> tuple[Manifest, str]:
    """All members that the manifest names, each compared; the manifest and its digest."""
    with tarfile.open(file, "r:") as tar:
        first = tar.next()
        content = tar.extractfile(first) if first is not None and first.name == NAME else None
        if first is None or content is None or first.size > _LARGEST_MANIFEST:
            raise BackupFault(f"{file} does not begin with a manifest: it is no backup of ours")
        raw = content.read()
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError as error:
            raise BackupFault(f"{file}: its manifest can't be read: {error.errors()[0]['msg']}") from error
        for member in manifest.files:
            try:
                found = tar.extractfile(member.name)
            except KeyError:
                found = None
            if found is None:
                raise BackupFault(f"{file}: {member.name} is missing in it")
            _write(found, member, place)
    return manifest, sha256(raw).hexdigest()


def _write(content: IO[bytes], member: Member, place: Path) -> None:
    target = place_of(member.name, place)
    # a folder of private files stays private
    target.parent.mkdir(mode=0o755 if member.mode & 0o044 else 0o700, parents=True, exist_ok=True)
    digest = sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode), "wb") as out:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != member.sha256:
        raise BackupFault(f"{member.name} is not what was backed up: its SHA-256 is another")


def _make_ready(
    store: Path, manifest: Manifest, digest: str, by: str, now: datetime, hold_mails: bool
) -> Sequence[Unsure]:
    """The journal is the one of the backup; then the store becomes this desk's, and the journal says so."""
    try:
        engine = open_store(f"sqlite:///{store}")
        try:
            with reading(engine) as session:
                head = journal.head(session)
            if head != manifest.journal.head:
                raise BackupFault(f"the journal's head is {head}, the manifest says {manifest.journal.head}")
            upgrade(engine)
            with writing(engine) as session:
                # of a process that is not here
                session.execute(delete(Lease))
                unsure = distrust(session, now, hold=hold_mails)
                facts = {"backup": digest, "made_at": journal.written_time(manifest.made_at), "by": by}
                journal.append(session, now, "restored", facts | {"unsure": len(unsure), "held": hold_mails})
            return unsure
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise BackupFault(f"the store in it can't be used: {str(error).splitlines()[0]}") from error
