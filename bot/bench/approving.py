"""An applicant and an officer who write to a running desk: from an application to the URLs of its certificates."""

import re
from collections.abc import Sequence

from bot.bench.data import APPLICANT, tsv
from bot.bench.desk import BOT, OFFICER
from bot.bench.mail_desk import MailDesk, wait_until
from bot.demo.mailbox import text_of
from bot.demo.replies import plain_mail, signed_reply

_SECONDS_FOR_ANY = 30.0
_SECONDS_A_ROW = 0.5
_URL = re.compile(r"https?://\S+/d/[\w-]+")


def apply(desk: MailDesk, rows: Sequence[bytes]) -> bytes:
    """Mail an application; the officer's request to decide on it."""
    mail = plain_mail(APPLICANT, BOT, "サーバ証明書 発行申請", "お願いします。\n", {"shinsei.tsv": tsv(rows)})
    before = len(desk.sink.taken)
    desk.dovecot.deliver(BOT, mail, sender=APPLICANT)
    return _wait_for(desk, OFFICER, before, len(rows))


def approve(desk: MailDesk, request: bytes, count: int) -> list[str]:
    """The officer's signed word; the URLs that the applicant gets for `count` certificates."""
    reply = signed_reply(request, OFFICER, "承認", quote=True, style="mutt", seal=desk.desk.seal)
    before = len(desk.sink.taken)
    desk.dovecot.deliver(BOT, reply, sender=OFFICER)
    found: list[str] = []

    def all_there() -> bool:
        found[:] = [
            url
            for mail in desk.sink.taken[before:]
            if APPLICANT in mail.recipients
            for url in _URL.findall(text_of(mail.data))
        ]
        return len(set(found)) >= count

    wait_until(all_there, _SECONDS_FOR_ANY + _SECONDS_A_ROW * count, f"URLs of {count} certificates")
    return list(dict.fromkeys(found))


def _wait_for(desk: MailDesk, recipient: str, before: int, rows: int) -> bytes:
    def found() -> list[bytes]:
        return [mail.data for mail in desk.sink.taken[before:] if recipient in mail.recipients]

    wait_until(lambda: bool(found()), _SECONDS_FOR_ANY + _SECONDS_A_ROW * rows, f"a mail to {recipient}")
    return found()[0]
