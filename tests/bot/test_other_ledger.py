"""Two ledgers behind one store: the one that the store does not belong to is asked for nothing."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, func, select, text

from bot.ca.protocol import CaFault
from bot.cli_ledger import accept_ledger
from bot.signer.client import ForeignLedger
from store import journal, known_ledger, troubles
from store.signer_ledger import GivenSerial, RevokedRow, SignedList, SignedRow, id_of, open_ledger
from store.transaction import open_store, reading, upgrade, writing
from store.troubles import TroubleKind
from tests.applications import tsv_line
from tests.bot.test_backup import CONFIG
from tests.bot.test_certify import certifier
from tests.revocations import RevocationDesk, open_desk, revoke_line

Patch, Printed = pytest.MonkeyPatch, pytest.CaptureFixture[str]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RevocationDesk]:
    opened = open_desk(tmp_path)
    yield opened
    opened.world.engine.dispose()
    opened.ledger.dispose()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Engine]:
    """The ledger of a second machine, empty."""
    opened = open_ledger(tmp_path / "other.db")
    yield opened
    opened.dispose()


def all_in(ledger: Engine) -> int:
    with reading(ledger) as session:
        tables = (GivenSerial, SignedRow, RevokedRow, SignedList)
        return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def issue_all(desk: RevocationDesk) -> int:
    return certifier(desk).certify_all(lambda: True)


def test_the_second_ledger_signs_nothing_and_the_rows_wait_for_the_first(
    desk: RevocationDesk, other: Engine
) -> None:
    first = desk.ledger
    desk.issue()
    number = desk.world.take(tsv_line("test2.example.ac.jp"))
    desk.decide("承認", number)
    desk.ledger = other
    assert issue_all(desk) == 0
    assert desk.world.states(number) == ["approved"]
    assert all_in(other) == 0
    desk.ledger = first
    assert issue_all(desk) == 1
    assert desk.world.states(number) == ["issued"]


def test_an_intent_of_the_first_is_not_ended_by_the_second(desk: RevocationDesk, other: Engine) -> None:
    """The signer went away over the question; who answers next has another ledger."""
    number = desk.world.take(tsv_line())
    desk.decide("承認", number)
    first, certify = desk.ledger, certifier(desk)

    def die(question: bytes) -> bytes:
        if b'"ask":"issue"' in question:
            raise CaFault("gone", temporary=True)
        return call(question)

    call = certify.signer.call
    object.__setattr__(certify.signer, "call", die)
    assert certify.certify_all(lambda: True) == 0
    desk.ledger = other
    for _ in range(2):
        certify = certifier(desk)
        assert certify.certify_all(lambda: True) == 0
        assert isinstance(certify.signer.heard.fault, ForeignLedger)
        assert desk.world.states(number) == ["signing"]
    assert all_in(other) == 0
    desk.ledger = first
    assert issue_all(desk) == 1


def test_a_revocation_and_a_list_wait_too(desk: RevocationDesk, other: Engine) -> None:
    serial = desk.issue()
    desk.round()
    first, newest = desk.ledger, desk.newest()
    number = desk.ask(revoke_line(serial))
    desk.ledger = other
    assert desk.round() == 0
    assert (desk.newest(), desk.revoked(), desk.world.states(number)) == (newest, {}, ["signing"])
    assert all_in(other) == 0
    desk.ledger = first
    assert desk.round() == 1
    assert set(desk.revoked()) == {serial}


def test_a_list_that_takes_back_a_revocation_is_refused_until_the_certificate_has_ended(
    desk: RevocationDesk, other: Engine
) -> None:
    """An operator accepted the other ledger, and its numbers have come higher than ours."""
    serial = desk.issue()
    desk.ask(revoke_line(serial))
    desk.round()
    kept = desk.newest()
    assert set(desk.revoked()) == {serial}
    now, number = desk.world.now, kept[0] + 5
    der = desk.ca.crl([], number=number, this_update=now, next_update=now + timedelta(days=7))
    with writing(other) as session:
        times = {"this_update": now, "next_update": now + timedelta(days=7)}
        session.add(SignedList(number=number, issuer=desk.issuer, revocations=0, der=der, **times))
    with writing(desk.world.engine) as session:
        known_ledger.accept(session, id_of(other, secrets.token_bytes), "an operator", now)
    desk.ledger = other
    revoker = desk.revoker()
    revoker.revoke_all(lambda: True)
    assert (desk.newest(), set(desk.revoked())) == (kept, {serial})
    assert f"lacks {serial}, which is revoked" in str(revoker.signer.heard.fault)
    desk.world.now += timedelta(days=400)
    desk.round()
    assert desk.newest()[0] > number


def test_a_signer_that_is_exchanged_under_a_running_desk_is_noticed(
    desk: RevocationDesk, other: Engine
) -> None:
    client = desk.client()
    (given,) = client.reserve(1)
    desk.ledger = other
    moved = type(client)(desk.client().call, client.who, client.meet)
    with pytest.raises(ForeignLedger) as caught:
        moved.reserve(1)
    assert not caught.value.temporary
    assert (all_in(other), given.serial > 0) == (0, True)


def test_of_two_ledgers_at_first_contact_one_wins(desk: RevocationDesk) -> None:
    """Two machines start at the same moment."""
    ids, found = [f"{n}" * 32 for n in range(1, 5)], []
    start = threading.Barrier(len(ids))

    def meet(offered: str) -> None:
        start.wait()
        found.append(known_ledger.meet(desk.world.engine, offered))

    threads = [threading.Thread(target=meet, args=(one,)) for one in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0] in ids


def test_a_ledger_of_the_first_version_gets_an_id_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    engine = open_ledger(path)
    with writing(engine) as session:
        session.execute(text("DROP TABLE ledger_id"))
    engine.dispose()
    ids = set()
    for _ in range(3):
        engine = open_ledger(path)
        ids.add(id_of(engine, secrets.token_bytes))
        engine.dispose()
    assert len(ids) == 1
    assert len(ids.pop()) == 32


# -- what an operator says


@pytest.fixture
def config(desk: RevocationDesk, tmp_path: Path) -> Path:
    """A configuration whose store is the desk's."""
    path = tmp_path / "config.toml"
    path.write_text(f'{CONFIG}[store]\nurl = "sqlite:///{tmp_path}/ringi.db"\n')
    with closing(desk.world.engine.raw_connection()) as connection:
        connection.cursor().execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.cursor().execute("INSERT INTO alembic_version VALUES ('9999')")
        connection.commit()
    return path


