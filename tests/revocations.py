"""A desk with a CA of its own: certificates issued for real, and revocations of them that officers approved."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bot.ca.local import LocalCa
from bot.ca.making import KeyKind, make_ca
from bot.ca.protocol import Ca
from bot.config import Ca as CaSettings
from bot.holder import this_process
from bot.revoke import Revoker, questions_of
from bot.shares import Shares
from bot.signer.client import SignerClient
from bot.signer.core import Signer
from bot.signer.gather import gather
from bot.verified import VerifierFault
from handlers import issue, revoke
from handlers.incoming import IncomingMail, MailKey
from handlers.notices import Notice
from handlers.proof import Proven
from handlers.rules.order import Revoked
from handlers.rules.register import Register
from handlers.rules.row_errors import RowError
from store import applications, certificates, crls, known_ledger
from store.signer_ledger import open_ledger
from store.states import Verb
from store.tables import Application, Certificate, Entry, JournalEntry
from store.transaction import reading, writing
from tests.applications import APPLICANT, NOW, SUZUKI, DeskWorld, open_world, signed, tsv_line


def revoke_line(serial: int, fqdn: str = "test1.example.ac.jp", **changes: str) -> str:
    """One row of 13 columns; `c1` to `c13` replace a column."""
    columns = [""] * 13
    columns[0] = f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    columns[3], columns[4], columns[5] = str(serial), "4", "更新に伴う旧証明書の失効"
    columns[9] = APPLICANT
    for name, value in changes.items():
        columns[int(name[1:]) - 1] = value
    return "\t".join(columns)


def open_ca(folder: Path, key: KeyKind = "p384") -> LocalCa:
    key_pem, certificate_pem = make_ca("Example CA", key=key, days=3650, passphrase=None, now=NOW)
    (folder / "ca.key").write_bytes(key_pem)
    (folder / "ca.pem").write_bytes(certificate_pem)
    return LocalCa.open(CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem"), None, now=NOW)


@dataclass
class RevocationDesk:
    """`notices` is what would be mailed. `reads` makes stored decisions verify again; False: none does."""

    world: DeskWorld
    ca: LocalCa
    ledger: Engine
    notices: list[Notice] = field(default_factory=list)
    reads: bool = True
    unjudged: set[str] = field(default_factory=set)  # officers whose signatures can't be judged now
    between: timedelta = timedelta(0)  # the least time between two lists
    _mails: dict[bytes, IncomingMail] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.ca.issuer

    def issue(self, fqdn: str = "test1.example.ac.jp", **changes: str) -> int:
        """An issued certificate; its serial."""
        number = self.world.take(tsv_line(fqdn, **changes))
        self.decide("承認", number)
        client, proven = self.client(), self.proven(number)
        reserved = client.reserve(1)
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            issuer = issue.Issuer(client.issuer, client.not_after, reserved)
            issue.plan(ctx, session.get_one(Application, number), proven, issuer)
            (certificate,) = certificates.unsigned(session, 10)
            evidence = gather(session, certificate.entry.application, ctx.register)
            assert evidence is not None
            der = client.issue(evidence, {1: int(certificate.serial)})[1]
            assert isinstance(der, bytes), der
            issue.record(ctx, [(certificate, der)])
            return int(certificate.serial)

    def ask(self, *lines: str, line: str | None = "失効承認", **changes: object) -> str:
        """A revocation that is asked for and (unless `line` is None) approved; its number."""
        number = self.world.take(*lines, subject="サーバ証明書失効申請", **changes)
        if line:
            self.decide(line, number)
        return number

    def decide(self, line: str, number: str, officer: str = "suzuki", key: str = SUZUKI) -> None:
        mail = signed(f"{line}\n\n> コード: {self.world.code(number)}\n", officer, key)
        self._mails[mail.raw] = mail
        self.world.receive(mail)

    def proven(self, number: str) -> Proven:
        """As if every stored approval had verified again."""
        with reading(self.world.engine) as session:
            return {
                d.id: frozenset(json.loads(d.rows))
                for d in applications.decisions_on(session, number)
                if d.verb is Verb.APPROVE
            }

    def plan(self, number: str, proven: Proven | None = None) -> list[Notice]:
        proven = self.proven(number) if proven is None else proven
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            return revoke.plan(ctx, session.get_one(Application, number), proven, self.issuer)

    def orders(self, *numbers: str) -> list[tuple[int, Revoked | tuple[RowError, ...]]]:
        """What the signer says to the intents of these applications, by the entry's id."""
        with reading(self.world.engine) as session:
            ctx = self.world.context(session)
            questions = [q for q in questions_of(ctx, self.issuer) if q.number in numbers]
        return list(self.revoker().ask(questions, 0).answers)

    def record(self, orders: Sequence[tuple[int, Revoked | tuple[RowError, ...]]]) -> list[Notice]:
        with writing(self.world.engine) as session:
            done = [(session.get_one(Entry, i), o) for i, o in orders if isinstance(o, Revoked)]
            return revoke.record(self.world.context(session), self.issuer, done, 1)

    def client(self, ca: Ca | None = None, crl_days: int = 7) -> SignerClient:
        """The desk's side of the real signer, in this process; its ledger is a file of its own."""
        core = Signer(
            engine=self.ledger,
            ca=ca or self.ca,
            desk=self.world.desk,
            authority=self,  # type: ignore[arg-type]
            crl_days=crl_days,
            now=lambda: self.world.now,
            random=secrets.token_bytes,
        )
        return SignerClient.open(core.answer, partial(known_ledger.meet, self.world.engine))

    def revoker(self, ca: Ca | None = None, crl_days: int = 7) -> Revoker:
        return Revoker(
            self.world.engine,
            self.client(ca, crl_days),
            self,  # type: ignore[arg-type]
            lambda: self,  # type: ignore[arg-type, return-value]
            self.world.context,
            Shares(self.world.engine, this_process(), lambda: self.world.now),
            self.between,
        )

    @property
    def reader(self) -> "RevocationDesk":
        """In the place of the signer's Authority."""
        return self

    @property
    def register(self) -> Register:
        return self.world.register

    @property
    def blocked_keys(self) -> frozenset[str]:
        return frozenset()

    def reload(self) -> bool:
        return True

    def round(self, ca: Ca | None = None, crl_days: int = 7) -> int:
        """What the service does once; how many certificates it revoked."""
        return self.revoker(ca, crl_days).revoke_all(lambda: True)

    def queue(self, session: Session, notices: Sequence[Notice], now: datetime) -> None:
        """In the place of the outbox."""
        self.notices += notices

    def read(
        self, raw: bytes, key: MailKey, received_at: datetime, judged_at: datetime | None = None
    ) -> IncomingMail:
        """In the place of gpg: the mail that these bytes were."""
        mail = self._mails[raw]
        assert mail.signature is not None
        if mail.signature.officer in self.unjudged:
            raise VerifierFault("the revocation list is stale", temporary=True)
        return mail if self.reads else signed("")

    def events(self) -> list[str]:
        with reading(self.world.engine) as session:
            return list(session.scalars(select(JournalEntry.event).order_by(JournalEntry.seq)))

    def revoked(self) -> dict[int, tuple[datetime, int | None]]:
        """Serial -> when and why, as stored."""
        with reading(self.world.engine) as session:
            found = session.scalars(select(Certificate).where(Certificate.revoked_at.is_not(None)))
            return {int(c.serial): (c.revoked_at, c.revocation_reason) for c in found if c.revoked_at}

    def newest(self) -> tuple[int, bytes]:
        """Number and DER of the list that is served."""
        with reading(self.world.engine) as session:
            crl = crls.newest(session)
            assert crl is not None
            return crl.number, crl.der

    def leaf(self, serial: int) -> bytes:
        with reading(self.world.engine) as session:
            certificate = crls.signed_certificate(session, self.issuer, serial)
            assert certificate is not None
            assert certificate.der is not None
            return certificate.der

    def wait(self, **time: float) -> None:
        self.world.now += timedelta(**time)


def open_desk(folder: Path, key: KeyKind = "p384") -> RevocationDesk:
    return RevocationDesk(open_world(folder), open_ca(folder, key), open_ledger(folder / "signer.db"))
