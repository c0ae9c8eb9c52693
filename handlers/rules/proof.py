"""Which rows of an application a signed text approves: the one rule that the desk and the signer share.

Pure: whoever asks has verified the signature, and says what the bytes it covers hold. Nothing else is believed: a
sheet counts only if it is the text behind its digest, a batch only if it is the text behind its code.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.rules.approval import DecisionLine, Reading, read_decision
from handlers.rules.batch_sheet import BatchSheet
from handlers.rules.batch_words import addressed_rows, words_fault
from handlers.rules.sheet import Sheet, code_of
from handlers.rules.upload import read_upload, returns_file, speaks_of_file
from store.states import Kind, Verb


@dataclass(frozen=True)
class Case:
    """What was put before the officers. `sheet_sha256`: hex, its first 32 digits are the code.

    `is_returned`: the file is a revocation TSV of our own making, whose signed return is the approval. `is_whole`: the
    sheet names every row of the file, or the institution lets rows go on without those that are bad.
    """

    sheet: Sheet
    sheet_sha256: str
    is_returned: bool = False
    is_whole: bool = True

    @property
    def code(self) -> str:
        return self.sheet_sha256[:32]

    @property
    def seqs(self) -> frozenset[int]:
        return frozenset(row.seq for row in self.sheet.rows)


@dataclass(frozen=True)
class SignedText:
    """What a good signature covers: the text, and the hex SHA-256 of every attachment."""

    text: str
    files: frozenset[str]


def approved_rows(
    case: Case, signed: SignedText, batches: Sequence[tuple[str, BatchSheet]]
) -> frozenset[int]:
    """The SEQs that `signed` approves; none unless it names this sheet's code, that of a batch which holds this
    sheet, or carries the very file under a line that approves it.

    `batches`: (code, sheet) of every batch that may be meant.
    """
    if hashlib.sha256(case.sheet.render()).hexdigest() != case.sheet_sha256:
        return frozenset()
    if _approves_file(case, signed):
        return case.seqs
    reading = read_decision(signed.text)
    line = reading.decision
    if line is None or not _is_approval(line, case.sheet.kind) or len(reading.codes) != 1:
        return frozenset()
    if reading.codes == (case.code,):
        return _approved_in_sheet(case, reading, line)
    return _approved_in_batch(batches, case, reading, line)


def _is_approval(line: DecisionLine, kind: Kind) -> bool:
    return line.verb is Verb.APPROVE and line.is_revocation == (kind is Kind.REVOKE)


def _approved_in_sheet(case: Case, reading: Reading, line: DecisionLine) -> frozenset[int]:
    """Rows quoted or named that the sheet does not have: the officer saw another request."""
    has_quoted = reading.quotes_only((row.seq, row.digest, row.name) for row in case.sheet.rows)
    if line.runs_backwards() or not has_quoted or not line.seqs_named() <= case.seqs:
        return frozenset()
    return frozenset(seq for seq in case.seqs if line.covers(seq))


def _approved_in_batch(
    batches: Sequence[tuple[str, BatchSheet]], case: Case, reading: Reading, line: DecisionLine
) -> frozenset[int]:
    """A batch binds its rows to the applications' own sheets: the same row of another sheet is another row."""
    rows = {(row.seq, row.digest, row.name) for row in case.sheet.rows}
    return frozenset(
        row.seq
        for code, sheet in batches
        if code == reading.codes[0] and _holds(sheet, code, case) and words_fault(reading, sheet) is None
        for row in addressed_rows(line, sheet)
        if row.number == case.sheet.number and (row.seq, row.digest, row.name) in rows
    )


def _holds(batch: BatchSheet, code: str, case: Case) -> bool:
    """Whether it is the very batch behind the code, and this application is in it with this very sheet."""
    own = case.sheet
    return (
        code_of(batch.render()) == code
        and batch.is_sound()
        and (batch.instance, batch.institution) == (own.instance, own.institution)
        and any(
            (part.number, part.kind, part.sheet_sha256) == (own.number, own.kind, case.sheet_sha256)
            for part in batch.parts
        )
    )


def _approves_file(case: Case, signed: SignedText) -> bool:
    """Whether the signature covers the application's own file under a line that approves it."""
    # as the desk dispatches: beside a decision, a code or a command the file says nothing
    if case.sheet.file_sha256 not in signed.files or not speaks_of_file(signed.text):
        return False
    line = read_upload(signed.text)
    if line is not None:
        takes_rows = case.is_whole or line.faultless_only
        return line.approves and line.kind is case.sheet.kind and takes_rows
    return case.is_returned and case.sheet.kind is Kind.REVOKE and returns_file(signed.text)
