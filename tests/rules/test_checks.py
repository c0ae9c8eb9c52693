"""Every rule for a row of a new server certificate: one case a line."""

from dataclasses import replace
from datetime import date

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.checks import IssueRules, check_issue_rows, names_in, screen
from handlers.rules.profile import Profile
from handlers.rules.register import Domain
from handlers.rules.row_errors import RowError
from handlers.rules.tsv import read_row
from tests.rules.issue_rows import (
    DN,
    FQDN,
    RULES,
    TESTKIKAN,
    check,
    csr_der,
    ec_key,
    good_cells,
    good_csr,
    institution_with,
    one_line,
    row_of,
    rsa_key,
)


def found(cells: list[str], rules: IssueRules = RULES) -> list[tuple[int, int | None]]:
    checked = check(cells, rules)
    assert (checked.request is None) == bool(checked.errors)
    return [(error.code, error.column) for error in checked.errors]


def warned(cells: list[str], rules: IssueRules = RULES) -> list[tuple[int, int | None]]:
    return [(warning.code, warning.column) for warning in check(cells, rules).warnings]


def with_dn(dn: str, key: int = 0, **changes: str) -> list[str]:
    """A good row for another DN, its CSR made for it."""
    return good_cells(c1=dn, c7=good_csr(dn, key), **changes)


def with_name(name: str, key: int = 0, **changes: str) -> list[str]:
    return with_dn(DN.replace(FQDN, name), key, c11=name, **changes)


def test_a_good_row_has_no_error_and_no_warning() -> None:
    checked = check(good_cells())
    assert checked.errors == checked.warnings == ()
    request = checked.request
    assert request is not None
    assert request.subject_dn.text() == DN
    assert request.fqdn == FQDN
    assert request.dns_names == (FQDN,)
    assert request.profile.id == 3
    assert request.csr_der == csr_der()
    assert request.public_key == "RSA 2048"
    assert (request.contact_name, request.contact_department) == ("申請 太郎", "情報基盤センター")
    assert (request.contact_mail, request.software) == ("taro@example.ac.jp", "Apache 2.4")


