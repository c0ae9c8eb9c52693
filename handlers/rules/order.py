"""What the CA is asked to sign: everything that decides the bytes of a certificate or of a revocation list."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handlers.rules.profile import Profile


@dataclass(frozen=True)
class Reserved:
    """A serial that the signer gave, and when: the certificate it is used for begins then."""

    serial: int
    at: datetime


@dataclass(frozen=True)
class IssueOrder:
    """One certificate to sign; its serial and dates are committed before it is handed over.

    `subject`: (type, value) pairs, CN first. `dns_names`: the SAN, lower case A-labels, CN first.
    `public_key`: SPKI in DER. `serial`: positive, at most 32 decimal digits.
    """

    serial: int
    subject: tuple[tuple[str, str], ...]
    dns_names: tuple[str, ...]
    public_key: bytes
    profile: Profile
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Revoked:
    """One line of a revocation list. `reason`: 0, 1, 3, 4 or 5 (RFC 5280 5.3.1)."""

    serial: int
    revoked_at: datetime
    reason: int


def public_key_of(csr_der: bytes) -> bytes:
    """The SPKI (DER) of a PKCS#10 that was checked before."""
    key = x509.load_der_x509_csr(csr_der).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_key_in(certificate: x509.Certificate) -> bytes:
    """The SPKI (DER) of a certificate."""
    key = certificate.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
