"""A desk that works is backed up, lost, and goes on somewhere else: nothing is forgotten and nothing done twice."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from bot.demo.mailbox import Mailbox, parse
from store.signer_ledger import GivenSerial
from store.tables import Certificate
from store.transaction import open_store, reading
from tests.evidence_world import verify
from tests.journeys.desk import Desk
from tests.journeys.test_faults import application, deliver

pytest_plugins = ("tests.servers.fixtures",)
# what `ringi backup` says is not in it
SECRETS = ("ca/ca.key", "ca/passphrase", "state/gnupg")


def at(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ringi` of the restored desk."""
    command = [sys.executable, "-m", "bot.cli", *arguments, "--config", str(folder / "config.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def issue(desk: Desk, fqdn: str) -> None:
    desk.apply(fqdn)
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")


def message_ids(*people: Mailbox) -> Counter[tuple[str, str]]:
    return Counter((person.user, str(parse(raw)["Message-ID"])) for person in people for raw in person.all())


def serials(url: str) -> set[str]:
    engine = open_store(url)
    try:
        with reading(engine) as session:
            return set(session.scalars(select(Certificate.serial)))
    finally:
        engine.dispose()


def test_a_desk_that_is_lost_goes_on_from_its_backup(desk: Desk, tmp_path: Path) -> None:
    people = (desk.applicant.mailbox, desk.officer.mailbox, desk.officer2.mailbox, desk.monitor)
    with desk.running() as service:
        issue(desk, "test1.example.ac.jp")
        desk.applicant.mailbox.wait_for("発行受付通知")
        # mails come in while it is copied
        for number in range(2, 6):
            deliver(desk, application(desk, f"test{number}.example.ac.jp"))
        service.wake()
        done = desk.ringi("backup", str(tmp_path / "b.tar"), "--json")
        assert done.returncode == 0, done.stderr
        # what comes in later is none of the copy's, and is answered before the disk is gone
        for number in range(2, 6):
            for mailbox in people[:3]:
                mailbox.wait_for(f"test{number}.example.ac.jp")
    manifest = json.loads(done.stdout)
    # the disk is gone; what is kept apart is put to the copy
    folder = Path(f"{desk.directory}2")
    found = subprocess.run(
        [sys.executable, "-m", "bot.cli", "restore", str(tmp_path / "b.tar"), str(folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    unsure = {(one["recipient"], one["message_id"]) for one in json.loads(found.stdout)["unsure"]}
    for name in SECRETS:
        copy = shutil.copytree if (desk.directory / name).is_dir() else shutil.copy2
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(
            desk.directory / name, folder / name, **({"ignore": _sockets} if copy is shutil.copytree else {})
        )
    lost = serials(desk.config.store.url)
    shutil.rmtree(desk.directory / "state")

    checked = at(folder, "check")
    assert checked.returncode == 0, checked.stdout
    verified = at(folder, "journal", "verify")
    assert (verified.returncode, manifest["journal"]["fault"]) == (0, None), verified.stderr
    before = message_ids(*people)
    for _ in range(2):
        once = at(folder, "once", "--json")
        assert once.returncode == 0, once.stdout + once.stderr
        assert json.loads(once.stdout.splitlines()[-1])["certificates"] == 0
    twice = {key for key, count in message_ids(*people).items() if count > 1}
    assert twice <= unsure
    assert message_ids(*people) - before == Counter({key: 1 for key in twice if before[key] == 1})

    (serial,) = serials(f"sqlite:///{folder}/state/ringi.db")
    assert {serial} == lost
    assert at(folder, "evidence", serial, str(tmp_path / "e")).returncode == 0
    assert verify(tmp_path / "e").returncode == 0
    _issues_under_a_new_serial(desk, folder, serial)


def _issues_under_a_new_serial(desk: Desk, folder: Path, old: str) -> None:
    desk.apply("test9.example.ac.jp")
    assert at(folder, "once").returncode == 0
    sheet = desk.officer.mailbox.wait_for(lambda raw: "test9" in raw.decode("utf-8", "replace"))
    desk.officer.reply_signed(sheet, "承認")
    assert at(folder, "once").returncode == 0
    assert len(serials(f"sqlite:///{folder}/state/ringi.db") - {old}) == 1
    engine = open_store(f"sqlite:///{folder}/state/signer.db")
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(GivenSerial)) == 2
    engine.dispose()


def _sockets(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("S.")]
