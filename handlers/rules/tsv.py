"""The application TSV as a file: its encoding, its lines, its cells (manual 1-1-2)."""

import codecs
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from handlers.rules.characters import trim
from handlers.rules.row_errors import MOST_ERRORS_A_ROW, Code, RowError, row_error
from store.states import Kind

MOST_BYTES = 1 << 20
# a site that allows thousands of rows allows their bytes: an RSA 4096 request takes 2 kB
_ROW_BYTES = 4096
Encoding = Literal["UTF-8", "CP932"]
_CODECS = {"UTF-8": "utf-8", "CP932": "cp932"}
_BLANK = b" \t\r"
# every kind of application fills at least the contact's mail, column 10
_FEWEST_COLUMNS = 10


@dataclass(frozen=True)
class Row:
    """One line. `seq` counts from 1, blank lines too.

    `raw`: the line's exact bytes without its newline (LF or CRLF), and in row 1 without the file's byte order
    mark; the sheet's digest is over these bytes. `fields`: every cell as it stands, quotes and spaces kept.
    `errors`: 910 for a blank line, 911 for quoted columns.
    """

    seq: int
    raw: bytes
    fields: tuple[str, ...]
    errors: tuple[RowError, ...]


@dataclass(frozen=True)
class TsvFile:
    """`rows` is () where `errors` (of the whole file) is not. `encoding`: UTF-8, CP932, or empty."""

    rows: tuple[Row, ...]
    encoding: str
    errors: tuple[RowError, ...]


def read_tsv(data: bytes, name: str, *, max_rows: int) -> TsvFile:
    """Read a file of at most `max_rows` lines and `most_bytes`. Blank lines at its end do not count."""
    if fault := _find_file_fault(data, name, most_bytes(max_rows)):
        return TsvFile((), "", (fault,))
    encoding = decide_encoding(data)
    if encoding is None:
        return TsvFile((), "", (row_error(Code.ENCODING),))
    lines = _split_lines(data.removeprefix(codecs.BOM_UTF8))
    if not lines:
        return TsvFile((), encoding, (row_error(Code.FILE_EMPTY),))
    if len(lines) > max_rows:
        return TsvFile((), encoding, (row_error(Code.TOO_MANY_ROWS, None, str(max_rows), str(len(lines))),))
    return TsvFile(tuple(read_row(seq, raw, encoding) for seq, raw in enumerate(lines, 1)), encoding, ())


def most_bytes(max_rows: int) -> int:
    """1 MiB; more where so many rows may need it."""
    return max(MOST_BYTES, max_rows * _ROW_BYTES)


def read_row(seq: int, raw: bytes, encoding: str) -> Row:
    """The Row of a stored line. With the file's encoding it equals the Row that `read_tsv` gave."""
    try:
        text = raw.decode(_CODECS[encoding])
    except (UnicodeDecodeError, KeyError):
        return Row(seq, raw, (), (row_error(Code.ENCODING),))
    fields = tuple(text.split("\t"))
    if not raw.strip(_BLANK):
        return Row(seq, raw, fields, (row_error(Code.COLUMN_COUNT, None, "0", "13"),))
    if '"' not in text:
        return Row(seq, raw, fields, ())
    quoted = (number for number, field in enumerate(fields, 1) if is_quoted(field))
    # a line may be a megabyte of quotes
    listed = islice(quoted, MOST_ERRORS_A_ROW)
    return Row(seq, raw, fields, tuple(row_error(Code.QUOTED, number) for number in listed))


def decide_encoding(data: bytes) -> Encoding | None:
    """The encoding of a whole file, None for UTF-16, ISO-2022-JP and what is no text at all.

    A byte order mark first, then strict UTF-8, then strict CP932: Japanese UTF-8 often decodes as CP932 too,
    the other way round hardly ever. Pure ASCII is CP932: it is the Shift_JIS that the manual asks for.
    """
    # NUL: UTF-16 without a mark; ESC: ISO-2022-JP
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data or b"\x1b" in data:
        return None
    if data.isascii():
        return "CP932"
    candidates: tuple[Encoding, ...] = ("UTF-8",) if data.startswith(codecs.BOM_UTF8) else ("UTF-8", "CP932")
    return next((encoding for encoding in candidates if _decodes(data, encoding)), None)


def decode_text(data: bytes) -> str | None:
    """The text of a file without its byte order mark; None as in `decide_encoding`."""
    encoding = decide_encoding(data)
    return None if encoding is None else data.removeprefix(codecs.BOM_UTF8).decode(_CODECS[encoding])


def file_warnings(file: TsvFile) -> tuple[RowError, ...]:
    """What the sender should know about a file that was read: 950 for UTF-8."""
    return (row_error(Code.UTF8_FILE),) if file.encoding == "UTF-8" and not file.errors else ()


def guess_kind(rows: tuple[Row, ...]) -> Kind | None:
    """The kind all rows agree on, by their columns 2 (profile), 4 (old serial) and 7 (CSR); None where they do
    not say. A row with a profile but without a CSR is an unfinished application, never a revocation."""
    kinds = {_kind_of(row) for row in rows if len(row.fields) >= _FEWEST_COLUMNS}
    return kinds.pop() if len(kinds) == 1 else None


def write_row(cells: tuple[str, ...]) -> bytes:
    """One line of an application TSV, with CRLF, as the procedure's own tools write it; lines may be joined.

    ValueError for a TAB, a newline or another control character in a cell, or for one that CP932 does not have.
    """
    if any(ord(char) < 0x20 or char == "\x7f" for cell in cells for char in cell):
        raise ValueError("a cell of a TSV holds no control characters")
    return ("\t".join(cells) + "\r\n").encode("cp932")


def is_quoted(field: str) -> bool:
    """Whether a tool wrapped the cell in double quotes, as Excel does."""
    return len(field) >= 2 and field.startswith('"') and field.endswith('"')


def _kind_of(row: Row) -> Kind:
    profile, serial, csr = (trim(row.fields[number - 1]) for number in (2, 4, 7))
    if not profile and not csr:
        return Kind.REVOKE
    return Kind.RENEW if serial else Kind.ISSUE


def _find_file_fault(data: bytes, name: str, most: int) -> RowError | None:
    if not name and not data:
        return row_error(Code.FILE_MISSING)
    if not name.strip(" ").lower().endswith((".tsv", ".txt")):
        return row_error(Code.EXTENSION, None, name)
    if len(data) > most:
        return row_error(Code.FILE_TOO_LARGE, None, str(most), str(len(data)))
    if b"\r" in data and b"\n" not in data:
        return row_error(Code.NEWLINE)
    return None


def _split_lines(data: bytes) -> list[bytes]:
    # bytes only: str.splitlines would also split at U+0085 or U+2028. No second byte of CP932 is a newline.
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    while lines and not lines[-1].strip(_BLANK):
        lines.pop()
    return lines


def _decodes(data: bytes, encoding: Encoding) -> bool:
    try:
        data.decode(_CODECS[encoding])
    except UnicodeDecodeError:
        return False
    return True
