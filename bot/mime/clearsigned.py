"""The text of an inline OpenPGP block, read so strictly that all programs read the same (threats PGP7)."""

import re

BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_BEGIN_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END_SIGNATURE = b"-----END PGP SIGNATURE-----"
_HASH = re.compile(rb"Hash: (?:SHA(?:224|256|384|512)|SHA3-(?:256|512))(?:, ?SHA(?:224|256|384|512))*")
_ARMOR = re.compile(
    rb"[ \t\r\n]*-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n"
    rb"(?:[A-Za-z-]+:[^\r\n]*\r?\n)*[ \t]*\r?\n"
    rb"(?:[A-Za-z0-9+/=]+[ \t]*\r?\n)+"
    rb"-----END PGP SIGNATURE-----[ \t\r\n]*"
)
_SIGNATURE_BYTES = 64 * 1024


def is_one_signature_block(octets: bytes) -> bool:
    """Whether there is one armored signature block and nothing else but blank lines (PGP6)."""
    return len(octets) <= _SIGNATURE_BYTES and _ARMOR.fullmatch(octets) is not None


def find_block(body: bytes) -> bytes | None:
    """The one clearsigned block without the blank lines around it; None where the body (CRLF) holds more."""
    block = body.strip(b" \t\r\n")
    lines = [line.rstrip(b" \t") for line in block.split(b"\r\n")]
    # a dash that begins a line of the text is escaped by another (RFC 9580 7.2): these are the block's own
    marks = [line for line in lines if line.startswith(b"-----")]
    is_one = marks == [BEGIN, _BEGIN_SIGNATURE, _END_SIGNATURE]
    return block if is_one and lines[0] == BEGIN and lines[-1] == _END_SIGNATURE else None


def unescape(block: bytes) -> bytes | None:
    """The text of a block (CRLF lines) with LF lines and none at the end, white space at line ends removed.

    None where an armor header is not an allowed `Hash:`, a dash is not escaped, or the signature is no block.
    """
    lines = block.split(b"\r\n")
    start = 1
    while start < len(lines) and _HASH.fullmatch(lines[start]):
        start += 1
    ends = [n for n, line in enumerate(lines) if line.rstrip(b" \t") == _BEGIN_SIGNATURE]
    if start == len(lines) or lines[start] != b"" or not ends:
        return None
    text = lines[start + 1 : ends[0]]
    is_escaped = all(line.startswith(b"- ") or not line.startswith(b"-") for line in text)
    if not is_escaped or not is_one_signature_block(b"\r\n".join(lines[ends[0] :])):
        return None
    return b"\n".join(line.removeprefix(b"- ").rstrip(b" \t") for line in text)


def is_output_of(output: bytes, text: bytes) -> bool:
    """Whether gpg's `--output` is the text that `unescape` gave, but for line ends and white space there."""
    lines = [line.rstrip(b" \t\r") for line in output.split(b"\n")]
    return b"\n".join(lines) == text + b"\n"
