"""The journeys, step by step: at what time which mails lie in the bot's INBOX, or who fetches what."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from hashlib import sha256
from types import SimpleNamespace
from typing import cast

from cryptography.hazmat.primitives.asymmetric import rsa

from bot.demo import replies
from bot.demo.mailbox import Mailbox, subject_of, text_of
from bot.demo.people import Applicant
from bot.demo.seals import SmimeSeal
from tests.faults.site import APPLICANT, BOT, OFFICER, Received, Site

FQDN = "test1.example.ac.jp"
DN = "CN={},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
_URL = re.compile(r"http://127\.0\.0\.1:\d+/d/[\w-]+")
_SERIAL = re.compile(r"シリアル番号】\n　(\d+)")


@dataclass
class People:
    """What the people know: every mail they got, oldest first."""

    site: Site
    applicant: Applicant
    got: list[Received] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)

    def newest(self, person: str, words: str, where: Callable[[bytes], str] = subject_of) -> bytes:
        found = [mail.raw for mail in self.got if mail.recipient == person and words in where(mail.raw)]
        if not found:
            told = [subject_of(mail.raw) for mail in self.got if mail.recipient == person]
            raise LookupError(f"{person} has no mail with {words!r}, but {told}")
        return found[-1]

    @property
    def seal(self) -> SmimeSeal:
        assert self.site.play
        return self.site.play.seal

    def apply(self, fqdn: str = FQDN, replaces: int | None = None, organization: str = "testkikan") -> bytes:
        dn = DN.format(fqdn).replace("O=testkikan", f"O={organization}")
        _, csr = self.applicant.make_request(fqdn, dn, new_key())
        tsv = self.applicant.tsv(fqdn, dn, csr, replaces=replaces)
        return replies.plain_mail(APPLICANT, BOT, "申請", "お願いします。\n", {"shinsei.tsv": tsv})

    def ask_to_revoke(self, serial: int) -> bytes:
        tsv = self.applicant.revocation_tsv(DN.format(FQDN), serial, 5)
        return replies.plain_mail(APPLICANT, BOT, "失効申請", "お願いします。\n", {"shikkou.tsv": tsv})

    def decide(self, words: str, request: bytes | None = None) -> bytes:
        request = request or self.newest(OFFICER, "承認のお願い")
        return replies.signed_reply(request, OFFICER, words, quote=True, style="thunderbird", seal=self.seal)

    def report_replacement(self) -> bytes:
        question = self.newest(APPLICANT, "置き換え完了", text_of)
        return replies.plain_reply(question, APPLICANT, "置き換え完了", quote=True, style="mutt")

    def url(self) -> str:
        """Of the newest certificate; its serial is remembered."""
        mail = text_of(self.newest(APPLICANT, "発行受付通知"))
        serial = _SERIAL.search(mail)
        assert serial
        self.serials.append(int(serial[1]))
        return _URL.findall(mail)[0]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def people_of(site: Site) -> People:
    return People(site, Applicant(cast(Mailbox, SimpleNamespace(user=APPLICANT))))


def _none(_people: People) -> list[bytes]:
    return []


@dataclass(frozen=True)
class Step:
    """`mails`: what lies in the INBOX when the round begins. `fetches`: instead, somebody fetches a certificate."""

    journey: str
    name: str
    after: timedelta  # since the first step
    mails: Callable[[People], list[bytes]] = _none
    fetches: bool = False

    @property
    def title(self) -> str:
        return f"{self.journey}, {self.name}"


def plain(text: str, sender: str = APPLICANT, **headers: str) -> bytes:
    """A mail of words only; the same words give the same mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, BOT, headers.pop("Subject", "x")
    mail["Message-ID"] = f"<{sha256(text.encode()).hexdigest()}@example.ac.jp>"
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))


def _mixed(people: People) -> list[bytes]:
    """What else comes: a faulty TSV, a question, an automatic answer, an unsigned decision, a command, a mail twice."""
    faulty = people.apply("test2.example.ac.jp", organization="tesutokikan")
    request = people.newest(OFFICER, "承認のお願い")
    unsigned = replies.plain_reply(request, OFFICER, "承認", quote=True, style="mutt")
    command = replies.signed_mail(OFFICER, BOT, "一覧", "一覧\n", {}, seal=people.seal)
    automatic = plain("I am away.\n", **{"Auto-Submitted": "auto-replied"})
    return [faulty, plain("How do I apply?\n"), automatic, unsigned, command, faulty]


_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
STEPS = (
    Step("issue", "application", 0 * _MINUTE, lambda p: [p.apply()]),
    Step("issue", "approval", 10 * _MINUTE, lambda p: [p.decide("承認")]),
    Step("issue", "download", 20 * _MINUTE, fetches=True),
    Step("issue", "mixed", 30 * _MINUTE, _mixed),
    Step("digest", "digest", 21 * 60 * _MINUTE),
    Step("renew", "application", 1 * _DAY, lambda p: [p.apply(replaces=p.serials[0])]),
    Step("renew", "approval", 1 * _DAY + 10 * _MINUTE, lambda p: [p.decide("承認")]),
    Step("renew", "download", 1 * _DAY + 20 * _MINUTE, fetches=True),
    Step("renew", "reminders", 16 * _DAY),
    Step("revoke", "replaced", 16 * _DAY + 10 * _MINUTE, lambda p: [p.report_replacement()]),
    Step("revoke", "approval", 16 * _DAY + 20 * _MINUTE, lambda p: [p.decide("失効承認")]),
    Step("revoke", "application", 16 * _DAY + 30 * _MINUTE, lambda p: [p.ask_to_revoke(p.serials[1])]),
    Step("revoke", "second approval", 16 * _DAY + 40 * _MINUTE, lambda p: [p.decide("失効承認")]),
)


def at(step: Step, start: datetime) -> datetime:
    return start + step.after
