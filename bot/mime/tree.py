"""Raw bytes -> the tree of MIME parts, each with its exact bytes: one parser for all who read mails.

Python's `email` never sees a mail from outside: it recurses without a limit, takes seconds for some headers,
and can't say which bytes a part had (threats DOS1, SM2).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bot.mime.header import (
    Headers,
    Parameterised,
    clean_line,
    read_headers,
    read_media_type,
    read_parameterised,
)
from bot.mime.limits import DEPTH, MAIL_BYTES, PARTS, find_body, find_excess
from bot.mime.text import decode_transfer, decode_transfer_leniently
from handlers.rules.reasons import Reason

# two of one of these let two readers see two mails (SM7)
_SINGLE_HEADERS = (
    "from",
    "sender",
    "reply-to",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
)
_BOUNDARY = re.compile(r"[ -~]{1,200}")
_FILE_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Entity:
    """A mail or one part of it. `raw` is the exact slice: headers, empty line and body from `body_start` on.

    `is_broken`: a line of the header is no header, or a multipart lacks its boundary, parts or last boundary.
    What lies in a message/rfc822 part is another mail and stays unparsed.
    """

    raw: bytes
    body_start: int
    headers: Headers
    content_type: Parameterised
    disposition: Parameterised
    children: tuple["Entity", ...]
    is_broken: bool

    @property
    def media_type(self) -> str:
        return self.content_type.value

    @property
    def is_multipart(self) -> bool:
        return self.media_type.startswith("multipart/")

    @property
    def encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case, '' for none."""
        words = (self.headers.first("content-transfer-encoding") or "").lower().split("(")[0].split()
        return words[0].rstrip(";") if words else ""

    @cached_property
    def file_name(self) -> str:
        """As its sender named it: never a path, '' for none."""
        name = self.disposition.parameter("filename") or self.content_type.parameter("name")
        return clean_line(name)[:_FILE_NAME_CHARACTERS]

    @property
    def is_attached(self) -> bool:
        return bool(self.file_name) or self.disposition.value == "attachment"

    @property
    def body(self) -> bytes:
        return self.raw[self.body_start :]

    def decoded(self) -> bytes | None:
        """The body as its transfer encoding says, strictly; None where it breaks that encoding's rules."""
        return decode_transfer(self.body, self.encoding)

    def decoded_leniently(self) -> bytes:
        return decode_transfer_leniently(self.body, self.encoding)

    def walk(self) -> Iterator["Entity"]:
        """Itself and every part below, in the order they stand in."""
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> Iterator["Entity"]:
        return (entity for entity in self.walk() if not entity.is_multipart)


def read_entity(raw: bytes) -> Entity | Reason:
    """The tree of a mail or of signed bytes; TOO_LARGE, HEADER_TOO_LARGE or TOO_COMPLEX over the limits."""
    if len(raw) > MAIL_BYTES:
        return Reason.TOO_LARGE
    return _read(raw, "text/plain", depth=1, parts_left=PARTS)


def is_ambiguous(root: Entity) -> bool:
    """Whether a header or a Content-Type parameter that decides what a reader sees stands twice (SM7)."""
    return any(
        entity.content_type.repeats or any(len(entity.headers.all(name)) > 1 for name in _SINGLE_HEADERS)
        for entity in root.walk()
    )


def _read(raw: bytes, default_type: str, *, depth: int, parts_left: int) -> Entity | Reason:
    if depth > DEPTH:
        return Reason.TOO_COMPLEX
    body_start = find_body(raw)
    if body_start is None:
        return Reason.HEADER_TOO_LARGE
    block = raw[:body_start]
    if excess := find_excess(block):
        return excess
    headers = read_headers(block)
    content_type = read_media_type(headers.first("content-type"), default_type)
    disposition = read_parameterised(headers.first("content-disposition") or "")
    if content_type.is_over_limit or disposition.is_over_limit:
        return Reason.TOO_COMPLEX
    entity = Entity(raw, body_start, headers, content_type, disposition, (), headers.is_broken)
    return _read_children(entity, depth, parts_left) if entity.is_multipart else entity


def _read_children(entity: Entity, depth: int, parts_left: int) -> Entity | Reason:
    default_type = "message/rfc822" if entity.media_type == "multipart/digest" else "text/plain"
    children: list[Entity] = []
    is_closed = False
    for part in _split(entity):
        if part is None:
            is_closed = True
            break
        # checked before the part is read: a mail of nothing but boundaries must not cost more than its limit
        if parts_left < 1:
            return Reason.TOO_COMPLEX
        child = _read(part, default_type, depth=depth + 1, parts_left=parts_left - 1)
        if isinstance(child, Reason):
            return child
        children.append(child)
        parts_left -= sum(1 for _ in child.walk())
    is_broken = entity.is_broken or not (children and is_closed)
    return Entity(
        entity.raw,
        entity.body_start,
        entity.headers,
        entity.content_type,
        entity.disposition,
        tuple(children),
        is_broken,
    )


def _split(entity: Entity) -> Iterator[bytes | None]:
    """The exact bytes of each part of a multipart, then None if its closing boundary line was found.

    The line end before a boundary line belongs to the boundary (RFC 2046 5.1.1). A line that only begins like
    a boundary is text.
    """
    boundary = entity.content_type.parameter("boundary").rstrip(" ")
    if not _BOUNDARY.fullmatch(boundary) or entity.body_start == len(entity.raw):
        return
    line = re.compile(rb"\n--" + re.escape(boundary.encode("ascii")) + rb"(--)?[ \t]*\r?(?=\n|\Z)")
    raw = entity.raw
    part_start: int | None = None
    # the body's first line may be a boundary line: the empty line before it ends in the LF that is looked for
    for match in line.finditer(raw, entity.body_start - 1):
        if part_start is not None:
            part_end = match.start()
            part_end -= raw[part_end - 1 : part_end] == b"\r"
            # empty where two boundary lines share a line end
            yield raw[part_start:part_end]
        if match[1]:
            yield None
            return
        part_start = match.end() + 1
    if part_start is not None:
        yield raw[part_start:]
