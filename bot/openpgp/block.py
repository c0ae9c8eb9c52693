"""The one reader of armor: a signature part holds one block with one signature packet, an inline mail one clearsigned
block (threats PGP6, PGP7).

Armor and packet headers are read here, and gpg is given the packet itself: it sees what was checked, so there
is no second opinion about armor, several blocks or stray packets.
"""

import binascii
import re
from dataclasses import dataclass

from handlers.rules.reasons import Reason

_SIGNATURE = 2  # RFC 9580 5
_LARGEST = 64 * 1024  # bytes of a signature block
_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_BEGIN_TEXT = b"-----BEGIN PGP SIGNED MESSAGE-----"
_ARMOR_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:( .*)?")
_CHECKSUM = re.compile(rb"=[A-Za-z0-9+/]{4}")

_HASH_HEADER = re.compile(rb"Hash: ([A-Z0-9-]+(?:, ?[A-Z0-9-]+)*)")
_STRONG = frozenset({b"SHA224", b"SHA256", b"SHA384", b"SHA512"})
_WEAK = frozenset({b"MD5", b"SHA1", b"RIPEMD160"})
# far under 19,995 bytes, where gpg cuts a line and still calls the signature good
_LONGEST_LINE = 8000
# TAB is text; ESC begins and ends Japanese in ISO-2022-JP
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class ClearsignedBlock:
    """`block`: all of it, lines ended by LF. `text`: what it says, unescaped, no blanks at line ends."""

    block: bytes
    text: bytes


def read_armor(part: bytes) -> bytes | None:
    """The bytes in one armored signature block; None where there is none, or more than blank lines beside it."""
    lines = [line.rstrip(b" \t\r") for line in part.strip().split(b"\n")]
    if len(part) > _LARGEST or len(lines) < 2 or lines[0] != _BEGIN or lines[-1] != _END:
        return None
    return _decode_armor(lines[1:-1])


def read_signature_part(part: bytes) -> bytes | Reason:
    """The signature packet in a signature part: one block, nothing else but blank lines (threats PGP6)."""
    packets = read_armor(part)
    tags = read_tags(packets) if packets else None
    if not tags or set(tags) != {_SIGNATURE}:
        return Reason.SIGNATURE_BLOCK
    if len(tags) > 1:
        return Reason.SEVERAL_SIGNATURES
    return packets or Reason.SIGNATURE_BLOCK


def find_clearsigned(body: bytes) -> bytes | None:
    """The one clearsigned block without the blank lines around it; None where the body (CRLF) holds more."""
    block = body.strip(b" \t\r\n")
    lines = [line.rstrip(b" \t") for line in block.split(b"\r\n")]
    # a dash that begins a line of the text is escaped by another (RFC 9580 7.2): these are the block's own
    marks = [line for line in lines if line.startswith(b"-----")]
    is_one = marks == [_BEGIN_TEXT, _BEGIN, _END]
    return block if is_one and lines[0] == _BEGIN_TEXT and lines[-1] == _END else None


def read_clearsigned(part: bytes) -> ClearsignedBlock | Reason:
    """One clearsigned block, nothing else but blank lines, one signature in it (threats PGP7; RFC 9580 7)."""
    block = part.replace(b"\r\n", b"\n").strip(b" \t\n")
    lines = block.split(b"\n")
    if lines[0] != _BEGIN_TEXT or _CONTROL.search(block) or max(map(len, lines)) > _LONGEST_LINE:
        return Reason.SIGNATURE_BLOCK
    if b"" not in lines or _BEGIN not in lines:
        return Reason.SIGNATURE_BLOCK
    blank, signature = lines.index(b""), lines.index(_BEGIN)
    if refused := _refuse_hash_headers(lines[1:blank]):
        return refused
    text = _unescape(lines[blank + 1 : signature])
    if text is None:
        return Reason.SIGNATURE_BLOCK
    packet = read_signature_part(b"\n".join(lines[signature:]))
    return packet if isinstance(packet, Reason) else ClearsignedBlock(block + b"\n", text)


def read_tags(packets: bytes) -> list[int] | None:
    """The types of the packets, by their headers (RFC 9580 4.2); None if they are cut or of open length."""
    tags: list[int] = []
    at = 0
    while at < len(packets):
        first = packets[at]
        if not first & 0x80:
            return None
        length = _read_length(packets, at)
        if length is None or at + sum(length) > len(packets):
            return None
        tags.append(first & 0x3F if first & 0x40 else first >> 2 & 0x0F)
        at += sum(length)
    return tags


def _read_length(packets: bytes, at: int) -> tuple[int, int] | None:
    """The lengths of a packet's header and body; None where the header gives no length."""
    first, rest = packets[at], packets[at + 1 : at + 6]
    if not first & 0x40:
        octets = (1, 2, 4, 0)[first & 3]
        return (1 + octets, int.from_bytes(rest[:octets])) if octets else None
    if not rest or 224 <= rest[0] < 255:
        return None
    if rest[0] < 192:
        return 2, rest[0]
    if rest[0] < 224:
        # a cut one would be a negative length: the walk would go back, and round for ever
        if len(rest) < 2:
            return None
        return 3, int.from_bytes(rest[:2]) - (192 << 8) + 192
    return 6, int.from_bytes(rest[1:5])


def _decode_armor(lines: list[bytes]) -> bytes | None:
    """The bytes in an armor, given without its first and last line (RFC 9580 6.2); no checksum is needed."""
    if b"" not in lines:
        return None
    blank = lines.index(b"")
    if not all(_ARMOR_HEADER.fullmatch(line) for line in lines[:blank]):
        return None
    body = lines[blank + 1 :]
    if body and _CHECKSUM.fullmatch(body[-1]):
        body.pop()
    try:
        return binascii.a2b_base64(b"".join(body), strict_mode=True)
    except binascii.Error:
        return None


def _refuse_hash_headers(headers: list[bytes]) -> Reason | None:
    names: set[bytes] = set()
    for header in headers:
        found = _HASH_HEADER.fullmatch(header)
        if not found:
            return Reason.SIGNATURE_BLOCK
        names.update(re.split(rb", ?", found[1]))
    if names & _WEAK:
        return Reason.WEAK_DIGEST
    return None if names and names <= _STRONG else Reason.SIGNATURE_BLOCK


def _unescape(lines: list[bytes]) -> bytes | None:
    """The text of a clearsigned block (RFC 9580 7.1); None where a dash at a line's start is not escaped."""
    plain = []
    for line in lines:
        if line.startswith(b"-") and not line.startswith(b"- "):
            return None
        plain.append(line.removeprefix(b"- ").rstrip(b" \t") + b"\n")
    return b"".join(plain)
