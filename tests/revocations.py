"""A desk with a CA of its own: certificates issued for real, and revocations of them that officers approved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.ca.local import LocalCa
from bot.ca.making import KeyKind, make_ca
from bot.ca.protocol import Ca
from bot.config import Ca as CaSettings
from bot.revoke import Revoker
from handlers import issue, revoke
from handlers.incoming import IncomingMail, MailKey
from handlers.notices import Notice
from handlers.proof import Proven
from handlers.rules.order import IssueOrder, Revoked
from handlers.rules.row_errors import RowError
from store import applications, certificates, crls
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
    notices: list[Notice] = field(default_factory=list)
    reads: bool = True
    _mails: dict[bytes, IncomingMail] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.ca.issuer

    def issue(self, fqdn: str = "test1.example.ac.jp", **changes: str) -> int:
        """An issued certificate; its serial."""
        number = self.world.take(tsv_line(fqdn, **changes))
        self.decide("承認", number)
        proven = self.proven(number)
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            issuer = issue.Issuer(self.issuer, datetime(2036, 1, 1, tzinfo=UTC))
            issue.plan(ctx, session.get_one(Application, number), proven, issuer)
            (certificate,) = certificates.unsigned(session, 10)
            order = issue.order_for(ctx, certificate, proven)
            assert isinstance(order, IssueOrder)
            issue.record(ctx, [(certificate, self.ca.issue(order))])
            return order.serial

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
        """What the next list gets, by the entry's id."""
        proven = {number: self.proven(number) for number in numbers}
        with reading(self.world.engine) as session:
            found = revoke.orders_for(self.world.context(session), proven, self.issuer)
            return [(entry.id, order) for entry, order in found]

    def record(self, orders: Sequence[tuple[int, Revoked | tuple[RowError, ...]]]) -> list[Notice]:
        with writing(self.world.engine) as session:
            done = [(session.get_one(Entry, i), o) for i, o in orders if isinstance(o, Revoked)]
            return revoke.record(self.world.context(session), self.issuer, done, 1)

    def revoker(self, ca: Ca | None = None, crl_days: int = 7) -> Revoker:
        return Revoker(
            self.world.engine,
            ca or self.ca,
            self,  # type: ignore[arg-type]
            lambda: self,  # type: ignore[arg-type, return-value]
            self.world.context,
            crl_days,
        )

    def round(self, ca: Ca | None = None, crl_days: int = 7) -> int:
        """What the service does once; how many certificates it revoked."""
        return self.revoker(ca, crl_days).revoke_all(lambda: True)

    def queue(self, session: Session, notices: Sequence[Notice], now: datetime) -> None:
        """In the place of the outbox."""
        self.notices += notices

    def read(self, raw: bytes, key: MailKey, received_at: datetime) -> IncomingMail:
        """In the place of gpg: the mail that these bytes were."""
        return self._mails[raw] if self.reads else signed("")

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
    return RevocationDesk(open_world(folder), open_ca(folder, key))
