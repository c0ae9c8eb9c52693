"""Rows that name one certificate by subject DN and serial number, as revocations and changes of contact do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from handlers.rules.column_checks import check_cells, faulty_columns, read_cells
from handlers.rules.columns import Column
from handlers.rules.row_errors import MOST_ERRORS_A_ROW, Code, RowError, name_columns, row_error
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.tsv import Row

_DN, _SERIAL = 1, 4


@dataclass(frozen=True)
class SerialRow:
    """What could be read of a row. `cells` is () where its columns cannot be told apart."""

    row: Row
    cells: tuple[str, ...] = ()
    subject_dn: SubjectDN | None = None
    serial: int | None = None
    found: tuple[RowError, ...] = ()

    @property
    def errors(self) -> tuple[RowError, ...]:
        return tuple(error for error in self.found if not error.is_warning)[:MOST_ERRORS_A_ROW]

    @property
    def warnings(self) -> tuple[RowError, ...]:
        return tuple(error for error in self.found if error.is_warning)[:MOST_ERRORS_A_ROW]

    def with_errors(self, errors: tuple[RowError, ...]) -> "SerialRow":
        return replace(self, found=self.found + errors)


def read_serial_row(
    row: Row, columns: tuple[Column, ...], *, most: int | None = None, strict_jisx0208: bool
) -> SerialRow:
    """The row by its kind's table, with DN and serial where they can be read. `most`: most columns, if bound."""
    if any(error.column is None for error in row.errors):
        return SerialRow(row, found=row.errors)
    told = name_columns(row.errors, columns)
    cells = read_cells(row, columns, most)
    if isinstance(cells, RowError):
        return SerialRow(row, found=(*told, cells))
    errors = [*told, *check_cells(cells, columns, strict_jisx0208=strict_jisx0208)]
    faulty = faulty_columns(errors)
    dn = None
    if _DN not in faulty:
        parsed = parse_subject_dn(cells[_DN - 1])
        if isinstance(parsed, RowError):
            errors.append(parsed)
        else:
            dn = parsed
    serial = None if _SERIAL in faulty else int(cells[_SERIAL - 1])
    return SerialRow(row, cells, dn, serial, tuple(errors))


def keep_first_of_each(rows: Iterable[SerialRow], columns: tuple[Column, ...]) -> tuple[SerialRow, ...]:
    """The rows; each that names a certificate again is 916, with the SEQ of the first."""
    seen: dict[int, int] = {}
    found = []
    for draft in rows:
        if draft.serial is not None:
            first = seen.setdefault(draft.serial, draft.row.seq)
            if first != draft.row.seq:
                error = row_error(Code.DUPLICATE, _SERIAL, str(first), columns=columns)
                found.append(draft.with_errors((error,)))
                continue
        found.append(draft)
    return tuple(found)
