"""What WHOIS answered, kept for a while so that one batch of rows asks once."""

import json
from datetime import datetime

from sqlalchemy.orm import Session

from store.tables import WhoisAnswer


def find(session: Session, domain: str, since: datetime) -> tuple[str, ...] | None:
    """The names shown for `domain`, if the answer came at `since` or later."""
    row = session.get(WhoisAnswer, domain)
    return tuple(json.loads(row.names)) if row is not None and row.asked_at >= since else None


def keep(session: Session, domain: str, names: tuple[str, ...], asked_at: datetime) -> None:
    text = json.dumps(names, ensure_ascii=False)
    row = session.get(WhoisAnswer, domain)
    if row is None:
        session.add(WhoisAnswer(domain=domain, asked_at=asked_at, names=text))
        session.flush()
    else:
        row.asked_at, row.names = asked_at, text
