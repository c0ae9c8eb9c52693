"""Delivery reports: which mail of ours, which recipient, what became of it (RFC 3464, and the formats without it).

Three ways to say it, tried in turn: fields for machines (message/delivery-status), a rejection in the form of a
receipt (message/disposition-notification, RFC 5429 2.1.1), and sentences. Whoever writes to us can write all of it, so
nothing here is a proof (threats LP2).
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice

from bot.mime.address import REFERENCES, find_message_id, find_references
from bot.mime.automatic import find_automatic
from bot.mime.header import Headers, clean_line, decode_words, read_headers
from bot.mime.limits import HEADER_BYTES, TEXT_BYTES, cut_to_limits
from bot.mime.report_text import quoted_id, read_sentences
from bot.mime.text import decode_leniently, drop_control_characters
from bot.mime.tree import Entity
from handlers.rules.delivery import Action, DeliveryReport, ReportedRecipient

_GROUPS = 50  # of fields, in one report: ours are about one recipient
_DIAGNOSTIC_CHARACTERS = 300
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_PARTS = (
    "message/rfc822",
    "message/rfc822-headers",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
)
# older servers cut words short or add their own
_ACTIONS = {action.value: action for action in Action} | {
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "delay": Action.DELAYED,
    "deliverable": Action.DELIVERED,
}
_CLASSES = {"5": Action.FAILED, "4": Action.DELAYED, "2": Action.DELIVERED}
_STATUS = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]{1,64}@[A-Za-z0-9.-]{1,255}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_EMPTY_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_REJECTED = re.compile(r"\(\s*rejected\s*\)", re.IGNORECASE)


def read_report(root: Entity, sender: str | None) -> DeliveryReport | None:
    """What a mail reports of mails of ours; None: it is no delivery report. Never raises.

    `sender`: its one From address. Only automatic mail reports: what a person writes or forwards never does, and
    nothing that only says "I am away" or "it was read".
    """
    if find_automatic(root.headers, sender) is None:
        return None
    text = _read_text(root)
    recipients = _read_status(root) or _read_rejection(root, text) or _read_told(root, text, sender)
    if not recipients:
        return None
    return DeliveryReport(_find_ids(root, text), recipients)


def _find_ids(root: Entity, text: str) -> tuple[str, ...]:
    """By the best evidence there is, and that alone: an older mail of the same thread did arrive."""
    ids = (*_returned_ids(root), *_named_ids(root))
    return tuple(dict.fromkeys(ids))[:REFERENCES] or quoted_id(text) or find_references(root.headers)[-1:]


def _read_status(root: Entity) -> tuple[ReportedRecipient, ...]:
    """The recipients of message/delivery-status; a report that only says `expanded` says that too."""
    return _read_blocks(root, _STATUS_PARTS, _action_of)


def _read_rejection(root: Entity, text: str) -> tuple[ReportedRecipient, ...]:
    """A rejection that looks like a receipt; the receipts of people, `deleted` among them, are none."""
    if not any(_REJECTED.search(value) for value in root.headers.all("auto-submitted")):
        return ()
    return _read_blocks(root, ("message/disposition-notification",), _disposition_of, text)


def _read_told(root: Entity, text: str, sender: str | None) -> tuple[ReportedRecipient, ...]:
    """What a server says in words; the same words of anybody else are a quote or an excuse."""
    if not _is_from_server(root, sender):
        return ()
    told = read_sentences(text, root.headers.all("x-failed-recipients"))
    if told is None:
        return ()
    diagnostic = _clean(told.said)
    status = _STATUS.search(diagnostic)
    return (ReportedRecipient(told.addresses, told.action, status[1] if status else "", diagnostic),)


def _read_blocks(
    root: Entity,
    media_types: tuple[str, ...],
    action_of: Callable[[Headers], Action | None],
    fallback: str = "",
) -> tuple[ReportedRecipient, ...]:
    found = []
    for block in islice(_blocks(root, media_types), _GROUPS):
        addresses = _addresses_of(block)
        action = action_of(block)
        if addresses and action:
            diagnostic = _diagnostic_of(block) or _clean(fallback)
            found.append(ReportedRecipient(addresses, action, _status_of(block, diagnostic), diagnostic))
    return tuple(found)


def _blocks(root: Entity, media_types: tuple[str, ...]) -> Iterator[Headers]:
    """The groups of fields: the report's own, then one a recipient. Some servers leave the empty line out."""
    for leaf in root.leaves():
        if leaf.media_type in media_types:
            # limits before values: they are header blocks from outside like any other
            octets = leaf.decoded_leniently()[:HEADER_BYTES].strip()
            for block in _EMPTY_LINES.split(octets):
                yield read_headers(cut_to_limits(block + b"\n\n"))


