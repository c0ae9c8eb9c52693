"""The checks of single cells: their number, filled or empty, length, characters (codes 201-206, 909, 910)."""

from collections.abc import Iterable

from handlers.rules.characters import (
    extensions_in,
    forbidden_in_ascii,
    forbidden_in_mail,
    forbidden_in_text,
    is_digits,
    is_mail_address,
    starts_like_formula,
    trim,
)
from handlers.rules.columns import ISSUE_COLUMNS, Characters, Column
from handlers.rules.row_errors import Code, RowError, name_columns, row_error
from handlers.rules.tsv import Row, is_quoted

MOST_SHOWN = 10


def trim_cells(row: Row) -> tuple[str, ...]:
    """All cells without spaces around them and without the quotes of a 911, whose inside can be judged."""
    if b'"' not in row.raw:
        return tuple([trim(field) for field in row.fields])
    return tuple(trim(field[1:-1] if is_quoted(field) else field) for field in row.fields)


def read_cells(
    row: Row, columns: tuple[Column, ...] = ISSUE_COLUMNS, most: int | None = None
) -> tuple[str, ...] | RowError:
    """The thirteen cells. A missing optional one counts as empty, surplus empty ones are dropped.

    `most`: where given, more columns than this are an error even if they are empty.
    """
    cells = trim_cells(row)
    fewest = max(column.number for column in columns if column.required)
    wanted = len(columns)
    if len(cells) < fewest or any(cells[wanted:]) or (most and len(cells) > most):
        said = f"{fewest}-{most}" if most else str(wanted)
        return row_error(Code.COLUMN_COUNT, None, str(len(cells)), said)
    return (cells + ("",) * wanted)[:wanted]


def check_cells(
    cells: tuple[str, ...], columns: tuple[Column, ...] = ISSUE_COLUMNS, *, strict_jisx0208: bool
) -> list[RowError]:
    """Every cell by its column's row in the table, errors and warnings in the order of the columns."""
    errors = [
        error
        for column, cell in zip(columns, cells, strict=True)
        for error in _check_cell(column, cell, strict_jisx0208)
    ]
    return list(name_columns(errors, columns))


def faulty_columns(errors: Iterable[RowError]) -> frozenset[int]:
    """The columns that cannot be read further; what stands inside the quotes of a 911 can."""
    return frozenset(e.column for e in errors if e.column and not e.is_warning and e.code != Code.QUOTED)


def characters_error(column: int, chars: str) -> RowError:
    """205, naming the characters at fault, one by one."""
    shown = " ".join("U+0020" if char == " " else char for char in chars[:MOST_SHOWN])
    return row_error(Code.CHARACTERS, column, shown)


def _check_cell(column: Column, cell: str, strict: bool) -> list[RowError]:
    if column.reserved:
        return [row_error(Code.MUST_BE_EMPTY, column.number)] if cell else []
    if not cell:
        return [row_error(Code.REQUIRED, column.number)] if column.required else []
    errors = []
    if len(cell) > column.max_length:
        errors.append(row_error(Code.TOO_LONG, column.number, str(column.max_length), str(len(cell))))
    return errors + _check_characters(column, cell, strict)


def _check_characters(column: Column, cell: str, strict: bool) -> list[RowError]:
    match column.characters:
        case Characters.DIGITS:
            return [] if is_digits(cell) else [row_error(Code.NOT_DIGITS, column.number)]
        case Characters.ASCII:
            bad = forbidden_in_ascii(cell)
            return [characters_error(column.number, bad)] if bad else []
        case Characters.MAIL:
            return _check_mail(column, cell)
        case Characters.TEXT:
            return _check_text(column, cell, strict)


def _check_mail(column: Column, cell: str) -> list[RowError]:
    if bad := forbidden_in_mail(cell):
        return [characters_error(column.number, bad)]
    return [] if is_mail_address(cell) else [row_error(Code.FORM, column.number, cell)]


def _check_text(column: Column, cell: str, strict: bool) -> list[RowError]:
    errors = []
    bad = forbidden_in_text(cell, strict=strict)
    if starts_like_formula(cell):
        bad = cell[0] + bad
    if bad:
        errors.append(characters_error(column.number, bad))
    if not strict and (extensions := extensions_in(cell)):
        errors.append(row_error(Code.EXTENSION_CHARACTERS, column.number, " ".join(extensions)))
    return errors
