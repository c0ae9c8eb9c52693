"""The signer's ledger is gone and it made another: that is told at once, and nothing signed until a person spoke."""

import json
import shutil

from bot.demo.mailbox import subject_of, text_of
from tests.journeys.desk import Desk
from tests.journeys.test_journal import lies_in_the_folder

pytest_plugins = ("tests.servers.fixtures",)


def test_a_lost_ledger_stops_the_ca_until_it_is_back_or_somebody_lets_it_go(desk: Desk) -> None:
    desk.once()
    ledger = desk.config.signer.ledger
    kept = ledger.with_name("kept.db")
    for suffix in ("-wal", "-shm"):
        assert not ledger.with_name(ledger.name + suffix).exists(), "a signer that ended leaves one file"
    shutil.move(ledger, kept)
    desk.apply("test1.example.ac.jp")
    lies_in_the_folder(desk)
    told = desk.once()
    # mails are answered all the same
    request = desk.officer.mailbox.wait_for("承認のお願い")
    assert told["troubles"] == ["ledger"]
    desk.officer.reply_signed(request, "承認")
    lies_in_the_folder(desk)
    for _ in range(2):
        assert desk.ringi("once", "--json").returncode == 3
    assert list(desk.states().values()) == [["approved"]]
    (alarm,) = desk.monitor.all()
    assert "台帳が違います" in subject_of(alarm)
    found = json.loads(desk.ringi("check", "--json").stdout)
    (finding,) = [one for one in found if one["part"] == "signer" and not one["ok"]]
    new = finding["mend"].split()[-1]

    done = desk.ringi("accept-ledger", new)
    assert done.returncode == 0, done.stderr
    assert desk.once()["troubles"] == []
    assert list(desk.states().values()) == [["issued"]]
    # what the first one knew is not needed: it had signed nothing. Now it is the other one
    shutil.move(kept, ledger)
    assert desk.once()["troubles"] == ["ledger"]
    assert "台帳が違います" in subject_of(desk.monitor.all()[-1])
    assert new in text_of(desk.monitor.all()[-1])
    assert desk.ringi("journal", "verify").returncode == 0
