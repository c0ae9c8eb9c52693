"""The subject DN's text form (manual 1-1-5, 【対象証明書DN】)."""

import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.row_errors import RowError
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn, subject_of
from tests.rules.issue_rows import DN

WITH_UNITS = "CN=test1.example.ac.jp,OU=Library,OU=Desk 2,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"


def parse(text: str) -> SubjectDN:
    dn = parse_subject_dn(text)
    assert isinstance(dn, SubjectDN)
    return dn


@pytest.mark.parametrize(
    "text",
    [
        DN,
        DN.replace(",", ", "),
        DN.replace(",", ",   "),
        DN.lower().replace("=jp", "=JP").replace("tokyo", "Tokyo").replace("chiyoda", "Chiyoda"),
        DN.replace(",O=", " ,O= "),
        f"  {DN} ",
    ],
)
def test_spaces_around_items_and_the_case_of_keys_do_not_matter(text: str) -> None:
    assert parse(text) == parse(DN)
    assert parse(text).text() == DN


def test_the_lines_are_cn_ou_o_l_st_c() -> None:
    assert parse(WITH_UNITS).lines() == (
        "CN=test1.example.ac.jp",
        "OU=Library",
        "OU=Desk 2",
        "O=testkikan",
        "L=Chiyoda-ku",
        "ST=Tokyo",
        "C=JP",
    )
    assert parse(WITH_UNITS).text() == WITH_UNITS


def test_a_value_may_hold_commas_and_equals_signs() -> None:
    dn = parse("CN=a.example.ac.jp,O=Foo, Bar, X=Y and C=3,L=a,b,ST=Tokyo,C=JP")
    assert dn.values("O") == ("Foo, Bar, X=Y and C=3",)
    assert dn.values("L") == ("a,b",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        ("test1.example.ac.jp", "test1.example.ac.jp"),
        ("CN", "CN"),
        (DN.replace("O=testkikan", "O="), "O="),
        (DN.replace("O=testkikan", "O= "), "O= "),
        (DN.replace("ST=Tokyo", "S=Tokyo,ST=Tokyo"), None),
        ("E=taro@example.ac.jp," + DN, "E=taro@example.ac.jp"),
        ("serialNumber=1," + DN, "serialNumber=1"),
        ("C=JP,ST=Tokyo,L=Chiyoda-ku,O=testkikan,CN=test1.example.ac.jp", "ST=Tokyo"),
        (DN.replace("L=Chiyoda-ku,ST=Tokyo", "ST=Tokyo,L=Chiyoda-ku"), "L=Chiyoda-ku"),
        (DN.replace("O=testkikan", "O=testkikan,OU=Library"), "OU=Library"),
        (DN.replace("CN=test1.example.ac.jp,", ""), "CN="),
        (DN.replace(",O=testkikan", ""), "O="),
        (DN.replace(",C=JP", ""), "C="),
        (DN.replace("C=JP", "C=US"), "C=US"),
        (DN.replace("C=JP", "C=jp"), "C=jp"),
        (DN + ",C=JP", "C=JP"),
        (DN.replace("O=testkikan", "O=testkikan,O=other"), "O=other"),
        (DN.replace("L=Chiyoda-ku", "L=a,L=b"), "L=b"),
        (DN.replace("ST=Tokyo", "ST=a,ST=b"), "ST=b"),
        (DN.replace(",O=", ",CN=other.example.ac.jp,O="), "CN=other.example.ac.jp"),
    ],
)
def test_what_is_not_in_the_form_is_206_and_the_part_is_named(text: str, part: str | None) -> None:
    error = parse_subject_dn(text)
    if part is None:  # S is no key: it belongs to the value before it
        assert isinstance(error, SubjectDN)
        assert error.values("L") == ("Chiyoda-ku,S=Tokyo",)
        return
    assert error == RowError(206, 1, "主体者DN", (part,))


def test_a_missing_st_or_l_is_left_to_its_own_error() -> None:
    assert parse(DN.replace(",ST=Tokyo", "")).values("ST") == ()
    assert parse(DN.replace(",L=Chiyoda-ku", "")).values("L") == ()


def test_two_dns_match_by_cn_and_ou_whatever_their_case_and_place() -> None:
    key = parse(WITH_UNITS).match_key()
    assert parse(WITH_UNITS.replace("test1", "TEST1").replace("Library", "LIBRARY")).match_key() == key
    assert parse(WITH_UNITS.replace("Tokyo", "Osaka").replace("Chiyoda-ku", "Suita")).match_key() == key
    assert parse(WITH_UNITS.replace("OU=Library,OU=Desk 2", "OU=Desk 2,OU=Library")).match_key() == key
    assert parse(WITH_UNITS.replace("OU=Library,", "")).match_key() != key
    assert parse(WITH_UNITS.replace("test1", "test2")).match_key() != key
    assert parse(DN).match_key() != key


def test_the_x509_name_runs_the_other_way_and_reads_back() -> None:
    name = parse(WITH_UNITS).to_x509()
    assert [a.oid for a in name] == [
        NameOID.COUNTRY_NAME,
        NameOID.STATE_OR_PROVINCE_NAME,
        NameOID.LOCALITY_NAME,
        NameOID.ORGANIZATION_NAME,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.COMMON_NAME,
    ]
    # RFC 4514 prints an X.509 name from its end: the manual's order
    assert name.rfc4514_string() == WITH_UNITS
    assert subject_of(name) == parse(WITH_UNITS)


@given(st.text(max_size=60))
def test_no_text_makes_parsing_raise(text: str) -> None:
    assert isinstance(parse_subject_dn(text), SubjectDN | RowError)


keys = st.sampled_from(["CN=", "OU=", "O=", "L=", "ST=", "C=", "cn=", ",", ", ", "JP", "a", " ", "=", "S="])


@given(st.lists(keys, max_size=16).map("".join))
def test_what_was_read_reads_the_same_from_its_own_text(middle: str) -> None:
    dn = parse_subject_dn(f"CN=a{middle},O=b,L=c,ST=d,C=JP")
    if isinstance(dn, SubjectDN):
        assert parse_subject_dn(dn.text()) == dn
        assert dn.values("C") == ("JP",)
