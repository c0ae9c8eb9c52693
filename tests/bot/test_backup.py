"""Backups: one moment of store and ledger in an order that heals, no secret in it, and nothing believed unread."""

import io
import json
import os
import secrets
import stat
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import select, text

from bot.backup.make import make_backup
from bot.backup.manifest import BackupFault
from bot.backup.restore import restore
from bot.cli_backup import backup
from bot.cli_backup import restore as restore_command
from bot.config import Config, load_config
from store import journal, known_ledger, meta, outbox
from store import signer_ledger as ledger
from store.states import OutboxState
from store.tables import JournalEntry, Lease, Outgoing
from store.transaction import open_store, reading, upgrade, writing

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
CONFIG = """
instance = "ringi.example.ac.jp"
address = "ringi@example.ac.jp"
[imap]
host = "imap.example.ac.jp"
user = "ringi"
password_file = "mail.password"
[smtp]
host = "smtp.example.ac.jp"
[openpgp]
fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
[ca]
key = "ca/ca.key"
certificate = "ca/ca.pem"
passphrase_file = "ca/passphrase"
[web]
public_url = "https://ringi.example.ac.jp"
"""
FILES = {
    "config.toml": CONFIG,
    "mail.password": "hunter2",
    "ca/ca.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "ca/ca.pem": "-----BEGIN CERTIFICATE-----",
    "ca/passphrase": "open sesame",
    "register/testkikan.toml": 'name = "テスト機関"',
    "register/keys/suzuki.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    "register/keys/suzuki-secret.asc": "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "state/gnupg/private-keys-v1.d/a.key": "secret",
}


@pytest.fixture
def desk(tmp_path: Path) -> Config:
    """Its files, an empty store with two entries in its journal, and a ledger."""
    for name, content in FILES.items():
        path = tmp_path / "desk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    config = load_config(tmp_path / "desk" / "config.toml")
    with closing(_Engine(config.store.url)) as opened:
        upgrade(opened.engine)
        with writing(opened.engine) as session:
            for event in ("one", "two"):
                journal.append(session, NOW, event, {})
    ledger.open_ledger(config.signer.ledger).dispose()
    return config


class _Engine:
    def __init__(self, url: str) -> None:
        self.engine = open_store(url)

    def close(self) -> None:
        self.engine.dispose()


def back_up(desk: Config, target: Path):  # type: ignore[no-untyped-def]
    return make_backup(desk, target.parent / "desk" / "config.toml", target, "root", NOW)


def ledger_id(path: Path) -> str:
    engine = ledger.open_ledger(path)
    try:
        return ledger.id_of(engine, secrets.token_bytes)
    finally:
        engine.dispose()


def test_a_restored_desk_has_the_ledger_that_its_store_belongs_to(desk: Config, tmp_path: Path) -> None:
    offered = ledger_id(desk.signer.ledger)
    with closing(_Engine(desk.store.url)) as opened:
        assert known_ledger.meet(opened.engine, offered) == offered
    back_up(desk, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "new", "root", LATER, hold_mails=False)
    assert ledger_id(tmp_path / "new/state/signer.db") == offered
    with closing(_Engine(f"sqlite:///{tmp_path}/new/state/ringi.db")) as opened, reading(opened.engine) as s:
        assert known_ledger.known(s) == offered


def queue(desk: Config, name: str, state: OutboxState) -> None:
    with closing(_Engine(desk.store.url)) as opened, writing(opened.engine) as session:
        message_id = f"<{name}@ringi.example.ac.jp>"
        row = outbox.enqueue(
            session,
            recipient=f"{name}@example.ac.jp",
            template="applicant.received",
            message_id=message_id,
            number=None,
            data=b"x",
            now=NOW,
        )
        row.state = state


def states(url: str) -> dict[str, OutboxState]:
    with closing(_Engine(url)) as opened, reading(opened.engine) as session:
        return {row.recipient.partition("@")[0]: row.state for row in session.scalars(select(Outgoing))}


