"""A header block -> fields with readable values: raw 8-bit text, RFC 2047 words, RFC 2231 parameters."""

import binascii
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from bot.mime.limits import PARAMETERS, split_headers
from bot.mime.text import decode_leniently, decode_transfer_leniently

SUBJECT_CHARACTERS = 998  # RFC 5322 2.1.1

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_FOLD = re.compile(rb"\r?\n")
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([^?]*)\?=")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
# one parameter: name, quoted value, bare value; or junk without a name
_PARAMETER = re.compile(
    r';\s*(?:([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"[^;]*|([^;]*))|[^;]*)',
    re.DOTALL,
)
_SECTION = re.compile(r"([^*]+)(?:\*([0-9]{1,2}))?(\*?)")
_FILE_NAMES = frozenset({"name", "filename"})


@dataclass(frozen=True)
class Headers:
    """The fields of one block in order, (name in lower case, unfolded value) each.

    `is_broken`: a line of the block is no header.
    """

    fields: tuple[tuple[str, str], ...]
    is_broken: bool

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]


@dataclass(frozen=True)
class Parameterised:
    """A value such as `text/plain; charset=utf-8`: `value` in lower case, parameters by name in lower case.

    `repeats`: a parameter stands in it twice (SM7); `is_over_limit`: more of them than DOS1 allows.
    """

    value: str
    parameters: tuple[tuple[str, str], ...] = ()
    repeats: bool = False
    is_over_limit: bool = False

    def parameter(self, name: str) -> str:
        return next((value for field, value in self.parameters if field == name), "")


def read_headers(block: bytes) -> Headers:
    """The fields of a header block that keeps the limits."""
    fields = []
    is_broken = False
    for header in split_headers(block):
        match = _FIELD.fullmatch(header)
        if match is None:
            is_broken = True
            continue
        value = _FOLD.sub(b"", match[2])
        fields.append((match[1].decode("ascii").lower(), decode_leniently(value).strip(" \t")))
    return Headers(tuple(fields), is_broken)


def decode_words(value: str) -> str:
    """A header value with its encoded words decoded (RFC 2047); what can't be decoded stays as it is.

    Neighbours of one charset are joined first: mail programs cut characters in two.
    """
    parts: list[str] = []
    pending: list[bytes] = []
    pending_charset = ""
    position = 0
    for match in _ENCODED_WORD.finditer(value):
        gap = value[position : match.start()]
        charset = match[1].lower()
        if pending and (gap.strip() or charset != pending_charset):
            parts.append(decode_leniently(b"".join(pending), pending_charset))
            pending.clear()
        if gap.strip() or position == 0:
            parts.append(gap)
        pending.append(_decode_word(match[2], match[3]))
        pending_charset, position = charset, match.end()
    parts.append(decode_leniently(b"".join(pending), pending_charset))
    return "".join(parts) + value[position:]


def clean_line(value: str) -> str:
    """One line for people: decoded, without control and invisible characters, cut at 998 characters."""
    text = decode_words(value).replace("\t", " ")
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(c for c in text if unicodedata.category(c) not in unseen).strip()[:SUBJECT_CHARACTERS]


def read_media_type(value: str | None, default: str) -> Parameterised:
    """A Content-Type; `default` where there is none, `application/octet-stream` where it is no `a/b`."""
    if value is None:
        return Parameterised(default)
    parsed = read_parameterised(value)
    if _MEDIA_TYPE.fullmatch(parsed.value):
        return parsed
    return Parameterised("application/octet-stream", parsed.parameters, parsed.repeats, parsed.is_over_limit)


def read_parameterised(value: str) -> Parameterised:
    """A Content-Type or Content-Disposition value. Reads what people's programs write, raw names included."""
    head, semicolon, rest = value.partition(";")
    word = re.split(r"[\s(]", head.strip().lower(), maxsplit=1)[0]
    raw: dict[str, str] = {}
    repeats = False
    for count, match in enumerate(_PARAMETER.finditer(semicolon + rest)):
        if count >= PARAMETERS:
            return Parameterised(word, is_over_limit=True)
        if match[1] is None:
            continue
        name = match[1].lower()
        repeats = repeats or name in raw
        raw.setdefault(name, _plain_value(name, match[2], match[3]))
    parameters, mixes = _join_sections(raw)
    return Parameterised(word, parameters, repeats or mixes)


def _plain_value(name: str, quoted: str | None, bare: str | None) -> str:
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
    value = (bare or "").strip().strip('"')
    # an unquoted file name may hold spaces; elsewhere a space ends the value and a comment may follow
    return value if name in _FILE_NAMES else re.split(r"[\s(]", value, maxsplit=1)[0]


def _join_sections(raw: dict[str, str]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """`name*0*=utf-8''...; name*1=...` -> name (RFC 2231 3 and 4); True where a name has two forms."""
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    plain: dict[str, str] = {}
    mixes = False
    for attribute, value in raw.items():
        match = _SECTION.fullmatch(attribute)
        if match is None or not (match[2] or match[3]):
            plain[attribute] = value
            continue
        number = int(match[2] or 0)
        known = sections.setdefault(match[1], {})
        mixes = mixes or number in known
        known.setdefault(number, (value, bool(match[3])))
    # mail programs give a file name in both forms, for old readers
    mixes = mixes or bool(plain.keys() & sections.keys() - _FILE_NAMES)
    joined = plain | {name: _decode_sections(known) for name, known in sections.items()}
    return tuple(joined.items()), mixes


def _decode_sections(known: dict[int, tuple[str, bool]]) -> str:
    charset = ""
    octets = b""
    for number, (value, is_encoded) in sorted(known.items()):
        text = value
        if is_encoded and number == min(known):
            charset, _, text = value.partition("'")
            text = text.partition("'")[2]
        octets += unquote_to_bytes(text) if is_encoded else text.encode("utf-8", "replace")
    return decode_leniently(octets, charset)


def _decode_word(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_transfer_leniently(octets, "base64")
    return binascii.a2b_qp(octets, header=True)
