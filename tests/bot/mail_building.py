"""Mails for tests of the reading edge, written as bytes by hand so that every line end is meant."""

import base64
from datetime import UTC, datetime
from pathlib import Path

from bot.mime.read import read_mail
from bot.mime.signed import SignedEntity, find_signed, read_signed_content
from handlers.incoming import IncomingMail, MailKey, SignedContent
from handlers.rules.reasons import Reason

MAILS = Path(__file__).parent / "mails"
KEY = MailKey("desk", "INBOX", 7, 42)
RECEIVED_AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ARMOR = b"-----BEGIN PGP SIGNATURE-----\r\n\r\niHUEABYKAB0WIQ==\r\n=AAAA\r\n-----END PGP SIGNATURE-----\r\n"
TEXT_PART = b"Content-Type: text/plain; charset=utf-8\r\n\r\nAPPROVE\r\n"
FOOTER = b"Content-Type: text/plain\r\n\r\n-- \r\nlist footer"
CMS = b"\x30\x80 not a real structure \x00\x00"
HEADER = (
    b"From: officer@example.ac.jp\r\nTo: desk@example.ac.jp\r\nSubject: Re: request\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0900\r\nMessage-ID: <1@example.ac.jp>\r\nMIME-Version: 1.0\r\n"
)


def read(raw: bytes, authserv_id: str | None = "mx.example.ac.jp") -> IncomingMail:
    return read_mail(raw, KEY, RECEIVED_AT, authserv_id=authserv_id)


def sample(name: str) -> bytes:
    """A sample mail by the beginning of its name."""
    (path,) = MAILS.glob(f"{name}*.eml")
    return path.read_bytes()


def multipart(subtype: bytes, boundary: bytes, *parts: bytes, parameters: bytes = b"") -> bytes:
    """A multipart with its Content-Type first, its last boundary line closed by a line end."""
    start = (
        b"Content-Type: multipart/" + subtype + b'; boundary="' + boundary + b'"' + parameters + b"\r\n\r\n"
    )
    return (
        start
        + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
        + b"--"
        + boundary
        + b"--\r\n"
    )


def signature_part(armor: bytes = ARMOR) -> bytes:
    return b"Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n" + armor


def opaque(
    parameters: bytes = b"; smime-type=signed-data", media_type: bytes = b"application/pkcs7-mime"
) -> bytes:
    """An S/MIME entity whose content would stand inside its signature."""
    start = b"Content-Type: " + media_type + parameters + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return start + base64.encodebytes(CMS)


def signed(part: bytes = TEXT_PART, armor: bytes = ARMOR, boundary: bytes = b"outer") -> bytes:
    """An OpenPGP/MIME entity around `part`, without the mail's own header."""
    protocol = b'; protocol="application/pgp-signature"; micalg=pgp-sha256'
    return multipart(b"signed", boundary, part, signature_part(armor), parameters=protocol)


def signed_mail(part: bytes = TEXT_PART, armor: bytes = ARMOR) -> bytes:
    return HEADER + signed(part, armor)


def entity_of(raw: bytes) -> SignedEntity:
    entity = find_signed(raw)
    assert isinstance(entity, SignedEntity), entity
    return entity


def content_of(part: bytes) -> SignedContent | Reason:
    """What is read from `part` once it is the signed part of a mail."""
    return read_signed_content(entity_of(signed_mail(part)))


def text_of(part: bytes) -> str | Reason:
    """The decision text of a signed part, or why it has none."""
    content = content_of(part)
    if isinstance(content, Reason):
        return content
    assert (content.text is None) != (content.text_fault is None)
    return content.text if content.text is not None else Reason(str(content.text_fault))
