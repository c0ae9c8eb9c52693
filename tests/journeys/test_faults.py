"""What goes wrong around us: nothing is lost, nothing is done twice, and people are told."""

import subprocess
import time

import pytest

from bot.bench.servers.running import free_ports
from bot.demo.mailbox import parse, subject_of, text_of
from bot.demo.replies import plain_mail
from bot.imap.folder import Folder
from tests.journeys.desk import BOT, RINGI, Desk
from tests.servers.people import APPLICANT, OFFICER2

pytest_plugins = ("tests.servers.fixtures",)


def deliver(desk: Desk, raw: bytes) -> None:
    desk.servers.dovecot.deliver(BOT, raw)


def application(desk: Desk, fqdn: str) -> bytes:
    """An application as bytes, put into the bot's folder without a mail server on the way."""
    dn = f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    _, csr = desk.applicant.make_request(fqdn, dn)
    files = {"a.tsv": desk.applicant.tsv(fqdn, dn, csr)}
    return plain_mail(APPLICANT, BOT, "発行申請", "お願いします。\n", files)


KILL = (
    "import os, signal; import {module} as m; m.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)"
)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("bot.imap.folder", "Folder.move_all"),  # committed, not moved
        ("bot.intake", "_record"),  # handled, not committed
        ("bot.intake", "handle"),
        ("bot.deliver", "deliver_due"),
    ],
)
def test_a_kill_at_any_step_loses_and_doubles_nothing(desk: Desk, module: str, name: str) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    killed = desk.ringi("once", code=_patched(module, name))
    assert killed.returncode == -9, killed.stderr
    desk.once()
    desk.once()
    assert list(desk.states().values()) == [["waiting"]]
    for person in (desk.officer.mailbox, desk.officer2.mailbox):
        person.wait_for("承認のお願い")
        assert [subject_of(raw) for raw in person.all()].count(subject_of(person.all()[0])) == 1
    assert not desk.bot.all()
    assert desk.ringi("journal", "verify").returncode == 0


@pytest.mark.parametrize("step", ["_plan", "_finish", "_record"])
def test_a_kill_while_issuing_leads_to_one_certificate(desk: Desk, step: str) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    _wait_for_mail(desk)
    patch = (
        "import os, signal, bot.certify as m\n"
        f"whole = m.Certifier.{step}\n"
        "def cut(*a, **k):\n"
        "    whole(*a, **k) if when == 'after' else None\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"m.Certifier.{step} = cut\n"
    )
    for when in ("before", "after"):
        assert desk.ringi("once", code=f"when = {when!r}\n{patch}").returncode == -9
    desk.once()
    assert len(desk.serials()) == 1
    assert list(desk.states().values()) == [["issued"]]
    desk.applicant.mailbox.wait_for("発行受付通知")
    assert sum("発行受付通知" in subject_of(raw) for raw in desk.applicant.mailbox.all()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["Issuing._intend", "Issuing._sign", "ledger.keep_signed"])
def test_a_kill_of_the_signer_while_issuing_leads_to_one_certificate(
    desk: Desk, step: str, when: str
) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    _wait_for_mail(desk)
    # the signer is started as the desk was, with the same code
    code = (
        "import os, signal, bot.signer.issuing as m\n"
        f"whole, when = m.{step}, {when!r}\n"
        "def cut(*a, **k):\n"
        "    whole(*a, **k) if when == 'after' else None\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"m.{step} = cut\n"
    )
    killed = desk.ringi("once", "--json", code=code)
    assert killed.returncode == 0, killed.stderr
    assert list(desk.states().values()) == [["signing"]]
    assert desk.once()["certificates"] == 1
    desk.once()
    assert len(desk.serials()) == 1
    desk.applicant.mailbox.wait_for("発行受付通知")
    assert sum("発行受付通知" in subject_of(raw) for raw in desk.applicant.mailbox.all()) == 1


