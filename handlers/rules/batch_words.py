"""What a decision's words mean in a batch: by its own row numbers, each kind of application by its own word."""

from handlers.rules.approval import DecisionLine, Reading
from handlers.rules.batch_sheet import BatchRow, BatchSheet
from handlers.rules.reasons import Reason
from store.states import Kind, Verb


def addressed_rows(line: DecisionLine, sheet: BatchSheet) -> tuple[BatchRow, ...]:
    """The rows that the line decides: `承認` leaves revocations alone and `失効承認` leaves all others."""
    kinds = sheet.kinds()
    return tuple(r for r in sheet.rows if line.covers(r.index) and _fits(line, kinds[r.number]))


def words_fault(reading: Reading, sheet: BatchSheet) -> Reason | None:
    """Why this text decides nothing in this batch, whoever signed it; None if it may.

    A row that is named and needs the other word stops the whole mail: somebody is mistaken about what they sign.
    """
    line = reading.decision
    if line is None:
        return reading.fault or Reason.NO_DECISION
    if not reading.quotes_only((row.index, row.digest, row.name) for row in sheet.rows):
        return Reason.QUOTE_MISMATCH
    if line.verb in (Verb.HOLD, Verb.RESUME):
        return Reason.HOLD_IN_BATCH
    covered = [row for row in sheet.rows if line.covers(row.index)]
    is_known = line.seqs_named() <= {row.index for row in sheet.rows}
    if line.runs_backwards() or not is_known or not covered:
        return Reason.ROWS_UNKNOWN
    addressed = addressed_rows(line, sheet)
    has_wrong = line.rows is not None and len(addressed) < len(covered)
    return Reason.WRONG_VERB if has_wrong or not addressed else None


def _fits(line: DecisionLine, kind: Kind) -> bool:
    return line.verb is not Verb.APPROVE or line.is_revocation == (kind is Kind.REVOKE)