FAULTS = [
    # required, length, class, form
    *[pytest.param(good_cells(**{f"c{n}": ""}), [(201, n)], id=f"201-{n}") for n in (1, 2, 8, 9, 10, 11, 12)],
    pytest.param([*good_cells()[:6], "", *good_cells()[7:]], [(201, 7)], id="201-7"),
    pytest.param(good_cells(c8="\u3000 "), [(201, 8)], id="201 only spaces"),
    pytest.param(good_cells(c1=DN.replace("O=", "O=" + "a" * 250)), [(202, 1)], id="202-1"),
    pytest.param(good_cells(c2="003"), [(202, 2)], id="202-2"),
    pytest.param(good_cells(c7="A" * 2049), [(202, 7)], id="202-7"),
    pytest.param(good_cells(c8="あ" * 65), [(202, 8)], id="202-8"),
    pytest.param(good_cells(c9="あ" * 65), [(202, 9)], id="202-9"),
    pytest.param(good_cells(c10="a" * 60 + "@" + "b" * 14 + ".jp"), [], id="78 is not too long"),
    pytest.param(good_cells(c10="a" * 60 + "@" + "b" * 15 + ".jp"), [(202, 10)], id="202-10"),
    pytest.param(good_cells(c12="あ" * 129), [(202, 12)], id="202-12"),
    pytest.param(good_cells(c13="a.example.ac.jp," * 15 + "a.example.ac"), [(202, 13)], id="202-13"),
    pytest.param(good_cells(c2="３"), [(204, 2)], id="204 full width"),
    pytest.param(good_cells(c2="a"), [(204, 2)], id="204 letter"),
    pytest.param(good_cells(c1=DN.replace("O=", "Ｏ=")), [(205, 1)], id="205-1"),
    pytest.param(good_cells(c7="ＭＩＩＣ"), [(205, 7)], id="205-7"),
    pytest.param(good_cells(c8="申請\u202e太郎"), [(205, 8)], id="205-8 bidi"),
    pytest.param(good_cells(c9="ｾﾝﾀｰ"), [(205, 9)], id="205-9 half-width katakana"),
    pytest.param(good_cells(c10="太郎@example.jp"), [(205, 10)], id="205-10"),
    pytest.param(good_cells(c10="taro+x@example.jp"), [(205, 10)], id="205-10 plus"),
    pytest.param(good_cells(c11="ｔｅｓｔ.example.ac.jp"), [(205, 11)], id="205-11"),
    pytest.param(good_cells(c12="Apache\u200b"), [(205, 12)], id="205-12 zero width"),
    pytest.param(good_cells(c13="日本語.example.ac.jp"), [(205, 13)], id="205-13"),
    pytest.param(good_cells(c13="a.example.ac.jp\r"), [(205, 13)], id="205-13 carriage return"),
    pytest.param(with_dn(DN.replace("O=testkikan", "O=test_kikan")), [(205, 1), (241, 1)], id="205-1 value"),
    pytest.param(good_cells(c1="test1.example.ac.jp"), [(206, 1)], id="206-1"),
    pytest.param(good_cells(c10="taro"), [(206, 10)], id="206-10"),
    # reserved columns, number of columns, quotes
    *[pytest.param(good_cells(**{f"c{n}": "1"}), [(909, n)], id=f"909-{n}") for n in (3, 4, 5, 6)],
    pytest.param(good_cells()[:11], [(910, None)], id="910 too few"),
    pytest.param(["hello"], [(910, None)], id="910 one"),
    pytest.param([*good_cells(), "x"], [(910, None)], id="910 too many"),
    pytest.param([*good_cells(), "", "x"], [(910, None)], id="910 too many, late"),
    pytest.param([""], [(910, None)], id="910 blank"),
    pytest.param(good_cells(c1=f'"{DN}"'), [(911, 1)], id="911"),
    pytest.param(
        good_cells(c1=f'"{DN}"', c8='""'), [(911, 1), (911, 8), (201, 8)], id="911 and what is inside"
    ),
    # the subject DN
    pytest.param(with_dn(DN.replace("testkikan", "otherkikan")), [(241, 1)], id="241"),
    pytest.param(with_dn(DN.replace("testkikan", "Testkikan")), [(241, 1)], id="241 case"),
    pytest.param(with_dn(DN.replace("Chiyoda-ku", "Academe")), [(924, 1)], id="924"),
    pytest.param(with_dn(DN.replace("Chiyoda-ku", "chiyoda-ku")), [(924, 1)], id="924 case"),
    pytest.param(with_dn(DN.replace("Tokyo", "Osaka")), [(925, 1)], id="925"),
    pytest.param(with_dn(DN.replace("Tokyo", "TOKYO")), [(925, 1)], id="925 case"),
    pytest.param(with_dn(DN.replace(",L=Chiyoda-ku", "")), [(926, 1)], id="926 L"),
    pytest.param(with_dn(DN.replace(",ST=Tokyo", "")), [(926, 1)], id="926 ST"),
    pytest.param(with_dn(DN.replace(",L=Chiyoda-ku,ST=Tokyo", "")), [(926, 1), (926, 1)], id="926 both"),
    pytest.param(with_dn(DN.replace(",O=", ",OU=Desk,O=")), [(371, 1)], id="371"),
    pytest.param(with_dn(DN.replace(",O=", ",OU=library,O=")), [(371, 1)], id="371 case"),
    pytest.param(
        with_dn(DN.replace(",O=", f",OU={'a' * 40},OU={'b' * 25},O=")),
        [(202, 1), (371, 1), (371, 1)],
        id="202 OU",
    ),
    # names
    pytest.param(good_cells(c11="test2.example.ac.jp"), [(901, 11)], id="901"),
    pytest.param(with_name("www.other.example.com"), [(908, 11)], id="908"),
    pytest.param(with_name("notexample.ac.jp"), [(908, 11)], id="908 suffix without a dot"),
    pytest.param(good_cells(c13="www.example.com"), [(908, 13)], id="908-13"),
    pytest.param(with_name("test1"), [(913, 11)], id="913 single label"),
    pytest.param(with_name("192.0.2.1"), [(913, 11)], id="913 IP address"),
    pytest.param(with_name("*.example.ac.jp"), [(913, 11)], id="913 wildcard"),
    pytest.param(with_name("test1.example.ac.jp."), [(913, 11)], id="913 dot at the end"),
    pytest.param(good_cells(c13="a_b.example.ac.jp"), [(913, 13)], id="913-13"),
    pytest.param(good_cells(c13="a.example.ac.jp b.example.ac.jp"), [(913, 13)], id="913-13 no comma"),
    pytest.param(good_cells(c13="a.example.ac.jp;b.example.ac.jp"), [(913, 13)], id="913-13 semicolon"),
    pytest.param(
        with_dn(DN.replace(FQDN, "a_b.example.ac.jp")),
        [(901, 11), (913, 1)],
        id="913-1 CN when it is not the FQDN",
    ),
    # profile, CSR
    pytest.param(good_cells(c2="5"), [(900, 2)], id="900"),
    pytest.param(good_cells(c7="MIIC"), [(903, 7)], id="903"),
    pytest.param(good_cells(c7=good_csr(DN.replace("Tokyo", "Osaka"))), [(904, 7)], id="904"),
    pytest.param(good_cells(c2="11"), [(905, 7)], id="905"),
    pytest.param(good_cells(c7=one_line(csr_der(key=rsa_key(bits=1024)))), [(905, 7)], id="905 short"),
    pytest.param(
        good_cells(c7=one_line(csr_der(names=(x509.RFC822Name("taro@example.jp"),)))), [(928, 7)], id="928"
    ),
]


