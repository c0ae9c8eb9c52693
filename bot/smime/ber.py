"""Between hostile bytes and the parsers: looks a BER value over before them, and holds what they raise."""

from collections.abc import Iterator
from contextlib import contextmanager

# far above real signatures (about 12 deep, some 1,000 parts; a content in pieces has more)
_DEEPEST = 24
_MOST_PARTS = 200_000
_LARGEST = 64 * 1024 * 1024  # bytes
_OPEN = -1  # an indefinite length: until the two zero bytes (X.690 8.1.3.6)


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Makes ValueError of whatever a parser raises, there being a dozen kinds (threats CMS7). `what`: for its words."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"no {what} that can be read: {error}") from error


def is_sound(data: bytes) -> bool:
    """Whether `data` is one whole BER value and nothing more, at most 24 deep (threats CMS7, X.690 8.1)."""
    if len(data) > _LARGEST:
        return False
    ends: list[int] = []  # of the values around us, the innermost last
    at, parts = 0, 0
    while parts < _MOST_PARTS:
        parts += 1
        header = _read_header(data, at, ends[-1] if ends else len(data))
        if header is None:
            return False
        tag, body, length = header
        if tag == 0 and length == 0 and ends and ends[-1] == _OPEN:
            ends.pop()
            at = body
        elif tag & 0x20:
            ends.append(_OPEN if length == _OPEN else body + length)
            at = body
        elif tag == 0 or length == _OPEN:
            return False
        else:
            at = body + length
        while ends and ends[-1] == at:
            ends.pop()
        if not ends:
            return at == len(data)
        if len(ends) > _DEEPEST:
            return False
    return False


def _read_header(data: bytes, at: int, end: int) -> tuple[int, int, int] | None:
    """The tag's first byte, where the body begins, its length or _OPEN; None where it doesn't fit before `end`."""
    end = len(data) if end == _OPEN else end
    if at + 2 > end:
        return None
    tag = data[at]
    at += 1
    if tag & 0x1F == 0x1F:
        # no type of CMS or X.509 has a tag above 30
        return None
    length = data[at]
    at += 1
    if length == 0x80:
        return tag, at, _OPEN
    if length > 0x80:
        size = length & 0x7F
        if size > 8 or at + size > end:
            return None
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    return (tag, at, length) if at + length <= end else None
