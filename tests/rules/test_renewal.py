"""The rules for a row that renews a certificate, and the row that the desk prepares for it."""

from dataclasses import replace

import pytest

from handlers.rules.checks import CheckedRow, check_issue_rows
from handlers.rules.profile import DEFAULT_PROFILES
from handlers.rules.renewal_tsv import renewal_row
from handlers.rules.tsv import guess_kind, read_row, read_tsv
from store.states import Kind
from tests.rules.issue_rows import DN, FQDN, RULES, TESTKIKAN, good_cells, good_csr, row_of
from tests.rules.issue_rows import check as check_with

SERIAL = 1911649278160095962
RENEWAL = replace(RULES, kind=Kind.RENEW)
Places = list[tuple[int, int | None]]


def cells_of(**changes: str) -> list[str]:
    return good_cells(**{"c4": str(SERIAL), **changes})


def check(cells: list[str]) -> CheckedRow:
    return check_with(cells, RENEWAL)


def found(cells: list[str]) -> Places:
    checked = check(cells)
    assert (checked.request is None) == bool(checked.errors)
    return [(error.code, error.column) for error in checked.errors]


def test_a_good_row_names_the_certificate_it_replaces() -> None:
    checked = check(cells_of())
    assert checked.errors == checked.warnings == ()
    assert checked.old_serial == SERIAL
    assert checked.request is not None
    assert checked.request.old_serial == SERIAL


def test_apart_from_the_old_serial_a_renewal_asks_for_what_an_issue_asks_for() -> None:
    renewal, issue = check(cells_of()).request, check_with(good_cells()).request
    assert renewal is not None
    assert issue is not None
    assert issue.old_serial is None
    assert replace(renewal, old_serial=None) == issue


@pytest.mark.parametrize(
    ("cells", "errors"),
    [
        pytest.param(good_cells(), [(201, 4)], id="201-4"),
        pytest.param(cells_of(c4="\u3000 "), [(201, 4)], id="201-4 only spaces"),
        pytest.param(cells_of(c4="1" * 33), [(202, 4)], id="202-4"),
        pytest.param(cells_of(c4="0x1a8f"), [(204, 4)], id="204-4 hexadecimal"),
        pytest.param(cells_of(c4="１２"), [(204, 4)], id="204-4 full width"),
        pytest.param(cells_of(c4=f'"{SERIAL}"'), [(911, 4)], id="911-4"),
        *[pytest.param(cells_of(**{f"c{n}": "1"}), [(909, n)], id=f"909-{n}") for n in (3, 5, 6)],
        *[pytest.param(cells_of(**{f"c{n}": ""}), [(201, n)], id=f"201-{n}") for n in (1, 2, 8, 9, 10, 11)],
        pytest.param([*cells_of()[:6], "", *cells_of()[7:]], [(201, 7)], id="201-7"),
        pytest.param(cells_of()[:11], [(910, None)], id="910"),
        pytest.param(cells_of(c2="5"), [(900, 2)], id="900"),
        pytest.param(cells_of(c11="test2.example.ac.jp"), [(901, 11)], id="901"),
        pytest.param(cells_of(c7=good_csr(DN.replace("Tokyo", "Osaka"))), [(904, 7)], id="904"),
        pytest.param(cells_of(c4="x", c7="y", c10="z"), [(204, 4), (206, 10), (903, 7)], id="all at once"),
    ],
)
def test_a_fault_is_found_where_it_stands(cells: list[str], errors: Places) -> None:
    assert found(cells) == errors


@pytest.mark.parametrize(
    "cells", [cells_of(c4="9" * 32), cells_of(c4=f" {SERIAL}\u3000"), cells_of()[:12], [*cells_of(), ""]]
)
def test_a_row_that_is_unusual_but_right_passes_in_silence(cells: list[str]) -> None:
    checked = check(cells)
    assert checked.errors == checked.warnings == ()


def test_the_old_serial_is_known_of_a_faulty_row_too_but_not_of_an_unreadable_column() -> None:
    assert check(cells_of(c7="x")).old_serial == SERIAL
    assert check(cells_of(c4=f'"{SERIAL}"')).old_serial == SERIAL
    assert check(cells_of(c4="x")).old_serial is None
    assert check(["x"]).old_serial is None


