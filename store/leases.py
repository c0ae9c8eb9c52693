"""Leases: one process runs a round at a time, and a dead one's lease ends by itself."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from store.tables import Lease


def take_lease(session: Session, name: str, holder: str, now: datetime, seconds: int) -> bool:
    """Take or renew the lease; False if another holder's has not ended. Call it under the write lock."""
    lease = session.get(Lease, name)
    if lease is None:
        session.add(Lease(name=name, holder=holder, until=now + timedelta(seconds=seconds)))
        session.flush()
        return True
    if lease.holder != holder and lease.until > now:
        return False
    lease.holder, lease.until = holder, now + timedelta(seconds=seconds)
    session.flush()
    return True


def release_lease(session: Session, name: str, holder: str) -> None:
    lease = session.get(Lease, name)
    if lease is not None and lease.holder == holder:
        session.delete(lease)