def rewritten(source: Path, target: Path, name: str, change: bytes | None) -> Path:
    """The same tar with another content of one member, or without it."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            octets = content.read()
            if member.name == name:
                if change is None:
                    continue
                octets = change
                member.size = len(octets)
            new.addfile(member, io.BytesIO(octets))
    return target


def test_a_backup_has_everything_but_what_opens_something(desk: Config, tmp_path: Path) -> None:
    manifest = back_up(desk, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        names = tar.getnames()
        whole = b"".join(tar.extractfile(name).read() for name in names)  # type: ignore[union-attr]
    assert names == [
        "manifest.json",
        "desk/state/ringi.db",
        "desk/state/signer.db",
        "desk/config.toml",
        "desk/register/keys/suzuki.asc",
        "desk/register/testkikan.toml",
        "desk/ca/ca.pem",
    ]
    assert not [word for word in (b"hunter2", b"sesame", b"PRIVATE KEY") if word in whole]
    said = "\n".join(manifest.left_out)
    for name in ("ca/ca.key", "ca/passphrase", "mail.password", "state/gnupg"):
        assert str(tmp_path / "desk" / name) in said
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["b.tar", "desk"]


def test_what_the_store_knows_the_ledger_of_the_same_backup_knows(desk: Config, tmp_path: Path) -> None:
    """As when the service works on: the signer commits first, then the desk."""
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        with (
            closing(_Engine(desk.store.url)) as store,
            closing(_Engine(f"sqlite:///{desk.signer.ledger}")) as own,
        ):
            number = 0
            while not stop.is_set():
                number += 1
                with writing(own.engine) as session:
                    ledger.give_serials(session, [number], NOW)
                with writing(store.engine) as session:
                    meta.keep(session, "serial", str(number))
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(30)
    try:
        for turn in range(8):
            back_up(desk, tmp_path / f"{turn}.tar")
    finally:
        stop.set()
        thread.join()
    known = []
    for turn in range(8):
        restore(tmp_path / f"{turn}.tar", tmp_path / f"r{turn}", "root", LATER, hold_mails=False)
        state = tmp_path / f"r{turn}" / "state"
        with closing(_Engine(f"sqlite:///{state}/ringi.db")) as store, reading(store.engine) as session:
            known.append(int(meta.find(session, "serial") or 0))
        with closing(_Engine(f"sqlite:///{state}/signer.db")) as own, reading(own.engine) as session:
            assert len(ledger.given_at(session, map(str, range(1, known[-1] + 1)))) == known[-1]
    assert known[-1] > known[0] > 0


def test_mails_that_waited_go_out_again_and_those_sent_stay_sent(desk: Config, tmp_path: Path) -> None:
    for state in OutboxState:
        queue(desk, state.value, state)
    back_up(desk, tmp_path / "b.tar")
    restored = restore(tmp_path / "b.tar", tmp_path / "r", "root", LATER, hold_mails=False)
    assert states(f"sqlite:///{tmp_path}/r/state/ringi.db") == {
        "queued": OutboxState.UNKNOWN,
        "sending": OutboxState.UNKNOWN,
        "sent": OutboxState.SENT,
        "retry": OutboxState.UNKNOWN,
        "unknown": OutboxState.UNKNOWN,
        "failed": OutboxState.FAILED,
    }
    assert len(restored.unsure) == restored.manifest.waiting == 4
    restore(tmp_path / "b.tar", tmp_path / "h", "root", LATER, hold_mails=True)
    held = states(f"sqlite:///{tmp_path}/h/state/ringi.db")
    assert {state for name, state in held.items() if name != "sent"} == {OutboxState.FAILED}


def test_the_restored_journal_says_so_and_no_lease_is_left(desk: Config, tmp_path: Path) -> None:
    with closing(_Engine(desk.store.url)) as opened, writing(opened.engine) as session:
        session.add(Lease(name="round", holder="another", until=LATER))
    manifest = back_up(desk, tmp_path / "b.tar")
    assert (manifest.journal.entries, manifest.journal.fault) == (2, None)
    restore(tmp_path / "b.tar", tmp_path / "r", "hanako", LATER, hold_mails=False)
    with (
        closing(_Engine(f"sqlite:///{tmp_path}/r/state/ringi.db")) as opened,
        reading(opened.engine) as session,
    ):
        assert session.get(Lease, "round") is None
        assert journal.first_fault(session) is None
        newest = session.scalars(select(JournalEntry).order_by(JournalEntry.seq.desc())).first()
        assert newest is not None
        assert (newest.event, newest.previous) == ("restored", manifest.journal.head)
        assert json.loads(newest.facts)["by"] == "hanako"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("desk/state/signer.db", None, "is missing"),
        ("desk/config.toml", b"instance = 'another'", "SHA-256 is another"),
        ("manifest.json", b"{}", "manifest can't be read"),
        ("manifest.json", None, "does not begin with a manifest"),
    ],
)
def test_a_backup_that_was_changed_is_not_restored(
    desk: Config, tmp_path: Path, name: str, change: bytes | None, words: str
) -> None:
    back_up(desk, tmp_path / "b.tar")
    changed = rewritten(tmp_path / "b.tar", tmp_path / "c.tar", name, change)
    with pytest.raises(BackupFault, match=words):
        restore(changed, tmp_path / "r", "root", LATER, hold_mails=False)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "name", ["desk/../../out", "/etc/out", "desk/./out", "elsewhere/..", "out", "desk//out"]
)
def test_no_name_in_a_manifest_leads_out_of_the_folder(desk: Config, tmp_path: Path, name: str) -> None:
    back_up(desk, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    manifest["files"][2]["name"] = name
    changed = rewritten(
        tmp_path / "b.tar", tmp_path / "c.tar", "manifest.json", json.dumps(manifest).encode()
    )
    with pytest.raises(BackupFault, match="manifest can't be read"):
        restore(changed, tmp_path / "r", "root", LATER, hold_mails=False)


def test_half_a_backup_is_not_restored(desk: Config, tmp_path: Path) -> None:
    back_up(desk, tmp_path / "b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    for part in (0, 300, 5000, len(whole) // 2):
        (tmp_path / "c.tar").write_bytes(whole[:part])
        with pytest.raises(BackupFault):
            restore(tmp_path / "c.tar", tmp_path / "r", "root", LATER, hold_mails=False)
        assert not (tmp_path / "r").exists()


def test_nothing_is_overwritten(desk: Config, tmp_path: Path) -> None:
    back_up(desk, tmp_path / "b.tar")
    with pytest.raises(BackupFault, match="nothing is overwritten"):
        back_up(desk, tmp_path / "b.tar")
    with pytest.raises(BackupFault, match="nothing is overwritten"):
        restore(tmp_path / "b.tar", tmp_path / "desk", "root", LATER, hold_mails=False)


def test_a_journal_that_does_not_hold_is_backed_up_and_told(desk: Config, tmp_path: Path) -> None:
    with closing(_Engine(desk.store.url)) as opened, writing(opened.engine) as session:
        session.execute(text("UPDATE journal SET facts = '[]' WHERE seq = 1"))
    manifest = back_up(desk, tmp_path / "b.tar")
    assert manifest.journal.fault == "entry 1 was changed"
    assert (tmp_path / "b.tar").exists()


def test_a_postgresql_store_is_left_to_pg_dump(desk: Config, tmp_path: Path) -> None:
    store = desk.store.model_copy(update={"url": "postgresql+psycopg://ringi@localhost/ringi"})
    with pytest.raises(BackupFault, match="pg_dump"):
        back_up(desk.model_copy(update={"store": store}), tmp_path / "b.tar")


def test_the_commands_say_what_is_missing_and_what_comes_next(
    desk: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue(desk, "hanako", OutboxState.QUEUED)
    config = tmp_path / "desk" / "config.toml"
    backup(tmp_path / "b.tar", config)
    said = capsys.readouterr().out
    assert f"the CA's key: {tmp_path}/desk/ca/ca.key" in said
    assert "2 journal entries, head " in said
    restore_command(tmp_path / "b.tar", tmp_path / "r")
    said = capsys.readouterr().out
    for words in (
        "hanako@example.ac.jp  applicant.received",
        "stop the old desk",
        f"check -c {tmp_path}/r/config.toml",
    ):
        assert words in said
    with closing(_Engine(desk.store.url)) as opened, writing(opened.engine) as session:
        session.execute(text("UPDATE journal SET facts = '[]' WHERE seq = 1"))
    with pytest.raises(typer.Exit) as ended:
        backup(tmp_path / "c.tar", config)
    assert ended.value.exit_code == 1
    assert "its journal does not hold" in capsys.readouterr().err
