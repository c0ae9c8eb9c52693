"""Revocations and the list of them, all from the ledger (RFC 5280 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import Ca, Revoked
from bot.signer.evidence import Proof
from bot.signer.messages import RevokedRow, RevokedSerial
from handlers.rules.columns import REVOKE_COLUMNS
from handlers.rules.revocation import RevocationRequest, check_revoke_rows
from handlers.rules.revocation_tsv import revocation_tsv
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.tsv import read_tsv
from store import signer_ledger as ledger
from store.signer_ledger import SignedList
from store.transaction import reading, writing

_NOT_REVOCABLE = row_error(Code.NOT_REVOCABLE, 4, columns=REVOKE_COLUMNS)


@dataclass(frozen=True)
class Revoking:
    """`crl_days`: how long a list holds."""

    engine: Engine
    ca: Ca
    crl_days: int

    def is_our_file(self, data: bytes) -> bool:
        """Whether it is, byte for byte, the revocation TSV that goes out with a renewal's download (manual 1-2-7).

        Column 10 is taken as it stands: the contact may have changed since. A renewal must have been signed.
        """
        rows = read_tsv(data, "evidence.tsv", max_rows=1).rows
        request = check_revoke_rows(rows)[0].request if rows else None
        if request is None:
            return False
        with reading(self.engine) as session:
            old = ledger.by_serial(session, request.serial)
            if old is None or not ledger.is_renewed(session, request.serial, old.institution):
                return False
        try:
            return revocation_tsv(old.subject_dn, request.serial, request.contact_mail) == data
        except ValueError:
            return False

    def revoked_before(self, sheet_sha256: str, seqs: Iterable[int]) -> dict[int, RevokedRow]:
        """What was answered before is answered again, whatever became of the evidence since."""
        with reading(self.engine) as session:
            found = {seq: ledger.revoked_row(session, sheet_sha256, seq) for seq in seqs}
            return {seq: _answer(seq, row) for seq, row in found.items() if row}

    def revoke(self, proof: Proof, seqs: Iterable[int], now: datetime) -> list[RevokedRow]:
        """Take proven rows into the ledger; the next list shows them."""
        with writing(self.engine) as session:
            approved = [seq for seq in proof.rows if proof.is_approved(seq)]
            judged = {seq: self._judge(session, proof, seq, now) for seq in approved}
            open_rows = {s for s in approved if not ledger.revoked_row(session, proof.case.sheet_sha256, s)}
            failed = any(self._is_failure(session, proof, seq, judged[seq]) for seq in open_rows)
            is_stopped = proof.stops_all and failed
            return [
                self._carry_out(session, proof, seq, judged.get(seq, _UNPROVEN), is_stopped, now)
                for seq in seqs
            ]

    def _is_failure(
        self,
        session: Session,
        proof: Proof,
        seq: int,
        judged: RevocationRequest | tuple[RowError, ...],
    ) -> bool:
        """A row that cannot be carried out; not one that was, by an earlier sheet with the same rows."""
        if not isinstance(judged, tuple):
            return False
        request = check_revoke_rows((proof.rows[seq],))[0].request
        return request is None or ledger.revocation_of(session, request.serial) is None

    def _judge(
        self, session: Session, proof: Proof, seq: int, now: datetime
    ) -> RevocationRequest | tuple[RowError, ...]:
        """Still valid, of the same institution, and for the name that the row says (threats OWN1)."""
        request = check_revoke_rows((proof.rows[seq],))[0].request
        named = next(row.name for row in proof.case.sheet.rows if row.seq == seq)
        if request is None or named != f"CN={request.subject_dn.cn.lower()}":
            return (row_error(Code.TAMPERED),)
        signed = ledger.by_serial(session, request.serial)
        is_revocable = (
            signed is not None
            and signed.der is not None
            and signed.issuer == self.ca.issuer
            and signed.institution == proof.institution.id
            and signed.cn == request.subject_dn.cn.lower()
            and signed.not_after >= now
            and ledger.revocation_of(session, request.serial) is None
        )
        return request if is_revocable else (_NOT_REVOCABLE,)

    def _carry_out(
        self,
        session: Session,
        proof: Proof,
        seq: int,
        judged: RevocationRequest | tuple[RowError, ...],
        is_stopped: bool,
        now: datetime,
    ) -> RevokedRow:
        if isinstance(judged, tuple):
            return RevokedRow(seq=seq, errors=judged)
        # of two rows that name one certificate the first has it
        if is_stopped or ledger.revocation_of(session, judged.serial):
            return RevokedRow(seq=seq, errors=() if is_stopped else (_NOT_REVOCABLE,))
        row = ledger.RevokedRow(
            serial=str(judged.serial),
            sheet_sha256=proof.case.sheet_sha256,
            seq=seq,
            reason=int(judged.reason),
            revoked_at=now,
        )
        session.add(row)
        session.flush()
        return _answer(seq, row)

    def newest_list(self, now: datetime) -> SignedList:
        """The newest list, signed anew if it lacks something or half of its time is over. Raises CaFault."""
        with reading(self.engine) as session:
            newest = ledger.newest_list(session)
            total = ledger.count_revoked(session)
            if newest is not None and self._may_stay(newest, total, now):
                return newest
            holds = timedelta(days=self.crl_days)
            # an entry stays until a list after the certificate's end has shown it (RFC 5280 3.3), however long we slept
            ended_since = newest.this_update - holds if newest else None
            rows = ledger.revoked_rows(session, self.ca.issuer, ended_since)
            revoked = [Revoked(int(row.serial), row.revoked_at, row.reason) for row in rows]
        number = newest.number + 1 if newest else 1
        der = self.ca.crl(revoked, number=number, this_update=now, next_update=now + holds)
        with writing(self.engine) as session:
            new = SignedList(
                number=number,
                issuer=self.ca.issuer,
                this_update=now,
                next_update=now + holds,
                revocations=total,
                der=der,
            )
            ledger.keep_list(session, new)
        return new

    def _may_stay(self, newest: SignedList, total: int, now: datetime) -> bool:
        """Complete, by our key, not half used up, and not from a clock that ran ahead."""
        middle = newest.this_update + (newest.next_update - newest.this_update) / 2
        return (
            newest.issuer == self.ca.issuer
            and newest.revocations == total
            and newest.this_update <= now <= middle
        )


_UNPROVEN = (row_error(Code.UNPROVEN),)


def _answer(seq: int, row: ledger.RevokedRow) -> RevokedRow:
    revoked = RevokedSerial(serial=row.serial, reason=row.reason, revoked_at=row.revoked_at)
    return RevokedRow(seq=seq, revoked=revoked)
