"""Raw bytes -> IncomingMail; no mail makes it raise (threats SM, ID, LP1, DOS1, DOS2)."""

import hashlib
import re
from dataclasses import replace
from datetime import datetime

from bot.mime.address import find_detail, find_message_id, find_references, find_sender
from bot.mime.automatic import find_automatic
from bot.mime.header import Headers, clean_line, read_headers
from bot.mime.limits import TEXT_BYTES, cut_to_limits
from bot.mime.report import read_report
from bot.mime.signed import claim_of, find_claims, find_signed_in, read_signed_content
from bot.mime.text import decode_leniently, drop_control_characters, unflow
from bot.mime.tree import Entity, is_ambiguous, read_entity
from handlers.incoming import Attachment, IncomingMail, MailKey, Scheme
from handlers.rules.reasons import Reason

_AUTHSERV_ID = re.compile(r'"?([^\s;"()]+)"?')


def read_mail(raw: bytes, key: MailKey, received_at: datetime, *, authserv_id: str | None) -> IncomingMail:
    """A mail as the handlers see it, before its signature is verified. Never raises.

    `received_at`: INTERNALDATE in UTC. `authserv_id`: the name our own mail server writes into
    Authentication-Results; None: it writes none (AU1). Where the mail claims to be signed, `signature_scheme`
    is set, and `signature_fault` if its structure alone rules the signature out.
    """
    root = read_entity(raw)
    if isinstance(root, Reason):
        headers = read_headers(cut_to_limits(raw))
        return replace(_read_outside(raw, headers, key, received_at, authserv_id), fault=root)
    mail = _read_outside(raw, root.headers, key, received_at, authserv_id)
    # servers report without a From address that could be answered, and return mails that they cut
    mail = replace(mail, report=read_report(root, mail.sender))
    scheme, signature_fault = _find_signature_fault(root)
    mail = replace(mail, signature_scheme=scheme, signature_fault=signature_fault)
    if any(entity.is_broken for entity in root.walk()):
        return replace(mail, fault=Reason.UNREADABLE)
    if is_ambiguous(root):
        return replace(mail, fault=Reason.DUPLICATE_HEADER)
    if mail.sender is None:
        return replace(mail, fault=Reason.BAD_FROM)
    if signature_fault is Reason.ENCRYPTED:
        # its parts are no text and no attachments to anybody without the key (SM8)
        return mail
    return replace(mail, text=_read_text(root), attachments=_read_attachments(root))


def oversized_mail(header: bytes, size: int, key: MailKey, received_at: datetime) -> IncomingMail:
    """A mail of `size` bytes whose body was not fetched. `header`: its header block, or the beginning of it.

    `raw` and `raw_sha256` are those of the header. The size stands in no field: the caller journals it.
    """
    headers = read_headers(cut_to_limits(header))
    return replace(_read_outside(header, headers, key, received_at, None), fault=Reason.TOO_LARGE)


def _read_outside(
    raw: bytes, headers: Headers, key: MailKey, received_at: datetime, authserv_id: str | None
) -> IncomingMail:
    """Everything the mail's own header says; text, attachments, faults and signature are not filled yet."""
    sender = find_sender(headers)
    return IncomingMail(
        key=key,
        received_at=received_at,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        message_id=find_message_id(headers),
        references=find_references(headers),
        sender=sender,
        subject=clean_line(headers.first("subject") or ""),
        to_detail=find_detail(headers),
        text="",
        attachments=(),
        authentication=_find_authentication(headers, authserv_id),
        automatic=find_automatic(headers, sender),
        fault=None,
        signature=None,
        signature_fault=None,
        signature_scheme=None,
    )


def _find_authentication(headers: Headers, authserv_id: str | None) -> str | None:
    """The topmost Authentication-Results, if our server wrote it: those below may be the sender's (AU1)."""
    value = headers.first("authentication-results")
    if value is None or authserv_id is None:
        return None
    match = _AUTHSERV_ID.match(value)
    if match is None or match[1].lower() != authserv_id.lower():
        return None
    return " ".join(clean_line(value).split())


def _find_signature_fault(root: Entity) -> tuple[Scheme | None, Reason | None]:
    claim = next(find_claims(root), None)
    found = find_signed_in(root)
    if claim is None or found is None:
        return None, None
    if isinstance(found, Reason):
        return claim.scheme, found
    if found.inline or found.is_opaque:
        # their content comes out of the signature itself
        return found.scheme, None
    content = read_signed_content(found)
    return found.scheme, content if isinstance(content, Reason) else None


def _read_text(root: Entity) -> str:
    """The first text/plain leaf without a file name, as well as it can be read; '' where there is none."""
    leaf = next((e for e in root.leaves() if e.media_type == "text/plain" and not e.is_attached), None)
    if leaf is None:
        return ""
    octets = leaf.decoded_leniently()[:TEXT_BYTES]
    text = drop_control_characters(decode_leniently(octets, leaf.content_type.parameter("charset")))
    if leaf.content_type.parameter("format").lower() != "flowed":
        return text
    return unflow(text, delete_space=leaf.content_type.parameter("delsp").lower() == "yes")


def _read_attachments(root: Entity) -> tuple[Attachment, ...]:
    """Leaves that have a file name or are not text, but no wrapping of a signature. Nothing is unpacked (DOS2)."""
    return tuple(
        Attachment(leaf.file_name, leaf.media_type, leaf.decoded_leniently())
        for leaf in root.leaves()
        if (leaf.is_attached or not leaf.media_type.startswith("text/")) and claim_of(leaf) is None
    )
