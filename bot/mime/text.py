"""Bytes of a part -> text: transfer encodings, the charsets we allow, flowed lines (threats SM9)."""

import binascii
import re
from collections.abc import Callable

# label in lower case -> Python's codec; no label is handed to Python itself, which also knows unicode_escape
_CODECS = {
    "us-ascii": "ascii",
    "ascii": "ascii",
    "ansi_x3.4-1968": "ascii",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "cp932": "cp932",
    "ms932": "cp932",
    "windows-31j": "cp932",
    "euc-jp": "euc_jp",
    "eucjp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "iso-8859-1": "iso8859_1",
    "latin1": "iso8859_1",
}
_ISO_2022_JP = frozenset({"iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-3", "iso-2022-jp-ms"})

_ESCAPE = re.compile(rb"\x1b(\([BJI]|\$[@B]|\$\([DOPQ])")
# C0 but TAB and LF, DEL, C1, the two separators that some readers take for a line end, and what Python makes of
# four bytes that are no characters of CP932
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\uf8f0-\uf8f3]")
_BAD_QUOTED_PRINTABLE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n|\Z)")
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)


def decode_transfer(body: bytes, encoding: str) -> bytes | None:
    """The bytes a Content-Transfer-Encoding (lower case, '' for none) stands for; None: they break its rules.

    Source: RFC 2045 6. Strict, for signed bytes: two readers must not see two contents.
    """
    if encoding == "base64":
        try:
            return binascii.a2b_base64(b"".join(body.split()), strict_mode=True)
        except binascii.Error:
            return None
    if encoding == "quoted-printable":
        # RFC 2045 6.7 (3): white space at the end of a line was added on the way
        lines = b"\n".join(line.rstrip(b" \t\r") for line in body.split(b"\n"))
        lines = lines.replace(b"\n", b"\r\n") if b"\r\n" in body else lines
        return None if _BAD_QUOTED_PRINTABLE.search(lines) else binascii.a2b_qp(lines)
    return body if encoding in ("", "7bit", "8bit", "binary") else None


def decode_transfer_leniently(body: bytes, encoding: str) -> bytes:
    """The same for mails that decide nothing: what can be read is read."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding != "base64":
        return body
    digits = body.translate(None, _NOT_BASE64).partition(b"=")[0]
    digits = digits[:-1] if len(digits) % 4 == 1 else digits
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def decode_strictly(octets: bytes, charset: str) -> str | None:
    """Text with LF line ends; None where the charset is not allowed or the bytes are not in it (SM9)."""
    label = charset.lower()
    try:
        if label in _ISO_2022_JP:
            return _decode_iso_2022_jp(octets)
        if label not in _CODECS:
            return None
        return octets.decode(_CODECS[label]).replace("\r\n", "\n").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


def decode_leniently(octets: bytes, charset: str = "") -> str:
    """Text with LF line ends by the charset named, else by the first that fits; for help and names only."""
    guesses = ("iso-2022-jp", "cp932") if b"\x1b" in octets else ("utf-8", "cp932")
    for guess in (charset, *guesses):
        if (text := decode_strictly(octets, guess)) is not None:
            return text
    return octets.decode("iso8859_1").replace("\r\n", "\n")


def takes_control_characters(text: str) -> bool:
    """Whether anything but TAB and LF in it controls a terminal, a parser or the line count."""
    return _CONTROL.search(text) is not None


def drop_control_characters(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r", "\n"))


def unflow(text: str, *, delete_space: bool) -> str:
    """`format=flowed` as it was typed: soft line breaks undone, quote depth kept as `>>> ` (RFC 3676 4)."""
    lines: list[str] = []
    paragraph: list[str] = []
    paragraph_depth = 0

    def end_paragraph() -> None:
        if paragraph:
            mark = ">" * paragraph_depth
            lines.append(mark + (" " if mark else "") + "".join(paragraph))
            paragraph.clear()

    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_signature_mark = content == "-- "
        if depth != paragraph_depth or is_signature_mark:
            end_paragraph()
        paragraph_depth = depth
        is_flowed = content.endswith(" ") and not is_signature_mark
        paragraph.append(content[:-1] if is_flowed and delete_space else content)
        if not is_flowed:
            end_paragraph()
    end_paragraph()
    return "\n".join(lines)


def _decode_iso_2022_jp(octets: bytes) -> str:
    """ISO-2022-JP as mail programs write it: with the NEC and IBM characters that Python's codec refuses."""
    lines = octets.replace(b"\r\n", b"\n").split(b"\n")
    return "\n".join(_decode_iso_2022_jp_line(line) for line in lines)


def _decode_iso_2022_jp_line(line: bytes) -> str:
    # each line begins in ASCII (RFC 1468)
    first, *rest = _ESCAPE.split(line)
    runs = zip(rest[::2], rest[1::2], strict=True)
    return first.decode("ascii") + "".join(_RUNS[escape](run) for escape, run in runs)


def _by_codec(codec: str, escape: bytes) -> Callable[[bytes], str]:
    return lambda run: (b"\x1b" + escape + run).decode(codec)


def _decode_katakana(run: bytes) -> str:
    return _checked(run, 0x5F).translate(bytes((b + 0x80) % 256 for b in range(256))).decode("cp932")


def _decode_jis_x_0208(run: bytes) -> str:
    """Pairs of JIS X 0208 and the vendors' rows by way of CP932, which has them all."""
    if len(run) % 2:
        raise UnicodeDecodeError("iso-2022-jp", run, len(run) - 1, len(run), "half a character")
    shifted = bytearray()
    for row, cell in zip(*[iter(_checked(run, 0x7E))] * 2, strict=True):
        lead = (row - 0x21) // 2 + 0x81
        trail = cell + 0x1F + (cell >= 0x60) if row % 2 else cell + 0x7E
        shifted += bytes((lead + 0x40 if lead > 0x9F else lead, trail))
    return shifted.decode("cp932")


def _checked(run: bytes, highest: int) -> bytes:
    if run and (min(run) < 0x21 or max(run) > highest):
        raise UnicodeDecodeError("iso-2022-jp", run, 0, len(run), "not a character of this set")
    return run


# escape sequence without ESC -> how the bytes after it are read
_RUNS: dict[bytes, Callable[[bytes], str]] = {
    b"(B": lambda run: run.decode("ascii"),
    b"(J": _by_codec("iso2022_jp", b"(J"),
    b"(I": _decode_katakana,
    b"$@": _decode_jis_x_0208,
    b"$B": _decode_jis_x_0208,
    b"$(D": _by_codec("iso2022_jp_1", b"$(D"),
    b"$(O": _by_codec("iso2022_jp_3", b"$(O"),
    b"$(P": _by_codec("iso2022_jp_3", b"$(P"),
    b"$(Q": _by_codec("iso2022_jp_2004", b"$(Q"),
}
