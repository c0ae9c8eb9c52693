"""Every rule for rows that change a certificate's contact (利用管理者情報更新申請).

What needs the store (902: whether there is such a certificate, and it is valid) comes later and elsewhere.
"""

from dataclasses import dataclass

from handlers.rules.columns import CONTACT_COLUMNS
from handlers.rules.row_errors import RowError
from handlers.rules.serial_rows import SerialRow, keep_first_of_each, read_serial_row
from handlers.rules.subject_dn import SubjectDN
from handlers.rules.tsv import Row

_NAME, _DEPARTMENT, _MAIL, _SOFTWARE = 8, 9, 10, 12


@dataclass(frozen=True)
class ContactRequest:
    """A faultless row: the new contact in full. `software`: None where it stays as it is."""

    subject_dn: SubjectDN
    serial: int
    contact_name: str
    contact_department: str
    contact_mail: str
    software: str | None

    @property
    def contact_address(self) -> str:
        """The new contact's mail in lower case, for comparing."""
        return self.contact_mail.lower()


@dataclass(frozen=True)
class CheckedContact:
    """A row after all checks; `request` is None iff there are errors. Codes in `warnings` begin at 950."""

    row: Row
    request: ContactRequest | None
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


def check_contact_rows(rows: tuple[Row, ...], *, strict_jisx0208: bool = False) -> tuple[CheckedContact, ...]:
    """All errors of all rows, at most 20 a row. Of rows with the same serial all but the first are 916."""
    drafts = [read_serial_row(row, CONTACT_COLUMNS, strict_jisx0208=strict_jisx0208) for row in rows]
    return tuple(_finish(draft) for draft in keep_first_of_each(drafts, CONTACT_COLUMNS))


def _finish(draft: SerialRow) -> CheckedContact:
    return CheckedContact(
        draft.row, None if draft.errors else _request_of(draft), draft.errors, draft.warnings
    )


def _request_of(draft: SerialRow) -> ContactRequest:
    # a row without errors has both
    assert draft.subject_dn is not None
    assert draft.serial is not None
    return ContactRequest(
        subject_dn=draft.subject_dn,
        serial=draft.serial,
        contact_name=draft.cells[_NAME - 1],
        contact_department=draft.cells[_DEPARTMENT - 1],
        contact_mail=draft.cells[_MAIL - 1],
        software=draft.cells[_SOFTWARE - 1] or None,
    )
