"""Raw bytes -> what was signed and by which system; signed bytes -> what stands in them (threats SM).

A signature counts only for a whole mail, and only the signed bytes are read. Nothing is verified here.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.mime.address import read_mailbox
from bot.mime.limits import SIGNED_TEXT_BYTES
from bot.mime.text import decode_strictly, takes_control_characters, unflow
from bot.mime.tree import Entity, is_ambiguous, read_entity
from bot.openpgp.block import find_clearsigned, read_armor
from handlers.incoming import Attachment, Scheme, SignedContent
from handlers.rules.reasons import Reason

# a signature part -> its system; `x-pkcs7-…` and `pkcs7-…` are the same type (SM1)
_SIGNATURE_TYPES = {
    "application/pgp-signature": Scheme.OPENPGP,
    "application/pkcs7-signature": Scheme.SMIME,
    "application/x-pkcs7-signature": Scheme.SMIME,
}
_CMS_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENCRYPTED_CMS = frozenset({"enveloped-data", "authenveloped-data"})
# the only multiparts that may stand between a signature and its text, and how deep (SM4)
_WRAPPINGS = frozenset({"multipart/mixed", "multipart/alternative", "multipart/related"})
_WRAPPING_DEPTH = 3

_INLINE_BEGINNING = b"-----BEGIN PGP "
_INLINE_MARK = re.compile(rb"^-----BEGIN PGP (SIGNED )?MESSAGE[^\r\n]{0,40}-----[ \t]*\r?$", re.MULTILINE)
_BARE_CR = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True)
class SignedEntity:
    """A mail that is signed as a whole, not verified.

    `signed_bytes`: the exact bytes between the boundary lines, line ends CRLF (SM2, SM3); for an inline block
    the block itself; for opaque S/MIME b"", as its content stands inside `signature`.
    `signature`: OpenPGP: one armored block; S/MIME: the CMS bytes; inline: b"".
    """

    scheme: Scheme
    inline: bool
    signed_bytes: bytes
    signature: bytes

    @property
    def is_opaque(self) -> bool:
        return self.scheme is Scheme.SMIME and not self.signed_bytes


@dataclass(frozen=True)
class Claim:
    """A part that says it is signed or encrypted."""

    scheme: Scheme
    is_encrypted: bool


def find_signed(raw: bytes) -> SignedEntity | Reason | None:
    """What is signed in a mail. None: nothing claims to be; a Reason: something does, but it doesn't count.

    A mail over the limits can't be looked into: its limit is the reason. Never raises.
    """
    root = read_entity(raw)
    return root if isinstance(root, Reason) else find_signed_in(root)


def find_signed_in(root: Entity) -> SignedEntity | Reason | None:
    """`find_signed` for a mail that was read already."""
    claims = list(find_claims(root))
    if not claims:
        return None
    if is_ambiguous(root):
        return Reason.DUPLICATE_HEADER
    if root.media_type == "multipart/signed":
        return _read_detached(root)
    if root.media_type in _CMS_TYPES:
        return _read_opaque(root)
    if any(claim.is_encrypted for claim in claims):
        return Reason.ENCRYPTED
    if root.media_type == "text/plain" and not root.is_attached:
        return _read_inline(root)
    return Reason.PARTIAL_SIGNATURE


def find_claims(root: Entity) -> Iterator[Claim]:
    """Everything in a mail that says it is signed or encrypted.

    A message/rfc822 part is another mail, forwarded or bounced, and gives this one no authority: not opened.
    Each delivery report of a mail we signed holds such a part, and is no refused signature.
    """
    for entity in root.walk():
        if claim := claim_of(entity):
            yield claim
        elif entity.media_type == "text/plain":
            octets = entity.decoded_leniently()
            marks = _INLINE_MARK.finditer(octets) if _INLINE_BEGINNING in octets else ()
            yield from (Claim(Scheme.OPENPGP, is_encrypted=mark[1] is None) for mark in marks)


def claim_of(entity: Entity) -> Claim | None:
    """What the type of one part says of a signature or encryption."""
    media_type = entity.media_type
    if media_type in _CMS_TYPES:
        return Claim(Scheme.SMIME, _smime_type(entity) in _ENCRYPTED_CMS)
    if media_type in ("multipart/encrypted", "application/pgp-encrypted"):
        return Claim(Scheme.OPENPGP, is_encrypted=True)
    if media_type == "multipart/signed":
        protocol = entity.content_type.parameter("protocol").lower()
        return Claim(_SIGNATURE_TYPES.get(protocol, Scheme.OPENPGP), is_encrypted=False)
    if media_type in _SIGNATURE_TYPES:
        return Claim(_SIGNATURE_TYPES[media_type], is_encrypted=False)
    return None


def _smime_type(entity: Entity) -> str:
    return entity.content_type.parameter("smime-type").lower()


def _read_detached(root: Entity) -> SignedEntity | Reason:
    """RFC 1847 2.1: exactly two parts, the second of the type that `protocol` names."""
    scheme = _SIGNATURE_TYPES.get(root.content_type.parameter("protocol").lower())
    if scheme is None or root.is_broken or len(root.children) != 2:
        return Reason.BROKEN_SIGNED_MAIL
    signed, signature_part = root.children
    if _SIGNATURE_TYPES.get(signature_part.media_type) is not scheme:
        return Reason.BROKEN_SIGNED_MAIL
    signature = signature_part.decoded()
    if signature is None:
        return Reason.BROKEN_SIGNED_MAIL
    if scheme is Scheme.OPENPGP and read_armor(signature) is None:
        return Reason.SIGNATURE_BLOCK
    canonical = _make_canonical(signed.raw)
    if canonical is None:
        return Reason.CONTROL_CHARACTER
    # an empty part must not pass for an opaque signature, whose content stands elsewhere; it has no type anyway (SM5)
    if scheme is Scheme.SMIME and not canonical:
        return Reason.BROKEN_SIGNED_MAIL
    return SignedEntity(scheme, False, canonical, signature)


def _read_opaque(root: Entity) -> SignedEntity | Reason:
    """RFC 8551 3.5.2: the content is inside the CMS structure."""
    if _smime_type(root) in _ENCRYPTED_CMS:
        return Reason.ENCRYPTED
    signature = root.decoded()
    if _smime_type(root) != "signed-data" or root.is_broken or not signature:
        return Reason.BROKEN_SIGNED_MAIL
    return SignedEntity(Scheme.SMIME, False, b"", signature)


def put_content(entity: SignedEntity, output: bytes) -> SignedEntity | Reason:
    """An opaque S/MIME entity with the content that was in its signature, byte for byte."""
    if _make_canonical(output) is None:
        return Reason.CONTROL_CHARACTER
    return replace(entity, signed_bytes=output) if output else Reason.BROKEN_SIGNED_MAIL


def _read_inline(root: Entity) -> SignedEntity | Reason:
    octets = root.decoded()
    if octets is None:
        return Reason.BROKEN_SIGNED_MAIL
    if len(octets) > SIGNED_TEXT_BYTES:
        return Reason.TOO_LARGE
    canonical = _make_canonical(octets)
    if canonical is None:
        return Reason.CONTROL_CHARACTER
    block = find_clearsigned(canonical)
    return SignedEntity(Scheme.OPENPGP, True, block, b"") if block else Reason.PARTIAL_SIGNATURE


def _make_canonical(octets: bytes) -> bytes | None:
    """The same lines ended by CRLF; None where they hold NUL or a CR that ends no line (SM3)."""
    if b"\0" in octets or _BARE_CR.search(octets):
        return None
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def read_signed_content(entity: SignedEntity) -> SignedContent | Reason:
    """What stands in the signed bytes of a MIME signature (opaque S/MIME: once its content was put there).

    A Reason: structure that nobody may act on (BROKEN_SIGNED_MAIL, NESTED_SIGNATURE, ENCRYPTED,
    DUPLICATE_HEADER, BAD_FROM, limits). What is wrong with the text alone is the content's `text_fault`.
    """
    root = read_entity(entity.signed_bytes)
    if isinstance(root, Reason):
        return root
    if fault := _find_fault(root):
        return fault
    sender = _read_signed_sender(root)
    if isinstance(sender, Reason):
        return sender
    leaf = _find_text_leaf(root)
    attachments = _read_attachments(root, None if isinstance(leaf, Reason) else leaf)
    if attachments is None:
        return Reason.BROKEN_SIGNED_MAIL
    text = leaf if isinstance(leaf, Reason) else _read_text(leaf)
    return _make_content(entity, text, sender, attachments)


def read_inline_content(entity: SignedEntity, output: bytes) -> SignedContent:
    """The text of an inline block. `output`: what its verification gave as its text (PGP7).

    The charset is told by the signed bytes alone: UTF-8, or ISO-2022-JP where they hold its escapes. The
    header's label is not signed, and could turn one text into another.
    """
    octets = output.removesuffix(b"\n")
    text = _check_text(octets, "iso-2022-jp" if b"\x1b" in octets else "utf-8")
    # of the text alone: anybody may change the armor around a good signature
    return replace(_make_content(entity, text, None, ()), signed_sha256=hashlib.sha256(octets).hexdigest())


def _find_fault(root: Entity) -> Reason | None:
    # SM5: bytes signed for something else have no Content-Type of their own
    if any(part.is_broken for part in root.walk()) or not root.headers.all("content-type"):
        return Reason.BROKEN_SIGNED_MAIL
    if is_ambiguous(root):
        return Reason.DUPLICATE_HEADER
    claims = list(find_claims(root))
    if any(claim.is_encrypted for claim in claims):
        return Reason.ENCRYPTED
    return Reason.NESTED_SIGNATURE if claims else None


def _read_signed_sender(root: Entity) -> str | Reason | None:
    value = root.headers.first("from")
    return None if value is None else read_mailbox(value) or Reason.BAD_FROM


def _find_text_leaf(root: Entity) -> Entity | Reason:
    """The first leaf, if it is the text people read: below at most 3 multiparts of the known kinds (SM4)."""
    leaf = root
    wrappings = 0
    while leaf.is_multipart:
        wrappings += 1
        if leaf.media_type not in _WRAPPINGS or wrappings > _WRAPPING_DEPTH:
            return Reason.NO_TEXT
        leaf = leaf.children[0]
    if leaf.is_attached:
        return Reason.NO_TEXT
    if leaf.media_type == "text/html":
        return Reason.HTML_ONLY
    return leaf if leaf.media_type == "text/plain" else Reason.NO_TEXT


def _read_text(leaf: Entity) -> str | Reason:
    octets = leaf.decoded()
    if octets is None:
        return Reason.BROKEN_SIGNED_MAIL
    text = _check_text(octets, leaf.content_type.parameter("charset") or "us-ascii")
    if isinstance(text, Reason) or leaf.content_type.parameter("format").lower() != "flowed":
        return text
    return unflow(text, delete_space=leaf.content_type.parameter("delsp").lower() == "yes")


def _check_text(octets: bytes, charset: str) -> str | Reason:
    if len(octets) > SIGNED_TEXT_BYTES:
        return Reason.TOO_LARGE
    text = decode_strictly(octets, charset)
    if text is None:
        return Reason.BAD_CHARSET
    return Reason.CONTROL_CHARACTER if takes_control_characters(text) else text


def _read_attachments(root: Entity, text_leaf: Entity | None) -> tuple[Attachment, ...] | None:
    """The attachments inside the signature; None where one breaks its transfer encoding."""
    attachments = []
    for leaf in root.leaves():
        if leaf is text_leaf or not (leaf.is_attached or not leaf.media_type.startswith("text/")):
            continue
        octets = leaf.decoded()
        if octets is None:
            return None
        attachments.append(Attachment(leaf.file_name, leaf.media_type, octets))
    return tuple(attachments)


def _make_content(
    entity: SignedEntity, text: str | Reason, sender: str | None, attachments: tuple[Attachment, ...]
) -> SignedContent:
    is_read = not isinstance(text, Reason)
    return SignedContent(
        signed_bytes=entity.signed_bytes,
        signed_sha256=hashlib.sha256(entity.signed_bytes).hexdigest(),
        text=str(text) if is_read else None,
        text_fault=None if is_read else Reason(text),
        sender=sender,
        attachments=attachments,
    )
