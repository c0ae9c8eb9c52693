"""One question in, one answer out: the whole signer but for its socket."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine

from bot.ca.protocol import Ca, CaFault
from bot.reading import Reader
from bot.signer.evidence import Proof, read_evidence
from bot.signer.issuing import Issuing
from bot.signer.messages import (
    Answer,
    Ask,
    AskIssue,
    AskList,
    AskRevoke,
    AskSerials,
    AskWho,
    Evidence,
    Fault,
    Issued,
    IssuedRow,
    OtherLedger,
    RevocationList,
    Revocations,
    RevokedRow,
    Serials,
    Who,
    read_ask,
)
from bot.signer.revoking import Revoking
from bot.verified import VerifierFault
from handlers.context import Desk
from handlers.rules.numbers import serial_number
from handlers.rules.row_errors import Code, row_error
from store import signer_ledger as ledger
from store.states import Kind
from store.transaction import writing

log = structlog.get_logger()
_NUMBER = re.compile(rb"A-[0-9]{8}-[0-9]{1,8}")
_TO_ISSUE = frozenset({Kind.ISSUE, Kind.RENEW})
_TO_REVOKE = frozenset({Kind.REVOKE})


class Malformed(Exception):
    """What came is no question of this protocol: whoever sent it gets no answer."""

    temporary = False


class Authority(Protocol):
    """The register and the officers' keys, from the signer's own files."""

    @property
    def reader(self) -> Reader: ...
    @property
    def blocked_keys(self) -> frozenset[str]: ...
    def reload(self) -> bool: ...


@dataclass(frozen=True)
class Signer:
    """`now`: the signer's own clock. `random`: n -> n unguessable bytes. `crl_days`: how long a list holds.
    `processes`: how many may sign at the same time."""

    engine: Engine
    ca: Ca
    desk: Desk
    authority: Authority
    crl_days: int
    now: Callable[[], datetime]
    random: Callable[[int], bytes]
    processes: int = 1

    def answer(self, question: bytes) -> bytes:
        """Raises Malformed; whatever the world does wrong is an answer."""
        try:
            ask = read_ask(question)
        except ValidationError as error:
            # without the input: it may be long, and it is anybody's
            kinds = sorted({str(found["type"]) for found in error.errors(include_input=False)})
            raise Malformed(f"no question of this protocol: {', '.join(kinds)[:200]}") from None
        try:
            answer = self._answer(ask)
        except (CaFault, VerifierFault) as fault:
            log.error("signer", ask=ask.ask, temporary=fault.temporary, error=str(fault))
            answer = Fault(fault=str(fault), temporary=fault.temporary)
        return answer.model_dump_json().encode()

    def _answer(self, ask: Ask) -> Answer:
        mine = ledger.id_of(self.engine, self.random)
        if isinstance(ask, AskWho):
            chain, not_after = self.ca.chain(), self.ca.not_after
            return Who(issuer=self.ca.issuer, chain=chain, not_after=not_after, ledger=mine)
        if ask.ledger != mine:
            log.error("signer", ask=ask.ask, refused="meant for another ledger", meant=ask.ledger, ours=mine)
            return OtherLedger(other_ledger=mine)
        if isinstance(ask, AskIssue):
            return self._issue(ask)
        if isinstance(ask, AskRevoke):
            return self._revoke(ask)
        if isinstance(ask, AskSerials):
            return self._give_serials(ask.count)
        return self._list(ask)

    def _give_serials(self, count: int) -> Serials:
        now = self.now()
        serials = [serial_number(self.random(12)) for _ in range(count)]
        with writing(self.engine) as session:
            ledger.give_serials(session, serials, now)
        return Serials(serials=tuple(map(str, serials)), given_at=now)

    def _issue(self, ask: AskIssue) -> Issued:
        issuing = Issuing(self.engine, self.ca, self.desk, self.authority.blocked_keys, self.processes)
        answers = issuing.signed_before(ask, sha256(ask.evidence.sheet).hexdigest())
        # of a SEQ that is asked for twice only the first counts
        rows = list({row.seq: row for row in reversed(ask.rows) if row.seq not in answers}.values())
        if rows:
            proof = self._read(ask.evidence, _TO_ISSUE, lambda _: False)
            if isinstance(proof, Proof) and not proof.institution.active:
                proof = Code.INSTITUTION_INACTIVE
            if isinstance(proof, Proof):
                answers |= {row.seq: row for row in issuing.issue(proof, rows, self.now())}
            else:
                answers |= {r.seq: IssuedRow(seq=r.seq, errors=(row_error(proof),)) for r in rows}
        _note("issue", ask.evidence, {seq: row.errors for seq, row in answers.items()})
        return Issued(rows=tuple(answers[seq] for seq in dict.fromkeys(row.seq for row in ask.rows)))

    def _revoke(self, ask: AskRevoke) -> Revocations:
        revoking = self._revoking
        answers = revoking.revoked_before(sha256(ask.evidence.sheet).hexdigest(), ask.seqs)
        seqs = [seq for seq in dict.fromkeys(ask.seqs) if seq not in answers]
        if seqs:
            proof = self._read(ask.evidence, _TO_REVOKE, revoking.is_our_file)
            if isinstance(proof, Proof):
                answers |= {row.seq: row for row in revoking.revoke(proof, seqs, self.now())}
            else:
                answers |= {seq: RevokedRow(seq=seq, errors=(row_error(proof),)) for seq in seqs}
        _note("revoke", ask.evidence, {seq: row.errors for seq, row in answers.items()})
        return Revocations(rows=tuple(answers[seq] for seq in dict.fromkeys(ask.seqs)))

    def _list(self, ask: AskList) -> RevocationList:
        newest = self._revoking.newest_list(self.now())
        return RevocationList(number=newest.number, der=b"" if newest.number == ask.known else newest.der)

    @property
    def _revoking(self) -> Revoking:
        return Revoking(self.engine, self.ca, self.crl_days)

    def _read(
        self, evidence: Evidence, kinds: frozenset[Kind], is_our_file: Callable[[bytes], bool]
    ) -> Proof | Code:
        reader = self._reader_for(evidence.register_sha256)
        return read_evidence(evidence, self.desk, reader, self.now(), kinds, is_our_file)

    def _reader_for(self, register_sha256: str) -> Reader:
        """The register in force. Both sides must work by the same one: else what one shows the other refuses."""
        if self.authority.reader.register.digest != register_sha256:
            self.authority.reload()
        reader = self.authority.reader
        if reader.register.digest != register_sha256:
            raise CaFault(
                "the desk and the signer work by different registers: reload the desk (SIGHUP), or mend the files",
                temporary=True,
            )
        return reader


def _note(ask: str, evidence: Evidence, errors: dict[int, tuple[object, ...]]) -> None:
    sheet = sha256(evidence.sheet).hexdigest()
    refused = [seq for seq, found in errors.items() if found]
    named = _NUMBER.search(evidence.sheet)
    number = named[0].decode() if named else None
    log.info("signer", ask=ask, number=number, entry=list(errors), sheet=sheet, refused=refused)
