"""Bytes of mails, written by hand so that every line end and boundary is meant."""

import base64
import quopri
from collections.abc import Sequence
from email.header import Header

# characters of the vendors' rows that Japanese programs write into ISO-2022-JP and Python's codec refuses
_VENDORS = {"①": b"-!", "②": b'-"', "㈱": b"-j"}


def encode(text: str, charset: str) -> bytes:
    """`text` (LF) in a charset, its lines ended by CRLF."""
    lines = text.replace("\n", "\r\n")
    if charset.lower() != "iso-2022-jp":
        return lines.encode({"shift_jis": "cp932", "euc-jp": "euc_jp"}.get(charset.lower(), charset))
    out = b""
    for character in lines:
        vendor = _VENDORS.get(character)
        out += b"\x1b$B" + vendor + b"\x1b(B" if vendor else character.encode("iso2022_jp")
    return out.replace(b"\x1b(B\x1b$B", b"")


def transfer(octets: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(octets).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return octets


def text_part(
    text: str, charset: str = "utf-8", encoding: str = "8bit", more: str = "", subtype: str = "plain"
) -> bytes:
    """`more`: further parameters and headers, beginning with `;` or CRLF."""
    head = f"Content-Type: text/{subtype}; charset={charset}{more}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + transfer(encode(text, charset), encoding)


def multipart(
    subtype: str, boundary: str, parts: Sequence[bytes], more: str = "", preamble: str = "", extra: str = ""
) -> bytes:
    """`more`: parameters after the boundary; `extra`: header lines, each with its CRLF."""
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"{more}\r\n{extra}\r\n{preamble}'
    between = f"--{boundary}".encode()
    return head.encode() + b"".join(between + b"\r\n" + p + b"\r\n" for p in parts) + between + b"--\r\n"


def attachment(kind: str, name: str, octets: bytes, encoding: str = "base64") -> bytes:
    head = (
        f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + transfer(octets, encoding)


def header(name: str, value: str, charset: str = "utf-8") -> bytes:
    """One header with its CRLF, encoded and folded as programs do."""
    if value.isascii():
        return f"{name}: {value}\r\n".encode()
    folded = Header(value, charset, header_name=name, maxlinelen=76).encode(linesep="\r\n")
    return f"{name}: {folded}\r\n".encode()
