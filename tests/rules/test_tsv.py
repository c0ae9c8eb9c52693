"""The application TSV as a file."""

import codecs
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.row_errors import MOST_ERRORS_A_ROW
from handlers.rules.tsv import (
    MOST_BYTES,
    Row,
    TsvFile,
    decide_encoding,
    file_warnings,
    guess_kind,
    read_row,
    read_tsv,
    write_row,
)
from store.states import Kind
from tests.rules.issue_rows import good_cells

LINE = "\t".join(good_cells())


def read(data: bytes, name: str = "a.tsv", max_rows: int = 99) -> TsvFile:
    return read_tsv(data, name, max_rows=max_rows)


def codes(file: TsvFile) -> list[int]:
    return [error.code for error in file.errors]


def row_codes(row: Row) -> list[tuple[int, int | None]]:
    return [(error.code, error.column) for error in row.errors]


@pytest.mark.parametrize("name", ["a.tsv", "申請.TSV", "a.txt", "a.tsv ", "a.b.Txt"])
def test_a_tsv_or_txt_file_is_read(name: str) -> None:
    assert codes(read(LINE.encode("cp932"), name)) == []


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.tsv.zip", "tsv", "", "a.tsv\x00.exe"])
def test_any_other_extension_is_209(name: str) -> None:
    file = read(LINE.encode("cp932"), name)
    assert codes(file) == [209]
    assert file.rows == ()


def test_an_attachment_without_name_and_bytes_is_208() -> None:
    assert codes(read(b"", "")) == [208]


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\t\t\t\r\n", codecs.BOM_UTF8, b" "])
def test_a_file_without_a_single_row_is_213(data: bytes) -> None:
    assert codes(read(data)) == [213]


def test_more_rows_than_allowed_are_214_and_as_many_are_not() -> None:
    data = LINE.encode("cp932") + b"\r\n"
    assert len(read(data * 99).rows) == 99
    file = read(data * 100)
    assert codes(file) == [214]
    assert file.errors[0].values == ("99", "100")
    assert file.rows == ()


def test_a_file_over_one_mebibyte_is_918() -> None:
    assert codes(read(b"a" * MOST_BYTES)) == []
    assert codes(read(b"a" * (MOST_BYTES + 1))) == [918]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r\n\r\n\n", "\n\t\t\n", "\n  \n"])
def test_the_last_line_may_end_in_any_way_and_blank_lines_there_do_not_count(end: str) -> None:
    file = read((LINE + "\r\n" + LINE + end).encode("cp932"))
    assert [row.seq for row in file.rows] == [1, 2]
    assert [row.raw for row in file.rows] == [LINE.encode("cp932")] * 2


def test_lf_and_crlf_give_the_same_rows() -> None:
    assert read(f"{LINE}\n{LINE}\n".encode()) == read(f"{LINE}\r\n{LINE}\r\n".encode())


def test_cr_alone_is_917() -> None:
    assert codes(read(f"{LINE}\r{LINE}\r".encode("cp932"))) == [917]


def test_a_blank_line_in_the_middle_is_an_error_of_its_seq() -> None:
    file = read(f"{LINE}\n\n{LINE}\n\t\t\n{LINE}\n".encode("cp932"))
    assert [(row.seq, row_codes(row)) for row in file.rows] == [
        (1, []),
        (2, [(910, None)]),
        (3, []),
        (4, [(910, None)]),
        (5, []),
    ]


@pytest.mark.parametrize("text", ["a\u0085b", "a\u2028b", "a\x0bb", "a\x0cb", "a\x1cb"])
def test_only_newlines_end_a_line(text: str) -> None:
    assert len(read(text.encode()).rows) == 1


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (LINE.encode("cp932"), "CP932"),
        (LINE.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + LINE.encode(), "UTF-8"),
        (b"ascii only", "CP932"),
        (codecs.BOM_UTF8 + b"ascii only", "UTF-8"),
        ("①㈱髙﨑".encode("cp932"), "CP932"),
        ("佐藤京都大学".encode(), "UTF-8"),
    ],
)
def test_utf8_is_tried_strictly_before_cp932(data: bytes, encoding: str) -> None:
    file = read(data)
    assert file.encoding == decide_encoding(data) == encoding
    assert [warning.code for warning in file_warnings(file)] == ([950] if encoding == "UTF-8" else [])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(LINE.encode("utf-16"), id="utf-16"),
        pytest.param(LINE.encode("utf-16-le"), id="utf-16 without a mark"),
        pytest.param(LINE.encode("utf-16-be"), id="utf-16-be without a mark"),
        pytest.param(LINE.encode("utf-32"), id="utf-32"),
        pytest.param(LINE.encode("iso2022_jp"), id="iso-2022-jp"),
        pytest.param(codecs.BOM_UTF8 + LINE.encode("cp932"), id="the wrong mark"),
        pytest.param(LINE.encode("cp932") + b"\x81\n", id="half a character"),
        pytest.param(b"\x00", id="nul"),
        pytest.param(b"\xff\xd8\xff\xe0 no text", id="a picture"),
    ],
)
def test_any_other_encoding_is_912(data: bytes) -> None:
    assert codes(read(data)) == [912]