@pytest.mark.parametrize(("cells", "errors"), FAULTS)
def test_a_fault_is_found_where_it_stands(cells: list[str], errors: list[tuple[int, int | None]]) -> None:
    assert found(cells) == errors


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(good_cells()[:12], id="no 13th column"),
        pytest.param([*good_cells(), "", ""], id="surplus empty columns"),
        pytest.param([*good_cells(), " "], id="surplus column of a space"),
        pytest.param([f" {cell} " for cell in good_cells()], id="spaces around"),
        pytest.param(good_cells(c8="あ" * 64, c9="あ" * 64, c12="あ" * 128), id="as long as may be"),
        pytest.param(good_cells(c8="Taro Shinsei"), id="half-width name"),
        pytest.param(good_cells(c2="03"), id="profile with a nought"),
        pytest.param(with_dn(DN.replace(",O=", ",OU=Library,O=")), id="listed OU"),
        pytest.param(with_name("example.ac.jp"), id="the domain itself"),
        pytest.param(with_name("a.b.example.jp"), id="another domain"),
        pytest.param(good_cells(c1=DN.replace(",", ", ")), id="spaces after commas"),
        pytest.param(good_cells(c13="a.example.ac.jp,b.example.ac.jp"), id="two names"),
        pytest.param(good_cells(c13=FQDN), id="the CN among the names"),
        pytest.param(good_cells(c13="xn--wgv71a119e.example.ac.jp"), id="international name"),
        pytest.param(
            good_cells(c2="11", c7=one_line(csr_der(key=ec_key(), digest=hashes.SHA384()))), id="profile 11"
        ),
    ],
)
def test_a_row_that_is_unusual_but_right_passes_in_silence(cells: list[str]) -> None:
    checked = check(cells)
    assert checked.errors == checked.warnings == ()


@pytest.mark.parametrize("column", [8, 9, 12])
@pytest.mark.parametrize("start", "=+-@＝＋－＠")
def test_INJ3_a_formula_in_a_free_text_column_is_205(column: int, start: str) -> None:
    cells = good_cells(**{f"c{column}": f"{start}HYPERLINK(1)"})
    assert found(cells) == [(205, column)]
    assert check(cells).errors[0].values == (start,)
    assert found(good_cells(**{f"c{column}": f"A{start}1"})) == []


def test_CSR1_a_digest_that_the_profile_does_not_take_is_927() -> None:
    strict = replace(RULES, profiles=(Profile(id=3, key="rsa2048", csr_digests=("sha512",)),))
    assert found(good_cells(), strict) == [(927, 7)]
    assert found(good_cells(c7=one_line(csr_der(digest=hashes.SHA512()))), strict) == []


def test_CSR2_a_blocked_key_is_919() -> None:
    request = check(good_cells()).request
    assert request is not None
    assert found(good_cells(), replace(RULES, blocked_keys=frozenset({request.public_key_sha256}))) == [
        (919, 7)
    ]


def test_CSR4_names_come_from_the_tsv_never_from_the_csr() -> None:
    names = (x509.DNSName(FQDN), x509.DNSName("hidden.example.ac.jp"))
    cells = good_cells(c7=one_line(csr_der(names=names)), c13="a.example.ac.jp")
    request = check(cells).request
    assert request is not None
    assert request.dns_names == (FQDN, "a.example.ac.jp")
    assert check(cells).warnings == (RowError(956, 7, "CSR", ("hidden.example.ac.jp",)),)


def test_CSR4_a_wildcard_is_for_institutions_that_may() -> None:
    rules = institution_with(allow_wildcard=True)
    cells = with_name("*.example.ac.jp")
    assert found(cells, rules) == []
    assert found(with_name("*.example.com"), rules) == [(908, 11)]
    request = check(cells, rules).request
    assert request is not None
    assert request.dns_names == ("*.example.ac.jp",)


