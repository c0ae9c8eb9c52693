"""Officers who sign as their mail programs do, by either system, so that one test runs for both.

A signer signs an entity: its MIME headers, an empty line, its body, every line ended by CRLF. Nothing is parsed.
"""

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from handlers.rules.register import Institution, Officer, Register
from handlers.rules.scheme import Scheme
from tests import keys
from tests.applications import TESTKIKAN


class MailSigner(Protocol):
    """`pin`: the fingerprint that the register names. `key_file`: its file's name and content."""

    scheme: ClassVar[Scheme]
    officer_id: str
    address: str

    @property
    def pin(self) -> str: ...
    @property
    def key_file(self) -> tuple[str, bytes]: ...
    def detached(self, entity: bytes) -> bytes:
        """The signature over exactly these bytes: an armored block with CRLF, or DER."""
        ...

    def multipart_signed(self, entity: bytes) -> bytes:
        """`Content-Type: multipart/signed …` and its body, to be put below a mail's other headers."""
        ...

    def opaque(self, entity: bytes) -> bytes | None:
        """The same with the entity inside the signature; None where the system has no such form."""
        ...


@dataclass(frozen=True)
class OpenPGPSigner:
    """A key of a gpg home."""

    scheme: ClassVar = Scheme.OPENPGP
    officer_id: str
    address: str
    home: Path
    pin: str

    @property
    def key_file(self) -> tuple[str, bytes]:
        return f"{self.officer_id}.asc", keys.export_key(self.home, self.pin)

    def detached(self, entity: bytes) -> bytes:
        return b"\r\n".join(keys.sign_detached(self.home, self.pin, entity).splitlines()) + b"\r\n"

    def multipart_signed(self, entity: bytes) -> bytes:
        return wrap(
            entity, b"application/pgp-signature; name=signature.asc", self.detached(entity), b"pgp-sha256"
        )

    def opaque(self, entity: bytes) -> bytes | None:
        return None


@dataclass(frozen=True)
class SmimeSigner:
    """A certificate with its key. `chain`: what goes along with it."""

    scheme: ClassVar = Scheme.SMIME
    officer_id: str
    address: str
    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pin(self) -> str:
        spki = self.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(spki).hexdigest().upper()

    @property
    def key_file(self) -> tuple[str, bytes]:
        return f"{self.officer_id}.pem", self.certificate.public_bytes(Encoding.PEM)

    def detached(self, entity: bytes) -> bytes:
        return self._sign(entity, PKCS7Options.DetachedSignature)

    def multipart_signed(self, entity: bytes) -> bytes:
        signature = base64.encodebytes(self.detached(entity)).replace(b"\n", b"\r\n")
        kind = b"application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64"
        return wrap(entity, kind, signature, b"sha-256")

    def opaque(self, entity: bytes) -> bytes | None:
        head = (
            b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=smime.p7m\r\n\r\n"
        )
        return head + base64.encodebytes(self._sign(entity)).replace(b"\n", b"\r\n")

    def _sign(self, entity: bytes, *more: PKCS7Options) -> bytes:
        builder = PKCS7SignatureBuilder().set_data(entity)
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        for one in self.chain:
            builder = builder.add_certificate(one)
        return builder.sign(Encoding.DER, [PKCS7Options.Binary, *more])


def wrap(entity: bytes, kind: bytes, signature: bytes, micalg: bytes) -> bytes:
    """multipart/signed (RFC 1847) around `entity` and a signature part of that `kind`."""
    protocol = kind.partition(b";")[0]
    head = b'Content-Type: multipart/signed; protocol="%s"; micalg=%s;\r\n boundary="%s"\r\n\r\n'
    part = b"Content-Type: " + kind + b"\r\n\r\n" + signature
    boundary = b"----=_" + sha256(entity).hexdigest()[:24].encode()
    between = b"--" + boundary
    body = b"".join(between + b"\r\n" + one + b"\r\n" for one in (entity, part)) + between + b"--\r\n"
    return head % (protocol, micalg, boundary) + body


def as_officer(*signers: MailSigner, **changes: object) -> Officer:
    """The officer of the register to whom these keys belong."""
    first = signers[0]
    values: dict[str, Any] = {
        "id": first.officer_id,
        "name": first.officer_id.title(),
        "addresses": [first.address],
        "notify": first.address,
    }
    for signer in signers:
        name = "fingerprint" if signer.scheme is Scheme.OPENPGP else "public_key"
        pins = values.setdefault(signer.scheme.value, [])
        pins.append({name: signer.pin, "file": signer.key_file[0]})
    return Officer.model_validate(values | changes)


def register_of(signers: Iterable[MailSigner], directory: Path) -> Register:
    """The institution `testkikan` with these officers; their key files are written to `directory`."""
    by_officer: dict[str, list[MailSigner]] = {}
    for signer in signers:
        name, content = signer.key_file
        (directory / name).write_bytes(content)
        by_officer.setdefault(signer.officer_id, []).append(signer)
    officers = tuple(as_officer(*theirs) for theirs in by_officer.values())
    institution: Institution = TESTKIKAN.model_copy(update={"officers": officers})
    return Register({institution.id: institution}, "f" * 64)


@contextmanager
def openpgp_signer(officer_id: str = "suzuki", address: str = "") -> Iterator[OpenPGPSigner]:
    """A new key in a home of its own, gone afterwards."""
    address = address or f"{officer_id}@example.ac.jp"
    with keys.gpg_home() as home:
        yield OpenPGPSigner(officer_id, address, home, keys.make_key(home, officer_id, address))
