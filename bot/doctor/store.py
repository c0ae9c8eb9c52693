"""The doctor's look at the store: there, ours to write, as new as the program, room left, no time travel."""

import os
import shutil
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.doctor.finding import Finding, Site, as_owner, foreign_owner
from store import journal
from store.tables import Base, JournalEntry
from store.transaction import open_store, reading, sqlite_file, writing

_MEGABYTE = 1024 * 1024
_FULL = 200 * _MEGABYTE
# when this program was written: a clock that says less has lost its battery
_FIRST_YEAR = 2026
_SKEW = timedelta(minutes=5)
_VERSION_TABLE = "alembic_version"


def examine_store(site: Site) -> Iterator[Finding]:
    """The folder, the disk, the lock and the schema; a store that doesn't exist yet is not made."""
    url = site.config.store.url
    try:
        file = sqlite_file(url)
    except ArgumentError as error:
        yield Finding("store", False, str(error), f"correct store.url in {site.path}")
        return
    if file is not None:
        found = _folder_fault(site, file)
        if found or not file.exists():
            yield found or Finding("store", True, f"{file} will be made by the first start")
            return
        limit = site.config.alarms.disk_free_mb * _MEGABYTE
        yield from disk_findings(shutil.disk_usage(file.parent).free, file.parent, limit)
    try:
        engine = open_store(url)
        try:
            with writing(engine) as session:
                yield _schema(session.connection(), url)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        mend = f"correct store.url in {site.path}, or bring the database up"
        yield Finding("store", False, f"{url} can't be written: {_first_line(error)}", mend)


def disk_findings(free: int, folder: Path, limit: int) -> Iterator[Finding]:
    """`free`: bytes left on the disk that holds `folder`; below `limit` the monitors are told."""
    what = f"{free // _MEGABYTE} MB left on the disk of {folder}"
    if free < _FULL:
        yield Finding("store", False, what, "make room: with a full disk no mail is taken")
    elif free < limit:
        yield Finding("store", True, what, "make room soon: with a full disk no mail is taken")


def examine_clock(site: Site) -> Iterator[Finding]:
    """Sanity only; the CA's own part compares with its certificate, and `--probe` with the mail server."""
    mend = "set the clock: timedatectl set-ntp true"
    if site.now.year < _FIRST_YEAR:
        yield Finding("clock", False, f"this machine believes it is {site.now:%Y-%m-%d %H:%M} UTC", mend)
        return
    newest = _newest_entry(site)
    if newest is not None and newest > site.now + _SKEW:
        what = f"it is {site.now:%Y-%m-%d %H:%M} UTC, but the journal's newest entry is from {newest:%Y-%m-%d %H:%M}"
        yield Finding("clock", False, what, mend)
        return
    yield Finding("clock", True, f"{site.now:%Y-%m-%d %H:%M:%S} UTC")


def examine_journal(site: Site) -> Iterator[Finding]:
    """The whole chain; what saved mails say of it, `ringi journal verify --against` finds."""
    try:
        engine = open_to_look(site)
        if engine is None:
            yield Finding("journal", True, "there is none yet, or it is not ours to look at")
            return
        try:
            with reading(engine) as session:
                chain = journal.walk(session)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        yield Finding("journal", True, f"not examined: {_first_line(error)}", "mend the store first")
        return
    if chain.fault:
        mend = (
            "keep the store as it is; `ringi journal verify --against MAIL` with saved mails tells since when"
        )
        yield Finding("journal", False, f"it does not hold: {chain.fault}", mend)
    else:
        yield Finding("journal", True, f"{chain.length} entries hold, the head is {chain.head[:16]}")


def open_to_look(site: Site) -> Engine | None:
    """The store, to be read; None where there is none, or where our files beside it would hinder its owner."""
    file = sqlite_file(site.config.store.url)
    if file is not None and (not file.exists() or foreign_owner(file.parent)):
        return None
    return open_store(site.config.store.url)


def _folder_fault(site: Site, file: Path) -> Finding | None:
    folder = file.parent
    if not folder.is_dir():
        return Finding("store", False, f"{folder} does not exist", f"mkdir -m 700 {folder}")
    if owner := foreign_owner(folder):
        what = f"{folder} belongs to {owner}: what we wrote there, the service could not use"
        return Finding("store", False, what, as_owner(owner, site))
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("store", False, f"{folder} can't be written", f"chmod u+rwx {folder}")
    return None


def _schema(connection: Connection, url: str) -> Finding:
    """Compares tables and columns with the program's own."""
    found = inspect(connection)
    there = {name: {c["name"] for c in found.get_columns(name)} for name in found.get_table_names()}
    wanted = {table.name: set(table.columns.keys()) for table in Base.metadata.sorted_tables}
    if not there:
        return Finding("store", True, f"{url} is empty; the first start fills it")
    unknown = {name for name in wanted if there.get(name, set()) - wanted[name]}
    unknown |= set(there) - set(wanted) - {_VERSION_TABLE}
    if unknown:
        what = f"{url} was made by a newer Ringi, or is another program's: {_some(unknown)}"
        return Finding("store", False, what, "install the newer Ringi; an older one must not write here")
    if missing := {name for name in wanted if wanted[name] - there.get(name, set())}:
        what = f"{url} is older than this program: {_some(missing)} will be changed at the next start"
        return Finding("store", True, what, "stop the service and copy the store first")
    return Finding("store", True, f"{url} can be written, its schema is the newest")


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (" ..." if len(names) > 3 else "")


def _newest_entry(site: Site) -> datetime | None:
    """When the newest journal entry was written; None where there is no journal that can be read."""
    try:
        file = sqlite_file(site.config.store.url)
        if file is not None and not file.exists():
            return None
        engine = open_store(site.config.store.url)
        try:
            with reading(engine) as session:
                newest = select(JournalEntry.at).order_by(JournalEntry.seq.desc()).limit(1)
                return session.scalar(newest)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError):
        # the store's own part tells what is wrong with it
        return None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
