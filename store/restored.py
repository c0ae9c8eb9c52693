"""What a store that was restored can't know: which of the mails that waited have gone out since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from store.states import OutboxState
from store.tables import Outgoing

_NOT_SURELY_SENT = (OutboxState.QUEUED, OutboxState.RETRY, OutboxState.UNKNOWN, OutboxState.SENDING)


@dataclass(frozen=True)
class Unsure:
    """A mail that may have gone out. `id`: its Message-ID; `number`: of its application or batch."""

    recipient: str
    template: str
    number: str | None
    id: str


def count_waiting(session: Session) -> int:
    """Mails that were not surely sent."""
    query = select(func.count()).select_from(Outgoing).where(Outgoing.state.in_(_NOT_SURELY_SENT))
    return session.scalar(query) or 0


def distrust(session: Session, now: datetime, *, hold: bool) -> Sequence[Unsure]:
    """Each mail that waited may have been taken since: the same bytes again, at once; `hold`: never."""
    query = select(Outgoing).where(Outgoing.state.in_(_NOT_SURELY_SENT)).order_by(Outgoing.id)
    found = session.scalars(query.options(defer(Outgoing.data))).all()
    for outgoing in found:
        outgoing.state = OutboxState.FAILED if hold else OutboxState.UNKNOWN
        outgoing.due_at = now
        outgoing.error = "held back when the store was restored" if hold else "the store was restored"
    session.flush()
    return [Unsure(one.recipient, one.template, one.number, one.message_id) for one in found]
