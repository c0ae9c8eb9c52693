"""Applications for tests of the handlers: keys, CSRs and TSV rows as an applicant makes them, mails as values."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from handlers.context import Context, Desk
from handlers.dispatch import handle
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail, MailKey, Scheme, Signature, SignedContent
from handlers.rules.reasons import Reason
from handlers.rules.register import Domain, Institution, Officer, OpenPGPKey, Policy, Register
from handlers.rules.sheet import show_code
from store import outbox
from store.tables import Application, Mail
from store.transaction import writing
from tests.stores import make_store

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # a Tuesday, 10 o'clock in Japan
APPLICANT = "applicant@example.ac.jp"
SUZUKI, TANAKA = "5" * 40, "7" * 40  # fingerprints
_uids = itertools.count(1)
_random = itertools.count(1)


def an_officer(name: str, fingerprint: str) -> Officer:
    address = f"{name}@example.ac.jp"
    return Officer(
        id=name,
        name=name.title(),
        addresses=(address,),
        notify=address,
        openpgp=(OpenPGPKey(fingerprint=fingerprint, file=f"{name}.asc"),),
    )


TESTKIKAN = Institution(
    id="testkikan",
    digest="0" * 64,
    name="テスト機関",
    domains=(Domain(name="example.ac.jp", vetted_until="2030-03-31"),),
    organization="testkikan",
    state="Tokyo",
    locality="Chiyoda-ku",
    applicant_domains=("example.ac.jp",),
    officers=(an_officer("suzuki", SUZUKI), an_officer("tanaka", TANAKA)),
)


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def csr_text(
    fqdn: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, organization: str = "testkikan"
) -> str:
    """A PKCS#10 in one line."""
    names = {
        NameOID.COUNTRY_NAME: "JP",
        NameOID.STATE_OR_PROVINCE_NAME: "Tokyo",
        NameOID.LOCALITY_NAME: "Chiyoda-ku",
        NameOID.ORGANIZATION_NAME: organization,
        NameOID.COMMON_NAME: fqdn,
    }
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names.items()])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(Encoding.PEM).decode().replace("\n", "")


def tsv_line(fqdn: str = "test1.example.ac.jp", **changes: str) -> str:
    """One row of 13 columns; `c1` to `c13` replace a column. Every row has a key of its own (P-384, profile 11)."""
    columns = [""] * 13
    columns[0] = f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    columns[1] = "11"
    columns[6] = csr_text(fqdn, ec.generate_private_key(ec.SECP384R1())) if "c7" not in changes else ""
    columns[7:12] = ["佐藤 花子", "情報基盤センター", APPLICANT, fqdn, "Apache 2.4"]
    for name, value in changes.items():
        columns[int(name[1:]) - 1] = value
    return "\t".join(columns)


