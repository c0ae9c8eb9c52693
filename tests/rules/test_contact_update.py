"""Every rule for a row that changes a certificate's contact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.contact_update import CheckedContact, ContactRequest, check_contact_rows
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.tsv import read_row
from tests.rules.issue_rows import DN, row_of

SERIAL = 1911649278160095962
Places = list[tuple[int, int | None]]


def cells_of(**changes: str) -> list[str]:
    """The thirteen cells of a good row; `c8="…"` changes column 8."""
    cells = [DN, "", "", str(SERIAL), "", "", "", "後任 次郎", "情報基盤課", "Jiro@example.ac.jp", "", "", ""]
    for column, value in changes.items():
        cells[int(column.removeprefix("c")) - 1] = value
    return cells


def check(cells: list[str], *, strict: bool = False) -> CheckedContact:
    (checked,) = check_contact_rows((row_of(cells),), strict_jisx0208=strict)
    return checked


def found(cells: list[str], *, strict: bool = False) -> Places:
    checked = check(cells, strict=strict)
    assert (checked.request is None) == bool(checked.errors)
    return [(error.code, error.column) for error in checked.errors]


def test_a_good_row_has_no_error_and_no_warning() -> None:
    checked = check(cells_of(c12="nginx 1.26"))
    assert checked.errors == checked.warnings == ()
    dn = parse_subject_dn(DN)
    assert isinstance(dn, SubjectDN)
    assert checked.request == ContactRequest(
        dn, SERIAL, "後任 次郎", "情報基盤課", "Jiro@example.ac.jp", "nginx 1.26"
    )
    assert checked.request.contact_address == "jiro@example.ac.jp"


def test_software_that_is_not_named_stays_as_it_is() -> None:
    request = check(cells_of()).request
    assert request is not None
    assert request.software is None


FAULTS = [
    *[pytest.param(cells_of(**{f"c{n}": " "}), [(201, n)], id=f"201-{n}") for n in (1, 4, 8, 9, 10)],
    pytest.param(cells_of(c1=DN.replace("O=", "O=" + "a" * 250)), [(202, 1)], id="202-1"),
    pytest.param(cells_of(c4="1" * 33), [(202, 4)], id="202-4"),
    pytest.param(cells_of(c8="あ" * 65), [(202, 8)], id="202-8"),
    pytest.param(cells_of(c9="あ" * 65), [(202, 9)], id="202-9"),
    pytest.param(cells_of(c10="a" * 60 + "@" + "b" * 15 + ".jp"), [(202, 10)], id="202-10"),
    pytest.param(cells_of(c12="あ" * 129), [(202, 12)], id="202-12"),
    pytest.param(cells_of(c4="0x1a"), [(204, 4)], id="204-4"),
    pytest.param(cells_of(c8="ｼﾞﾛｳ"), [(205, 8)], id="205-8"),
    pytest.param(cells_of(c9="@SUM(1)"), [(205, 9)], id="205-9"),
    pytest.param(cells_of(c10="次郎@example.ac.jp"), [(205, 10)], id="205-10"),
    pytest.param(cells_of(c12="nginx\u200b"), [(205, 12)], id="205-12"),
    pytest.param(cells_of(c1="test1.example.ac.jp"), [(206, 1)], id="206-1"),
    pytest.param(cells_of(c10="jiro"), [(206, 10)], id="206-10"),
    *[pytest.param(cells_of(**{f"c{n}": "1"}), [(909, n)], id=f"909-{n}") for n in (2, 3, 5, 6, 7, 11, 13)],
    pytest.param(cells_of()[:9], [(910, None)], id="910 too few"),
    pytest.param([*cells_of(), "x"], [(910, None)], id="910 too many"),
    pytest.param([""], [(910, None)], id="910 blank"),
    pytest.param(cells_of(c8='"次郎"'), [(911, 8)], id="911"),
]


@pytest.mark.parametrize(("cells", "errors"), FAULTS)
def test_a_fault_is_found_where_it_stands(cells: list[str], errors: Places) -> None:
    assert found(cells) == errors


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(cells_of()[:10], id="ten columns"),
        pytest.param([*cells_of(), "", " "], id="surplus empty columns"),
        pytest.param([f" {cell} " for cell in cells_of()], id="spaces around"),
        pytest.param(
            cells_of(c4="9" * 32, c8="あ" * 64, c9="あ" * 64, c12="あ" * 128), id="as long as may be"
        ),
    ],
)
def test_a_row_that_is_unusual_but_right_passes_in_silence(cells: list[str]) -> None:
    checked = check(cells)
    assert checked.errors == checked.warnings == ()


def test_the_second_row_for_the_same_certificate_is_916() -> None:
    rows = (row_of(cells_of(), 1), row_of(cells_of(c4="7"), 2), row_of(cells_of(c4=f"0{SERIAL}"), 3))
    checked = check_contact_rows(rows)
    assert [[(e.code, e.column, e.values) for e in row.errors] for row in checked] == [
        [],
        [],
        [(916, 4, ("1",))],
    ]


def test_column_4_is_no_certificate_to_revoke_here() -> None:
    cells = [error.cell("ja") for error in check(cells_of(c4='"x"', c7="MIIC")).errors]
    assert [cell.partition(",")[0] for cell in cells] == [
        "911:4.シリアル番号",
        "204:4.シリアル番号",
        "909:7.CSR",
    ]


def test_extension_characters_are_a_warning_and_where_strict_205() -> None:
    cells = cells_of(c8="髙木 次郎")
    assert [(w.code, w.column) for w in check(cells).warnings] == [(951, 8)]
    assert found(cells, strict=True) == [(205, 8)]


texts = st.one_of(st.text(max_size=20), st.sampled_from([*cells_of(), "²", '""', "=", "9" * 40]))


@settings(deadline=None)
@given(st.lists(st.lists(texts, min_size=1, max_size=15), max_size=3))
def test_no_cells_make_the_checks_raise(table: list[list[str]]) -> None:
    rows = tuple(
        read_row(seq, "\t".join(cells).encode("utf-8", "replace"), "UTF-8")
        for seq, cells in enumerate(table, 1)
    )
    for checked in check_contact_rows(rows):
        assert (checked.request is None) == bool(checked.errors)
        for error in (*checked.errors, *checked.warnings):
            assert error.cell("ja")
            assert error.remedy("en")
