"""The journal as the service's conscience: without it nothing happens, and its evidence stands by itself."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.demo.mailbox import parse, subject_of
from bot.demo.service import Service
from tests.evidence_world import verify
from tests.journeys.desk import Desk

pytest_plugins = ("tests.servers.fixtures",)

# what keeps the journal from being written, and what mends it
BROKEN = {
    "refused": (
        "CREATE TRIGGER broken BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no journal'); END",
        "DROP TRIGGER broken",
    ),
    "failing": (
        "CREATE TRIGGER broken BEFORE INSERT ON journal BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
        "DROP TRIGGER broken",
    ),
}


def run_sql(desk: Desk, statement: str) -> None:
    path = desk.config.store.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.execute(statement)


def count(desk: Desk, table: str) -> int:
    path = desk.config.store.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # our own words
        return found


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def lies_in_the_folder(desk: Desk) -> None:
    """The mail that was sent last has arrived."""
    wait_until(lambda: bool(desk.bot.all()))


@pytest.mark.parametrize("how", BROKEN)
def test_without_the_journal_nothing_is_answered_or_issued_and_then_all_of_it_once(
    desk: Desk, how: str
) -> None:
    break_it, mend_it = BROKEN[how]
    desk.once()
    desk.apply("test1.example.ac.jp")
    lies_in_the_folder(desk)
    run_sql(desk, break_it)
    for _ in range(4):
        report = desk.once()
        assert report["fault"]
        assert (report["mails"], report["sent"]) == (0, 0)
    assert (count(desk, "applications"), count(desk, "outbox"), count(desk, "attempts")) == (0, 0, 0)
    run_sql(desk, mend_it)
    assert desk.once()["fault"] is None
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    lies_in_the_folder(desk)
    run_sql(desk, break_it)
    for _ in range(4):
        assert desk.once()["fault"]
    assert list(desk.states().values()) == [["waiting"]]
    assert (count(desk, "certificates"), count(desk, "attempts")) == (0, 0)
    run_sql(desk, mend_it)
    for _ in range(3):
        assert desk.once()["fault"] is None
    assert list(desk.states().values()) == [["issued"]]
    assert len(desk.serials()) == 1
    desk.applicant.mailbox.wait_for("発行受付通知")
    subjects = [subject_of(raw) for raw in desk.applicant.mailbox.all()]
    assert sum("発行受付通知" in subject for subject in subjects) == 1
    assert not desk.monitor.all()
    assert desk.ringi("journal", "verify").returncode == 0


def test_the_service_lives_through_a_journal_that_takes_nothing(desk: Desk) -> None:
    """It is started with a journal that refuses, and goes on by itself when it is mended."""
    desk.once()
    run_sql(desk, BROKEN["refused"][0])
    with desk.running():
        desk.apply("test1.example.ac.jp")
        wait_until(lambda: "no journal" in (desk.directory / "service.log").read_text())
        run_sql(desk, BROKEN["refused"][1])
        desk.applicant.mailbox.wait_for("受け付けました", timeout=60)
    assert list(desk.states().values()) == [["waiting"]]
    assert count(desk, "attempts") == 0


# before ringi starts, in its own process: while the file is there, no page can be added to a store (SQLITE_FULL)
DISK = """
import pathlib
from sqlalchemy import event, pool
import bot.schedule

# between two tries: nobody waits half a minute for them
bot.schedule._OUTBOX_SECONDS = 1

@event.listens_for(pool.Pool, "checkout")
def limit(connection, *_):
    pages = 1 if pathlib.Path({full!r}).exists() else 2**30
    connection.execute(f"PRAGMA max_page_count = {{pages}}").close()

