"""gpg between real servers: hung by one mail, which must stop nobody else; broken, which is no mail's fault."""

import json
from pathlib import Path

from bot.demo.mailbox import attachments_of, subject_of, text_of
from tests.journeys.desk import Desk
from tests.journeys.test_faults import _wait_for_mail, application, deliver
from tests.journeys.test_quarantine import listed, uids_in
from tests.servers.people import OFFICER

pytest_plugins = ("tests.servers.fixtures",)

# for the rest of the process
IN_HURRY = "import bot.openpgp.call as c\nc.VERIFY_LIMIT = 1.0"


def put_before_gpg(desk: Desk, script: str) -> None:
    """A program between us and the real gpg, which it calls unless `script` ends before."""
    program = desk.directory / "gpg"
    program.write_text(f'#!/bin/sh\n{script}\nexec gpg "$@"\n')
    program.chmod(0o700)
    config = desk.config_file.read_text()
    desk.config_file.write_text(config.replace("[openpgp]\n", f'[openpgp]\ngpg = "{program}"\n'))


def test_DOS4_a_mail_that_gpg_hangs_on_is_set_aside_and_the_others_are_served(desk: Desk) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    request = desk.officer.mailbox.wait_for("承認のお願い")
    hang = f'grep -q "^From: .*{OFFICER}" "$file" && exec sleep 600'
    put_before_gpg(desk, f"for file; do case $file in */signed) {hang};; esac; done")
    desk.officer.reply_signed(request, "承認")
    _wait_for_mail(desk)
    deliver(desk, application(desk, "test2.example.ac.jp"))
    desk.officer2.reply_signed(desk.officer2.mailbox.wait_for("承認のお願い"), "承認")
    _wait_for_mails(desk, 3)

    assert desk.ringi("once", code=IN_HURRY).returncode == 0
    assert list(desk.states().values()) == [["issued"], ["waiting"]]
    for _ in range(2):
        assert not any("crashed" in text_of(raw) for raw in desk.monitor.all())
        assert len(desk.bot.all()) == 1
        desk.ringi("once", code=IN_HURRY)
    alarm = text_of(desk.monitor.wait_for(lambda raw: "crashed" in text_of(raw)))
    assert "gpg did not end within 1 seconds" in alarm
    assert not desk.bot.all()
    assert len(uids_in(desk, "Quarantine")) == 1
    (mail,) = listed(desk)
    assert (mail["reason"], mail["attempts"]) == ("crashed", 3)

    saved = desk.directory / "saved.eml"
    assert desk.ringi("quarantine", "show", str(mail["id"]), "--raw", str(saved)).returncode == 0
    explained = json.loads(desk.ringi("explain", "--json", str(saved), code=IN_HURRY).stdout)
    assert (explained["reason"], explained["signature"]["state"]) == ("crashed", "refused")

    # a gpg that is mended answers it
    (desk.directory / "gpg").write_text('#!/bin/sh\nexec gpg "$@"\n')
    assert desk.ringi("quarantine", "retry", str(mail["id"])).returncode == 0
    desk.once()
    assert listed(desk) == []
    desk.officer.mailbox.wait_for("お返事を受け付けられませんでした")


def test_mails_wait_for_a_gpg_that_does_not_work_however_long(desk: Desk, tmp_path: Path) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    broken = tmp_path / "broken"
    put_before_gpg(desk, f"[ -e {broken} ] && exit 2")
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    _wait_for_mail(desk)
    # it worked when the desk started
    code = (
        f"from pathlib import Path\nimport bot.schedule as s\nwhole, broken = s.Service._round, Path({str(broken)!r})\n"
        "def breaking(self, folder):\n"
        "    broken.touch()\n"
        "    try:\n        return [whole(self, folder) for _ in range(5)][-1]\n"
        "    finally:\n        broken.unlink()\n"
        "s.Service._round = breaking"
    )
    assert desk.ringi("once", code=code).stderr.count("can't read the officers' keyring") == 5
    assert list(desk.states().values()) == [["waiting"]]
    assert len(desk.bot.all()) == 1
    # the monitors hear of gpg, once, and of no mail
    (alarm,) = desk.monitor.all()
    assert json.loads(attachments_of(alarm)["ringi.json"])["reason"] == "openpgp"
    desk.once()
    assert list(desk.states().values()) == [["issued"]]
    _, recovered = desk.monitor.all()
    assert json.loads(attachments_of(recovered)["ringi.json"])["reason"] == "openpgp"
    assert "解消しました" in subject_of(recovered)


def _wait_for_mails(desk: Desk, count: int) -> None:
    desk.bot.wait_for(lambda _: len(desk.bot.all()) == count)
