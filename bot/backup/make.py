"""Makes a backup while the service runs: the store first, then the signer's ledger, then the files.

The order matters. The signer commits a serial, a certificate or a revocation before the desk hears of it. So a ledger
that is copied after the store knows all that the store knows, and what it knows beyond that it answers again, the same.
The other way round the ledger would have forgotten what the store has seen, and sign a second time.
"""

import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from bot.backup.contents import files_of, left_out
from bot.backup.manifest import NAME, BackupFault, Journal, Manifest, Member, member_name
from bot.config import Config
from store import journal, restored
from store.transaction import open_store, reading

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class _Source:
    """What is packed: where its bytes lie now, and under which name they go in."""

    path: Path
    member: Member


def make_backup(config: Config, config_file: Path, target: Path, by: str, now: datetime) -> Manifest:
    """Write `target`, readable by its owner only: whole, or not at all. Raises BackupFault."""
    config_file = config_file.resolve()
    store = _store_file(config.store.url)
    if target.exists():
        raise BackupFault(f"{target} is there already; nothing is overwritten")
    try:
        with tempfile.TemporaryDirectory(prefix=".ringi-backup-", dir=target.resolve().parent) as place:
            databases = [_copy(store, Path(place) / "store")]
            if config.signer.ledger.exists():
                databases.append(_copy(config.signer.ledger, Path(place) / "ledger"))
            base = config_file.parent
            sources = [_source(path, member_name(origin, base)) for path, origin in databases]
            sources += [_source(path, member_name(path, base)) for path in files_of(config, config_file)]
            manifest = _describe(config, config_file, sources, len(databases) > 1, by, now)
            packed = Path(place) / "packed"
            _pack(packed, manifest, sources)
            # by one step, and also on disks that know no links
            os.rename(packed, target)
    except OSError as error:
        raise BackupFault(f"{error.filename or target}: {error.strerror}") from error
    return manifest


def _store_file(url: str) -> Path:
    found = make_url(url)
    if found.get_backend_name() != "sqlite":
        raise BackupFault(
            "the store is a PostgreSQL database: first `pg_dump --format=custom` of it, then a copy of the ledger"
            " and of the files (docs/operations.md, Backup)"
        )
    return Path(str(found.database))


def _copy(origin: Path, copy: Path) -> tuple[Path, Path]:
    """One moment of a database that is in use, by SQLite's online backup: its writers need not wait."""
    copy.touch(mode=0o600)
    try:
        source = f"file:{quote(str(origin))}?mode=rw"
        with (
            closing(sqlite3.connect(source, uri=True, timeout=30)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
            # one file, without a journal beside it
            new.execute("PRAGMA journal_mode=DELETE")
            (found,) = new.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BackupFault(f"{origin} can't be copied ({error}); is it yours? root may copy both") from error
    if found != "ok":
        raise BackupFault(f"{origin} is damaged: {found}")
    return copy, origin


def _source(path: Path, name: str) -> _Source:
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    member = Member(name=name, size=size, sha256=digest.hexdigest(), mode=path.stat().st_mode & 0o777)
    return _Source(path, member)


def _describe(
    config: Config, config_file: Path, sources: list[_Source], has_ledger: bool, by: str, now: datetime
) -> Manifest:
    engine = open_store(f"sqlite:///{sources[0].path}")
    try:
        found, waiting = _look(engine)
    finally:
        engine.dispose()
    # to look at it opened it for the service's way of writing, which stands in the file
    with closing(sqlite3.connect(sources[0].path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")
    sources[0] = _source(sources[0].path, sources[0].member.name)
    return Manifest(
        format=1,
        made_at=now,
        by=by,
        instance=config.instance,
        config=member_name(config_file, config_file.parent),
        store=sources[0].member.name,
        ledger=sources[1].member.name if has_ledger else None,
        journal=found,
        waiting=waiting,
        files=tuple(source.member for source in sources),
        left_out=left_out(config),
    )


def _look(engine: Engine) -> tuple[Journal, int]:
    with reading(engine) as session:
        chain = journal.walk(session)
        waiting = restored.count_waiting(session)
    return Journal(entries=chain.length, head=chain.head, fault=chain.fault), waiting


def _pack(packed: Path, manifest: Manifest, sources: Iterable[_Source]) -> None:
    packed.touch(mode=0o600)
    with packed.open("r+b") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            content = manifest.model_dump_json(indent=1).encode() + b"\n"
            tar.addfile(_header(NAME, len(content), 0o600, manifest.made_at), io.BytesIO(content))
            for source in sources:
                header = _header(source.member.name, source.member.size, source.member.mode, manifest.made_at)
                with source.path.open("rb") as content_file:
                    tar.addfile(header, content_file)
        file.flush()
        os.fsync(file.fileno())


def _header(name: str, size: int, mode: int, at: datetime) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, mode, int(at.timestamp())
    return header
