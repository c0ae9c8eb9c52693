"""What a backup says of itself: its first member, JSON."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

NAME = "manifest.json"
DESK, ELSEWHERE = "desk", "elsewhere"
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class BackupFault(Exception):
    """A backup can't be made, or can't be believed; the message says what to do. Nothing was changed."""

    temporary = False


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _require_inside(name: str) -> str:
    """No `.`, no `..` and nothing absolute: a name never leads out of the folder that is restored to."""
    first, *parts = name.split("/")
    if (
        first not in (DESK, ELSEWHERE)
        or not parts
        or "\0" in name
        or any(p in ("", ".", "..") for p in parts)
    ):
        raise ValueError("a member's name leads out of the desk")
    return name


class Member(_Strict):
    """A file. `name`: desk/… for what lies below the configuration, elsewhere/… for the rest; `mode`: permissions."""

    name: Annotated[str, AfterValidator(_require_inside)]
    size: Annotated[int, Field(ge=0)]
    sha256: Digest
    mode: Annotated[int, Field(ge=0, le=0o777)]


class Journal(_Strict):
    """The chain in the copy of the store. `fault`: what is wrong with it, None if it holds."""

    entries: int
    head: Digest
    fault: str | None


class Manifest(_Strict):
    """`store`, `ledger`, `config`: names of members; no `ledger` where nothing was ever signed. `waiting`: mails in
    the store that were not surely sent. `left_out`: keys and passphrases that are needed and not in it, in words."""

    format: Literal[1]
    made_at: datetime
    by: str
    instance: str
    config: str
    store: str
    ledger: str | None
    journal: Journal
    waiting: int
    files: tuple[Member, ...]
    left_out: tuple[str, ...]


def member_name(path: Path, base: Path) -> str:
    """How `path` (absolute) is called in the backup of the desk in `base`."""
    if path.is_relative_to(base):
        return f"{DESK}/{path.relative_to(base).as_posix()}"
    return f"{ELSEWHERE}/{path.as_posix().lstrip('/')}"


def place_of(name: str, directory: Path) -> Path:
    """Where a member is restored to below `directory`."""
    return directory / name.removeprefix(f"{DESK}/")
