"""Pieces of forged mails: each starts from a mail that would be carried out, and spoils one thing."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from handlers.rules.reasons import Reason
from tests.corpus.court import Court, Request, Step
from tests.corpus.mime import header, multipart, text_part
from tests.corpus.wording import marked
from tests.keys import clearsign

OUTER = "=-outer"
PGP = '; micalg=pgp-sha256; protocol="application/pgp-signature"'
CMS = '; micalg=sha-256; protocol="application/pkcs7-signature"'
SUZUKI = "suzuki@example.ac.jp"


@dataclass(frozen=True)
class Forge:
    """Everything is signed by `suzuki` and is about `issue` unless said otherwise."""

    court: Court

    @property
    def request(self) -> Request:
        return self.court.request()

    def quote(self, application: str = "issue") -> str:
        return marked(self.court.request(application).text)

    def text(self, own: str = "承認", application: str = "issue") -> str:
        """A reply above its quote (LF)."""
        return f"{own}\n\n{self.quote(application)}\n"

    def entity(self, own: str = "承認", application: str = "issue") -> bytes:
        return text_part(self.text(own, application))

    def armor(
        self, entity: bytes, who: str = "suzuki", digest: str = "SHA256", *more: str, at: str = ""
    ) -> bytes:
        """A detached OpenPGP signature."""
        block = self.court.people.sign(who, entity, digest, *more, at=at or None)
        return block.replace(b"\n", b"\r\n")

    def sealed(self, entity: bytes, who: str = "suzuki", boundary: str = OUTER) -> bytes:
        """multipart/signed around `entity`."""
        return wrap(entity, self.armor(entity, who), boundary)

    def good(self, own: str = "承認", who: str = "suzuki", application: str = "issue") -> bytes:
        """A mail whose form is faultless."""
        sealed = self.sealed(self.entity(own, application), who)
        return mail(sealed, sender=self.court.people.signers[who].address)

    def of_text(self, text: str, who: str = "suzuki", **how: str) -> bytes:
        """A mail over exactly this text; `how`: see text_part."""
        return mail(self.sealed(text_part(text, **how), who), sender=self.court.people.signers[who].address)

    def of_entity(self, entity: bytes, who: str = "suzuki") -> bytes:
        return mail(self.sealed(entity, who), sender=self.court.people.signers[who].address)

    def block(self, text: str = "", who: str = "sasaki") -> bytes:
        """A clearsigned block, CRLF."""
        people = self.court.people
        block = clearsign(people.home, people.openpgp(who).pin, (text or self.text()).encode())
        return block.replace(b"\n", b"\r\n")

    def inline(self, block: bytes = b"", who: str = "sasaki") -> bytes:
        head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        return mail(head + (block or self.block(who=who)), sender=self.court.people.signers[who].address)


@dataclass(frozen=True)
class Attack:
    """`threat`: an id of the table of threats. `later`: how long after now the mail reached our server."""

    threat: str
    name: str
    make: Callable[[Forge], bytes]
    reason: Reason
    later: timedelta = timedelta()
    before: tuple[Step, ...] = field(default=())


def mail(
    body: bytes,
    sender: str = SUZUKI,
    from_header: bytes = b"",
    subject: str = "Re: 承認のお願い",
    extra: bytes = b"",
) -> bytes:
    """`body` begins with its own Content-Type header. `from_header`: the whole line, in place of `sender`'s."""
    return (
        b"Received: from mx.example.ac.jp by imap.example.ac.jp; Sun, 22 Nov 2026 10:00:01 +0900\r\n"
        + (from_header or f"From: {sender}\r\n".encode())
        + b"To: ringi@example.ac.jp\r\n"
        + header("Subject", subject)
        + b"Date: Sun, 22 Nov 2026 10:00:00 +0900\r\nMessage-ID: <2@example.ac.jp>\r\nMIME-Version: 1.0\r\n"
        + extra
        + body
    )


def wrap(entity: bytes, armor: bytes, boundary: str = OUTER, parameters: str = PGP, **more: str) -> bytes:
    """multipart/signed by OpenPGP."""
    return multipart("signed", boundary, [entity, signature_part(armor)], parameters, **more)


def signature_part(armor: bytes, kind: str = "application/pgp-signature") -> bytes:
    return f"Content-Type: {kind}; name=signature.asc\r\n\r\n".encode() + armor


def wrap_cms(entity: bytes, der: bytes) -> bytes:
    """multipart/signed by S/MIME."""
    head = b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    part = head + base64.encodebytes(der).replace(b"\n", b"\r\n")
    return multipart("signed", OUTER, [entity, part], CMS)


def opaque_cms(der: bytes, kind: str = "application/pkcs7-mime; smime-type=signed-data") -> bytes:
    head = f"Content-Type: {kind}; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + base64.encodebytes(der).replace(b"\n", b"\r\n")
