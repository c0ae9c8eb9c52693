"""Officers' keys in the real process: told before they end, and no start with a change that leaves nobody."""

import re
from datetime import UTC, date, datetime, timedelta

from bot.demo.mailbox import subject_of, text_of
from tests.journeys.desk import Desk

pytest_plugins = ("tests.servers.fixtures",)


def retire(desk: Desk, count: int, last_day: date) -> None:
    """The first `count` pins of the register end with `last_day`."""
    path = desk.config.register_dir / "testkikan.toml"
    text = re.sub(r"(?m)^until = .*\n", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^(fingerprint = .*\n)", rf"\1until = {last_day}\n", text, count=count)
    assert text.count("\nuntil = ") == count
    path.write_text(text, encoding="utf-8")


def test_an_officer_and_the_monitors_are_told_once_and_a_change_that_leaves_nobody_does_not_start(
    desk: Desk,
) -> None:
    today = datetime.now(UTC).date()
    retire(desk, 1, today + timedelta(days=5))
    for _ in range(2):
        assert desk.once()["fault"] is None
    mail = desk.officer.mailbox.wait_for("電子署名の鍵")
    assert "後継の鍵は、まだ登録されていません。" in text_of(mail)
    desk.monitor.wait_for("登録担当者の鍵の期限が近づいています")
    for person in (desk.officer.mailbox, desk.monitor):
        assert len(person.all()) == 1, [subject_of(raw) for raw in person.all()]
    assert desk.officer2.mailbox.all() == []
    retire(desk, 2, today - timedelta(days=5))
    refused = desk.ringi("once")
    assert refused.returncode != 0
    assert "no officer can sign today" in refused.stderr + refused.stdout