def test_the_raw_line_is_what_came_without_newline_and_byte_order_mark() -> None:
    first, second = LINE.encode(), LINE.replace("太郎", "次郎").encode() + b" "
    file = read(codecs.BOM_UTF8 + first + b"\r\n" + second + b"\n")
    assert [row.raw for row in file.rows] == [first, second]
    assert sha256(file.rows[0].raw).hexdigest() == sha256(LINE.encode()).hexdigest()


def test_a_second_carriage_return_stays_in_the_line() -> None:
    (row,) = read(b"a\tb\r\r\n").rows
    assert row.raw == b"a\tb\r"


def test_quoted_columns_are_911_each() -> None:
    cells = good_cells(c1='"CN=test1.example.ac.jp,O=testkikan"', c12='"Apache ""2.4"""')
    (row,) = read("\t".join(cells).encode("cp932")).rows
    assert row_codes(row) == [(911, 1), (911, 12)]


@pytest.mark.parametrize("cell", ['a "quoted" word', '"begun', 'ended"', '"'])
def test_a_quote_inside_a_column_is_not_quoting(cell: str) -> None:
    (row,) = read(f"a\t{cell}".encode()).rows
    assert row.errors == ()


def test_the_stored_line_gives_the_same_row_again() -> None:
    for data in (LINE.encode("cp932"), LINE.encode(), codecs.BOM_UTF8 + LINE.encode()):
        file = read(data + b"\r\n" + data.removeprefix(codecs.BOM_UTF8))
        assert [read_row(row.seq, row.raw, file.encoding) for row in file.rows] == list(file.rows)


def test_a_stored_line_with_the_wrong_encoding_is_912_not_a_crash() -> None:
    raw = LINE.encode("cp932")
    assert row_codes(read_row(1, raw, "UTF-8")) == [(912, None)]
    assert row_codes(read_row(1, raw, "")) == [(912, None)]


ISSUE, RENEW = LINE, "\t".join(good_cells(c4="1911649278160095962"))
REVOKE = "CN=a\t\t\t1911649278160095962\t0\tコメント\t\t\t\ttaro@example.ac.jp"


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([ISSUE], Kind.ISSUE),
        ([ISSUE, "", ISSUE], Kind.ISSUE),
        ([RENEW, RENEW], Kind.RENEW),
        ([REVOKE], Kind.REVOKE),
        ([REVOKE + "\t\t\t"], Kind.REVOKE),
        ([REVOKE.replace("\t1911649278160095962", "\t")], Kind.REVOKE),
        (["\t".join(good_cells(c7=" "))], Kind.ISSUE),
        (["\t".join(good_cells(c4="1", c7="\u3000"))], Kind.RENEW),
        (["\t".join(good_cells(c2=" ", c7=" "))], Kind.REVOKE),
        ([ISSUE, REVOKE], None),
        ([ISSUE, RENEW], None),
        (["hello", "this is a letter"], None),
        (["a\tletter\twith\ta\tfew\tTABs\t\tin\tit"], None),
        ([], None),
    ],
)
def test_the_kind_shows_in_columns_2_4_and_7(lines: list[str], kind: Kind | None) -> None:
    assert guess_kind(read("\n".join(lines).encode("cp932")).rows) is kind


def test_a_written_row_is_read_again() -> None:
    data = write_row(("申請 ～太郎", "", "①", ""))
    assert data == "申請 ～太郎\t\t①\t\r\n".encode("cp932")
    file = read(data * 2)
    assert [row.fields for row in file.rows] == [("申請 ～太郎", "", "①", "")] * 2
    assert file.encoding == "CP932"


@pytest.mark.parametrize("cell", ["a\tb", "a\nb", "a\r", "\x00", "\x1b", "\x7f", "佐\U00020000", "ü"])
def test_INJ3_a_cell_that_would_break_the_row_is_not_written(cell: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        write_row(("a", cell))


fragments = st.sampled_from(
    [
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b"\x81",
        "あ".encode(),
        "あ".encode("cp932"),
        codecs.BOM_UTF8,
        b"a",
        b"\0",
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.binary(max_size=200), st.lists(fragments, max_size=30).map(b"".join)), st.integers(0, 9))
def test_no_bytes_make_reading_raise_and_every_row_comes_again_from_its_raw_line(
    data: bytes, most: int
) -> None:
    file = read(data, max_rows=most)
    assert bool(file.rows) != bool(file.errors)
    assert len(file.rows) <= most
    assert [read_row(row.seq, row.raw, file.encoding) for row in file.rows] == list(file.rows)
    assert all(row.raw in data for row in file.rows)
    guess_kind(file.rows)


def test_DOS1_a_megabyte_of_quotes_is_not_a_megabyte_of_errors() -> None:
    (row,) = read_tsv(b'"\t"' * 300_000, "a.tsv", max_rows=99).rows
    assert len(row.errors) == MOST_ERRORS_A_ROW
