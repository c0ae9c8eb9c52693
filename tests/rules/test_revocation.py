"""Every rule for a row that asks for a revocation, and the row that the desk writes itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.revocation import CheckedRevocation, RevocationRequest, check_revoke_rows
from handlers.rules.revocation_tsv import revocation_file_name, revocation_tsv
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.tsv import guess_kind, read_row, read_tsv
from store.states import Kind, RevocationReason
from tests.rules.issue_rows import DN, row_of

SERIAL = 1911649278160095962
Places = list[tuple[int, int | None]]


def cells_of(**changes: str) -> list[str]:
    """The ten cells of a good row; `c5="…"` changes column 5."""
    cells = [DN, "", "", str(SERIAL), "0", "更新に伴う失効", "", "", "", "taro@example.ac.jp"]
    for column, value in changes.items():
        cells[int(column.removeprefix("c")) - 1] = value
    return cells


def check(cells: list[str], *, strict: bool = False) -> CheckedRevocation:
    (checked,) = check_revoke_rows((row_of(cells),), strict_jisx0208=strict)
    return checked


def found(cells: list[str], *, strict: bool = False) -> Places:
    checked = check(cells, strict=strict)
    assert (checked.request is None) == bool(checked.errors)
    return [(error.code, error.column) for error in checked.errors]


def dn_of(text: str) -> SubjectDN:
    dn = parse_subject_dn(text)
    assert isinstance(dn, SubjectDN)
    return dn


def test_a_good_row_has_no_error_and_no_warning() -> None:
    checked = check(cells_of(c10="Taro@example.ac.jp"))
    assert checked.errors == checked.warnings == ()
    assert checked.row == row_of(cells_of(c10="Taro@example.ac.jp"))
    assert checked.request == RevocationRequest(
        dn_of(DN), SERIAL, RevocationReason.UNSPECIFIED, "更新に伴う失効", "Taro@example.ac.jp"
    )
    assert checked.request.contact_address == "taro@example.ac.jp"


FAULTS = [
    *[pytest.param(cells_of(**{f"c{n}": ""}), [(201, n)], id=f"201-{n}") for n in (1, 4, 5, 10)],
    pytest.param(cells_of(c4="\u3000"), [(201, 4)], id="201 only a space"),
    pytest.param(cells_of(c1=DN.replace("O=", "O=" + "a" * 250)), [(202, 1)], id="202-1"),
    pytest.param(cells_of(c4="1" * 33), [(202, 4)], id="202-4"),
    pytest.param(cells_of(c6="あ" * 129), [(202, 6)], id="202-6"),
    pytest.param(cells_of(c10="a" * 60 + "@" + "b" * 15 + ".jp"), [(202, 10)], id="202-10"),
    pytest.param(cells_of(c4="0x1a8f"), [(204, 4)], id="204-4 hexadecimal"),
    pytest.param(cells_of(c4="1a:8f"), [(204, 4)], id="204-4 colons"),
    pytest.param(cells_of(c4="-1"), [(204, 4)], id="204-4 negative"),
    pytest.param(cells_of(c4="１２３"), [(204, 4)], id="204-4 full width"),
    pytest.param(cells_of(c4="1.9E+18"), [(204, 4)], id="204-4 as Excel shows it"),
    pytest.param(cells_of(c5="a"), [(204, 5)], id="204-5"),
    pytest.param(cells_of(c5="０"), [(204, 5)], id="204-5 full width"),
    pytest.param(cells_of(c5="²"), [(204, 5)], id="204-5 superscript"),
    pytest.param(cells_of(c1=DN.replace("O=", "Ｏ=")), [(205, 1)], id="205-1"),
    pytest.param(cells_of(c6="ｺﾒﾝﾄ"), [(205, 6)], id="205-6 half-width katakana"),
    pytest.param(cells_of(c6="漏洩\u202e"), [(205, 6)], id="205-6 bidi"),
    pytest.param(cells_of(c6="=1+1"), [(205, 6)], id="205-6 formula"),
    pytest.param(cells_of(c10="taro+x@example.ac.jp"), [(205, 10)], id="205-10"),
    pytest.param(cells_of(c1="test1.example.ac.jp"), [(206, 1)], id="206-1"),
    pytest.param(cells_of(c1="C=JP,O=testkikan,CN=test1.example.ac.jp"), [(206, 1)], id="206-1 order"),
    pytest.param(cells_of(c10="taro"), [(206, 10)], id="206-10"),
    *[pytest.param(cells_of(**{f"c{n}": "1"}), [(909, n)], id=f"909-{n}") for n in (2, 3, 7, 8, 9)],
    *[pytest.param([*cells_of(), *[""] * (n - 11), "x"], [(909, n)], id=f"909-{n}") for n in (11, 12, 13)],
    pytest.param(cells_of()[:9], [(910, None)], id="910 nine"),
    pytest.param([*cells_of(), *[""] * 6], [(910, None)], id="910 sixteen"),
    pytest.param([*cells_of(), "", "", "", "x"], [(910, None)], id="910 filled fourteenth"),
    pytest.param([""], [(910, None)], id="910 blank"),
    pytest.param(cells_of(c6='"漏洩"'), [(911, 6)], id="911"),
    *[pytest.param(cells_of(c5=code), [(914, 5)], id=f"914 {code}") for code in "26789"],
    pytest.param(cells_of(c5="10"), [(202, 5), (914, 5)], id="914 ten"),
    pytest.param(cells_of(c5="01"), [(202, 5), (914, 5)], id="914 a nought before it"),
    pytest.param(cells_of(c6=""), [(915, 6)], id="915"),
    pytest.param(cells_of(c6="\u3000 "), [(915, 6)], id="915 only spaces"),
    pytest.param(cells_of(c5='"0"', c6=""), [(911, 5), (915, 6)], id="911 and what is inside"),
    pytest.param(
        cells_of(c1="x", c2="3", c4="0x1", c5="2", c10="y"),
        [(909, 2), (204, 4), (206, 10), (206, 1), (914, 5)],
        id="all at once",
    ),
]


@pytest.mark.parametrize(("cells", "errors"), FAULTS)
def test_a_fault_is_found_where_it_stands(cells: list[str], errors: Places) -> None:
    assert found(cells) == errors


@pytest.mark.parametrize(
    "cells",
    [
        *[pytest.param([*cells_of(), *[""] * n], id=f"{10 + n} columns") for n in range(1, 6)],
        *[pytest.param(cells_of(c5=reason, c6=""), id=f"{reason} without comment") for reason in "1345"],
        *[pytest.param(cells_of(c5=reason), id=f"{reason} with comment") for reason in "01345"],
        pytest.param([f" {cell} " for cell in cells_of()], id="spaces around"),
        pytest.param(cells_of(c4="9" * 32, c6="あ" * 128), id="as long as may be"),
        pytest.param(cells_of(c1="CN=test1.example.ac.jp,O=old name,L=Academe,C=JP"), id="an older DN"),
        pytest.param(cells_of(c10="hanako@example.com"), id="a contact who has moved"),
    ],
)
def test_a_row_that_is_unusual_but_right_passes_in_silence(cells: list[str]) -> None:
    checked = check(cells)
    assert checked.errors == checked.warnings == ()


def test_each_reason_is_read_as_itself() -> None:
    reasons = []
    for code in "01345":
        request = check(cells_of(c5=code)).request
        assert request is not None
        reasons.append(request.reason)
    assert reasons == list(RevocationReason)


def test_the_second_row_for_the_same_certificate_is_916() -> None:
    serials = [str(SERIAL), "7", f"0{SERIAL}", "x", "x", "7"]
    rows = tuple(row_of(cells_of(c4=serial), seq) for seq, serial in enumerate(serials, 1))
    checked = check_revoke_rows(rows)
    assert [[(e.code, e.column, e.values) for e in row.errors] for row in checked] == [
        [],
        [],
        [(916, 4, ("1",))],
        [(204, 4, ())],
        [(204, 4, ())],
        [(916, 4, ("2",))],
    ]
    assert [row.request is None for row in checked] == [False, False, True, True, True, True]
    assert checked[2].errors[0].cell("ja").startswith("916:4.失効対象証明書シリアル番号,")


def test_a_faulty_row_counts_when_the_next_names_its_certificate_again() -> None:
    first, second = check_revoke_rows((row_of(cells_of(c5="2"), 1), row_of(cells_of(), 2)))
    assert [error.code for error in first.errors] == [914]
    assert [error.code for error in second.errors] == [916]


def test_columns_have_the_names_of_the_revocations_table() -> None:
    checked = check(cells_of(c2="3", c4='"x"', c5="2"))
    assert [error.cell("ja").partition(",")[0] for error in checked.errors] == [
        "911:4.失効対象証明書シリアル番号",
        "909:2.証明書プロファイルID",
        "204:4.失効対象証明書シリアル番号",
        "914:5.失効理由",
    ]
    assert check(cells_of(c6="")).errors[0].cell("ja").startswith("915:6.失効理由コメント,")
    assert check(cells_of(c6="")).errors[0].cell("en").startswith("915:6.revocation comment,")


def test_the_number_of_columns_is_told_as_a_range() -> None:
    assert check(["x"]).errors[0].values == ("1", "10-15")


def test_extension_characters_in_the_comment_are_a_warning_and_where_strict_205() -> None:
    cells = cells_of(c6="㈱髙木へ移管")
    assert [(w.code, w.column) for w in check(cells).warnings] == [(951, 6)]
    assert found(cells) == []
    assert found(cells, strict=True) == [(205, 6)]


def test_what_a_row_asks_for_comes_out_of_its_stored_line_again() -> None:
    checked = check(cells_of())
    again = read_row(checked.row.seq, checked.row.raw, "UTF-8")
    assert check_revoke_rows((again,)) == (checked,)


def test_the_rows_that_the_desk_writes_are_these_bytes() -> None:
    assert revocation_tsv(DN, SERIAL, "taro@example.ac.jp") == (
        b"CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP\t\t\t1911649278160095962\t0\t"
        b"\x8dX\x90V\x82\xc9\x94\xba\x82\xa4\x8b\x8c\x8f\xd8\x96\xbe\x8f\x91\x82\xcc\x8e\xb8\x8c\xf8\t\t\t\t"
        b"taro@example.ac.jp\t\t\t\r\n"
    )


def test_the_desks_own_row_can_be_sent_in_as_it_is() -> None:
    data = revocation_tsv(DN, SERIAL, "taro@example.ac.jp")
    file = read_tsv(data, revocation_file_name(SERIAL, "test1.example.ac.jp"), max_rows=99)
    assert file.errors == ()
    assert guess_kind(file.rows) is Kind.REVOKE
    (checked,) = check_revoke_rows(file.rows)
    assert checked.errors == checked.warnings == ()
    assert checked.request == RevocationRequest(
        dn_of(DN), SERIAL, RevocationReason.UNSPECIFIED, "更新に伴う旧証明書の失効", "taro@example.ac.jp"
    )


def test_a_comment_of_ones_own_takes_the_place_of_the_fixed_one() -> None:
    file = read_tsv(revocation_tsv(DN, 1, "taro@example.ac.jp", "サーバの統合"), "a.tsv", max_rows=9)
    (checked,) = check_revoke_rows(file.rows)
    assert checked.request is not None
    assert checked.request.comment == "サーバの統合"


def test_the_file_is_named_after_the_old_serial_and_the_cn() -> None:
    assert revocation_file_name(SERIAL, "test1.example.ac.jp") == f"{SERIAL}-test1.example.ac.jp.tsv"
    assert revocation_file_name(10**28, "*.example.ac.jp") == f"{10**28}-_.example.ac.jp.tsv"


texts = st.one_of(st.text(max_size=20), st.sampled_from([*cells_of(), "10", "²", '""', "=", "9" * 40]))


@settings(deadline=None)
@given(st.lists(st.lists(texts, min_size=1, max_size=17), max_size=3))
def test_no_cells_make_the_checks_raise(table: list[list[str]]) -> None:
    rows = tuple(
        read_row(seq, "\t".join(cells).encode("utf-8", "replace"), "UTF-8")
        for seq, cells in enumerate(table, 1)
    )
    for checked in check_revoke_rows(rows):
        assert (checked.request is None) == bool(checked.errors)
        for error in (*checked.errors, *checked.warnings):
            assert error.cell("ja")
            assert error.remedy("en")
