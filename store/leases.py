"""Leases: one process runs a round at a time, and a dead one's lease ends by itself."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from store.tables import Lease


def take_lease(
    session: Session, name: str, holder: str, now: datetime, seconds: int, is_dead: Callable[[str], bool]
) -> bool:
    """Take or renew the lease; False if another holder's has not ended. Call it under the write lock.

    `is_dead`: whether a holder surely ended, so that a restart after a crash need not wait.
    """
    lease = session.get(Lease, name)
    if lease is None:
        session.add(Lease(name=name, holder=holder, until=now + timedelta(seconds=seconds)))
        session.flush()
        return True
    if lease.holder != holder and lease.until > now and not is_dead(lease.holder):
        return False
    lease.holder, lease.until = holder, now + timedelta(seconds=seconds)
    session.flush()
    return True


def release_lease(session: Session, name: str, holder: str) -> None:
    lease = session.get(Lease, name)
    if lease is not None and lease.holder == holder:
        session.delete(lease)
