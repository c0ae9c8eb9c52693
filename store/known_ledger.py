"""Which ledger the signer behind this store works on. There is one: two would each sign what the other signed."""

from datetime import datetime

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from store import journal, meta
from store.tables import Certificate, Trouble
from store.transaction import reading, writing
from store.troubles import TroubleKind

_NAME = "signer_ledger"


def known(session: Session) -> str | None:
    """None: no signer was met yet."""
    return meta.find(session, _NAME)


def meet(engine: Engine, offered: str) -> str:
    """The id of the ledger that this store belongs to; the first that is ever offered becomes it."""
    with reading(engine) as session:
        found = known(session)
    if found is not None:
        return found
    with writing(engine) as session:
        found = known(session)
        if found is None:
            meta.keep(session, _NAME, offered)
        return found or offered


def count_running(session: Session, now: datetime) -> int:
    """Certificates that were issued and have not ended: what another ledger knows nothing of."""
    query = select(func.count()).where(Certificate.der.is_not(None), Certificate.not_after >= now)
    return session.scalar(query) or 0


def accept(session: Session, id: str, by: str, now: datetime) -> None:
    """From now on the store belongs to this ledger. What the monitors were told of another one is settled by that."""
    facts = {"ledger": id, "before": known(session) or "", "by": by, "forgotten": count_running(session, now)}
    meta.keep(session, _NAME, id)
    session.execute(delete(Trouble).where(Trouble.kind == TroubleKind.LEDGER))
    journal.append(session, now, "ledger", facts)
