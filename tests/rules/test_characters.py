"""The characters of the columns (manual: 全角文字使用可能文字の範囲)."""

import pytest

from handlers.rules.characters import (
    Standing,
    extensions_in,
    forbidden_in_dn_value,
    forbidden_in_mail,
    forbidden_in_text,
    is_digits,
    is_mail_address,
    standing,
    starts_like_formula,
    trim,
)


def test_all_of_jis_x_0208_is_allowed_and_counts_6879() -> None:
    # the standard's rows, decoded by a codec that knows nothing of Windows
    allowed = set()
    for row in range(0xA1, 0xFF):
        for cell in range(0xA1, 0xFF):
            try:
                allowed.add(bytes([row, cell]).decode("euc_jp"))
            except UnicodeDecodeError:
                continue
    assert len(allowed) == 6879
    assert {char for char in allowed if standing(char) is not Standing.ALLOWED} == set()


@pytest.mark.parametrize("char", "①㈱髙﨑№Ⅲ㍻")
def test_windows_own_characters_are_extensions(char: str) -> None:
    assert standing(char) is Standing.EXTENSION
    assert forbidden_in_text(f"株式会社{char}", strict=False) == ""
    assert forbidden_in_text(f"株式会社{char}", strict=True) == char
    assert extensions_in(f"{char}と{char}") == char


@pytest.mark.parametrize(
    "char",
    [
        pytest.param("ｱ", id="half-width katakana"),
        pytest.param("\u202e", id="right-to-left override"),
        pytest.param("\u200b", id="zero-width space"),
        pytest.param("\ufeff", id="byte order mark"),
        pytest.param("\u0085", id="C1 control"),
        pytest.param("\x07", id="C0 control"),
        pytest.param("\x7f", id="delete"),
        pytest.param("\r", id="carriage return"),
        pytest.param("\xa0", id="no-break space"),
        pytest.param("¥", id="yen sign of Latin-1"),
        pytest.param("\ue000", id="user-defined"),
        pytest.param("\u3099", id="combining voicing mark"),
        pytest.param("한", id="hangul"),
        pytest.param("é", id="accented letter"),
        pytest.param("😀", id="emoji"),
        pytest.param("\ud800", id="lone surrogate"),
    ],
)
def test_nothing_else_is_allowed(char: str) -> None:
    assert forbidden_in_text(f"部局{char}名{char}", strict=False) == char


@pytest.mark.parametrize(
    "text", ["情報 基盤センター", "Apache/2.4 (Debian)", "全角 空白", "～〜－−‖", "アイウ゛ヴ", "~^\\"]
)
def test_ordinary_text_is_allowed(text: str) -> None:
    assert forbidden_in_text(text, strict=True) == ""


@pytest.mark.parametrize("start", "=+-@＝＋－−＠")
def test_INJ3_a_cell_that_a_spreadsheet_would_compute_is_seen(start: str) -> None:
    assert starts_like_formula(f"{start}1+1")


@pytest.mark.parametrize("text", ["Apache=2", "a-b", "太郎@東京", "'=1", "1+1"])
def test_INJ3_the_same_characters_later_in_a_cell_are_fine(text: str) -> None:
    assert not starts_like_formula(text)


@pytest.mark.parametrize("text", ["O'Reilly (Tokyo), K-K./:=", "a b"])
def test_a_dn_value_has_its_own_set(text: str) -> None:
    assert forbidden_in_dn_value(text) == ""


@pytest.mark.parametrize("char", '&"+;<>#\\_@*é')
def test_a_dn_value_has_nothing_beyond_its_set(char: str) -> None:
    assert forbidden_in_dn_value(f"a{char}b{char}") == char


@pytest.mark.parametrize(
    "text", ["taro@example.ac.jp", "t-a.r_o@a-b.example.jp", "_@example.jp", "TARO@EXAMPLE.JP"]
)
def test_a_mail_address_is_taken(text: str) -> None:
    assert forbidden_in_mail(text) == ""
    assert is_mail_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "taro",
        "@example.jp",
        "taro@",
        "taro@jp",
        "taro@@example.jp",
        "taro@example..jp",
        "taro@example.jp.",
        "taro@-example.jp",
        ".taro@example.jp",
        "taro.@example.jp",
        "ta..ro@example.jp",
        "-taro@example.jp",
        "taro@example.jp@example.jp",
        "taro@example.jp\n",
    ],
)
def test_what_is_no_mail_address_is_not_taken(text: str) -> None:
    assert not is_mail_address(text)


def test_digits_are_half_width_only() -> None:
    assert is_digits("11")
    assert not any(is_digits(text) for text in ("", "１１", "1 1", "-1", "٣", "²"))


def test_spaces_of_both_widths_are_trimmed_and_nothing_else() -> None:
    assert trim("  \u3000a b\u3000 ") == "a b"
    assert trim("a\r") == "a\r"
    assert trim("a\xa0") == "a\xa0"