from bot.cli import main
main()
"""


def test_a_disk_that_is_full_stops_all_and_then_all_happens_once(desk: Desk) -> None:
    desk.once()
    # or what was freed would be room
    run_sql(desk, "VACUUM")
    full, log = desk.directory / "full", desk.directory / "service.log"
    code = DISK.format(full=str(full))
    service = Service(desk.config_file, log, (sys.executable, "-c", code))

    def complaints() -> int:
        return log.read_text().count("database or disk is full")

    def complains_twice_more() -> None:
        before = complaints()
        wait_until(lambda: complaints() >= before + 2)

    service.start(30)
    try:
        full.touch()
        desk.apply("test1.example.ac.jp")
        complains_twice_more()
        assert (count(desk, "applications"), count(desk, "outbox"), count(desk, "attempts")) == (0, 0, 0)
        assert desk.bot.all()
        full.unlink()
        request = desk.officer.mailbox.wait_for("承認のお願い", timeout=60)
        full.touch()
        desk.officer.reply_signed(request, "承認")
        complains_twice_more()
        assert list(desk.states().values()) == [["waiting"]]
        assert (count(desk, "certificates"), count(desk, "attempts")) == (0, 0)
        full.unlink()
        desk.applicant.mailbox.wait_for("発行受付通知", timeout=60)
        assert service.stop(10) == 0, log.read_text()
    finally:
        service.abandon()
    assert list(desk.states().values()) == [["issued"]]
    assert len(desk.serials()) == 1
    told = [subject_of(raw) for raw in (*desk.applicant.mailbox.all(), *desk.officer.mailbox.all())]
    for words in ("申請を受け付けました", "承認のお願い", "承認を受け付けました", "発行受付通知"):
        assert sum(words in subject for subject in told) == 1, told
    assert not desk.monitor.all()
    assert desk.ringi("journal", "verify").returncode == 0


def test_the_evidence_of_a_certificate_and_the_mails_in_peoples_mailboxes(
    desk: Desk, tmp_path: Path, need: Callable[[str], str]
) -> None:
    need("openssl")
    with desk.running():
        desk.apply("test1.example.ac.jp")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        reply = desk.officer.reply_signed(request, "承認")
        issued = desk.applicant.mailbox.wait_for("発行受付通知")
    (serial,) = desk.serials()
    folder = tmp_path / "evidence"
    done = desk.ringi("evidence", serial, str(folder))
    assert done.returncode == 0, done.stderr
    proof = verify(folder)
    assert (proof.returncode, "PROVEN" in proof.stdout) == (0, True), proof.stdout + proof.stderr
    assert desk.ringi("evidence", serial, str(folder)).returncode == 1
    assert (
        "no certificate with the serial number 5" in desk.ringi("evidence", "5", str(tmp_path / "n")).stderr
    )

    saved = [tmp_path / "request.eml", tmp_path / "reply.eml", tmp_path / "issued.eml"]
    for path, raw in zip(saved, (request, reply, issued), strict=True):
        path.write_bytes(raw)
    against = [word for path in saved for word in ("--against", str(path))]
    held = desk.ringi("journal", "verify", *against)
    assert held.returncode == 0, held.stderr
    assert held.stdout.count("is what it names") == 3
    assert parse(issued)["X-Ringi-Journal"]

    head_entry = f"SELECT seq FROM journal WHERE hash = '{parse(issued)['X-Ringi-Journal']}'"
    run_sql(desk, f"DELETE FROM journal WHERE seq >= ({head_entry})")
    assert desk.ringi("journal", "verify").returncode == 0
    found = desk.ringi("journal", "verify", "--against", str(saved[2]))
    assert (found.returncode, "truncated" in found.stderr) == (1, True), found.stderr


def test_the_tools_of_the_script_are_plain(need: Callable[[str], str]) -> None:
    """The script is read by dash, and by bash as a POSIX shell, without a complaint."""
    script = Path(__file__).parents[2] / "bot" / "evidence" / "verify.sh"
    for shell in ("dash", "bash"):
        if found := shutil.which(shell):
            subprocess.run([found, "-n", str(script)], check=True)
