"""The log of a whole journey: every line is an event, and says which mail and which row it is about; no secrets."""

import hashlib
import json
import re
from pathlib import Path

from sqlalchemy import select

from bot.demo.mailbox import attachments_of, text_of
from bot.demo.replies import plain_mail
from store.tables import Entry, Mail, Meta, Outgoing
from tests.journeys.desk import BOT, Desk
from tests.journeys.test_faults import application, deliver
from tests.servers.people import APPLICANT, USERS

pytest_plugins = ("tests.servers.fixtures",)
URL = re.compile(r"http://127\.0\.0\.1:\d+/d/([\w-]+)")
# what is about a mail that came, about an application or its rows, about a mail of ours
OF_A_MAIL, OF_ROWS, OF_OURS = ("handled", "crashed"), ("issued", "not_issued"), ("mail_sent", "mail_retry")

CRASH = (
    "import bot.intake as m\nwhole = m.handle\n"
    "def crash(mail, ctx):\n    assert 'crash' not in mail.subject, 'planted'\n    return whole(mail, ctx)\n"
    "m.handle = crash"
)


def events(text: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(one) for one in found)
    return found


def test_INJ4_every_line_says_what_it_is_about_and_none_tells_a_secret(desk: Desk) -> None:
    crash = plain_mail(APPLICANT, BOT, "crash me", "x\n", {})
    deliver(desk, crash)
    crashed = events(desk.ringi("once", code=CRASH).stderr)
    (line,) = [one for one in crashed if one["event"] == "crashed"]
    assert (line["uid"], line["mail"]) == (1, digest_as_kept(desk, line))
    with desk.running():
        deliver(desk, application(desk, "test1.example.ac.jp"))
        request = desk.officer.mailbox.wait_for("承認のお願い", timeout=240)
        desk.officer.reply_signed(request, "承認")
        told = text_of(desk.applicant.mailbox.wait_for("発行受付通知", timeout=240))
        (token,) = URL.findall(told)
        desk.applicant.fetch(URL.search(told)[0], "pem")  # type: ignore[index]
        desk.officer.mailbox.wait_for("サーバ証明書取得通知", timeout=240)
    text = (desk.directory / "service.log").read_text()
    found = events(text)
    _names_what_it_is_about(desk, found)
    sheet = next(data for name, data in attachments_of(request).items() if name.endswith(".sheet"))
    (nonce,) = re.findall(rb"(?mi)^nonce: *(\S+)", sheet)
    secrets = [token, nonce.decode(), *USERS.values(), *keys_and_words(desk)]
    with desk.reading() as session:
        secrets += [row.value for row in session.scalars(select(Meta)) if "secret" in row.name]
    assert len(secrets) > 6
    assert [secret for secret in secrets if secret in text] == []


def _names_what_it_is_about(desk: Desk, found: list[dict[str, object]]) -> None:
    with desk.reading() as session:
        mails = {mail.uid: mail.raw_sha256[:16] for mail in session.scalars(select(Mail))}
        ours = {one.id: one.number for one in session.scalars(select(Outgoing))}
        (row,) = session.execute(select(Entry.number, Entry.seq)).all()
    of_mails = [one for one in found if one["event"] in OF_A_MAIL]
    assert {one["uid"]: one["mail"] for one in of_mails} == mails
    (issued,) = [one for one in found if one["event"] in OF_ROWS]
    assert (issued["number"], issued["entry"]) == tuple(row)
    sent = [one for one in found if one["event"] in OF_OURS]
    assert {one["outgoing"]: one.get("number") for one in sent} == ours
    (asked,) = [one for one in found if one["event"] == "signer" and one.get("ask") == "issue"]
    assert (asked["number"], asked["entry"]) == (row.number, [row.seq])


def digest_as_kept(desk: Desk, line: dict[str, object]) -> str:
    """Of the mail that lies in the folder."""
    (raw,) = desk.bot.all()
    assert len(str(line["mail"])) == 16
    return hashlib.sha256(raw).hexdigest()[:16]


def keys_and_words(desk: Desk) -> list[str]:
    """A line of each file that nobody else may read."""
    place = Path(desk.directory)
    files = [path for path in place.rglob("*") if path.is_file() and not path.stat().st_mode & 0o077]
    texts = [path.read_bytes() for path in files if path.suffix in ("", ".key", ".pem", ".password")]
    lines = [line for text in texts if text.isascii() for line in text.decode().splitlines()]
    return [line for line in lines if len(line) > 15 and "-----" not in line]