def test_capitals_in_names_are_lowered_with_a_warning() -> None:
    cells = with_name("Test1.Example.ac.jp", c13="WWW.example.ac.jp")
    checked = check(cells)
    assert [(w.code, w.column) for w in checked.warnings] == [(953, 1), (953, 11), (953, 13)]
    assert checked.request is not None
    assert checked.request.subject_dn.text() == DN
    assert checked.request.fqdn == FQDN
    assert checked.request.dns_names == (FQDN, "www.example.ac.jp")


def test_capitals_on_one_side_only_are_no_difference() -> None:
    assert found(good_cells(c11=FQDN.upper())) == []
    assert warned(good_cells(c11=FQDN.upper())) == [(953, 11)]
    assert warned(with_dn(DN.replace(FQDN, FQDN.upper()))) == [(953, 1)]


def test_repeated_names_are_merged_with_a_warning() -> None:
    checked = check(good_cells(c13=f"b.example.ac.jp,a.example.ac.jp,{FQDN},b.example.ac.jp"))
    assert checked.warnings == (RowError(952, 13, "dNSName", ("b.example.ac.jp",)),)
    assert checked.request is not None
    assert checked.request.dns_names == (FQDN, "b.example.ac.jp", "a.example.ac.jp")


def test_windows_characters_are_a_warning_or_an_error_by_configuration() -> None:
    cells = good_cells(c8="髙橋 花子", c9="㈱試験")
    assert found(cells) == []
    assert warned(cells) == [(951, 8), (951, 9)]
    strict = replace(RULES, strict_jisx0208=True)
    assert found(cells, strict) == [(205, 8), (205, 9)]
    assert warned(cells, strict) == []


def test_ou_may_be_forbidden_or_dropped() -> None:
    cells = with_dn(DN.replace(",O=", ",OU=Library,O="))
    assert found(cells, institution_with(ou_policy="forbid")) == [(929, 1)]
    assert found(good_cells(), institution_with(ou_policy="forbid")) == []
    dropping = institution_with(ou_policy="drop")
    assert warned(cells, dropping) == [(955, 1)]
    request = check(cells, dropping).request
    assert request is not None
    assert request.subject_dn.text() == DN


def test_a_contact_outside_the_institutions_mail_domains_is_a_warning() -> None:
    assert warned(good_cells(c10="taro@example.com")) == [(957, 10)]
    assert warned(good_cells(c10="Taro@Dept.EXAMPLE.ac.jp")) == []


def test_the_contact_stays_as_written_and_compares_in_lower_case() -> None:
    request = check(good_cells(c10="Taro@Example.ac.jp")).request
    assert request is not None
    assert request.contact_mail == "Taro@Example.ac.jp"
    assert request.contact_address == "taro@example.ac.jp"


def test_all_faults_of_a_row_are_told_at_once_in_the_order_of_the_checks() -> None:
    cells = good_cells(
        c1=f'"{DN.replace("testkikan", "x").replace("Tokyo", "y")}"',
        c3="1",
        c8="",
        c10="taro",
        c11="other.example.com",
        c13="a_b",
    )
    assert found(cells) == [
        (911, 1),
        (909, 3),
        (201, 8),
        (206, 10),
        (241, 1),
        (925, 1),
        (901, 11),
        (908, 11),
        (913, 13),
        (904, 7),
    ]


def test_a_row_tells_twenty_errors_at_most() -> None:
    names = ",".join(f"a{n}.x.yz" for n in range(24))
    assert len(names) <= 250
    checked = check(good_cells(c13=names))
    assert len(checked.errors) == 20
    assert checked.request is None


def test_a_fault_in_one_column_does_not_hide_faults_in_others_and_makes_no_noise() -> None:
    assert found(good_cells(c1="x", c7="y")) == [(206, 1), (903, 7)]
    assert found(good_cells(c1="")) == [(201, 1)]
    assert found(good_cells(c2="9", c7=one_line(csr_der(key=rsa_key(bits=1024))))) == [(900, 2)]


def test_the_second_row_of_the_same_name_or_key_is_916() -> None:
    rows = (
        row_of(good_cells(), 1),
        row_of(with_name("test2.example.ac.jp", key=1), 2),
        row_of(with_dn(DN.replace("test1", "TEST1"), key=2), 3),
        row_of(with_name("test4.example.ac.jp"), 4),
        row_of(good_cells(), 5),
    )
    checked = check_issue_rows(rows, RULES)
    assert [[(e.code, e.column, e.values) for e in row.errors] for row in checked] == [
        [],
        [],
        [(916, 11, ("1",))],
        [(916, 7, ("1",))],
        [(916, 11, ("1",)), (916, 7, ("1",))],
    ]
    assert [row.request is None for row in checked] == [False, False, True, True, True]


