"""What a mail may cost: limits on its raw bytes, checked before anything reads a value (threats DOS1)."""

import re

from handlers.rules.reasons import Reason

MAIL_BYTES = 5 * 1024 * 1024
HEADER_BYTES = 64 * 1024
HEADER_LINES = 300
FIELD_BYTES = 8 * 1024
ENCODED_WORDS = 100  # in one header
PARAMETERS = 20  # of one header
DEPTH = 10  # levels of parts, the mail itself being the first
PARTS = 50  # of all levels, the mail itself not counted
TEXT_BYTES = 256 * 1024  # of the one text that is read for words
SIGNED_TEXT_BYTES = 2 * 1024 * 1024  # of a signed one: it may quote a request of some 3,500 rows

_NEXT_HEADER = re.compile(rb"\r?\n(?![ \t])")
_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")


def find_body(raw: bytes) -> int | None:
    """Where the body of a mail or part begins; `len(raw)`: it has none; None: not within the header limit."""
    match = _BLANK_LINE.search(raw, 0, HEADER_BYTES + 4)
    if match:
        return match.end()
    return len(raw) if len(raw) <= HEADER_BYTES else None


def split_headers(block: bytes) -> list[bytes]:
    """The headers of a block, each with its folds, without the line end that closes it."""
    return [header for header in _NEXT_HEADER.split(block) if header]


def find_excess(block: bytes) -> Reason | None:
    """Which limit a header block breaks that `find_body` gave: HEADER_TOO_LARGE, TOO_COMPLEX (words), or None."""
    if block.count(b"\n") > HEADER_LINES:
        return Reason.HEADER_TOO_LARGE
    excesses = {header_excess(header) for header in split_headers(block)} - {None}
    return Reason.HEADER_TOO_LARGE if Reason.HEADER_TOO_LARGE in excesses else next(iter(excesses), None)


def header_excess(header: bytes) -> Reason | None:
    if len(header) > FIELD_BYTES:
        return Reason.HEADER_TOO_LARGE
    return Reason.TOO_COMPLEX if header.count(b"=?") > ENCODED_WORDS else None


def cut_to_limits(raw: bytes) -> bytes:
    """What may still be read of a mail that breaks limits: whole headers that keep them, from its beginning.

    For the sender and the subject of a refused mail, so that the refusal can say what it refuses. `raw` may end
    within the header.
    """
    end = _BLANK_LINE.search(raw, 0, HEADER_BYTES + 4)
    whole = end is not None
    block = raw[: end.end() if end else HEADER_BYTES]
    lines = block.split(b"\n", HEADER_LINES + 1)
    if len(lines) > HEADER_LINES:
        lines, whole = lines[:HEADER_LINES], False
    headers = split_headers(b"\n".join(lines))
    # the last header of a block that was cut may itself be cut
    kept = headers if whole else headers[:-1]
    return b"\n".join(header for header in kept if header_excess(header) is None)