def test_column_4_has_its_own_name_and_is_told_to_be_decimal() -> None:
    first, second = check(cells_of(c4='"0x1"')).errors
    assert first.cell("ja").startswith("911:4.失効対象証明書シリアル番号,")
    assert second.cell("ja").startswith("204:4.失効対象証明書シリアル番号,")
    assert "10進数" in second.remedy("ja")


def test_a_new_certificate_has_no_old_serial() -> None:
    checked = check_with(cells_of())
    assert [error.cell("ja").partition(",")[0] for error in checked.errors] == ["909:4.予約"]
    assert checked.old_serial is None


def test_the_second_row_of_the_same_name_or_key_is_916_here_too() -> None:
    rows = (row_of(cells_of(), 1), row_of(cells_of(c4="7"), 2))
    first, second = check_issue_rows(rows, RENEWAL)
    assert first.errors == ()
    assert [(error.code, error.column) for error in second.errors] == [(916, 11), (916, 7)]


def test_OUs_that_are_no_longer_used_are_dropped_from_a_renewal() -> None:
    dn = DN.replace(",O=", ",OU=Library,O=")
    rules = replace(RENEWAL, institution=TESTKIKAN.model_copy(update={"ou_policy": "drop"}))
    checked = check_with(cells_of(c1=dn, c7=good_csr(dn)), rules)
    assert checked.errors == ()
    assert checked.request is not None
    assert checked.request.subject_dn.text() == DN


def test_a_revocation_is_not_judged_by_these_rules() -> None:
    with pytest.raises(ValueError, match="not the rules for revoke"):
        replace(RULES, kind=Kind.REVOKE)


def test_what_a_row_asks_for_comes_out_of_its_stored_line_again() -> None:
    checked = check(cells_of())
    assert check_issue_rows((read_row(1, checked.row.raw, "UTF-8"),), RENEWAL) == (checked,)


def prepared(*names: str) -> bytes:
    return renewal_row(
        DN,
        3,
        SERIAL,
        "申請 太郎",
        "情報基盤センター",
        "taro@example.ac.jp",
        FQDN,
        "Apache 2.4",
        (FQDN, *names),
    )


def test_the_row_that_the_desk_prepares_is_these_bytes() -> None:
    assert prepared("a.example.ac.jp", "b.example.ac.jp") == (
        b"CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP\t3\t\t1911649278160095962\t\t\t\t"
        b"\x90\x5c\x90\xbf\x20\x91\xbe\x98\x59\t\x8f\xee\x95\xf1\x8a\xee\x94\xd5\x83\x5a\x83\x93\x83\x5e\x81\x5b\t"
        b"taro@example.ac.jp\ttest1.example.ac.jp\tApache 2.4\tdNSName=a.example.ac.jp,dNSName=b.example.ac.jp\r\n"
    )


def test_the_prepared_row_wants_a_csr_and_nothing_else() -> None:
    file = read_tsv(prepared("a.example.ac.jp"), "a.tsv", max_rows=99)
    assert file.errors == ()
    assert guess_kind(file.rows) is Kind.RENEW
    (bare,) = check_issue_rows(file.rows, RENEWAL)
    assert [(error.code, error.column) for error in bare.errors] == [(201, 7)]
    cells = list(file.rows[0].fields)
    cells[6] = good_csr()
    checked = check(cells)
    assert checked.errors == checked.warnings == ()
    assert checked.request is not None
    assert checked.request.dns_names == (FQDN, "a.example.ac.jp")
    assert checked.request.profile == DEFAULT_PROFILES[0]


def test_the_cn_alone_needs_no_dnsname() -> None:
    assert prepared().endswith(b"\tApache 2.4\t\r\n")


def test_names_that_fit_only_without_prefix_are_written_without() -> None:
    names = [f"www{n:02}.example.ac.jp" for n in range(12)]
    assert len(",".join(names)) <= 250 < len(",".join(f"dNSName={name}" for name in names))
    assert prepared(*names).endswith(("\t" + ",".join(names) + "\r\n").encode())
