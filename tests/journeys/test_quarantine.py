"""`ringi quarantine` between real servers: set aside, mended, handled anew, answered once."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.demo.mailbox import subject_of
from bot.demo.replies import plain_mail
from bot.imap.folder import Folder
from store.tables import JournalEntry, Outgoing
from tests.journeys.desk import BOT, Desk
from tests.journeys.test_faults import application, deliver
from tests.servers.people import APPLICANT

pytest_plugins = ("tests.servers.fixtures",)

CRASH = (
    "import bot.intake as m\nwhole = m.handle\n"
    "def crash(mail, ctx):\n    assert '申請' not in mail.subject, 'planted'\n    return whole(mail, ctx)\n"
    "m.handle = crash"
)


def listed(desk: Desk) -> list[dict[str, object]]:
    done = desk.ringi("quarantine", "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def uids_in(desk: Desk, name: str) -> list[int]:
    with Folder(desk.servers.dovecot.imap(BOT, folder=name)) as folder:
        return folder.uids()


def set_aside(desk: Desk, raw: bytes) -> int:
    """Have `raw` make us stumble three times; its number in the list."""
    deliver(desk, raw)
    for _ in range(3):
        desk.ringi("once", code=CRASH)
    (mail,) = listed(desk)
    assert isinstance(mail["id"], int)
    return mail["id"]


def answers(desk: Desk) -> list[str]:
    return [subject_of(raw) for raw in desk.officer.mailbox.all() if "承認のお願い" in subject_of(raw)]


def test_DOS4_a_mail_that_was_set_aside_is_handled_anew_and_answered_once(desk: Desk, tmp_path: Path) -> None:
    raw = application(desk, "test1.example.ac.jp")
    id = set_aside(desk, raw)
    (mail,) = listed(desk)
    assert (mail["reason"], mail["attempts"], mail["sender"]) == ("crashed", 3, APPLICANT)
    assert mail["subject"] == "発行申請"
    assert "planted" in str(mail["error"])
    assert not desk.states()

    saved = tmp_path / "saved.eml"
    assert desk.ringi("quarantine", "show", str(id), "--raw", str(saved)).returncode == 0
    assert desk.explain(saved)[0]["kind"] == "application"
    assert mail["size"] == len(saved.read_bytes())

    with desk.running():
        done = desk.ringi("quarantine", "retry", str(id))
        assert done.returncode == 0, done.stderr
        desk.officer.mailbox.wait_for("承認のお願い")
    assert list(desk.states().values()) == [["waiting"]]
    assert listed(desk) == []
    assert uids_in(desk, "Quarantine") == []

    again = desk.ringi("quarantine", "retry", str(id))
    assert (again.returncode, "no mail" in again.stderr) == (1, True)
    desk.once()
    assert len(answers(desk)) == 1
    assert len(desk.states()) == 1
    assert desk.ringi("journal", "verify").returncode == 0


@pytest.mark.parametrize("step", ["Folder.move", "quarantine.close_retry"])
def test_a_retry_that_is_cut_off_goes_on_with_the_next(desk: Desk, step: str) -> None:
    id = set_aside(desk, application(desk, "test1.example.ac.jp"))
    owner, _, name = step.rpartition(".")
    kill = (
        "import os, signal, bot.quarantine as m\n"
        f"m.{owner}.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert desk.ringi("quarantine", "retry", str(id), code=kill).returncode == -9
    desk.once()
    assert listed(desk)[0]["retry_begun"] is True
    done = desk.ringi("quarantine", "retry", str(id))
    assert done.returncode == 0, done.stderr
    desk.once()
    desk.officer.mailbox.wait_for("承認のお願い")
    assert list(desk.states().values()) == [["waiting"]]
    assert len(answers(desk)) == 1
    assert listed(desk) == []


def test_a_dropped_mail_is_in_the_journal_and_never_answered(desk: Desk) -> None:
    raw = application(desk, "test1.example.ac.jp")
    id = set_aside(desk, raw)
    assert desk.ringi("quarantine", "drop", str(id)).returncode == 0
    assert listed(desk) == []
    assert (uids_in(desk, "Quarantine"), len(uids_in(desk, "Refused"))) == ([], 1)
    deliver(desk, plain_mail(APPLICANT, BOT, "help", "?\n", {}))
    desk.once()
    assert not desk.states()
    with desk.reading() as session:
        entry = session.scalars(select(JournalEntry).where(JournalEntry.event == "quarantine")).one()
    facts = json.loads(entry.facts)
    assert (facts["action"], facts["id"], bool(facts["by"])) == ("drop", id, True)
    assert desk.ringi("quarantine", "drop", str(id)).returncode == 1


def test_a_mail_that_somebody_took_from_the_folder_stays_in_the_list(desk: Desk) -> None:
    id = set_aside(desk, application(desk, "test1.example.ac.jp"))
    with Folder(desk.servers.dovecot.imap(BOT, folder="Quarantine")) as folder:
        folder.move(folder.uids()[0], "Refused")
    done = desk.ringi("quarantine", "retry", str(id))
    assert (done.returncode, "put it there first" in done.stderr) == (1, True)
    assert [mail["retry_begun"] for mail in listed(desk)] == [False]


def test_a_mail_that_the_store_has_whole_is_brought_back_from_there(desk: Desk) -> None:
    """Somebody emptied the folder; what could not be read is still answered, once more and no oftener."""
    filling = b"X-Filling: " + b"x" * 1000 + b"\r\n"
    raw = filling * 100 + plain_mail(APPLICANT, BOT, "much", "?\n", {})
    deliver(desk, raw)
    desk.once()
    (mail,) = listed(desk)
    assert (mail["reason"], mail["attempts"]) == ("header_too_large", 0)
    # the delivery put its own lines on top
    assert len(raw) <= int(str(mail["size"])) < len(raw) + 1000
    with Folder(desk.servers.dovecot.imap(BOT, folder="Quarantine")) as folder:
        folder.move(folder.uids()[0], "Trash")
    assert desk.ringi("quarantine", "retry", str(mail["id"])).returncode == 0
    assert len(uids_in(desk, "INBOX")) == 1
    desk.once()
    (anew,) = listed(desk)
    assert (anew["reason"], anew["sha256"], anew["id"] != mail["id"]) == (
        mail["reason"],
        mail["sha256"],
        True,
    )
    with desk.reading() as session:
        alarms = session.scalars(select(Outgoing).where(Outgoing.template == "monitor.alarm")).all()
    assert len(alarms) == 2


def test_a_mail_that_is_too_large_is_shown_whole_and_set_aside_again_when_retried(
    desk: Desk, tmp_path: Path
) -> None:
    large = plain_mail(APPLICANT, BOT, "large", ("x" * 70 + "\n") * 80_000, {})
    deliver(desk, large)
    desk.once()
    (mail,) = listed(desk)
    assert (mail["reason"], mail["subject"]) == ("too_large", "large")
    assert int(str(mail["size"])) > 5 * 1024 * 1024
    saved = tmp_path / "saved.eml"
    assert desk.ringi("quarantine", "show", str(mail["id"]), "--raw", str(saved)).returncode == 0
    assert saved.stat().st_size == mail["size"]
    assert desk.ringi("quarantine", "retry", str(mail["id"])).returncode == 0
    desk.once()
    (anew,) = listed(desk)
    assert (anew["reason"], anew["id"] != mail["id"]) == ("too_large", True)
    assert len(uids_in(desk, "Quarantine")) == 1
