"""Leases: who is at work on what, and until when. One process works on a thing at a time; a dead one's leases end by
themselves."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from store.tables import Lease


@dataclass(frozen=True)
class Holder:
    """A process, by a name that no other ever has. `is_dead`: whether the process of that name surely ended, so that
    a restart after a crash need not wait; `is_near`: whether that can be known of it at all."""

    name: str
    is_dead: Callable[[str], bool]
    is_near: Callable[[str], bool]


def clock(session: Session, now: datetime) -> datetime:
    """The time that leases are measured by: the database's where hosts share one, whose own clocks differ."""
    if session.get_bind().dialect.name != "postgresql":
        return now
    # not now(): that is when the transaction began to wait for the lock
    return session.scalar(select(func.clock_timestamp())) or now


def take_lease(session: Session, name: str, holder: Holder, now: datetime, seconds: int) -> bool:
    """Take or renew one lease; False if another holder's has not ended. Call it under the write lock."""
    return bool(take_leases(session, [name], holder, now, seconds))


def take_leases(
    session: Session, names: Collection[str], holder: Holder, now: datetime, seconds: int
) -> set[str]:
    """Take or renew those that no other holder has; which they are. Call it under the write lock."""
    known = {lease.name: lease for lease in session.scalars(select(Lease).where(Lease.name.in_(names)))}
    now = clock(session, now)
    until, taken = now + timedelta(seconds=seconds), set()
    for name in dict.fromkeys(names):
        lease = known.get(name)
        if lease is None:
            session.add(Lease(name=name, holder=holder.name, until=until))
        elif lease.holder == holder.name or not _holds(lease, now, until) or holder.is_dead(lease.holder):
            lease.holder, lease.until = holder.name, until
        else:
            continue
        taken.add(name)
    session.flush()
    return taken


def _holds(lease: Lease, now: datetime, farthest: datetime) -> bool:
    """One that ends later than any taken now was taken before the clock was set back."""
    return now < lease.until <= farthest


def release_leases(session: Session, names: Collection[str], holder: Holder) -> None:
    session.execute(delete(Lease).where(Lease.name.in_(names), Lease.holder == holder.name))


def others_hold(session: Session, prefix: str, holder: Holder, now: datetime) -> bool:
    """Whether another process is at work on anything of this name; one that died may have left it half done."""
    is_such = Lease.name.startswith(prefix, autoescape=True)
    query = exists().where(is_such, Lease.holder != holder.name, Lease.until > clock(session, now))
    return bool(session.scalar(select(query)))


def forget_ended(session: Session, now: datetime) -> None:
    """Leases on what is done, left by those who died over it."""
    session.execute(delete(Lease).where(Lease.until < clock(session, now) - timedelta(days=1)))