def test_SIG1_the_desk_issues_and_revokes_without_a_key_it_could_read(desk: Desk) -> None:
    """The signer runs by itself; before the desk starts, the key is nowhere to be found."""
    config = desk.config_file.read_text()
    desk.config_file.write_text(config + "\n[signer]\nstart = false\n")
    signer = subprocess.Popen([*RINGI, "signer", "--config", str(desk.config_file)], stderr=subprocess.PIPE)
    try:
        assert signer.stderr is not None
        assert b"signer ready" in signer.stderr.readline()
        (desk.directory / "ca").rename(desk.directory / "elsewhere")
        deliver(desk, application(desk, "test1.example.ac.jp"))
        desk.once()
        desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
        _wait_for_mail(desk)
        assert desk.once()["certificates"] == 1
        assert list(desk.states().values()) == [["issued"]]
    finally:
        signer.terminate()
        assert signer.wait(20) == 0
        signer.stderr.close()  # type: ignore[union-attr]


def test_an_unreachable_smtp_server_delays_and_loses_nothing(desk: Desk) -> None:
    config = desk.config_file.read_text()
    (dead,) = free_ports(1)
    desk.config_file.write_text(config.replace(f"port = {desk.config.smtp.port}", f"port = {dead}"))
    deliver(desk, application(desk, "test1.example.ac.jp"))
    report = desk.once()
    assert (report["mails"], report["sent"]) == (1, 0)
    desk.config_file.write_text(config)
    later = "import bot.wiring as w, datetime as d\nnow = w.utc_now\n"
    later += "w.utc_now = lambda: now() + d.timedelta(hours=1)"
    desk.ringi("once", code=later)
    desk.applicant.mailbox.wait_for("受け付けました")
    desk.officer.mailbox.wait_for("承認のお願い")


def test_a_kill_right_after_smtp_took_a_mail_sends_the_same_mail_again(desk: Desk) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    killed = desk.ringi("once", code=KILL.format(module="store.outbox", name="mark_sent"))
    assert killed.returncode == -9
    later = "import bot.wiring as w, datetime as d\nnow = w.utc_now\n"
    later += "w.utc_now = lambda: now() + d.timedelta(hours=1)"
    desk.ringi("once", code=later)
    desk.officer2.mailbox.wait_for("承認のお願い")
    received = [parse(raw)["Message-ID"] for raw in desk.applicant.mailbox.all()]
    assert len(received) == 2
    assert len(set(received)) == 1


def test_a_mail_nobody_takes_is_raised_to_the_monitors(desk: Desk) -> None:
    register = desk.directory / "register" / "testkikan.toml"
    register.write_text(register.read_text().replace(f'"{OFFICER2}"', '"nobody@example.ac.jp"'))
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    alarm = text_of(desk.monitor.wait_for(lambda raw: "undelivered" in text_of(raw)))
    assert "nobody@example.ac.jp" in alarm
    assert not any("undelivered" in subject_of(raw) for raw in desk.officer.mailbox.all())


def test_a_decision_that_lay_in_the_folder_in_time_counts_after_a_long_stop(desk: Desk) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    desk.once()
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    _wait_for_mail(desk)
    # a month later, the decision being the first thing in the folder and the application overdue
    later = "import bot.wiring as w, datetime as d\nnow = w.utc_now\n"
    later += "w.utc_now = lambda: now() + d.timedelta(days=30)"
    assert desk.ringi("once", code=later).returncode == 0
    assert list(desk.states().values()) == [["issued"]]


def test_a_reload_that_the_world_hinders_is_tried_again(desk: Desk) -> None:
    """A register that removes an officer must not be forgotten because gpg failed once."""
    code = (
        "import bot.authority as a, bot.schedule as s\nwhole, calls = a.Authority.reload, []\n"
        "def hindered(self):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 1:\n        raise s.VerifierFault('planted', temporary=True)\n"
        "    print('reloaded', whole(self))\n"
        "    return True\n"
        "a.Authority.reload = hindered\n"
        "once = s.Service._round\n"
        "def twice(self, folder):\n"
        "    self._must_reload = True\n"
        "    once(self, folder)\n"
        "    return once(self, folder)\n"
        "s.Service._round = twice"
    )
    assert "reloaded True" in desk.ringi("once", code=code).stdout


def test_an_unreachable_imap_server_is_told_and_harms_nothing(desk: Desk) -> None:
    config = desk.config_file.read_text()
    (dead,) = free_ports(1)
    desk.config_file.write_text(config.replace(f"port = {desk.config.imap.port}", f"port = {dead}"))
    done = desk.ringi("once")
    assert done.returncode == 1
    assert "IMAP" in done.stderr or "imap" in done.stderr


