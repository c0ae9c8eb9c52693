"""An application's number: counted within its day, however many there were and however the database sorts text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from store import applications
from store.states import ApplicationState, ErrorMode, Kind
from store.tables import Application, Blob
from store.transaction import open_store, upgrade, writing
from tests.servers.postgresql import PostgreSQL
from tests.stores import make_store

pytest_plugins = ("tests.servers.fixtures",)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_store(tmp_path)
    yield engine
    engine.dispose()


def take(session: Session, *numbers: str) -> None:
    if session.get(Blob, "0") is None:
        session.add(Blob(sha256="0", data=b""))
        session.flush()
    alike = {
        "institution": "testkikan",
        "kind": Kind.ISSUE,
        "error_mode": ErrorMode.STOP_ALL,
        "state": ApplicationState.OPEN,
        "mail_sha256": "0",
        "file_sha256": "0",
        "file_name": "a.tsv",
        "encoding": "UTF-8",
        "sheet_sha256": "0",
        "sender": "applicant@example.ac.jp",
        "received_at": NOW,
        "deadline": NOW,
    }
    session.execute(insert(Application), [{**alike, "number": n, "code": n} for n in numbers])


def test_each_day_counts_from_one(engine: Engine) -> None:
    with writing(engine) as session:
        take(session, "A-20261121-0009", "A-20261122-0001", "A-20261122-0002", "A-20261123-0005")
        assert applications.next_number(session, "20261122") == "A-20261122-0003"
        assert applications.next_number(session, "20261124") == "A-20261124-0001"


def test_a_day_may_have_more_than_four_digits_hold(engine: Engine) -> None:
    with writing(engine) as session:
        take(session, *(f"A-20261122-{n:04d}" for n in range(1, 9999)))
        for number in (9999, 10_000, 10_001, 10_002):
            found = applications.next_number(session, "20261122")
            assert found == f"A-20261122-{number}"
            take(session, found)


@pytest.mark.parametrize("collation", ["und", "ja", "en"])
def test_numbers_are_counted_where_the_database_sorts_as_a_language_does(
    postgresql: PostgreSQL, collation: str
) -> None:
    name = f"ringi_sorts_{collation}"
    engine = open_store(postgresql.make_database(name, icu_locale=collation))
    upgrade(engine)
    with writing(engine) as session:
        for number in range(1, 13):
            found = applications.next_number(session, "20261122")
            assert found == f"A-20261122-{number:04d}"
            take(session, found)
    engine.dispose()
    postgresql.drop_database(name)
