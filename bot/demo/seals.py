"""How people's mail programs sign: an entity becomes multipart/signed, by OpenPGP (RFC 3156) or S/MIME (RFC 8551)."""

import base64
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

_GPG_SECONDS = 60


class Seal(Protocol):
    """A person's key in a mail program."""

    def __call__(self, part: bytes) -> bytes:
        """`Content-Type: multipart/signed …` and its body, around exactly `part`, a MIME entity with CRLF lines."""
        ...


@dataclass(frozen=True)
class OpenPGPSeal:
    """`gpg_home` holds the secret key of that primary fingerprint; `gpg` must be there."""

    gpg_home: Path
    fingerprint: str

    def __call__(self, part: bytes) -> bytes:
        kind = 'micalg=pgp-sha256;\r\n protocol="application/pgp-signature"'
        seal = (
            'Content-Type: application/pgp-signature; name="OpenPGP_signature.asc"\r\n'
            'Content-Disposition: attachment; filename="OpenPGP_signature.asc"\r\n\r\n'
        )
        words = "This is an OpenPGP/MIME signed message (RFC 4880 and 3156)"
        return _wrap(part, kind, words, seal.encode() + self.sign(part))

    def sign(self, data: bytes) -> bytes:
        """An armored detached signature (SHA-256) with CRLF lines."""
        command = ["gpg", "--homedir", str(self.gpg_home), "--batch", "--no-tty", "--digest-algo", "SHA256"]
        command += ["--local-user", self.fingerprint, "--armor", "--detach-sign"]
        done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=_GPG_SECONDS)
        return b"\r\n".join(done.stdout.splitlines()) + b"\r\n"


@dataclass(frozen=True)
class SmimeSeal:
    """A certificate with its key, as a mail program has them after taking in a .p12 file."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    def __call__(self, part: bytes) -> bytes:
        kind = 'micalg=sha-256;\r\n protocol="application/pkcs7-signature"'
        seal = (
            "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment; filename=smime.p7s\r\n"
            "Content-Description: S/MIME Cryptographic Signature\r\n\r\n"
        )
        signature = base64.encodebytes(self.sign(part)).replace(b"\n", b"\r\n")
        words = "This is a cryptographically signed message in MIME format."
        return _wrap(part, kind, words, seal.encode() + signature)

    def sign(self, data: bytes) -> bytes:
        """A detached CMS signature (SHA-256) in DER, with the certificate."""
        builder = PKCS7SignatureBuilder().set_data(data)
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])


def _wrap(part: bytes, kind: str, words: str, seal: bytes) -> bytes:
    boundary = f"------------{secrets.token_hex(12)}"
    head = f'Content-Type: multipart/signed; {kind};\r\n boundary="{boundary}"\r\n\r\n{words}\r\n'
    between, end = f"\r\n--{boundary}\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()
    return head.encode() + between[2:] + part + between + seal + end