def test_a_wrong_passphrase_stops_the_start_and_says_what_to_do(desk: Desk) -> None:
    (desk.directory / "ca" / "passphrase").write_text("wrong\n")
    done = desk.ringi("run")
    assert done.returncode == 1
    assert "passphrase" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_signing_key_stops_the_start(desk: Desk) -> None:
    home = desk.directory / "state" / "gnupg"
    home.rename(home.with_name("elsewhere"))
    done = desk.ringi("once")
    assert done.returncode == 1
    assert "gnupg" in done.stderr
    assert not home.exists()
    home.with_name("elsewhere").rename(home)


def test_DOS1_what_is_over_the_limits_is_set_aside_and_the_next_goes_on(desk: Desk) -> None:
    head = f"From: {APPLICANT}\r\nTo: {BOT}\r\nSubject: big\r\nMessage-ID: <%s@example.ac.jp>\r\nMIME-Version: 1.0\r\n"
    big = (head % "big" + "\r\n").encode() + (b"x" * 76 + b"\r\n") * 80_000
    deep = (head % "deep").encode()
    for level in range(1000):
        deep += f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n--b{level}\r\n'.encode()
    deliver(desk, big)
    deliver(desk, deep)
    deliver(desk, application(desk, "test1.example.ac.jp"))
    assert desk.once()["mails"] == 3
    assert list(desk.states().values()) == [["waiting"]]
    alarms = [desk.monitor.wait_for(lambda raw: True), desk.monitor.wait_for(lambda raw: True)]
    assert sorted(
        word for word in ("too_large", "too_complex") if any(word in text_of(a) for a in alarms)
    ) == [
        "too_complex",
        "too_large",
    ]
    answers = [text_of(raw) for raw in desk.applicant.mailbox.all()]
    assert len(answers) == 3


def test_DOS4_a_mail_that_crashes_us_is_set_aside_at_the_third_time(desk: Desk) -> None:
    deliver(desk, plain_mail(APPLICANT, BOT, "crash me", "x\n", {}))
    deliver(desk, application(desk, "test1.example.ac.jp"))
    code = (
        "import bot.intake as m\nwhole = m.handle\n"
        "def crash(mail, ctx):\n    assert 'crash' not in mail.subject, 'planted'\n    return whole(mail, ctx)\n"
        "m.handle = crash"
    )
    for _ in range(3):
        assert not any("crashed" in text_of(raw) for raw in desk.monitor.all())
        assert desk.ringi("once", code=code).returncode == 0
    assert list(desk.states().values()) == [["waiting"]]
    alarm = text_of(desk.monitor.wait_for(lambda raw: "crashed" in text_of(raw)))
    assert "planted" in alarm
    assert not desk.bot.all()
    assert not any("planted" in text_of(raw) for raw in desk.applicant.mailbox.all())


def test_two_processes_share_one_store_and_only_one_works(desk: Desk) -> None:
    with desk.running():
        desk.apply("test1.example.ac.jp")
        desk.officer.mailbox.wait_for("承認のお願い")
        desk.ringi("once")
    assert list(desk.states().values()) == [["waiting"]]
    asked = [raw for raw in desk.officer.mailbox.all() if "承認のお願い" in subject_of(raw)]
    assert len(asked) == 1


def test_a_mail_put_back_into_the_folder_is_only_filed_again(desk: Desk) -> None:
    raw = application(desk, "test1.example.ac.jp")
    deliver(desk, raw)
    desk.once()
    before = desk.serials(), desk.states()
    dovecot = desk.servers.dovecot
    with Folder(dovecot.imap(BOT)) as folder:
        with Folder(dovecot.imap(BOT, folder="Done")) as done:
            (uid,) = done.uids()
            bytes_as_filed = done.fetch(uid)
        assert bytes_as_filed
        folder.append("INBOX", bytes_as_filed)
    desk.once()
    assert (desk.serials(), desk.states()) == before
    assert not desk.monitor.all()
    assert not desk.bot.all()


def _patched(module: str, name: str) -> str:
    if module == "bot.deliver":
        module, name = "bot.schedule", "deliver_due"
    return KILL.format(module=module, name=name)


def _wait_for_mail(desk: Desk) -> None:
    end = time.monotonic() + 20
    while not desk.bot.all():
        assert time.monotonic() < end
        time.sleep(0.1)
