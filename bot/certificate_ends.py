"""Until when the officers' pinned S/MIME certificates are good, read from the register's files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handlers.rules.key_ends import KeyState
from handlers.rules.register import Register, SmimeKey
from handlers.rules.scheme import Scheme


def read_certificate_ends(register: Register, directory: Path) -> tuple[KeyState, ...]:
    """One state for each pin whose file holds a certificate of the pinned key; of several the one that lasts longest.

    A file without one gives none: what is wrong with it, those say who verify by it.
    """
    pins = (
        pin
        for institution in register.institutions.values()
        for officer in institution.officers
        for pin in officer.smime
    )
    return tuple(state for pin in pins for state in _state(pin, directory / pin.file))


def _state(pin: SmimeKey, path: Path) -> Iterator[KeyState]:
    ends = [
        found.not_valid_after_utc for found in _certificates(path) if _public_key(found) == pin.public_key
    ]
    if ends:
        yield KeyState(Scheme.SMIME, pin.public_key, max(ends))


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        content = path.read_bytes()
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except (OSError, ValueError):
        return []


def _public_key(certificate: x509.Certificate) -> str:
    try:
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return hashlib.sha256(spki).hexdigest().upper()