def test_rows_are_judged_each_by_itself() -> None:
    good, bad = row_of(good_cells(), 1), row_of(["x"], 2)
    first, second = check_issue_rows((good, bad), RULES)
    assert first == check(good_cells())
    assert second.row is bad
    assert [error.code for error in second.errors] == [910]


def test_what_a_row_asks_for_comes_out_of_its_stored_line_again() -> None:
    (checked,) = check_issue_rows((row_of(good_cells(c13="a.example.ac.jp")),), RULES)
    again = read_row(checked.row.seq, checked.row.raw, "UTF-8")
    assert check_issue_rows((again,), RULES) == (checked,)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (good_cells(), (FQDN,)),
        (
            good_cells(c13="dNSName=B.example.ac.jp, a.example.ac.jp"),
            (FQDN, "b.example.ac.jp", "a.example.ac.jp"),
        ),
        (good_cells(c11="other.example.jp"), ("other.example.jp", FQDN)),
        (good_cells(c1=f'"{DN}"', c11=f'"{FQDN.upper()}"'), (FQDN,)),
        (good_cells(c1="C=JP, CN=x.example.jp , O=b", c11=""), ("x.example.jp",)),
        (good_cells(c13="10 20, localhost,見えない"), (FQDN,)),
        ([DN], (FQDN,)),
        (["hello"], ()),
        ([""], ()),
    ],
)
def test_names_are_found_before_any_institution_is_known(cells: list[str], names: tuple[str, ...]) -> None:
    assert names_in(row_of(cells)) == names


def screened(names: tuple[str, ...], today: date, **changes: object) -> list[tuple[int, tuple[str, ...]]]:
    institution = TESTKIKAN.model_copy(update=changes)
    return [(error.code, error.values) for error in screen(institution, names, today)]


def test_vetting_lasts_to_the_end_of_its_last_day() -> None:
    assert screened((FQDN,), date(2027, 3, 31)) == []
    assert screened((FQDN,), date(2027, 4, 1)) == [(921, ("example.ac.jp", "2027-03-31"))]


def test_a_domain_that_was_never_vetted_is_920_once() -> None:
    today = date(2027, 1, 1)
    assert screened((FQDN, "a.example.jp", "b.example.jp"), today) == [(920, ("example.jp",))]
    assert screened(("www.example.com",), today) == [(920, ("www.example.com",))]


def test_the_longest_domain_decides() -> None:
    domains = (
        Domain(name="example.ac.jp", vetted_until=date(2030, 1, 1)),
        Domain(name="dept.example.ac.jp", vetted_until=date(2026, 1, 1)),
    )
    assert screened(("a.dept.example.ac.jp",), date(2027, 1, 1), domains=domains) == [
        (921, ("dept.example.ac.jp", "2026-01-01"))
    ]


def test_an_institution_that_is_not_active_is_215() -> None:
    assert screened((FQDN,), date(2027, 1, 1), active=False) == [(215, ())]


cell_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [*good_cells(), f'"{DN}"', "dNSName=", "CN=,O=", "=", '""', "*.example.ac.jp", "xn--a.b"]
    ),
)


@settings(deadline=None)
@given(st.lists(cell_texts, min_size=1, max_size=15))
def test_no_cells_make_the_checks_raise(cells: list[str]) -> None:
    raw = "\t".join(cells).encode("utf-8", "replace")
    row = read_row(1, raw, "UTF-8")
    names_in(row)
    (checked,) = check_issue_rows((row,), RULES)
    assert (checked.request is None) == bool(checked.errors)
    for error in (*checked.errors, *checked.warnings):
        assert error.cell("ja")
        assert error.remedy("en")


@settings(deadline=None)
@given(st.integers(0, 12), cell_texts)
def test_one_changed_cell_is_refused_or_makes_a_sound_request(place: int, text: str) -> None:
    cells = good_cells()
    cells[place] = text
    (checked,) = check_issue_rows((read_row(1, "\t".join(cells).encode("utf-8", "replace"), "UTF-8"),), RULES)
    if checked.request:
        assert all(TESTKIKAN.domain_of(name) for name in checked.request.dns_names)
        assert checked.request.subject_dn.cn == checked.request.fqdn == checked.request.dns_names[0]
        assert checked.request.csr_der == csr_der()
