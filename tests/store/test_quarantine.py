"""Mails that were set aside: what a person decides holds, and stands in the journal."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from store import inbox, journal, quarantine
from store.states import Filed
from store.tables import Attempt, Base, JournalEntry, Mail
from store.transaction import open_store, writing

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RAW = b"From: somebody@example.ac.jp\r\n\r\nx\r\n"
DIGEST = sha256(RAW).hexdigest()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with writing(engine) as session:
        yield session


def keep(session: Session, uid: int, kind: str = inbox.CRASHED, filed: Filed = Filed.QUARANTINE) -> int:
    row = Mail(
        account="bot",
        folder="INBOX",
        uidvalidity=1,
        uid=uid,
        raw_sha256=DIGEST,
        received_at=NOW,
        handled_at=NOW,
        kind=kind,
        reason="crashed",
        filed=filed,
    )
    session.add(row)
    session.flush()
    return row.id


def events(session: Session) -> list[dict[str, object]]:
    query = select(JournalEntry.facts).where(JournalEntry.event == "quarantine").order_by(JournalEntry.seq)
    return [json.loads(facts) for facts in session.scalars(query)]


def test_only_what_was_set_aside_is_listed_with_its_attempts_and_its_size(session: Session) -> None:
    first = keep(session, 1)
    keep(session, 2, "application", Filed.DONE)
    keep(session, 3, "decision", Filed.REFUSED)
    for _ in range(3):
        inbox.count_attempt(session, ("bot", "INBOX", 1, 1), "ValueError: planted", NOW)
    (found,) = quarantine.asides(session)
    assert (found.id, found.attempts, found.error, found.kept) == (first, 3, "ValueError: planted", None)
    inbox.keep_blob(session, RAW)
    assert quarantine.asides(session)[0].kept == len(RAW)
    assert quarantine.aside(session, first + 1) is None


def test_DOS4_a_released_mail_is_handled_anew_and_then_never_again(session: Session) -> None:
    id = keep(session, 1, "unreadable")
    inbox.count_attempt(session, ("bot", "INBOX", 1, 1), "ValueError: planted", NOW)
    assert inbox.was_handled(session, DIGEST)
    quarantine.release(session, id, "hanako", NOW)
    assert not inbox.was_handled(session, DIGEST)
    assert session.scalars(select(Attempt)).all() == []
    # until it lies among those that wait, a person can go on with it
    found = quarantine.aside(session, id)
    assert found is not None
    assert found.is_released
    quarantine.close_retry(session, id)
    assert quarantine.aside(session, id) is None
    keep(session, 2, "application", Filed.DONE)
    assert inbox.was_handled(session, DIGEST)


def test_DOS4_a_mail_that_only_crashed_us_is_no_duplicate_when_it_is_put_back_by_hand(
    session: Session,
) -> None:
    keep(session, 1)
    assert not inbox.was_handled(session, DIGEST)


def test_a_dropped_mail_is_a_duplicate_when_it_comes_again(session: Session) -> None:
    id = keep(session, 1)
    quarantine.drop(session, id, "hanako", NOW)
    assert inbox.was_handled(session, DIGEST)
    assert quarantine.asides(session) == []


def test_the_journal_says_who_did_what_with_which_mail(session: Session) -> None:
    first, second = keep(session, 1), keep(session, 2)
    quarantine.release(session, first, "hanako", NOW)
    quarantine.drop(session, second, "taro", NOW)
    said = [(facts["action"], facts["id"], facts["by"], facts["mail"]) for facts in events(session)]
    assert said == [("retry", first, "hanako", DIGEST), ("drop", second, "taro", DIGEST)]
    assert journal.first_fault(session) is None
