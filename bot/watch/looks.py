"""What is looked at between two rounds: disks, our revocation list, our keys, the officers left. Each gives a Look.

Details are figures, days and names, in no language: they stand in Japanese mails and in English ones.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from bot.smime.fetch import warning_time
from handlers.context import Context
from handlers.rules.key_ends import WARNING_DAYS, find_shortage
from handlers.trouble import Look, Seen
from store import crls
from store.troubles import ENDED, TroubleKind

_MEGABYTE = 1024 * 1024
_EASED = 1.1  # so much more than the limit, and it is over: a disk at the limit must not tell every minute


@dataclass(frozen=True)
class OwnKey:
    """A key or certificate of the bot or of the CA. `ends`: asked anew, for some are renewed while we run."""

    name: str
    ends: Callable[[], datetime | None]


def look_at_disks(folders: Collection[Path], limit_mb: int, known: Collection[str]) -> Look:
    """`known`: the folders whose disks were nearly full before."""
    seen = []
    for folder in _on_different_disks(folders):
        usage = shutil.disk_usage(folder)
        free, total = usage.free // _MEGABYTE, usage.total // _MEGABYTE
        if free < limit_mb * (_EASED if str(folder) in known else 1):
            seen.append(Seen(str(folder), f"{free} MB / {total} MB (< {limit_mb} MB)"))
    return Look(TroubleKind.DISK, tuple(seen))


def _on_different_disks(folders: Collection[Path]) -> Iterator[Path]:
    disks = set()
    for folder in folders:
        if folder.is_dir() and (disk := folder.stat().st_dev) not in disks:
            disks.add(disk)
            yield folder


def look_at_crl(session: Session, now: datetime) -> Look:
    """A new list is made at half of its time; one that comes into its last quarter could not be made."""
    found = crls.newest_times(session)
    if found is None or found.next_update - now >= warning_time(found.next_update - found.this_update):
        return Look(TroubleKind.CRL)
    detail = f"CRL {found.number}, nextUpdate {found.next_update:%Y-%m-%d %H:%M} UTC"
    return Look(TroubleKind.CRL, (Seen("ca.crl", detail),))


def look_at_own_keys(keys: Sequence[OwnKey], now: datetime) -> Look:
    """Told 30, 14 and 7 days before the end, and when it has come."""
    seen = []
    for key in keys:
        ends = key.ends()
        stage = _stage(ends, now) if ends else 0
        if ends and stage:
            days = max(0, (ends - now).days)
            detail = f"{ends:%Y-%m-%d %H:%M} UTC ({days} d)"
            seen.append(Seen(key.name, detail, stage))
    return Look(TroubleKind.OWN_KEY, tuple(seen))


def _stage(ends: datetime, now: datetime) -> int:
    """How many of the warnings' days are reached; ENDED after its end."""
    if ends <= now:
        return ENDED
    return sum(ends - now <= timedelta(days=days) for days in WARNING_DAYS)


def look_at_officers(ctx: Context) -> Look:
    """The institutions that nobody can approve for (docs/decisions/0013): how many can sign now, and who."""
    found = (find_shortage(one, ctx.officer_keys, ctx.now) for one in ctx.register.institutions.values())
    seen = (Seen(s.institution, f"{len(s.able)} {' '.join(s.able)}".strip()) for s in found if s)
    return Look(TroubleKind.NO_OFFICER, tuple(seen))
