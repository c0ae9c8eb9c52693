"""Host names (threats CSR4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.dns_names import find_name, is_dns_name, split_dns_names, unicode_form

JAPANESE = "xn--wgv71a119e.example.ac.jp"  # 日本語


@pytest.mark.parametrize(
    "name",
    [
        "test1.example.ac.jp",
        "a.b",
        "1.example.jp",
        "a-b--c.example.jp",
        f"{'a' * 63}.example.jp",
        JAPANESE,
        "xn--eckwd4c7c.xn--zckzah",
        ".".join(["a" * 49] * 5) + ".jp",
    ],
)
def test_CSR4_a_host_name_is_taken(name: str) -> None:
    assert is_dns_name(name, allow_wildcard=False)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("localhost", id="single label"),
        pytest.param("test1.example.ac.jp.", id="dot at the end"),
        pytest.param(".example.ac.jp", id="dot at the start"),
        pytest.param("a..example.jp", id="empty label"),
        pytest.param("a_b.example.jp", id="underscore"),
        pytest.param("-a.example.jp", id="hyphen at the start"),
        pytest.param("a-.example.jp", id="hyphen at the end"),
        pytest.param(f"{'a' * 64}.example.jp", id="label of 64"),
        pytest.param(".".join(["a" * 49] * 5) + ".jpjp", id="254 characters"),
        pytest.param("192.0.2.1", id="IPv4"),
        pytest.param("192.0.513", id="IPv4, short"),
        pytest.param("1.0x7f", id="IPv4, hex"),
        pytest.param("2001:db8::1", id="IPv6"),
        pytest.param("[2001:db8::1]", id="IPv6 in brackets"),
        pytest.param("www.example.ac.jp\0.evil.example", id="NUL"),
        pytest.param("www.example.ac.jp\n", id="newline"),
        pytest.param("www example.jp", id="space"),
        pytest.param("WWW.example.jp", id="capitals"),
        pytest.param("日本語.example.jp", id="not ASCII"),
        pytest.param("*.example.ac.jp", id="wildcard"),
        pytest.param("xn--.example.jp", id="xn-- alone"),
        pytest.param("xn--a.example.jp", id="no Punycode"),
        pytest.param("xn--ls8h.example.jp", id="emoji, not in IDNA 2008"),
        pytest.param("xn--www-.example.jp", id="xn-- of plain ASCII"),
        pytest.param("ab--cd.example.jp", id="reserved hyphens"),
        pytest.param("http://www.example.jp", id="address of a page"),
    ],
)
def test_CSR4_what_is_no_host_name_is_refused(name: str) -> None:
    assert not is_dns_name(name, allow_wildcard=False)


def test_CSR4_a_wildcard_is_the_whole_first_label_where_allowed() -> None:
    assert is_dns_name("*.example.ac.jp", allow_wildcard=True)
    for name in (
        "*",
        "*.jp",
        "a*.example.jp",
        "*a.example.jp",
        "www.*.example.jp",
        "*.*.example.jp",
        "**.example.jp",
    ):
        assert not is_dns_name(name, allow_wildcard=True), name


def test_CSR4_international_names_have_both_forms() -> None:
    assert unicode_form(JAPANESE) == "日本語.example.ac.jp"
    assert unicode_form("test1.example.ac.jp") == "test1.example.ac.jp"
    assert unicode_form("xn--a.example.jp") == "xn--a.example.jp"
    assert unicode_form(f"*.{JAPANESE}") == "*.日本語.example.ac.jp"


@pytest.mark.parametrize(
    "text",
    [
        "a.example.jp,b.example.jp",
        "a.example.jp, b.example.jp",
        "dNSName=a.example.jp,dNSName=b.example.jp",
        "DNSNAME=a.example.jp , b.example.jp",
        "dNSName= a.example.jp,,b.example.jp,",
    ],
)
def test_the_column_lists_names_with_or_without_prefix(text: str) -> None:
    assert split_dns_names(text) == ("a.example.jp", "b.example.jp")


def test_an_empty_column_lists_nothing() -> None:
    assert split_dns_names("") == split_dns_names(" , ") == ()


def test_what_looks_like_a_name_is_found_good_or_not() -> None:
    assert find_name(" WWW.Example.ac.jp. ") == "www.example.ac.jp"
    assert find_name("*.example.ac.jp") == "*.example.ac.jp"
    assert find_name("a_b.example.ac.jp") == "a_b.example.ac.jp"
    assert [find_name(text) for text in ("", "localhost", "見えない.jp", "a b.jp", "..")] == [None] * 5


@settings(deadline=None)
@given(
    st.one_of(st.text(max_size=40), st.from_regex(r"(xn--[a-z0-9-]{0,30}\.){1,2}[a-z]{2}", fullmatch=True))
)
def test_no_text_makes_the_checks_raise(text: str) -> None:
    for name in (text, *split_dns_names(text)):
        find_name(name)
        unicode_form(name)
        if is_dns_name(name, allow_wildcard=True):
            assert name == name.lower()
            assert name.isascii()
            assert find_name(name) == name
