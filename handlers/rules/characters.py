"""Which characters a column may hold (the manual's 全角文字使用可能文字の範囲; threats INJ3)."""

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

# what is trimmed around a cell: people's editors leave half-width and full-width spaces
PADDING = " \u3000"
NOT_PRINTABLE_ASCII = re.compile(r"[^ -~]")
_ALL_PRINTABLE = re.compile(r"[ -~]*")
NOT_DN_VALUE = re.compile(r"[^A-Za-z0-9 '(),\-./:=]")
NOT_MAIL = re.compile(r"[^A-Za-z0-9\-_@.]")
_DIGITS = re.compile(r"[0-9]+")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
MAIL_ADDRESS = re.compile(
    rf"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-])){{0,63}}@{_LABEL}(?:\.{_LABEL})+"
)
# a spreadsheet takes these for the start of a formula, in either width
FORMULA_STARTS = tuple("=+-@＝＋－−＠")

# first byte of the two-byte codes in CP932: rows 1-8 and 16-84 are JIS X 0208; row 13 and the NEC-selected IBM
# extensions are Windows' own (Python writes every IBM extension by its NEC code)
JIS_X_0208_LEADS = frozenset([*range(0x81, 0x85), *range(0x88, 0xA0), *range(0xE0, 0xEB)])
EXTENSION_LEADS = frozenset([0x87, 0xED, 0xEE])


class Standing(Enum):
    """How one character stands to JIS X 0208."""

    ALLOWED = "allowed"
    EXTENSION = "extension"  # ①, ㈱, 髙: readable on Windows, outside the standard
    FORBIDDEN = "forbidden"


def trim(cell: str) -> str:
    """The cell without the spaces around it; TAB and control characters are not spaces."""
    return cell.strip(PADDING)


@lru_cache(maxsize=16384)
def standing(char: str) -> Standing:
    """Printable ASCII and JIS X 0208 are allowed; half-width katakana, controls and other scripts are not."""
    if " " <= char <= "~":
        return Standing.ALLOWED
    try:
        code = char.encode("cp932")
    except UnicodeEncodeError:
        return Standing.FORBIDDEN
    if len(code) != 2:
        return Standing.FORBIDDEN
    if code[0] in JIS_X_0208_LEADS:
        return Standing.ALLOWED
    return Standing.EXTENSION if code[0] in EXTENSION_LEADS else Standing.FORBIDDEN


def forbidden_in_text(text: str, *, strict: bool) -> str:
    """The characters a free text column may not hold, each once; `strict` forbids the extensions too."""
    if _ALL_PRINTABLE.fullmatch(text):
        return ""
    found = ((char, standing(char)) for char in text)
    return _once(
        char for char, how in found if how is Standing.FORBIDDEN or (strict and how is Standing.EXTENSION)
    )


def extensions_in(text: str) -> str:
    """The NEC and IBM extension characters of a text, each once."""
    return "" if text.isascii() else _once(char for char in text if standing(char) is Standing.EXTENSION)


def forbidden_in_ascii(text: str) -> str:
    """What is not printable ASCII (半角英数字記号), each character once."""
    return _once(NOT_PRINTABLE_ASCII.findall(text))


def forbidden_in_dn_value(text: str) -> str:
    """What O, OU, L and ST may not hold: they have letters, digits, space and `' ( ) , - . / : =`."""
    return _once(NOT_DN_VALUE.findall(text))


def forbidden_in_mail(text: str) -> str:
    """What the E-mail column may not hold: it has letters, digits and `- _ @ .`."""
    return _once(NOT_MAIL.findall(text))


def is_digits(text: str) -> bool:
    """Whether the text is 半角数字 only."""
    return _DIGITS.fullmatch(text) is not None


def is_mail_address(text: str) -> bool:
    """Whether the text is one `local@host.domain`, in the characters of the E-mail column."""
    return MAIL_ADDRESS.fullmatch(text) is not None


def starts_like_formula(text: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula (threats INJ3)."""
    return text.startswith(FORMULA_STARTS)


def _once(chars: Iterable[str]) -> str:
    return "".join(dict.fromkeys(chars))
