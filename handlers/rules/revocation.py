"""Every rule for rows that ask for a revocation (サーバ証明書 失効申請, manual 1-3).

What needs the store (902: whether there is such a certificate) comes later and elsewhere.
"""

from dataclasses import dataclass

from handlers.rules.columns import REVOKE_COLUMNS
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.serial_rows import SerialRow, keep_first_of_each, read_serial_row
from handlers.rules.subject_dn import SubjectDN
from handlers.rules.tsv import Row
from store.states import RevocationReason

_REASON, _COMMENT, _MAIL = 5, 6, 10
# the procedure's own programs write up to fifteen
MOST_COLUMNS = 15
_REASONS = {str(int(reason)): reason for reason in RevocationReason}


@dataclass(frozen=True)
class RevocationRequest:
    """A faultless row. `subject_dn`: as written. `comment`: empty if none. `contact_mail`: as written."""

    subject_dn: SubjectDN
    serial: int
    reason: RevocationReason
    comment: str
    contact_mail: str

    @property
    def contact_address(self) -> str:
        """The contact's mail in lower case, for comparing."""
        return self.contact_mail.lower()


@dataclass(frozen=True)
class CheckedRevocation:
    """A row after all checks; `request` is None iff there are errors. Codes in `warnings` begin at 950."""

    row: Row
    request: RevocationRequest | None
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


def check_revoke_rows(
    rows: tuple[Row, ...], *, strict_jisx0208: bool = False
) -> tuple[CheckedRevocation, ...]:
    """All errors of all rows, at most 20 a row. Of rows with the same serial all but the first are 916."""
    drafts = [_read_row(row, strict_jisx0208) for row in rows]
    return tuple(_finish(draft) for draft in keep_first_of_each(drafts, REVOKE_COLUMNS))


def _read_row(row: Row, strict: bool) -> SerialRow:
    draft = read_serial_row(row, REVOKE_COLUMNS, most=MOST_COLUMNS, strict_jisx0208=strict)
    return draft.with_errors(_check_reason(draft.cells)) if draft.cells else draft


def _check_reason(cells: tuple[str, ...]) -> tuple[RowError, ...]:
    """914 and 915. An empty reason and one that is no number were told already."""
    reason = cells[_REASON - 1]
    if reason.isascii() and reason.isdigit() and reason not in _REASONS:
        return (row_error(Code.REASON_CODE, _REASON, columns=REVOKE_COLUMNS),)
    if _REASONS.get(reason) is RevocationReason.UNSPECIFIED and not cells[_COMMENT - 1]:
        return (row_error(Code.COMMENT_NEEDED, _COMMENT, columns=REVOKE_COLUMNS),)
    return ()


def _finish(draft: SerialRow) -> CheckedRevocation:
    return CheckedRevocation(
        draft.row, None if draft.errors else _request_of(draft), draft.errors, draft.warnings
    )


def _request_of(draft: SerialRow) -> RevocationRequest:
    # a row without errors has both
    assert draft.subject_dn is not None
    assert draft.serial is not None
    return RevocationRequest(
        subject_dn=draft.subject_dn,
        serial=draft.serial,
        reason=_REASONS[draft.cells[_REASON - 1]],
        comment=draft.cells[_COMMENT - 1],
        contact_mail=draft.cells[_MAIL - 1],
    )