def _addresses_of(block: Headers) -> tuple[str, ...]:
    """Both names of a recipient: before and after servers rewrote it (RFC 3464 2.3.1, 2.3.2)."""
    found: list[str] = []
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        for value in block.all(name):
            address = _ADDRESS.search(value.partition(";")[2] or value)
            if address:
                plain = address[0].lower()
                # xtext (RFC 3461 4): `a+2Bb@x` is a+b@x, and may as well be itself
                found += [plain, _XTEXT.sub(lambda match: chr(int(match[1], 16)), address[0]).lower()]
    return tuple(dict.fromkeys(found))


def _action_of(block: Headers) -> Action | None:
    words = (block.first("action") or "").lower().replace("(", " ").split()
    if words:
        return _ACTIONS.get(words[0])
    status = _STATUS.search(block.first("status") or "")
    return _CLASSES[status[1][0]] if status else None


def _disposition_of(block: Headers) -> Action | None:
    kind = (block.first("disposition") or "").lower().partition(";")[2].strip()
    return Action.FAILED if kind.startswith(("deleted", "rejected", "failed", "denied")) else None


def _status_of(block: Headers, diagnostic: str) -> str:
    status = _STATUS.search(block.first("status") or "") or _STATUS.search(diagnostic)
    return status[1] if status else ""


def _diagnostic_of(block: Headers) -> str:
    value = block.first("diagnostic-code") or block.first("x-supplementary-info") or _comment_of(block)
    kind, semicolon, rest = value.partition(";")
    return _clean(rest if semicolon and " " not in kind.strip() else value)


def _comment_of(block: Headers) -> str:
    """`over quota` of `Status: 5.2.2 (over quota)`."""
    return (block.first("status") or "").partition("(")[2].rstrip(") ")


def _clean(text: str) -> str:
    """One line for a person and for the log (threats INJ1, INJ4)."""
    line = " ".join(text[: 4 * _DIAGNOSTIC_CHARACTERS].split())
    return clean_line(line)[:_DIAGNOSTIC_CHARACTERS].strip()


def _returned_ids(root: Entity) -> tuple[str, ...]:
    """The Message-ID of each mail, or header of a mail, that came back."""
    headers = (
        # an empty line, because a header that was returned alone may end without one
        read_headers(cut_to_limits(leaf.decoded_leniently()[:HEADER_BYTES].strip(b"\r\n") + b"\n\n"))
        for leaf in root.leaves()
        if leaf.media_type in _RETURNED_PARTS
    )
    return tuple(filter(None, map(find_message_id, headers)))


def _named_ids(root: Entity) -> tuple[str, ...]:
    """Message-IDs among the fields: `Original-Message-ID` of receipts, `X-Original-Message-ID` of Gmail."""
    found = []
    for block in islice(_blocks(root, (*_STATUS_PARTS, "message/disposition-notification")), _GROUPS):
        for name in ("original-message-id", "x-original-message-id"):
            found += [find_message_id(Headers((("message-id", value),), False)) for value in block.all(name)]
    return tuple(filter(None, found))


def _read_text(root: Entity) -> str:
    """What the report says to people: the first plain text, whole headers of a returned mail included."""
    leaf = next((leaf for leaf in root.leaves() if leaf.media_type == "text/plain"), None)
    if leaf is None:
        return ""
    octets = leaf.decoded_leniently()[:TEXT_BYTES]
    return drop_control_characters(decode_leniently(octets, leaf.content_type.parameter("charset")))


def _is_from_server(root: Entity, sender: str | None) -> bool:
    """Whether its header says that a mail server wrote it, and not somebody's answering machine."""
    names = decode_words(" ".join((sender or "", *root.headers.all("from")))).lower()
    is_named = any(word in names for word in ("mailer-daemon", "postmaster", "mail delivery"))
    return is_named or bool(root.headers.all("x-failed-recipients"))