def test_an_operator_lets_the_store_belong_to_another_ledger(
    desk: RevocationDesk, other: Engine, config: Path, monkeypatch: Patch, capsys: Printed
) -> None:
    monkeypatch.setattr("store.transaction.newest_revision", lambda: "9999")
    number = desk.world.take(tsv_line())
    desk.decide("承認", number)
    old, new = id_of(desk.ledger, secrets.token_bytes), id_of(other, secrets.token_bytes)
    desk.client().reserve(1)
    desk.ledger = other
    assert issue_all(desk) == 0
    with writing(desk.world.engine) as session:
        troubles.begin(session, TroubleKind.LEDGER, "here", desk.world.now, "").told_at = desk.world.now
    accept_ledger(new, config)
    assert f"before: {old}" in capsys.readouterr().out
    assert issue_all(desk) == 1
    with reading(desk.world.engine) as session:
        entry = journal.newest(session, "ledger")
        assert entry is not None
        assert f'"before":"{old}"' in entry.facts
        assert f'"ledger":"{new}"' in entry.facts
        assert troubles.standing(session) == []
        assert journal.first_fault(session) is None


def test_certificates_that_run_are_forgotten_only_on_a_plain_word(
    desk: RevocationDesk, other: Engine, config: Path, monkeypatch: Patch, capsys: Printed
) -> None:
    monkeypatch.setattr("store.transaction.newest_revision", lambda: "9999")
    monkeypatch.setattr("bot.wiring.utc_now", lambda: desk.world.now)
    desk.issue()
    old, new = id_of(desk.ledger, secrets.token_bytes), id_of(other, secrets.token_bytes)
    with pytest.raises(typer.Exit) as ended:
        accept_ledger(new, config)
    assert ended.value.exit_code == 1
    assert "1 certificate(s) that run" in capsys.readouterr().err
    with reading(desk.world.engine) as session:
        assert known_ledger.known(session) == old
    accept_ledger(new, config, forget=True)
    with reading(desk.world.engine) as session:
        assert known_ledger.known(session) == new
    # what has ended is no loss
    monkeypatch.setattr("bot.wiring.utc_now", lambda: desk.world.now + timedelta(days=9999))
    accept_ledger(old, config)


@pytest.mark.parametrize("id", ["", "abc", "g" * 32, "A" * 32])
def test_what_is_no_id_is_refused(id: str, config: Path) -> None:
    with pytest.raises(typer.Exit):
        accept_ledger(id, config)


def test_a_store_that_met_nobody_can_be_told_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'{CONFIG}[store]\nurl = "sqlite:///{tmp_path}/empty.db"\n')
    engine = open_store(f"sqlite:///{tmp_path}/empty.db")
    upgrade(engine)
    accept_ledger("1" * 32, tmp_path / "config.toml")
    assert known_ledger.meet(engine, "2" * 32) == "1" * 32
    engine.dispose()
