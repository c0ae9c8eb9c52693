"""What the doctor finds, and what it looks at."""

import os
import pwd
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.config import Config


@dataclass(frozen=True)
class Finding:
    """One line of `ringi check`. `mend`: what to do; with `ok` it is a warning, without one all is well."""

    part: str
    ok: bool
    what: str
    mend: str = ""


@dataclass(frozen=True)
class Site:
    """The installation as it is examined: the configuration, the file it came from, and the time (UTC)."""

    path: Path
    config: Config
    now: datetime


def unused(part: str, section: str) -> Finding:
    """A system of signatures that this desk does without."""
    return Finding(part, True, f"not used: the configuration has no [{section}]")


def foreign_owner(path: Path) -> str | None:
    """Whose `path` is, if it is not ours: gpg and SQLite would leave files that the service can't use."""
    owner = path.stat().st_uid
    if owner == os.geteuid():
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def as_owner(owner: str, site: Site) -> str:
    """The command that examines as the user who owns the files."""
    return f"sudo -u {owner} ringi check --config {site.path.absolute()}"


def is_open_to_all(path: Path, *, bits: int) -> bool:
    """Whether everybody may read (0o004) or write (0o002) the file; a file that isn't there: no."""
    return path.exists() and bool(path.stat().st_mode & bits)
