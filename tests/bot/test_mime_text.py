"""Charsets, transfer encodings and flowed text (threats SM9; RFC 1468, 2045, 2047, 2231, 3676)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.mime.header import read_parameterised
from bot.mime.text import (
    decode_leniently,
    decode_strictly,
    decode_transfer,
    decode_transfer_leniently,
    takes_control_characters,
    unflow,
)

ALLOWED = {
    "us-ascii": "APPROVE",
    "UTF-8": "承認します①㈱髙🙂",
    "ISO-2022-JP": "承認します",
    "iso-2022-jp-1": "承認します",
    "iso-2022-jp-3": "承認します",
    "Shift_JIS": "承認します①㈱髙ｱ",
    "windows-31j": "承認します①㈱髙ｱ",
    "CP932": "表ソ能",
    "EUC-JP": "承認します",
    "ISO-8859-1": "déclare",
}
PYTHON_NAMES = {
    "windows-31j": "cp932",
    "Shift_JIS": "cp932",
    "iso-2022-jp-1": "iso2022_jp",
    "iso-2022-jp-3": "iso2022_jp",
}


@pytest.mark.parametrize(("charset", "text"), ALLOWED.items())
def test_SM9_an_allowed_charset_is_decoded(charset: str, text: str) -> None:
    octets = f"{text}\r\nend".encode(PYTHON_NAMES.get(charset, charset))
    assert decode_strictly(octets, charset) == f"{text}\nend"


@pytest.mark.parametrize(
    "charset",
    ["unicode_escape", "raw_unicode_escape", "utf-7", "utf-16", "idna", "punycode", "rot13", "hex", "zlib", "mbcs", "",
     "iso-2022-kr", "iso-2022-cn", "gb2312", "big5", "windows-1252", "utf-8\0", " utf-8"],
)  # fmt: skip
def test_SM9_another_charset_is_refused(charset: str) -> None:
    assert decode_strictly(b"APPROVE", charset) is None


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("us-ascii", "承認".encode()),
        ("utf-8", "承認".encode()[:-1]),
        ("utf-8", b"\xc0\xaf"),
        ("utf-8", b"\xed\xa0\x80"),
        ("utf-8", "承認".encode("cp932")),
        ("shift_jis", b"\x8f"),
        ("shift_jis", b"\x81\xff"),
        ("euc-jp", "承認".encode("cp932")),
        ("iso-2022-jp", "承認".encode()),
        ("iso-2022-jp", b"\x1b$B\x40\x1b(B"),
        ("iso-2022-jp", b"\x1b$B\x7e\x7e\x1b(B"),
        ("iso-2022-jp", b"\x1b$B\xc0\xc0\x1b(B"),
        ("iso-2022-jp", b"\x1b$B  \x1b(B"),
        ("iso-2022-jp", b"\x1b(I\x60\x1b(B"),
    ],
)
def test_SM9_bytes_that_are_not_in_their_charset_are_refused(charset: str, octets: bytes) -> None:
    assert decode_strictly(octets, charset) is None


def test_SM9_an_escape_of_another_charset_is_left_as_a_control_character() -> None:
    text = decode_strictly(b"\x1b$)A!!\x1b(B", "iso-2022-jp")
    assert text is not None
    assert takes_control_characters(text)


def test_SM9_iso_2022_jp_holds_the_characters_of_nec_and_ibm() -> None:
    # row 13 of NEC, an IBM character in NEC's rows
    assert decode_strictly(b"\x1b$B-!-j|b\x1b(B.", "iso-2022-jp") == "①㈱髙."


def test_SM9_iso_2022_jp_holds_the_other_sets_of_its_family() -> None:
    octets = "丂".encode("iso2022_jp_1") + "𠂉".encode("iso2022_jp_3") + b"\x1b(I1\x1b(J~\x1b(B!"
    assert decode_strictly(octets, "iso-2022-jp") == "丂𠂉ｱ‾!"


def test_SM9_jis_x_0208_is_read_as_python_reads_it_but_for_six_signs() -> None:
    differ = {0x2141, 0x2142, 0x215D, 0x2171, 0x2172, 0x224C}
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            octets = b"\x1b$B" + bytes((row, cell)) + b"\x1b(B"
            expected = octets.decode("iso2022_jp", "ignore")
            if expected and row * 256 + cell not in differ:
                assert decode_strictly(octets, "iso-2022-jp") == expected


def test_SM9_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode_strictly("\ufeff承認".encode(), "utf-8") == "承認"


@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\x0b", "\x0c", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"]
)
def test_SM9_control_characters_are_found(character: str) -> None:
    assert takes_control_characters(f"a{character}b")
    assert not takes_control_characters("a\tb\nc　\u00a0")


@given(st.text(st.characters(codec="utf-8")))
def test_utf_8_is_guessed(text: str) -> None:
    expected = text.replace("\r\n", "\n").removeprefix("\ufeff")
    if "\x1b" not in text:
        assert decode_leniently(text.encode()) == expected


def test_iso_2022_jp_and_cp932_are_guessed() -> None:
    assert decode_leniently(b"\x1b$B>5G'-!\x1b(B") == "承認①"
    assert decode_leniently("承認①".encode("cp932"), "utf-8") == "承認①"


@given(st.binary(), st.sampled_from([*ALLOWED, "nonsense", ""]))
def test_lenient_decoding_reads_any_bytes(octets: bytes, charset: str) -> None:
    assert isinstance(decode_leniently(octets, charset), str)


@pytest.mark.parametrize(
    ("encoding", "body", "octets"),
    [
        ("base64", b"QVBQ\r\nUk9WRQ==\r\n", b"APPROVE"),
        ("base64", b"", b""),
        ("base64", b"QVBQ!UK9", None),
        ("base64", b"QVB", None),
        ("base64", b"QVBQ=UK9", None),
        ("base64", b"QQ==QQ==", None),
        ("quoted-printable", b"=E6=89=BF=\r\n=E8=AA=8D =\t\r\n.  \r\nb", "承認 .\r\nb".encode()),
        ("quoted-printable", b"a=\nb=0a", b"ab\n"),
        ("quoted-printable", b"a=", b"a"),
        ("quoted-printable", b"a=zz", None),
        ("quoted-printable", b"a=4", None),
        ("7bit", b"a=41\r\n", b"a=41\r\n"),
        ("", b"\xff", b"\xff"),
        ("x-uuencode", b"begin", None),
        ("quoted-printable2", b"a", None),
    ],
)
def test_a_transfer_encoding_is_strict_where_it_is_signed(
    encoding: str, body: bytes, octets: bytes | None
) -> None:
    assert decode_transfer(body, encoding) == octets


@given(st.binary(), st.sampled_from(["base64", "quoted-printable", "x", ""]))
def test_a_transfer_encoding_that_decides_nothing_never_fails(body: bytes, encoding: str) -> None:
    strict = decode_transfer(body, encoding)
    lenient = decode_transfer_leniently(body, encoding)
    if strict is not None and encoding == "base64":
        assert lenient == strict


@pytest.mark.parametrize(
    ("flowed", "delete_space", "text"),
    [
        ("a \nb \nc\nd", False, "a b c\nd"),
        ("承 \n認\n", True, "承認\n"),
        (" stuffed\n From x\n  two", False, "stuffed\nFrom x\n two"),
        ("> a \n> b\n>> c \n> d\ne", False, "> a b\n>> c \n> d\ne"),
        (">a \n>b", False, "> a b"),
        ("> quoted \nmine", False, "> quoted \nmine"),
        ("a \n-- \nb", False, "a \n-- \nb"),
        ("> a \n> -- \n> b", False, "> a \n> -- \n> b"),
        ("last ", False, "last "),
        ("", False, ""),
        ("\n\n", False, "\n\n"),
        (">", False, "> "),
    ],
)
def test_flowed_text_is_read_as_it_was_typed(flowed: str, delete_space: bool, text: str) -> None:
    assert unflow(flowed, delete_space=delete_space) == text


@given(st.text("> a-\n"), st.booleans())
def test_flowing_moves_no_word_in_or_out_of_a_quote(text: str, delete_space: bool) -> None:
    def words(lines: str, depth: int) -> str:
        kept = (line for line in lines.split("\n") if len(line) - len(line.lstrip(">")) == depth)
        return "".join(kept).replace(" ", "").replace(">", "")

    if "\n >" not in f"\n{text}" and "> >" not in text:
        for depth in range(6):
            assert words(unflow(text, delete_space=delete_space), depth) == words(text, depth)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a;b\\"c.tsv"', 'a;b"c.tsv'),
        ("attachment; filename=a b.tsv ; x=y", "a b.tsv"),
        ("attachment; filename*=utf-8'ja'%E7%94%B3%E8%AB%8B.tsv", "申請.tsv"),
        ("attachment; filename*0*=shift_jis''%90%5C; filename*1*=%90%BF; filename*2=.tsv", "申請.tsv"),
        ("attachment; filename*1=b.tsv; filename*0=a", "ab.tsv"),
        ("attachment; filename=\"old\"; filename*=utf-8''new", "new"),
        ("attachment; FileName = x", "x"),
        ('attachment; filename="unclosed', "unclosed"),
        ("attachment; junk; filename=x", "x"),
        ("attachment", ""),
    ],
)
def test_a_file_name_is_read_as_programs_write_it(value: str, name: str) -> None:
    parsed = read_parameterised(value)
    assert (parsed.value, dict(parsed.parameters).get("filename", "")) == ("attachment", name)
    assert not parsed.repeats