def tsv(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode("cp932")


def a_mail(
    *attachments: Attachment,
    sender: str | None = APPLICANT,
    subject: str = "サーバ証明書発行申請",
    text: str = "よろしくお願いします。",
    **changes: object,
) -> IncomingMail:
    uid = next(_uids)
    raw = f"raw mail {uid}".encode() + b"".join(a.data for a in attachments)
    mail = IncomingMail(
        key=MailKey("bot@imap", "INBOX", 1, uid),
        received_at=NOW,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        message_id=f"<{uid}@example.ac.jp>",
        references=(),
        sender=sender,
        subject=subject,
        to_detail=None,
        text=text,
        attachments=attachments,
        authentication=None,
        automatic=None,
        fault=None,
        signature=None,
        signature_fault=None,
        signature_scheme=None,
    )
    return replace(mail, **changes)  # type: ignore[arg-type]


def an_application(*lines: str, name: str = "shinsei.tsv", **changes: object) -> IncomingMail:
    return a_mail(Attachment(name, "text/tab-separated-values", tsv(*lines)), **changes)  # type: ignore[arg-type]


def signed(text: str, officer: str = "suzuki", fingerprint: str = SUZUKI, **changes: object) -> IncomingMail:
    """A mail whose signature verified, over `text`."""
    mail = a_mail(sender=f"{officer}@example.ac.jp", subject="Re: 承認のお願い", text=text)
    signed_bytes = mail.raw + text.encode()
    content = SignedContent(
        signed_bytes=signed_bytes,
        signed_sha256=hashlib.sha256(signed_bytes).hexdigest(),
        text=text,
        text_fault=None,
        sender=None,
        attachments=(),
    )
    signature = Signature(Scheme.OPENPGP, fingerprint, "testkikan", officer, NOW, content)
    return replace(mail, signature=signature, signature_scheme=Scheme.OPENPGP, **changes)  # type: ignore[arg-type]


@dataclass
class DeskWorld:
    """A real store with a register; `receive` is one mail in one committed transaction."""

    engine: Engine
    register: Register
    desk: Desk
    now: datetime = NOW
    blocked_keys: frozenset[str] = frozenset()

    def context(self, session: Session) -> Context:
        return Context(
            session, self.now, self.register, self.desk, _counted_bytes, blocked_keys=self.blocked_keys
        )

    def receive(self, mail: IncomingMail) -> Handled:
        with writing(self.engine) as session:
            return handle(mail, self.context(session))

    def remember(self, mail: IncomingMail, handled: Handled) -> None:
        """Note a mail and its answers as the intake does."""
        with writing(self.engine) as session:
            uid = (session.scalar(select(func.count()).select_from(Mail)) or 0) + 1
            place = {"account": "a", "folder": "INBOX", "uidvalidity": 1, "uid": uid, "raw_sha256": "0"}
            times = {"received_at": self.now, "handled_at": self.now}
            became = {"kind": handled.kind, "reason": handled.reason, "filed": handled.filed}
            session.add(
                Mail(sender=mail.sender, signed=mail.signature is not None, **place, **times, **became)
            )
            for number, notice in enumerate(handled.notices):
                outgoing = outbox.enqueue(
                    session,
                    recipient=notice.to,
                    template=notice.letter.template,
                    message_id=f"<{uid}.{number}@desk>",
                    number=notice.number,
                    data=b"",
                    now=self.now,
                )
                outgoing.counted = notice.is_counted

    def take(self, *lines: str, **changes: object) -> str:
        """An application that is taken; its number."""
        handled = self.receive(an_application(*lines, **changes))
        assert handled.reason is Reason.TAKEN, handled
        assert handled.number
        return handled.number

    def code(self, number: str) -> str:
        with writing(self.engine) as session:
            return show_code(session.get_one(Application, number).code)

    def decide(self, line: str, number: str, officer: str = "suzuki", fingerprint: str = SUZUKI) -> Handled:
        return self.receive(signed(f"{line}\n\n> コード: {self.code(number)}\n", officer, fingerprint))

    def states(self, number: str) -> list[str]:
        with writing(self.engine) as session:
            return [entry.state.value for entry in session.get_one(Application, number).entries]

    def change_institution(self, **changes: object) -> None:
        institution = self.register.institutions["testkikan"].model_copy(update=changes)
        self.register = Register({"testkikan": institution}, self.register.digest)


def _counted_bytes(count: int) -> bytes:
    """Never the same twice, and the same in every run."""
    return hashlib.shake_128(str(next(_random)).encode()).digest(count)


def open_world(directory: Path, *institutions: Institution) -> DeskWorld:
    engine = make_store(directory)
    register = Register({i.id: i for i in institutions or (TESTKIKAN,)}, "f" * 64)
    desk = Desk(
        "desk.example.ac.jp", "ringi@example.ac.jp", "https://ra.example.ac.jp", ("monitor@example.ac.jp",)
    )
    return DeskWorld(engine, register, desk)


def letters(handled: Handled) -> list[tuple[str, str]]:
    """(recipient, template) of every answer, in order."""
    return [(notice.to, notice.letter.template) for notice in handled.notices]


def policies(**changes: object) -> tuple[Policy, ...]:
    """One policy for every kind."""
    return (Policy.model_validate(changes),)


def codes(rows: Sequence[object]) -> list[int]:
    return [error.code for row in rows for error in row.errors]  # type: ignore[attr-defined]
