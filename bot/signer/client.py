"""The desk's side of the signer: the only way from an approved row to a certificate."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.ca.protocol import CaFault, Revoked
from bot.signer.frames import FrameFault, receive_frame, send_frame
from bot.signer.messages import (
    AskIssue,
    AskList,
    AskRevoke,
    AskSerials,
    AskWho,
    Evidence,
    Fault,
    Issued,
    OtherLedger,
    RevocationList,
    Revocations,
    RowToIssue,
    Serials,
    Who,
)
from handlers.rules.order import Reserved
from handlers.rules.row_errors import RowError

Call = Callable[[bytes], bytes]
_A = TypeVar("_A", bound=BaseModel)
_read_refusal = TypeAdapter[Fault | OtherLedger](Fault | OtherLedger).validate_json


class ForeignLedger(CaFault):
    """The signer works on another ledger than the store's, and did nothing. It does not pass, and no row ends by it."""

    def __init__(self, ours: str, found: str) -> None:
        super().__init__(
            f"its ledger is {found}, the store belongs to {ours}: nothing is issued or revoked",
            temporary=False,
        )


@dataclass
class Heard:
    """How the signer answered since this was last taken. `fault`: the first; an answer that refuses is none."""

    answers: int = 0
    fault: CaFault | None = None

    def take(self) -> "Heard":
        taken = Heard(self.answers, self.fault)
        self.answers, self.fault = 0, None
        return taken


@dataclass(frozen=True)
class SignerClient:
    """`call`: carries a question to the signer and its answer back; CaFault where it can't. `meet`: the id of the
    ledger that a signer offers -> that of the store's, which every question is meant for."""

    call: Call
    who: Who
    meet: Callable[[str], str]
    heard: Heard = field(default_factory=Heard)

    @classmethod
    def open(cls, call: Call, meet: Callable[[str], str] = lambda offered: offered) -> "SignerClient":
        """Asks who the CA is: nothing of that changes while we run. Without `meet` any ledger will do."""
        return cls(call, _ask(call, AskWho(), Who), meet)

    @property
    def issuer(self) -> str:
        """Hex SHA-256 of the CA key's SPKI."""
        return self.who.issuer

    @property
    def not_after(self) -> datetime:
        """The last second for which the CA can sign, UTC."""
        return self.who.not_after

    def chain(self) -> tuple[bytes, ...]:
        """DER of the issuing certificate and those above it, nearest first."""
        return self.who.chain

    def reserve(self, count: int) -> list[Reserved]:
        """As many serials that nobody else ever gets. Raises CaFault."""
        if not count:
            return []
        given = self._ask(AskSerials(ledger=self._ledger(), count=count), Serials)
        return [Reserved(int(serial), given.given_at) for serial in given.serials]

    def issue(self, evidence: Evidence, rows: Mapping[int, int]) -> dict[int, bytes | tuple[RowError, ...]]:
        """SEQ -> serial: SEQ -> DER, or why not; () for a sound row that another one stops. Raises CaFault."""
        wanted = tuple(RowToIssue(seq=seq, serial=str(serial)) for seq, serial in rows.items())
        answer = self._ask(AskIssue(ledger=self._ledger(), evidence=evidence, rows=wanted), Issued)
        return {row.seq: row.der or row.errors for row in answer.rows}

    def revoke(self, evidence: Evidence, seqs: Sequence[int]) -> dict[int, Revoked | tuple[RowError, ...]]:
        """SEQ -> the line of the next list, or why not, as in `issue`. Raises CaFault."""
        question = AskRevoke(ledger=self._ledger(), evidence=evidence, seqs=tuple(seqs))
        answer = self._ask(question, Revocations)
        return {
            row.seq: Revoked(int(row.revoked.serial), row.revoked.revoked_at, row.revoked.reason)
            if row.revoked
            else row.errors
            for row in answer.rows
        }

    def newest_list(self, known: int) -> bytes | None:
        """DER of the newest list, None if it is number `known`. Raises CaFault."""
        answer = self._ask(AskList(ledger=self._ledger(), known=known), RevocationList)
        if answer.number < known:
            raise self.doubt(
                f"newest list is number {answer.number}, ours {known}: its ledger is an old copy"
            )
        return answer.der or None

    def doubt(self, what: str) -> CaFault:
        """The fault that the signer's answer is not one of a signer that knows all it did: the monitors hear of it."""
        fault = CaFault(f"the signer's {what}", temporary=False)
        self.heard.fault = self.heard.fault or fault
        return fault

    def _ledger(self) -> str:
        # each time: an operator may accept another one while we run
        return self.meet(self.who.ledger)

    def _ask(self, question: AskSerials | AskIssue | AskRevoke | AskList, expected: type[_A]) -> _A:
        try:
            answer = _ask(self.call, question, expected)
        except CaFault as fault:
            # for good, it is the answer to this order: its rows end by it
            if fault.temporary or isinstance(fault, ForeignLedger) or not isinstance(question, AskIssue):
                self.heard.fault = self.heard.fault or fault
            raise
        self.heard.answers += 1
        return answer


def _ask(call: Call, question: BaseModel, expected: type[_A]) -> _A:
    data = call(question.model_dump_json().encode())
    try:
        return expected.model_validate_json(data)
    except ValidationError as error:
        try:
            refusal = _read_refusal(data)
        except ValidationError:
            raise CaFault(f"the signer's answer can't be read: {error}", temporary=True) from None
    if isinstance(refusal, OtherLedger):
        raise ForeignLedger(getattr(question, "ledger", ""), refusal.other_ledger)
    raise CaFault(refusal.fault, temporary=refusal.temporary)


def socket_call(path: Path, seconds: float) -> Call:
    """One connection a question. A signer that is away, or dies over a question, is a temporary CaFault."""

    def call(question: bytes) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(seconds)
                connection.connect(str(path))
                send_frame(connection, question, seconds)
                answer = receive_frame(connection, seconds)
        except (OSError, FrameFault) as error:
            raise CaFault(
                f"no answer from the signer at {path}: {error}; does `ringi signer` run?", temporary=True
            ) from error
        if answer is None:
            raise CaFault(f"the signer at {path} refused the question: see its log", temporary=True)
        return answer

    return call
