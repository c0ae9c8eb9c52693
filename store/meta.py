"""Single facts about this store, by name."""

from sqlalchemy.orm import Session

from store.tables import Meta


def find(session: Session, name: str) -> str | None:
    row = session.get(Meta, name)
    return row.value if row else None


def keep(session: Session, name: str, value: str) -> None:
    row = session.get(Meta, name)
    if row is None:
        session.add(Meta(name=name, value=value))
        session.flush()
    else:
        row.value = value
