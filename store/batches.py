"""Sheets of many applications, one a day and institution."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from store.states import ApplicationState, EntryState
from store.tables import Application, Batch, Entry


def find_by_code(session: Session, code: str) -> Batch | None:
    return session.scalar(select(Batch).where(Batch.code == code))


def is_made(session: Session, number: str) -> bool:
    return session.get(Batch, number) is not None


def open_applications(session: Session, institution: str, now: datetime) -> Sequence[Application]:
    """Those with rows that officers may decide at `now`, the one that ends first first."""
    query = (
        select(Application)
        .where(
            Application.institution == institution,
            Application.state == ApplicationState.OPEN,
            Application.deadline >= now,
            exists().where(Entry.number == Application.number, Entry.state == EntryState.WAITING),
        )
        .order_by(Application.deadline, Application.number)
    )
    return session.scalars(query).all()


def is_anything_undecided(session: Session, institution: str) -> bool:
    """Whether there may be something for a batch tomorrow, on hold as it may be now."""
    undecided = (ApplicationState.OPEN, ApplicationState.HELD)
    query = exists().where(Application.institution == institution, Application.state.in_(undecided))
    return bool(session.scalar(select(query)))
