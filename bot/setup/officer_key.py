"""The key that an officer brings to `ringi init`, an OpenPGP key or an S/MIME certificate: told by its content."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.openpgp.key_file import read_key_file
from handlers.rules.scheme import Scheme


@dataclass(frozen=True)
class Pin:
    """What the register is to name: `fingerprint` in hex, capitals; S/MIME: SHA-256 of the public key (SPKI)."""

    scheme: Scheme
    fingerprint: str


def read_officer_key(path: Path) -> Pin:
    """Raises OSError; ValueError for what is not one key that can sign; GpgFault."""
    content = path.read_bytes()
    certificate = _read_certificate(path, content)
    if certificate is None:
        return Pin(Scheme.OPENPGP, _read_openpgp_key(path))
    if b"PRIVATE KEY" in content:
        raise ValueError(f"{path} holds a SECRET key: take the certificate alone")
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pin(Scheme.SMIME, hashlib.sha256(spki).hexdigest().upper())


def is_certificate(path: Path) -> bool:
    """Whether the officer signs by S/MIME; a file that can't be read is told of later."""
    try:
        return _read_certificate(path, path.read_bytes()) is not None
    except (OSError, ValueError):
        return False


def crl_urls(paths: Iterable[Path]) -> tuple[str, ...]:
    """Where the certificates among these files say that their revocation lists are."""
    found = (url for path in paths if is_certificate(path) for url in _crl_urls(path))
    return tuple(dict.fromkeys(found))


def read_source(text: str) -> str:
    """A list's URL as it is; a file with its whole path."""
    return text if text.startswith(("http://", "https://")) else str(Path(text).expanduser().absolute())


def _crl_urls(path: Path) -> Iterator[str]:
    certificate = _read_certificate(path, path.read_bytes())
    assert certificate is not None
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return
    for name in (name for point in points for name in point.full_name or ()):
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(
            ("http://", "https://")
        ):
            yield name.value


def _read_certificate(path: Path, content: bytes) -> x509.Certificate | None:
    """The one certificate in PEM or DER that is no CA's, None where there is none."""
    if b"-----BEGIN CERTIFICATE-----" in content:
        try:
            found = x509.load_pem_x509_certificates(content)
        except ValueError as error:
            raise ValueError(f"{path} holds a certificate that can't be read") from error
        people = [one for one in found if not _is_ca(one)]
        if len(people) != 1:
            raise ValueError(f"{path} must hold one officer's certificate, it holds {len(people)}")
        return people[0]
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError:
        return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _read_openpgp_key(path: Path) -> str:
    found = read_key_file("gpg", path)
    if len(found) != 1:
        raise ValueError(
            f"{path} must hold one public OpenPGP key (or one S/MIME certificate), it holds {len(found)}"
        )
    if found[0].is_secret:
        raise ValueError(f"{path} holds a SECRET key: take the public one (gpg --armor --export)")
    if not found[0].can_sign:
        raise ValueError(f"{path}: the key can't sign, it is expired, revoked, or made for something else")
    return found[0].fingerprint
