"""Certificates: intent, signature and answer, each row once for ever (threats, sections 9 and 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import Ca, CaFault
from bot.signer.evidence import Proof
from bot.signer.messages import AskIssue, IssuedRow, RowToIssue
from bot.signer.parallel import sign_each
from handlers.context import Desk
from handlers.rules.checks import IssueRules, ServerRequest, blocked_key, screen
from handlers.rules.derived import derive_request, order_of
from handlers.rules.order import IssueOrder
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.sheet import SheetRow
from handlers.rules.working_days import local_day
from store import signer_ledger as ledger
from store.signer_ledger import SignedRow
from store.transaction import reading, writing

log = structlog.get_logger()
_UNPROVEN = (row_error(Code.UNPROVEN),)
_KEY_USED = row_error(Code.KEY_USED, 7)
# this very row has a certificate by an earlier sheet: frozen anew with it, the other rows are not stopped by it
_HAS_ITS_OWN = (_KEY_USED,)
_Judged = Mapping[int, ServerRequest | tuple[RowError, ...]]


@dataclass(frozen=True)
class _Intent:
    seq: int
    order: IssueOrder


@dataclass(frozen=True)
class Issuing:
    """Signs rows that are proven. `processes`: how many may sign at the same time."""

    engine: Engine
    ca: Ca
    desk: Desk
    blocked_keys: frozenset[str] = frozenset()
    processes: int = 1

    def signed_before(self, ask: AskIssue, sheet_sha256: str) -> dict[int, IssuedRow]:
        """What was answered before is answered again, whatever became of the evidence since."""
        with reading(self.engine) as session:
            known = ledger.signed_rows(session, sheet_sha256)
            found = [known[row.seq] for row in ask.rows if row.seq in known]
            return {row.seq: IssuedRow(seq=row.seq, der=row.der) for row in found if row.der}

    def issue(self, proof: Proof, rows: Sequence[RowToIssue], now: datetime) -> list[IssuedRow]:
        """Sign what can be signed. Raises CaFault where the CA can't for now: what was signed until then is kept."""
        judged = self._judge(proof, now)
        is_stopped = proof.stops_all and any(
            isinstance(result, tuple) and result is not _HAS_ITS_OWN for result in judged.values()
        )
        answers: dict[int, IssuedRow] = {}
        intents: list[_Intent] = []
        with writing(self.engine) as session:
            known = self._known(session, proof, rows, judged)
            for row in rows:
                result: ServerRequest | _Intent | tuple[RowError, ...] = judged.get(row.seq, _UNPROVEN)
                if isinstance(result, ServerRequest) and not is_stopped:
                    result = self._intend(session, proof, row, result, known)
                if isinstance(result, _Intent):
                    intents.append(result)
                else:
                    errors = result if isinstance(result, tuple) else ()
                    answers[row.seq] = IssuedRow(seq=row.seq, errors=errors)
        answers |= self._sign(proof.case.sheet_sha256, intents)
        return [answers[row.seq] for row in rows]

    def _judge(self, proof: Proof, now: datetime) -> _Judged:
        """Every approved row that has no certificate yet: with STOP_ALL each of them counts, asked for or not."""
        with reading(self.engine) as session:
            old = ledger.signed_rows(session, proof.case.sheet_sha256)
            done = {seq for seq, row in old.items() if row.der}
            derived = {
                named.seq: self._derive(proof, named)
                for named in proof.case.sheet.rows
                if named.seq not in done and proof.is_approved(named.seq)
            }
            keys = [request.public_key_sha256 for request in derived.values() if request]
            owners = ledger.by_public_keys(session, keys)
            return {
                seq: self._judge_row(proof, seq, request, owners.get(request.public_key_sha256), now)
                if request
                else (row_error(Code.TAMPERED),)
                for seq, request in derived.items()
            }

    def _derive(self, proof: Proof, named: SheetRow) -> ServerRequest | None:
        """None where the row's own bytes don't say what the sheet does."""
        rules = IssueRules(
            proof.institution, self.desk.profiles, self.desk.strict_jisx0208, kind=proof.case.sheet.kind
        )
        request = derive_request(proof.rows[named.seq], rules)
        return request if request is not None and named.name == f"CN={request.fqdn}" else None

    def _judge_row(
        self, proof: Proof, seq: int, request: ServerRequest, owner: SignedRow | None, now: datetime
    ) -> ServerRequest | tuple[RowError, ...]:
        """`owner`: the row that has its public key."""
        today = local_day(now, self.desk.utc_offset_hours)
        errors = screen(proof.institution, request.dns_names, today)
        errors += blocked_key(request, self.blocked_keys)
        if owner and (owner.sheet_sha256, owner.seq) != (proof.case.sheet_sha256, seq):
            is_same = (owner.institution, owner.raw_line) == (proof.institution.id, proof.rows[seq].raw)
            errors = _HAS_ITS_OWN if owner.der and is_same else (*errors, _KEY_USED)
        return errors or request

    def _known(self, session: Session, proof: Proof, rows: Sequence[RowToIssue], judged: _Judged) -> "_Known":
        serials = [row.serial for row in rows]
        requests = (judged.get(row.seq) for row in rows)
        keys = [r.public_key_sha256 for r in requests if isinstance(r, ServerRequest)]
        return _Known(
            intents=ledger.signed_rows(session, proof.case.sheet_sha256),
            given=ledger.given_at(session, serials),
            used_serials=ledger.used_serials(session, serials),
            used_keys=set(ledger.by_public_keys(session, keys)),
        )

    def _intend(
        self, session: Session, proof: Proof, row: RowToIssue, request: ServerRequest, known: "_Known"
    ) -> _Intent | tuple[RowError, ...]:
        """The row's intent: the one a crash left behind, or a new one for this serial."""
        old = known.intents.get(row.seq)
        if old is not None:
            return self._order(row.seq, request, int(old.serial), old.not_before)
        begin = known.given.get(row.serial)
        if begin is None or row.serial in known.used_serials:
            return (row_error(Code.CA_REFUSED),)
        if request.public_key_sha256 in known.used_keys:
            return (_KEY_USED,)
        known.used_serials.add(row.serial)
        known.used_keys.add(request.public_key_sha256)
        intent = self._order(row.seq, request, int(row.serial), begin)
        session.add(self._row(proof, intent, request))
        return intent

    def _order(self, seq: int, request: ServerRequest, serial: int, begin: datetime) -> _Intent:
        return _Intent(seq, order_of(request, serial, begin, self.ca.not_after))

    def _row(self, proof: Proof, intent: _Intent, request: ServerRequest) -> SignedRow:
        return SignedRow(
            sheet_sha256=proof.case.sheet_sha256,
            seq=intent.seq,
            serial=str(intent.order.serial),
            issuer=self.ca.issuer,
            public_key_sha256=request.public_key_sha256,
            institution=proof.institution.id,
            kind=proof.case.sheet.kind.value,
            raw_line=proof.rows[intent.seq].raw,
            encoding=proof.encoding,
            subject_dn=request.subject_dn.text(),
            cn=request.subject_dn.cn.lower(),
            old_serial=None if request.old_serial is None else str(request.old_serial),
            not_before=intent.order.not_before,
            not_after=intent.order.not_after,
        )

    def _sign(self, sheet_sha256: str, intents: Sequence[_Intent]) -> dict[int, IssuedRow]:
        """The intents are committed; what is signed is committed too before anybody sees it."""
        # a token's key can't be had by a child
        processes = self.processes if self.ca.is_in_memory else 1
        signed = sign_each(self.ca.issue, [intent.order for intent in intents], processes)
        answers: dict[int, IssuedRow] = {}
        faults: list[CaFault] = []
        for intent, result in zip(intents, signed, strict=True):
            if isinstance(result, bytes):
                answers[intent.seq] = IssuedRow(seq=intent.seq, der=result)
                continue
            log.error("ca", serial=str(intent.order.serial), temporary=result.temporary, error=str(result))
            if result.temporary:
                faults.append(result)
            else:
                answers[intent.seq] = IssuedRow(seq=intent.seq, errors=(row_error(Code.CA_REFUSED),))
        with writing(self.engine) as session:
            ledger.keep_signed(session, sheet_sha256, {a.seq: a.der for a in answers.values() if a.der})
            # nothing was signed: the key may come again in another application
            ledger.drop_intents(session, sheet_sha256, [a.seq for a in answers.values() if not a.der])
        if faults:
            raise faults[0]
        return answers


@dataclass(frozen=True)
class _Known:
    """What the ledger has of the rows that are asked for. The sets grow with each intent."""

    intents: Mapping[int, SignedRow]
    given: Mapping[str, datetime]
    used_serials: set[str]
    used_keys: set[str]
